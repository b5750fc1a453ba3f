// ioredis against a ring: plain clients on every node's port, and Cluster on a cluster port. Usage: ring.js CLUSTER_PORT PORT...

const assert = require("node:assert/strict");
const Redis = require("ioredis");

const [clusterPort, ...ports] = process.argv.slice(2).map(Number);
const COUNT = 200;
const names = Array.from({ length: COUNT }, (_, index) => `js:${index}`);
const values = names.map((_, index) => String(index));

async function scanned(client, match) {
  const found = new Set();
  for await (const some of client.scanStream({ match, count: 50 })) some.forEach((name) => found.add(name));
  return [...found].sort();
}

/** Whatever node an application talks to, it sees all keys. */
async function plainClients() {
  const clients = ports.map((port) => new Redis({ port }));
  const turn = (index) => clients[index % clients.length];
  await turn(0).flushall();
  await Promise.all(names.map((name, index) => turn(index).set(name, index)));
  assert.deepEqual(await Promise.all(names.map((name, index) => turn(index + 1).get(name))), values);
  assert.deepEqual(await turn(2).mget(names), values);
  const replies = await names.reduce((pipe, name) => pipe.get(name), turn(1).pipeline()).exec();
  assert.deepEqual(replies, values.map((value) => [null, value]));
  for (const client of clients) assert.deepEqual(await scanned(client, "js:*"), [...names].sort());
  await Promise.all(clients.map((client) => client.quit()));
}

/** Finds what the plain clients wrote; asks each node itself. */
async function clusterClient(options) {
  const cluster = new Redis.Cluster([{ host: "127.0.0.1", port: clusterPort }], options);
  // Each node leads some slots and keeps copies of others, and ioredis sends READONLY to none that leads any.
  if (options.scaleReads) cluster.on("+node", (node) => node.readonly());
  assert.deepEqual(await Promise.all(names.map((name) => cluster.get(name))), values);
  const counted = await Promise.all(names.map((_, index) => cluster.incr(`count:${index % 7}`)));
  assert.equal(Math.max(...counted), Math.ceil(COUNT / 7));
  await Promise.all(Array.from({ length: 7 }, (_, index) => cluster.del(`count:${index}`)));
  assert.deepEqual(await cluster.mget("{js}a", "{js}b"), [null, null]);
  // Its pipelines take keys of one node.
  const pipe = cluster.pipeline();
  for (let index = 0; index < COUNT; index++) pipe.set(`{one}${index}`, index);
  assert.ok((await pipe.exec()).every(([error, reply]) => error === null && reply === "OK"));
  const masters = cluster.nodes("master");
  assert.equal(masters.length, ports.length);
  // On a cluster port each node tells of its own keys.
  const parts = await Promise.all(masters.map((node) => scanned(node, "js:*")));
  assert.deepEqual(parts.flat().sort(), [...names].sort());
  await cluster.quit();
}

async function main() {
  await plainClients();
  await clusterClient({});
  await clusterClient({ enableAutoPipelining: true });
  await clusterClient({ scaleReads: "slave" });
  console.log(`ioredis ${require("ioredis/package.json").version}: all passed`);
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
