// node-redis: all data types, MULTI and WATCH, publishing, a pool, scripts, iterators. Usage: node_redis.js PORT [ring]
//
// Commands that take several keys as one step name keys of one slot, for the node may be one of a ring.
const assert = require('assert');
const { createClient, createClientPool, defineScript } = require('redis');

const port = Number(process.argv[2]);
const inRing = process.argv[3] === 'ring';
const socket = { port, host: '127.0.0.1' };

async function strings(client) {
  assert.equal(await client.set('k', 'v', { EX: 100, NX: true }), 'OK');
  assert.equal(await client.set('k', 'w', { NX: true }), null);
  assert.equal(await client.get('k'), 'v');
  assert.equal(await client.ttl('k') > 97, true);
  assert.equal(await client.getDel('k'), 'v');
  assert.deepEqual(await client.mSet([['a', '1'], ['b', '2']]), 'OK');
  assert.deepEqual(await client.mGet(['a', 'b', 'c']), ['1', '2', null]);
  assert.equal(await client.incrBy('a', 41), 42);
  assert.equal(Number(await client.incrByFloat('b', 0.5)), 2.5);
  assert.equal(await client.setBit('bits', 7, 1), 0);
  assert.equal(await client.bitCount('bits'), 1);
  assert.equal(await client.pfAdd('hll', ['a', 'b', 'c']), 1);
  assert.equal(await client.pfCount('hll'), 3);
  assert.equal(await client.copy('a', 'a2'), 1);
  assert.equal(await client.type('a2'), 'string');
  assert.deepEqual(await client.del(['a', 'b', 'a2', 'bits', 'hll']), 5);
}

async function collections(client) {
  assert.equal(await client.hSet('h', { name: 'Ada', born: '1815' }), 2);
  assert.deepEqual({ ...await client.hGetAll('h') }, { name: 'Ada', born: '1815' });
  assert.equal(await client.hIncrBy('h', 'born', 1), 1816);
  assert.deepEqual(await client.hmGet('h', ['name', 'none']), ['Ada', null]);
  assert.deepEqual((await client.hKeys('h')).sort(), ['born', 'name']);

  assert.equal(await client.rPush('l', ['a', 'b', 'c', 'b']), 4);
  assert.deepEqual(await client.lRange('l', 0, -1), ['a', 'b', 'c', 'b']);
  assert.deepEqual(await client.lPosCount('l', 'b', 0), [1, 3]);
  assert.equal(await client.lMove('l', 'l', 'LEFT', 'RIGHT'), 'a');
  assert.deepEqual(await client.lPopCount('l', 2), ['b', 'c']);
  assert.deepEqual(await client.lmPop('l', 'RIGHT', { COUNT: 5 }), ['l', ['a', 'b']]);

  assert.equal(await client.sAdd('s', ['1', '2', '3']), 3);
  assert.deepEqual((await client.sMembers('s')).sort(), ['1', '2', '3']);
  assert.deepEqual(await client.smIsMember('s', ['1', '9']), [1, 0]);
  assert.equal(await client.sAdd('{s}2', ['2', '3', '4']), 3);
  assert.deepEqual((await client.sInter(['s', '{s}2'])).sort(), ['2', '3']);
  assert.equal(await client.sUnionStore('{s}3', ['s', '{s}2']), 4);

  assert.equal(await client.zAdd('z', [{ score: 1, value: 'a' }, { score: 2.5, value: 'b' }, { score: 7, value: 'c' }]), 3);
  assert.deepEqual(await client.zRangeWithScores('z', 0, -1), [
    { value: 'a', score: 1 }, { value: 'b', score: 2.5 }, { value: 'c', score: 7 }]);
  assert.deepEqual(await client.zRange('z', '(1', '+inf', { BY: 'SCORE', LIMIT: { offset: 0, count: 1 } }), ['b']);
  assert.equal(await client.zIncrBy('z', 2, 'a'), 3);
  assert.equal(await client.zRank('z', 'a'), 1);
  assert.deepEqual(await client.zPopMax('z'), { value: 'c', score: 7 });
  assert.deepEqual(await client.zmScore('z', ['a', 'x']), [3, null]);
  assert.deepEqual(await client.sort('s', { DIRECTION: 'DESC' }), ['3', '2', '1']);
}

async function transactions(client) {
  const replies = await client.multi().set('{t}a', '1').incr('{t}a').get('{t}a').rPush('{t}l', 'x').exec();
  assert.deepEqual(replies, ['OK', 2, '2', 1]);
  assert.deepEqual(await client.multi().ping().exec(), ['PONG']);
  const pool = createClientPool({ socket }, { minimum: 1, maximum: 5 });
  await pool.connect();
  const add = () => pool.execute(async (one) => {
    for (;;) {
      await one.watch('{t}n');
      const n = Number(await one.get('{t}n'));
      try {
        return await one.multi().set('{t}n', String(n + 1)).exec();
      } catch (error) {
        assert.equal(error.constructor.name, 'WatchError');
      }
    }
  });
  await Promise.all(Array.from({ length: 30 }, add));
  assert.equal(await pool.get('{t}n'), '30');
  pool.destroy();
}

async function publishing(client) {
  const subscriber = client.duplicate();
  await subscriber.connect();
  const heard = [];
  await subscriber.subscribe('news', (message, channel) => heard.push([channel, message]));
  await subscriber.pSubscribe('new?', (message, channel) => heard.push(['pattern', channel, message]));
  assert.equal(await client.publish('news', 'one'), 2);
  while (heard.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(heard, [['news', 'one'], ['pattern', 'news', 'one']]);
  await subscriber.unsubscribe('news');
  await subscriber.pUnsubscribe();
  assert.equal(await client.publish('news', 'two'), 0);
  subscriber.destroy();
}

async function blocking(client) {
  const waiting = client.duplicate();
  await waiting.connect();
  const popped = waiting.blPop('{q}1', 5);
  await client.rPush('{q}1', 'job');
  assert.deepEqual({ ...await popped }, { key: '{q}1', element: 'job' });
  assert.equal(await waiting.bzPopMin('{q}2', 0.05), null);
  await waiting.close();
}

async function iterators(client) {
  for (let from = 0; from < 1000; from += 100) {
    await Promise.all(Array.from({ length: 100 }, (_, n) => client.set(`scan:${from + n}`, 'v')));
  }
  const found = new Set();
  for await (const keys of client.scanIterator({ MATCH: 'scan:*', COUNT: 100 })) keys.forEach((key) => found.add(key));
  assert.equal(found.size, 1000);
  await client.hSet('big', Object.fromEntries(Array.from({ length: 600 }, (_, n) => [`f${n}`, `${n}`])));
  const fields = new Set();
  for await (const entries of client.hScanIterator('big')) entries.forEach(({ field }) => fields.add(field));
  assert.equal(fields.size, 600);
  await client.zAdd('zbig', Array.from({ length: 600 }, (_, n) => ({ score: n, value: `m${n}` })));
  const members = new Set();
  for await (const entries of client.zScanIterator('zbig')) entries.forEach(({ value }) => members.add(value));
  assert.equal(members.size, 600);
}

const addAll = defineScript({
  NUMBER_OF_KEYS: 1,
  SCRIPT: "local n = redis.call('GET', KEYS[1]) or 0 for _, a in ipairs(ARGV) do n = n + a end redis.call('SET', KEYS[1], n) return n",
  parseCommand(parser, key, ...numbers) {
    parser.pushKey(key);
    parser.push(...numbers.map(String));
  },
  transformReply: (reply) => reply,
});

async function all(RESP) {
  const client = createClient({ socket, RESP, scripts: { addAll } });
  client.on('error', (error) => { throw error; });
  await client.connect();
  await client.flushAll();
  await strings(client);
  await collections(client);
  await transactions(client);
  await publishing(client);
  await blocking(client);
  await iterators(client);
  assert.equal(await client.addAll('sum', 1, 2, 3), 6);
  assert.equal(await client.addAll('sum', 10), 16);
  assert.deepEqual(await client.eval('return {KEYS[1], ARGV[1]}', { keys: ['k'], arguments: ['a'] }), ['k', 'a']);
  // Sent together without a transaction.
  assert.equal((await Promise.all(Array.from({ length: 2000 }, (_, n) => client.incr('many')))).at(-1), 2000);
  await assert.rejects(client.sendCommand(['NOPE']), /unknown command/);
  await assert.rejects(client.lPush('many', 'x'), /WRONGTYPE/);
  if (inRing) await assert.rejects(client.rename('a', 'b'), /CROSSSLOT|no such key/);
  await client.flushAll();
  await client.close();
}

Promise.resolve().then(() => all(2)).then(() => all(3)).catch((error) => { console.error(error); process.exit(1); });
