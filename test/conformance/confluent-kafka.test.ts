// confluent-kafka (librdkafka's Python client) against our broker; see confluent_client.py for the scenarios. Skipped where Python or the package
// cannot be had.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from '../support/programs.ts';
import { pythonWith } from '../support/python-venv.ts';
import { startTestBroker, type TestBroker } from '../support/test-broker.ts';

const python = pythonWith('confluent_kafka', ['confluent-kafka']);
const script = join(import.meta.dirname, 'confluent_client.py');

function numbered(prefix: string, from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, index) => `${prefix}${from + index}`);
}

describe.skipIf(python === undefined)('confluent-kafka', () => {
  let server: TestBroker;
  beforeAll(async () => {
    server = await startTestBroker();
  });
  afterAll(() => server.close());

  async function scenario(name: string): Promise<unknown> {
    const result = await run(python!, [script, server.bootstrap, name], '', 100_000);
    expect(result, result.stderr).toMatchObject({ code: 0 });
    return JSON.parse(result.stdout) as unknown;
  }

  test('a group reads, commits and goes on where it was', async () => {
    expect(await scenario('group')).toEqual({
      read: numbered('v', 0, 60).sort(),
      resumed: numbered('v', 60, 70).sort(),
      committed: 60,
    });
  });

  test('two members share the partitions', async () => {
    expect(await scenario('share')).toEqual({
      shared: [
        [0, 1],
        [2, 3],
      ],
    });
  });

  test('a transaction is seen as a whole or not at all, and fences', async () => {
    expect(await scenario('transaction')).toEqual({
      committed: [...numbered('committed ', 0, 5), ...numbered('committed ', 0, 5)],
      uncommitted: 21,
      fenced: true,
    });
  });

  test('topic to topic, offsets in the transaction', async () => {
    expect(await scenario('copy')).toEqual({ values: numbered('V', 0, 20), committed: 20 });
  });

  test('administration', async () => {
    expect(await scenario('admin')).toMatchObject({
      ...{
        retention: '12345',
        partitions: 5,
        state: 'STABLE',
        members: 1,
        listed: true,
        watermarks: [0, 0],
        deleted: true,
      },
      errors: {
        'bad name!': 'TOPIC_EXCEPTION',
        'py-admin': 'TOPIC_ALREADY_EXISTS',
        'py-rf': 'INVALID_REPLICATION_FACTOR',
      },
    });
  });
});
