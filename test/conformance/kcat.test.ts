// kcat (librdkafka) against our broker: lists, produces and consumes with every codec, alone and in a group. Skipped where kcat is not installed
// (Debian: apt-get install kcat).
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readBatchHeader } from '../../broker/wire/record-batch.ts';
import { fetchRequest } from '../../broker/wire/messages/01-fetch.ts';
import { isInstalled, run } from '../support/programs.ts';
import { RawClient } from '../support/raw-client.ts';
import { startTestBroker, type TestBroker } from '../support/test-broker.ts';

const lines = Array.from({ length: 500 }, (_, index) => `line ${index} of a text${' that compresses well'.repeat(3)}`);

describe.skipIf(!isInstalled('kcat', ['-V']))('kcat', () => {
  let server: TestBroker;
  beforeAll(async () => {
    server = await startTestBroker({ settings: { 'num.partitions': 2 } });
  });
  afterAll(() => server.close());

  async function kcat(args: string[], input = ''): Promise<string> {
    const result = await run('kcat', ['-b', server.bootstrap, ...args], input);
    expect(result, result.stderr).toMatchObject({ code: 0 });
    return result.stdout;
  }

  test.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'])('produces and consumes with codec %s', async (codec) => {
    const topic = `codec-${codec}`;
    await kcat(['-P', '-t', topic, '-p', '0', '-z', codec], lines.join('\n'));
    const out = await kcat(['-C', '-t', topic, '-p', '0', '-o', 'beginning', '-e', '-q']);
    expect(out.trimEnd().split('\n')).toEqual(lines);
    const raw = await RawClient.connect(server.port);
    const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 << 20 }];
    const stored = await raw.request('Fetch', 11, fetchRequest.create({ topics: [{ topic, partitions }] }));
    expect(readBatchHeader(stored.responses[0]!.partitions[0]!.records[0]!).compression).toBe(codec);
    raw.close();
  });

  test('lists brokers, topics and partitions', async () => {
    await kcat(['-P', '-t', 'listed', '-p', '1'], 'x');
    const list = JSON.parse(await kcat(['-L', '-J'])) as {
      brokers: { id: number; name: string }[];
      topics: { topic: string; partitions: { partition: number; leader: number }[] }[];
    };
    expect(list.brokers).toEqual([{ id: 1, name: server.bootstrap }]);
    const listed = list.topics.find(({ topic }) => topic === 'listed');
    expect(listed?.partitions).toMatchObject([
      { partition: 0, leader: 1 },
      { partition: 1, leader: 1 },
    ]);
  });

  test('keys, headers and timestamps come back as they were sent', async () => {
    await kcat(['-P', '-t', 'headed', '-p', '0', '-K', ':', '-H', 'origin=test'], 'key:value');
    const out = await kcat(['-C', '-t', 'headed', '-p', '0', '-o', 'beginning', '-e', '-q', '-f', '%k|%s|%h|%o']);
    expect(out).toBe('key|value|origin=test|0');
  });

  test('queries offsets by time', async () => {
    await kcat(['-P', '-t', 'timed', '-p', '0'], 'a\nb');
    expect(await kcat(['-Q', '-t', 'timed:0:1'])).toContain('timed [0] offset 0');
    expect(await kcat(['-Q', '-t', 'timed:0:-1'])).toContain('timed [0] offset 2');
  });

  test('consumes in a group, commits, and goes on where it was', async () => {
    await kcat(['-P', '-t', 'grouped'], lines.slice(0, 100).join('\n'));
    const options = ['-X', 'auto.offset.reset=earliest', '-X', 'enable.auto.offset.store=true', '-q'];
    const first = await kcat(['-G', 'readers', ...options, '-c', '100', 'grouped']);
    expect(first.trimEnd().split('\n').sort()).toEqual(lines.slice(0, 100).sort());
    await kcat(['-P', '-t', 'grouped'], lines.slice(100, 150).join('\n'));
    const second = await kcat(['-G', 'readers', ...options, '-c', '50', 'grouped']);
    expect(second.trimEnd().split('\n').sort()).toEqual(lines.slice(100, 150).sort());
  });

  test('idempotent producing', async () => {
    await kcat(['-P', '-t', 'idempotent', '-p', '0', '-X', 'enable.idempotence=true'], lines.join('\n'));
    const out = await kcat(['-C', '-t', 'idempotent', '-p', '0', '-o', 'beginning', '-e', '-q']);
    expect(out.trimEnd().split('\n')).toEqual(lines);
  });
});
