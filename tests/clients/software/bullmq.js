// BullMQ: queues, delayed and repeated jobs, retries, priorities, flows, rate limits. Usage: bullmq.js PORT
const assert = require('assert');
const { Queue, Worker, FlowProducer, QueueEvents } = require('bullmq');

const connection = { port: Number(process.argv[2]), host: '127.0.0.1', maxRetriesPerRequest: null };
// All keys of a queue in one slot, for the node may be one of a ring.
const options = { connection, prefix: '{bull}' };
const opened = [];
const open = (thing) => { opened.push(thing); thing.on('error', (error) => { throw error; }); return thing; };

async function until(condition, what) {
  for (let n = 0; n < 400; n++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${what} within 20 s`);
}

async function jobs() {
  const queue = open(new Queue('sums', options));
  await queue.obliterate({ force: true });
  const events = open(new QueueEvents('sums', options));
  await events.waitUntilReady();
  const heard = [];
  events.on('completed', ({ jobId }) => heard.push(jobId));
  const order = [];
  const worker = open(new Worker('sums', async (job) => {
    order.push(job.name);
    await job.updateProgress(50);
    await job.log('seen');
    if (job.name === 'third' && job.attemptsMade < 2) throw new Error('not yet');
    if (job.name === 'fail') throw new Error('on purpose');
    return job.data.a + job.data.b;
  }, { ...options, autorun: false, concurrency: 1 }));
  const added = await queue.addBulk(Array.from({ length: 30 }, (_, n) => ({ name: 'add', data: { a: n, b: n } })));
  const first = await queue.add('first', { a: 1, b: 1 }, { priority: 1 });
  await queue.add('last', { a: 1, b: 1 }, { priority: 10 });
  assert.equal(await queue.getWaitingCount() + await queue.getPrioritizedCount(), 32);
  worker.run();
  assert.deepEqual(await Promise.all(added.map((job) => job.waitUntilFinished(events, 20000))), added.map((_, n) => 2 * n));
  assert.equal(await first.waitUntilFinished(events, 20000), 2);
  assert.ok(order.indexOf('first') < order.length && order.at(0) === 'add');
  const third = await queue.add('third', { a: 1, b: 2 }, { attempts: 3, backoff: { type: 'fixed', delay: 20 } });
  assert.equal(await third.waitUntilFinished(events, 20000), 3);
  const failing = await queue.add('fail', {});
  await assert.rejects(failing.waitUntilFinished(events, 20000), /on purpose/);
  assert.equal(await failing.getState(), 'failed');
  assert.deepEqual((await queue.getJobLogs(failing.id)).logs, ['seen']);
  const began = Date.now();
  const delayed = await queue.add('delayed', { a: 5, b: 6 }, { delay: 500 });
  assert.equal(await delayed.getState(), 'delayed');
  assert.equal(await delayed.waitUntilFinished(events, 20000), 11);
  assert.ok(Date.now() - began >= 490);
  await until(() => heard.length >= 34, 'events of completed jobs');
  await queue.pause();
  const waits = await queue.add('paused', { a: 0, b: 0 });
  assert.equal(await queue.isPaused(), true);
  await waits.remove();
  await queue.resume();
  assert.ok((await queue.getJobCounts('completed', 'failed')).completed >= 33);
}

async function repeated() {
  const queue = open(new Queue('repeated', options));
  await queue.obliterate({ force: true });
  const runs = [];
  open(new Worker('repeated', async (job) => { runs.push(job.name); }, options));
  await queue.upsertJobScheduler('often', { every: 100 }, { name: 'tick' });
  await until(() => runs.length >= 3, 'three runs');
  assert.equal((await queue.getJobSchedulers()).length, 1);
  assert.equal(await queue.removeJobScheduler('often'), true);
}

async function flows() {
  const flow = open(new FlowProducer(options));
  const children = open(new Queue('children', options));
  await children.obliterate({ force: true });
  const parents = open(new Queue('parents', options));
  await parents.obliterate({ force: true });
  open(new Worker('children', async (job) => job.data.n * 2, options));
  let sum;
  open(new Worker('parents', async (job) => {
    sum = Object.values(await job.getChildrenValues()).reduce((a, b) => a + b, 0);
    return sum;
  }, options));
  await flow.add({ name: 'sum', queueName: 'parents', children: [1, 2, 3].map((n) => ({ name: 'child', queueName: 'children', data: { n } })) });
  await until(() => sum === 12, 'the parent after its children');
}

async function limits() {
  const queue = open(new Queue('limited', options));
  await queue.obliterate({ force: true });
  const at = [];
  open(new Worker('limited', async () => { at.push(Date.now()); }, { ...options, limiter: { max: 2, duration: 400 } }));
  await queue.addBulk(Array.from({ length: 5 }, () => ({ name: 'x', data: {} })));
  await until(() => at.length === 5, 'five jobs');
  assert.ok(at[4] - at[0] >= 700, `${at[4] - at[0]} ms for five jobs, two in 400 ms`);
}

(async () => {
  await jobs();
  await repeated();
  await flows();
  await limits();
  await Promise.all(opened.map((thing) => thing.close()));
  process.exit(0);
})().catch((error) => { console.error(error); process.exit(1); });
