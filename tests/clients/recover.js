// ioredis's Cluster through the death and the return of a node: one client object all the time, which must find its way by itself.
//
// recover.js CLUSTER_PORT...
//
// It writes until its standard input ends. A line with a number of nodes on it asks whether the client has found them all and works without an
// error again; the answer is a line, as is each failure.

const readline = require("node:readline");
const { setTimeout: pause } = require("node:timers/promises");
const Redis = require("ioredis");

const WRITERS = 4;
const RECOVER_MS = 30_000;

const seeds = process.argv.slice(2).map((port) => ({ host: "127.0.0.1", port: Number(port) }));
const cluster = new Redis.Cluster(seeds);
// It tells of every connection that it loses; what matters here is what becomes of commands.
cluster.on("error", () => {});

let over = false;

/** Writes new keys, and remembers which were acknowledged. */
async function write(name) {
  const seen = { name, acknowledged: [], failed: 0, gapMs: 0 };
  let last = performance.now();
  for (let count = 0; !over; count++) {
    try {
      await cluster.set(`js:${name}:${count}`, count);
      seen.acknowledged.push(count);
      seen.gapMs = Math.max(seen.gapMs, performance.now() - last);
      last = performance.now();
    } catch {
      seen.failed += 1;
    }
  }
  return seen;
}

/** Whether the client knows so many masters, and every one serves. */
async function works(nodes) {
  if (cluster.nodes("master").length !== nodes) throw new Error(`knows ${cluster.nodes("master").length} masters`);
  for (let index = 0; index < 300; index++) {
    await cluster.set(`probe:${index}`, index);
    const got = await cluster.get(`probe:${index}`);
    if (got !== String(index)) throw new Error(`probe:${index} is ${got}`);
  }
}

async function recovers(nodes) {
  const begin = performance.now();
  let said = "";
  while (performance.now() < begin + RECOVER_MS) {
    try {
      await works(nodes);
      return `works with ${nodes} nodes`;
    } catch (error) {
      said = error.message;
    }
    await pause(50);
  }
  return `FAILED: not recovered to ${nodes} nodes: ${said}`;
}

async function main() {
  const writers = Array.from({ length: WRITERS }, (_, name) => write(name));
  for await (const line of readline.createInterface({ input: process.stdin })) console.log(await recovers(Number(line)));
  over = true;
  const seen = await Promise.all(writers);
  let acknowledged = 0;
  let lost = 0;
  for (const writer of seen) {
    acknowledged += writer.acknowledged.length;
    for (const count of writer.acknowledged) lost += (await cluster.get(`js:${writer.name}:${count}`)) !== String(count);
  }
  const failed = seen.reduce((sum, writer) => sum + writer.failed, 0);
  const gap = Math.max(...seen.map((writer) => writer.gapMs)) / 1000;
  console.log(`${lost ? "FAILED: " : ""}${acknowledged} acknowledged, ${lost} of them lost, ${failed} failed, longest gap ${gap.toFixed(1)} s`);
  cluster.disconnect();
}

main().catch((error) => {
  console.log(`FAILED: ${error.stack}`);
  process.exit(1);
});
