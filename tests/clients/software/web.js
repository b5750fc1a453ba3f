// What web servers keep: sessions (express-session with connect-redis) and limits of requests (rate-limiter-flexible). Usage: web.js PORT
const assert = require('assert');
const http = require('http');
const express = require('express');
const session = require('express-session');
const { RedisStore } = require('connect-redis');
const { createClient } = require('redis');
const Redis = require('ioredis');
const { RateLimiterRedis, BurstyRateLimiter } = require('rate-limiter-flexible');

const port = Number(process.argv[2]);

function get(at, path, cookie) {
  return new Promise((resolve, reject) => {
    http.get({ port: at, path, headers: cookie ? { cookie } : {} }, (response) => {
      let body = '';
      response.on('data', (data) => { body += data; });
      response.on('end', () => resolve({ body, cookie: (response.headers['set-cookie'] || [cookie])[0] }));
    }).on('error', reject);
  });
}

async function sessions() {
  const client = createClient({ socket: { port } });
  await client.connect();
  await client.flushAll();
  const store = new RedisStore({ client, ttl: 100 });
  const app = express();
  app.use(session({ store, secret: 'test', resave: false, saveUninitialized: false }));
  app.get('/count', (request, response) => {
    request.session.count = (request.session.count || 0) + 1;
    response.send(String(request.session.count));
  });
  app.get('/end', (request, response) => request.session.destroy(() => response.send('gone')));
  const server = app.listen(0);
  const at = server.address().port;
  const first = await get(at, '/count');
  assert.equal(first.body, '1');
  assert.equal((await get(at, '/count', first.cookie)).body, '2');
  assert.equal((await get(at, '/count')).body, '1');
  assert.equal((await store.ids()).length, 2);
  assert.equal(await store.length(), 2);
  assert.equal((await store.all()).length, 2);
  const key = (await client.keys('sess:*'))[0];
  assert.ok(await client.ttl(key) > 90);
  await get(at, '/end', first.cookie);
  assert.equal((await get(at, '/count', first.cookie)).body, '1');
  await store.clear();
  assert.equal(await store.length(), 0);
  server.close();
  server.closeAllConnections();
  await client.close();
}

async function limits() {
  const storeClient = new Redis({ port });
  const limiter = new RateLimiterRedis({ storeClient, points: 5, duration: 100, blockDuration: 200 });
  const results = await Promise.allSettled(Array.from({ length: 8 }, () => limiter.consume('user')));
  assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 5);
  assert.equal((await limiter.get('user')).consumedPoints >= 6, true);
  assert.equal(await limiter.delete('user'), true);
  assert.equal((await limiter.penalty('user', 2)).consumedPoints, 2);
  assert.equal((await limiter.reward('user', 1)).consumedPoints, 1);
  await limiter.block('blocked', 10);
  await assert.rejects(limiter.consume('blocked'));
  const bursty = new BurstyRateLimiter(
    new RateLimiterRedis({ storeClient, points: 2, duration: 100, keyPrefix: 'a' }),
    new RateLimiterRedis({ storeClient, points: 3, duration: 100, keyPrefix: 'b' }));
  const burst = await Promise.allSettled(Array.from({ length: 7 }, () => bursty.consume('user')));
  assert.equal(burst.filter(({ status }) => status === 'fulfilled').length, 5);
  await storeClient.flushall();
  storeClient.disconnect();
}

sessions().then(limits).catch((error) => { console.error(error); process.exit(1); });
