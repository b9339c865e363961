// Connections over a real socket: answers in order, appends pipelined, and everything that is no request ends in a closed connection and nothing else.
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type Logger, silentLogger } from '../../../base/logger.ts';
import { Reader } from '../../../broker/wire/reader.ts';
import { apiVersionsRequest, apiVersionsResponse } from '../../../broker/wire/messages/18-api-versions.ts';
import { createTopicsRequest } from '../../../broker/wire/messages/19-create-topics.ts';
import { fetchRequest } from '../../../broker/wire/messages/01-fetch.ts';
import { findCoordinatorRequest } from '../../../broker/wire/messages/10-find-coordinator.ts';
import { metadataRequest } from '../../../broker/wire/messages/03-metadata.ts';
import { produceRequest } from '../../../broker/wire/messages/00-produce.ts';
import { batchOf, valuesOf } from '../../support/text-batches.ts';
import { RawClient } from '../../support/raw-client.ts';
import { freePort, startTestBroker, type TestBroker } from '../../support/test-broker.ts';

const warnings: string[] = [];
const logger: Logger = {
  ...silentLogger,
  warn: (message, fields) => warnings.push(`${message}: ${fields?.reason ?? ''}`),
  child: () => logger,
};

let server: TestBroker;
let client: RawClient;

beforeAll(async () => {
  server = await startTestBroker({ logger });
  client = await RawClient.connect(server.port);
  const topics = [{ name: 'lines', numPartitions: 1, replicationFactor: 1 }];
  await client.request('CreateTopics', 7, createTopicsRequest.create({ topics }));
});
afterAll(() => server.close());

function produceBody(values: readonly string[], acks = -1, topic = 'lines') {
  const partitionData = [{ index: 0, records: batchOf(values) }];
  return produceRequest.create({ acks, timeoutMs: 1000, topicData: [{ name: topic, partitionData }] });
}

function fetchBody(fetchOffset: number, options: { maxWaitMs?: number; minBytes?: number } = {}) {
  const partitions = [{ partition: 0, fetchOffset, partitionMaxBytes: 1 << 20 }];
  return fetchRequest.create({ maxWaitMs: 0, minBytes: 1, ...options, topics: [{ topic: 'lines', partitions }] });
}

test('requests sent in one write act and are answered in their order', async () => {
  const own = await RawClient.connect(server.port);
  const produced = [0, 1, 2, 3, 4].map((number) => own.prepare('Produce', 9, produceBody([`pipelined ${number}`])));
  const metadata = own.prepare('Metadata', 12, metadataRequest.create({ topics: null }));
  const last = own.prepare('Produce', 3, produceBody(['pipelined 5']));
  own.socket.write(Buffer.concat([...produced, metadata, last].map(({ bytes }) => bytes)));
  const answers = await Promise.all([...produced, last].map(({ answer }) => answer));
  const offsets = answers.map((answer) => answer.responses[0]!.partitionResponses[0]!.baseOffset);
  expect(offsets).toEqual([0, 1, 2, 3, 4, 5].map((number) => offsets[0]! + number));
  expect(own.answered).toEqual([1, 2, 3, 4, 5, 6, 7]);
  const fetched = await own.request('Fetch', 12, fetchBody(offsets[0]!));
  expect(valuesOf(fetched.responses[0]!.partitions[0]!.records)).toEqual(
    [0, 1, 2, 3, 4, 5].map((number) => `pipelined ${number}`),
  );
  own.close();
});

test('an answer that comes when the memory of its request is free still names the topic by its id', async () => {
  const own = await RawClient.connect(server.port);
  const topics = await own.request('Metadata', 12, metadataRequest.create({ topics: [{ name: 'lines' }] }));
  const topicId = Buffer.from(topics.topics[0]!.topicId);
  const partitionData = [{ index: 0, records: batchOf(['by id']) }];
  const body = produceRequest.create({ acks: -1, timeoutMs: 1000, topicData: [{ topicId, partitionData }] });
  const answers = [own.prepare('Produce', 13, body), own.prepare('Produce', 13, body)];
  own.socket.write(Buffer.concat(answers.map(({ bytes }) => bytes)));
  for (const { answer } of answers) {
    const [topic] = (await answer).responses;
    expect([topic!.topicId, topic!.partitionResponses[0]!.errorCode]).toEqual([topicId, 0]);
  }
  own.close();
});

test('a fetch waits for data and is woken by it', async () => {
  const [reader, writer] = [await RawClient.connect(server.port), await RawClient.connect(server.port)];
  const end =
    (await writer.request('Produce', 9, produceBody(['before']))).responses[0]!.partitionResponses[0]!.baseOffset + 1;
  const waiting = reader.request('Fetch', 11, fetchBody(end, { maxWaitMs: 20_000 }));
  const behind = reader.request('Metadata', 1, metadataRequest.create({ topics: [] }));
  await writer.request('Produce', 9, produceBody(['woken']));
  expect(valuesOf((await waiting).responses[0]!.partitions[0]!.records)).toEqual(['woken']);
  await behind;
  expect(reader.answered).toEqual([1, 2]);
  reader.close();
  writer.close();
});

test('a fetch at the end answers empty, not null, when its time is up', async () => {
  const end =
    (await client.request('Produce', 9, produceBody(['x']))).responses[0]!.partitionResponses[0]!.baseOffset + 1;
  const answer = await client.request('Fetch', 4, fetchBody(end, { maxWaitMs: 5 }));
  expect(answer.responses[0]!.partitions[0]).toMatchObject({ errorCode: 0, highWatermark: end, records: [] });
});

test('acks=0 is not answered, and what follows it is', async () => {
  const own = await RawClient.connect(server.port);
  const silent = own.prepare('Produce', 9, produceBody(['silent'], 0));
  const metadata = own.prepare('Metadata', 9, metadataRequest.create({ topics: [] }));
  own.socket.write(Buffer.concat([silent.bytes, metadata.bytes]));
  await metadata.answer;
  expect(own.answered).toEqual([metadata.correlationId]);
  own.close();
});

test('acks=0 that fails closes the connection', async () => {
  const own = await RawClient.connect(server.port);
  own.socket.write(own.prepare('Produce', 9, produceBody(['silent'], 0, 'not-there')).bytes);
  await own.closed;
  expect(warnings.at(-1)).toContain('acks=0 to partition 0 failed with UNKNOWN_TOPIC_OR_PARTITION');
});

test('ApiVersions of an unknown version is answered in version 0 with error 35 and the list', async () => {
  const own = await RawClient.connect(server.port);
  const frame = own.prepare('ApiVersions', 4, apiVersionsRequest.create({})).bytes;
  frame.writeInt16BE(99, 6);
  const answer = new Promise<Buffer>((resolve) => own.socket.once('data', resolve));
  own.socket.write(frame);
  const body = apiVersionsResponse.read(new Reader(await answer, 8), 0);
  expect(body.errorCode).toBe(35);
  expect(body.apiKeys.find(({ apiKey }) => apiKey === 18)).toEqual({ apiKey: 18, minVersion: 0, maxVersion: 4 });
  expect(body.apiKeys.find(({ apiKey }) => apiKey === 0)).toMatchObject({ minVersion: 0 });
  const names = { clientSoftwareName: 'raw', clientSoftwareVersion: '1' };
  expect((await own.request('ApiVersions', 3, apiVersionsRequest.create(names))).errorCode).toBe(0);
  own.close();
});

test.each([
  [
    'an HTTP request',
    Buffer.from('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n'),
    'An HTTP request came to the Kafka port',
  ],
  ['a size above the limit', Buffer.from([0x7f, 0xff, 0xff, 0xff]), 'claims 2147483647 bytes'],
  [
    'an unknown API',
    Buffer.from([0, 0, 0, 10, 0x7f, 0, 0, 0, 0, 0, 0, 1, 0, 0]),
    'API key 32512 version 0 is not served',
  ],
  [
    'a version that is not served',
    Buffer.from([0, 0, 0, 10, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0]),
    'Produce version 1 is not served',
  ],
  [
    'a body that is cut short',
    Buffer.from([0, 0, 0, 11, 0, 3, 0, 9, 0, 0, 0, 1, 0, 0, 0]),
    'MetadataRequest version 9',
  ],
])('%s closes the connection with one line in the log', async (_, bytes, reason) => {
  const own = await RawClient.connect(server.port);
  const before = warnings.length;
  own.socket.write(bytes);
  await own.closed;
  expect(warnings.slice(before)).toEqual([expect.stringContaining(reason)]);
  await expect(client.request('Metadata', 0, metadataRequest.create({}))).resolves.toBeDefined();
});

test('a frame that never ends does no harm', async () => {
  const own = await RawClient.connect(server.port);
  own.socket.end(own.prepare('Produce', 9, produceBody(['half'])).bytes.subarray(0, 40));
  await own.closed;
  await expect(client.request('Metadata', 0, metadataRequest.create({}))).resolves.toBeDefined();
});

test('a client that does not read its answers holds up nobody, and gets them all when it reads', async () => {
  const big = 'x'.repeat(900_000);
  const offset = (await client.request('Produce', 9, produceBody([big]))).responses[0]!.partitionResponses[0]!
    .baseOffset;
  const slow = await RawClient.connect(server.port);
  slow.socket.pause();
  const fetches = Array.from({ length: 30 }, () => slow.prepare('Fetch', 12, fetchBody(offset)));
  slow.socket.write(Buffer.concat(fetches.map(({ bytes }) => bytes)));
  for (let round = 0; round < 5; round++) await client.request('Fetch', 12, fetchBody(offset));
  slow.socket.resume();
  const answers = await Promise.all(fetches.map(({ answer }) => answer));
  expect(answers.every(({ responses }) => valuesOf(responses[0]!.partitions[0]!.records)[0] === big)).toBe(true);
  expect(slow.answered).toEqual(fetches.map(({ correlationId }) => correlationId));
  slow.close();
});

test('a silent connection is closed after connections.max.idle.ms', async () => {
  const other = await startTestBroker({ settings: { 'connections.max.idle.ms': 30 } });
  const own = await RawClient.connect(other.port);
  await own.closed;
  await other.close();
});

test('connections beyond the limits are refused', async () => {
  const other = await startTestBroker({ settings: { 'max.connections.per.ip': 1 } });
  const first = await RawClient.connect(other.port);
  await first.request('Metadata', 0, metadataRequest.create({}));
  const second = await RawClient.connect(other.port);
  await second.closed;
  await first.request('Metadata', 0, metadataRequest.create({}));
  await other.close();
});

test('closing the broker lets waiting fetches go with an answer', async () => {
  const other = await startTestBroker();
  const own = await RawClient.connect(other.port);
  await own.request(
    'CreateTopics',
    2,
    createTopicsRequest.create({ topics: [{ name: 'lines', numPartitions: 1, replicationFactor: 1 }] }),
  );
  const waiting = own.request('Fetch', 11, fetchBody(0, { maxWaitMs: 60_000 }));
  await vi.waitFor(() => expect(other.broker.waitingRequests).toBe(1));
  const [answer] = await Promise.all([waiting, other.close()]);
  expect(answer.responses[0]!.partitions[0]!.errorCode).toBe(0);
  await own.closed;
});

test('clients are sent to where they came in, or to what is advertised', async () => {
  const [port, advertisedAt] = [await freePort(), await freePort()];
  const listen = [
    { host: '0.0.0.0', port },
    { host: '127.0.0.1', port: advertisedAt, advertisedHost: 'kafka.example', advertisedPort: 9 },
  ];
  const other = await startTestBroker({ listen });
  for (const [to, host, expectedPort] of [
    [port, '127.0.0.1', port],
    [advertisedAt, 'kafka.example', 9],
  ] as const) {
    const own = await RawClient.connect(to);
    const { brokers } = await own.request('Metadata', 9, metadataRequest.create({ topics: [] }));
    expect(brokers).toMatchObject([{ host, port: expectedPort }]);
    const { coordinators } = await own.request(
      'FindCoordinator',
      4,
      findCoordinatorRequest.create({ coordinatorKeys: ['g'] }),
    );
    expect(coordinators).toMatchObject([{ key: 'g', nodeId: 1, host, port: expectedPort }]);
    own.close();
  }
  await other.close();
});
