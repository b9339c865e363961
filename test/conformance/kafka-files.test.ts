// The files on disk are Kafka's: DumpLogSegments reads ours deeply and finds its indexes sane; a real broker serves records that ours has written, and ours
// serves those of a real broker. A real broker takes over our groups, and ours takes over its.
import { copyFileSync, globSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { systemRandom } from '../../base/random.ts';
import { createClient } from '../../broker/client/client.ts';
import type { KafkaClient } from '../../broker/client/contract.ts';
import { parseBootstrap, SocketTransport } from '../../broker/client/socket-transport.ts';
import { apis } from '../../broker/wire/apis.ts';
import { run } from '../support/programs.ts';
import { RawClient } from '../support/raw-client.ts';
import { canRunRealKafka, type RealCluster, startRealCluster } from '../support/real-kafka.ts';
import { startTestBroker, type TestBroker } from '../support/test-broker.ts';
import { recordsOf } from '../broker/client/bench.ts';
import { describeGroups, makeGroups } from './taken-over-groups.ts';

const codecs = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;
const topic = 'app';
/** The partition of all groups. */
const offsetsTopic = '__consumer_offsets-0';
const parts = [`${topic}-0`, offsetsTopic];
/** Small segments, so that there are several with indexes that have entries. */
const configs = { 'segment.bytes': '1048576', 'index.interval.bytes': '4096' };

function clientOf(bootstrap: string): KafkaClient {
  const transport = new SocketTransport({
    bootstrap: parseBootstrap(bootstrap),
    clientId: 'files',
    clock: systemClock,
  });
  return createClient({ transport, clientId: 'files', clock: systemClock, random: systemRandom, logger: silentLogger });
}

/** Fills the topic: every codec, keys and headers, transactions committed and aborted, some three megabytes. */
async function fill(client: KafkaClient): Promise<void> {
  await client.admin().createTopic({ name: topic, partitions: 1, configs });
  for (const compression of codecs) {
    const plain = client.producer({ compression });
    for (let lot = 0; lot < 10; lot++) {
      const records = Array.from({ length: 100 }, (_, index) => ({
        topic,
        key: index % 3 === 0 ? Buffer.from(`key ${index}`) : null,
        value: Buffer.from(`${compression} ${lot} ${index} ${systemRandom.bytes(250).toString('base64')}`),
        headers: [{ key: 'lot', value: Buffer.from(String(lot)) }],
        timestampMs: 1_700_000_000_000 + lot * 1000 + index,
      }));
      await plain.send(records);
    }
    await plain.close();
    const transactional = client.producer({ transactionalId: `tx-${compression}`, compression });
    await transactional.init();
    for (const end of ['commit', 'abort', 'commit'] as const) {
      const transaction = transactional.begin();
      transaction.send([1, 2, 3].map((number) => ({ topic, value: Buffer.from(`${compression} ${end} ${number}`) })));
      await transaction[end]();
    }
    await transactional.close();
  }
}

/** What a reader of committed records sees, with offsets. */
async function readAll(client: KafkaClient): Promise<string[]> {
  const end = (await client.admin().offsets(topic, 'latest')).get(0)!;
  const consumer = client.consumer({ isolation: 'read_committed', maxWaitMs: 500 });
  await consumer.assign([{ topic, partition: 0, offset: 0 }]);
  const found: string[] = [];
  while (consumer.position({ topic, partition: 0 }) < end)
    found.push(...recordsOf(await consumer.poll()).map(({ offset, value }) => `${offset} ${value}`));
  await consumer.close();
  return found;
}

/** Takes the place of the records of a stopped broker: the log files alone, everything that can be made of them is removed. */
function transplant(from: string, to: string): void {
  const derived = ['.log', '.index', '.timeindex', '.txnindex', '.snapshot'];
  for (const name of readdirSync(to))
    if (derived.some((ending) => name.endsWith(ending)) || name === 'leader-epoch-checkpoint') rmSync(join(to, name));
  for (const path of globSync(join(from, '*.log'))) copyFileSync(path, join(to, basename(path)));
}

async function withRaw<T>(port: number, use: (client: RawClient) => Promise<T>): Promise<T> {
  const client = await RawClient.connect(port);
  try {
    return await use(client);
  } finally {
    client.close();
  }
}

/** Until the broker has the topic of its groups, and has read it. */
async function untilCoordinates(client: RawClient): Promise<void> {
  const find = apis.FindCoordinator.request.create({ keyType: 0, coordinatorKeys: ['any'] });
  const fetch = apis.OffsetFetch.request.create({ groups: [{ groupId: 'any', topics: null }] });
  const errorCodes = async () => {
    const { coordinators } = await client.request('FindCoordinator', 4, find);
    const { groups } = await client.request('OffsetFetch', 8, fetch);
    return [coordinators[0]?.errorCode, groups[0]?.errorCode];
  };
  await expect.poll(errorCodes, { timeout: 60_000 }).toEqual([0, 0]);
}

/** Both brokers, each started on the same records, say the same of the groups. */
async function expectSameGroups(theirPort: number, ourPort: number, prefix: string): Promise<void> {
  const seen = async (client: RawClient) => {
    await untilCoordinates(client);
    return describeGroups(client, prefix);
  };
  const expected = await withRaw(theirPort, seen);
  expect(expected.listed).toHaveLength(6);
  expect(await withRaw(ourPort, seen)).toEqual(expected);
}

describe.skipIf(!canRunRealKafka())('files on disk', () => {
  let kafka: RealCluster;
  let ours: TestBroker;
  let written: string[];
  let folder: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tailrace-kafka-files-'));
    const settings = { 'offsets.topic.num.partitions': '1' };
    [kafka, ours] = await Promise.all([startRealCluster(1, { settings }), startTestBroker()]);
    const client = clientOf(ours.bootstrap);
    await fill(client);
    written = await readAll(client);
    await withRaw(ours.port, (raw) => makeGroups(raw, topic, 'ours'));
    await client.close();
    expect(written).toHaveLength(codecs.length * 1006);
  });
  afterAll(async () => {
    await Promise.all([kafka.stop(), ours.close()]);
    rmSync(folder, { recursive: true, force: true });
  });

  const dump = async (directory: string, ...args: string[]) => {
    const files = globSync(join(directory, '*.{log,index,timeindex,txnindex,snapshot}')).sort();
    const tool = ['-cp', kafka.classPath, 'org.apache.kafka.tools.DumpLogSegments', '--files', files.join(',')];
    const { code, stdout, stderr } = await run('java', ['-Xmx256m', '-XX:TieredStopAtLevel=1', ...tool, ...args]);
    expect(code, stderr).toBe(0);
    return { files, stdout };
  };

  it('of ours pass DumpLogSegments', async () => {
    const directory = join(ours.dataDirectory, `${topic}-0`);
    const { files, stdout } = await dump(directory, '--deep-iteration', '--print-data-log');
    expect(files.filter((path) => path.endsWith('.log')).length).toBeGreaterThan(1);
    expect(stdout.match(/^\| offset: /gm)?.length).toBeGreaterThanOrEqual(written.length);
    expect(stdout).toMatch(/endTxnMarker: COMMIT/);
    expect(stdout).toMatch(/endTxnMarker: ABORT/);
    expect(stdout).toMatch(/producerId: \d+ producerEpoch/);
    // Random payloads say anything now and then.
    expect(stdout.replaceAll(/ payload: .*/g, '')).not.toMatch(
      /isvalid: false|mismatch|could not be|corrupt|found|invalid/i,
    );
    const { stdout: sanity } = await dump(directory, '--index-sanity-check');
    for (const path of files.filter((each) => /\.(time)?index$/.test(each)))
      expect(sanity).toContain(`${path} passed sanity check.`);
  });

  it('of our groups are decoded by DumpLogSegments', async () => {
    const { stdout } = await dump(join(ours.dataDirectory, offsetsTopic), '--deep-iteration', '--offsets-decoder');
    // Offsets, classic groups, and of new ones: epochs, topics, members, the assignment's epoch, targets, what members hold, expressions.
    const kinds = new Set([...stdout.matchAll(/key: \{"type":"(\d+)"/g)].map((match) => Number(match[1])));
    expect([...kinds].sort((left, right) => left - right)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 16]);
    expect(stdout.match(/key: /g)).toHaveLength(stdout.match(/key: \{"type"/g)!.length);
    expect(stdout.match(/payload: /g)).toHaveLength(stdout.match(/payload: (\{"version"|<DELETE>)/g)!.length);
  });

  it('of ours are served by a real broker, with our groups', async () => {
    const client = clientOf(kafka.bootstrap);
    await client.admin().createTopic({ name: topic, partitions: 1, configs });
    await client.close();
    await withRaw(kafka.nodes[0]!.port, untilCoordinates);
    await ours.broker.close();
    const [node] = kafka.nodes;
    await node!.shutDown();
    for (const name of parts) transplant(join(ours.dataDirectory, name), join(node!.logDirectory, name));
    await node!.start();
    await ours.restart();
    await expectSameGroups(node!.port, ours.port, 'ours');
    const again = clientOf(kafka.bootstrap);
    expect(await readAll(again)).toEqual(written);
    await again.producer().send([{ topic, value: Buffer.from('more') }]);
    expect((await readAll(again)).at(-1)).toMatch(/ more$/);
    await again.admin().deleteTopic(topic);
    await again.close();
  });

  it('of a real broker are served by ours, with its groups', async () => {
    const source = clientOf(kafka.bootstrap);
    await expect.poll(() => source.admin().topics([topic]), { timeout: 20_000 }).toEqual([]);
    await fill(source);
    const theirs = await readAll(source);
    expect(theirs).toHaveLength(written.length);
    await source.close();
    const [node] = kafka.nodes;
    await withRaw(node!.port, (raw) => makeGroups(raw, topic, 'theirs'));
    await node!.shutDown();
    await ours.broker.close();
    for (const name of parts) transplant(join(node!.logDirectory, name), join(ours.dataDirectory, name));
    await ours.restart();
    const client = clientOf(ours.bootstrap);
    expect(await readAll(client)).toEqual(theirs);
    await client.producer().send([{ topic, value: Buffer.from('more') }]);
    expect((await readAll(client)).at(-1)).toMatch(/ more$/);
    await client.close();
    await node!.start();
    await expectSameGroups(node!.port, ours.port, 'theirs');
  });
});
