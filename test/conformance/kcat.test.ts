// What kcat (librdkafka) does beyond the table of clients: it lists, and produces idempotently. Skipped where it is not installed (Debian: apt-get install
// kcat).
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isInstalled, run } from '../support/programs.ts';
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

  test('idempotent producing', async () => {
    await kcat(['-P', '-t', 'idempotent', '-p', '0', '-X', 'enable.idempotence=true'], lines.join('\n'));
    const out = await kcat(['-C', '-t', 'idempotent', '-p', '0', '-o', 'beginning', '-e', '-q']);
    expect(out.trimEnd().split('\n')).toEqual(lines);
  });
});
