// ioredis's plain client against a node: what an application does. It speaks RESP2. Usage: ioredis.js PORT
// With TORC_CLIENTS_CA, the file of an authority, it comes by TLS.

const assert = require("node:assert/strict");
const fs = require("node:fs");
const Redis = require("ioredis");

const port = Number(process.argv[2]);
const authority = process.env.TORC_CLIENTS_CA;
const secured = authority ? { tls: { ca: fs.readFileSync(authority) } } : {};

async function strings(redis) {
  assert.equal(await redis.set("k", "v"), "OK");
  assert.equal(await redis.get("k"), "v");
  assert.equal(await redis.get("absent"), null);
  assert.equal(await redis.set("k", "w", "EX", 100, "NX"), null);
  assert.equal(await redis.set("k", "w", "PX", 100000, "XX"), "OK");
  assert.ok((await redis.pttl("k")) > 90000);
  assert.equal(await redis.incrby("n", 41), 41);
  assert.equal(await redis.incr("n"), 42);
  assert.equal(await redis.incrbyfloat("n", 0.5), "42.5");
  assert.equal(await redis.mset({ a: 1, b: "zwei", c: "ü" }), "OK");
  assert.deepEqual(await redis.mget("a", "b", "c", "absent"), ["1", "zwei", "ü", null]);
  const bytes = Buffer.from([0, 255, 13, 10, 0]);
  assert.equal(await redis.set(bytes, bytes), "OK");
  assert.deepEqual(await redis.getBuffer(bytes), bytes);
  const large = "x".repeat(3_000_000);
  await redis.set("large", large);
  assert.equal(await redis.get("large"), large);
  assert.equal(await redis.setbit("bits", 7, 1), 0);
  assert.equal(await redis.bitcount("bits"), 1);
  assert.equal(await redis.pfadd("visitors", "ada", "grace", "ada"), 1);
  assert.equal(await redis.pfcount("visitors"), 2);
  await assert.rejects(redis.incr("k"), /not an integer/);
  await assert.rejects(redis.call("NOPE"), /unknown command/);
}

async function keys(redis) {
  await redis.flushall();
  const names = Array.from({ length: 1000 }, (_, index) => `key:${index}`);
  await Promise.all(names.map((name) => redis.set(name, name)));
  const found = new Set();
  for await (const some of redis.scanStream({ match: "key:*", count: 100 })) some.forEach((name) => found.add(name));
  assert.deepEqual([...found].sort(), [...names].sort());
  assert.equal(await redis.dbsize(), 1000);
  assert.equal(await redis.del(names.slice(0, 500)), 500);
  assert.equal(await redis.unlink(names.slice(500)), 500);
  assert.equal(await redis.type("key:1"), "none");
}

async function pipelines(redis) {
  const pipe = redis.pipeline();
  for (let index = 0; index < 2000; index++) pipe.set(`p:${index}`, index).incr(`p:${index}`);
  const replies = await pipe.exec();
  assert.equal(replies.length, 4000);
  replies.forEach(([error, reply], at) => {
    assert.equal(error, null);
    assert.equal(reply, at % 2 === 0 ? "OK" : (at - 1) / 2 + 1);
  });
  const [first, second] = await redis.pipeline().set("text", "abc").incr("text").exec();
  assert.deepEqual(first, [null, "OK"]);
  assert.match(second[0].message, /not an integer/);
}

async function connections() {
  const three = new Redis({ port, ...secured, db: 3, connectionName: "three" });
  const zero = new Redis({ port, ...secured, enableAutoPipelining: true });
  await three.set("where", "three");
  await Promise.all(Array.from({ length: 500 }, (_, index) => zero.set(`auto:${index}`, index)));
  const values = await Promise.all(Array.from({ length: 500 }, (_, index) => zero.get(`auto:${index}`)));
  assert.deepEqual(values, Array.from({ length: 500 }, (_, index) => String(index)));
  assert.equal(await zero.get("where"), null);
  assert.equal(await three.client("GETNAME"), "three");
  // Closed from the other side, a client connects anew and goes on.
  await zero.client("KILL", "ID", await three.client("ID"));
  assert.equal(await three.get("where"), "three");
  await Promise.all([three.quit(), zero.quit()]);
}

async function main() {
  const redis = new Redis({ port, ...secured });
  await redis.flushall();
  for (const part of [strings, keys, pipelines]) await part(redis);
  await connections();
  await redis.flushall();
  await redis.quit();
  console.log(`ioredis ${require("ioredis/package.json").version}: all passed`);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
