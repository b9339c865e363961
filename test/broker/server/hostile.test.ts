// Clients that mean harm, or are broken: random bytes, requests that never end, answers that nobody reads, crowds. The broker stays within its memory,
// says in one line why it closed a connection, and goes on serving everybody else.
import { afterEach, expect, test } from 'vitest';
import { type Logger, silentLogger } from '../../../base/logger.ts';
import { seededRandom } from '../../../base/random.ts';
import { RequestBudget } from '../../../broker/server/request-budget.ts';
import { apis } from '../../../broker/wire/apis.ts';
import { RawClient } from '../../support/raw-client.ts';
import { startTestBroker, type TestBroker } from '../../support/test-broker.ts';
import { batchOf, valuesOf } from '../../support/text-batches.ts';

/** On a busy machine a crowd takes its time. */
const patient = { timeout: 20_000 };
let server: TestBroker;
const warnings: string[] = [];
const logger: Logger = {
  ...silentLogger,
  warn: (message, fields) => warnings.push(`${message}: ${fields?.reason ?? ''}`),
  error: (message, fields) => warnings.push(`error ${message}: ${fields?.reason ?? ''}`),
  child: () => logger,
};

async function start(settings: Record<string, number> = {}) {
  warnings.length = 0;
  server = await startTestBroker({ logger, settings });
  const client = await RawClient.connect(server.port);
  const topics = [{ name: 'lines', numPartitions: 1, replicationFactor: 1 }];
  await client.request('CreateTopics', 7, apis.CreateTopics.request.create({ topics }));
  return client;
}
afterEach(() => server.close());

const metadata = apis.Metadata.request.create({ topics: [] });
const produce = (value: string) =>
  apis.Produce.request.create({
    ...{ acks: -1, timeoutMs: 5000 },
    topicData: [{ name: 'lines', partitionData: [{ index: 0, records: batchOf([value]) }] }],
  });

test('random bytes close the connection that sent them and no other', async () => {
  const client = await start();
  const random = seededRandom(7);
  for (let round = 0; round < 60; round++) {
    const raw = await RawClient.connect(server.port);
    const bytes = random.bytes(1 + Math.floor(random.next() * 600));
    // Half of them look like a request of ours up to the header, so that bodies are met too.
    if (round % 2 === 0 && bytes.length > 12) {
      bytes.writeInt32BE(bytes.length - 4, 0);
      const known = Object.values(apis)[Math.floor(random.next() * Object.keys(apis).length)]!;
      bytes.writeInt16BE(known.key, 4);
      bytes.writeInt16BE(known.versions[1], 6);
      bytes.writeInt16BE(-1, 12);
    }
    raw.socket.end(bytes);
    await raw.closed;
  }
  await expect(client.request('Metadata', 9, metadata)).resolves.toMatchObject({ brokers: [{}] });
  expect(warnings.filter((line) => line.startsWith('error'))).toEqual([]);
  expect(warnings.length).toBeLessThanOrEqual(60);
  await expect.poll(() => server.broker.connections, patient).toBe(1);
  client.close();
});

test('requests that never end take no more than queued.max.request.bytes together; who sent most is closed', async () => {
  const client = await start({ 'queued.max.request.bytes': 4_000_000 });
  const half = Buffer.alloc(4 + 600_000);
  half.writeInt32BE(50_000_000, 0);
  const halves = await Promise.all(Array.from({ length: 4 }, () => RawClient.connect(server.port)));
  for (const raw of halves) raw.socket.write(half);
  const greedy = await RawClient.connect(server.port);
  greedy.socket.write(half);
  greedy.socket.write(Buffer.alloc(2_000_000));
  await greedy.closed;
  expect(warnings).toEqual([expect.stringContaining('of requests that are not complete')]);
  await expect(client.request('Produce', 9, produce('x'.repeat(500_000)))).resolves.toMatchObject({
    responses: [{ partitionResponses: [{ errorCode: 0 }] }],
  });
  expect(server.broker.connections).toBe(5);
  for (const raw of [...halves, client]) raw.close();
});

test('answers that nobody reads make those of others smaller, but do not stop them', async () => {
  const client = await start({ 'queued.max.request.bytes': 3_000_000 });
  const values = Array.from({ length: 8 }, (_, index) => `${index} ${'x'.repeat(900_000)}`);
  for (const value of values) await client.request('Produce', 9, produce(value));
  const fetch = (fetchOffset: number) => {
    const partitions = [{ partition: 0, fetchOffset, partitionMaxBytes: 50_000_000 }];
    const topics = [{ topic: 'lines', partitions }];
    return apis.Fetch.request.create({ maxWaitMs: 0, minBytes: 1, maxBytes: 50_000_000, topics });
  };
  const read = async (offset: number) => {
    const answer = await client.request('Fetch', 12, fetch(offset));
    return valuesOf(answer.responses[0]!.partitions[0]!.records);
  };
  expect((await read(0)).length).toBeGreaterThan(1);
  const slow = await Promise.all(Array.from({ length: 6 }, () => RawClient.connect(server.port)));
  for (const raw of slow) {
    raw.socket.pause();
    for (let round = 0; round < 30; round++) raw.request('Fetch', 12, fetch(0)).catch(() => undefined);
  }
  await expect.poll(async () => (await read(0)).length, patient).toBe(1);
  for (const [offset, value] of values.entries()) expect(await read(offset)).toEqual([value]);
  for (const raw of slow) raw.close();
  await expect.poll(async () => (await read(0)).length, patient).toBeGreaterThan(1);
  client.close();
});

test('a crowd that says nothing is no burden to who works, and leaves nothing behind', async () => {
  const client = await start();
  const crowd: RawClient[] = [];
  // No more at once than the system keeps in line for the listener.
  while (crowd.length < 1000) {
    crowd.push(...(await Promise.all(Array.from({ length: 100 }, () => RawClient.connect(server.port)))));
  }
  await expect.poll(() => server.broker.connections, patient).toBe(1001);
  await expect(client.request('Produce', 9, produce('x'))).resolves.toMatchObject({ responses: [{}] });
  for (const raw of crowd) raw.close();
  await expect.poll(() => server.broker.connections, patient).toBe(1);
  expect(warnings).toEqual([]);
  client.close();
});

test('a budget counts many small pieces for what they are', () => {
  const budget = new RequestBudget(10_000);
  const closed: string[] = [];
  const [small, dripping] = ['small', 'dripping'].map((name) => ({ giveUp: () => void closed.push(name) }));
  budget.hold(small!, 5000, 1);
  budget.hold(dripping!, 15, 15);
  expect(closed).toEqual([]);
  budget.hold(dripping!, 25, 25);
  expect(closed).toEqual(['dripping']);
  budget.hold(small!, 0, 0);
  budget.hold(small!, 9000, 1);
  expect(closed).toEqual(['dripping']);
});
