// What confluent-kafka (librdkafka's Python client) does beyond the table of clients: fencing, copying in transactions, and what tools ask of groups; see
// clients/confluent_client.py. Skipped where Python or the package cannot be had.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from '../support/programs.ts';
import { pythonWith } from '../support/python-venv.ts';
import { startTestBroker, type TestBroker } from '../support/test-broker.ts';
import { numbered } from './clients/features.ts';

const python = pythonWith('confluent_kafka', ['confluent-kafka']);
const script = join(import.meta.dirname, 'clients', 'confluent_client.py');

describe.skipIf(python === undefined)('confluent-kafka', () => {
  let server: TestBroker;
  beforeAll(async () => {
    server = await startTestBroker();
  });
  afterAll(() => server.close());

  async function scenario(name: string): Promise<unknown> {
    const result = await run(python!, ['-B', script, server.bootstrap, name, `py-${name}`], '', 100_000);
    expect(result, result.stderr).toMatchObject({ code: 0 });
    return JSON.parse(result.stdout) as unknown;
  }

  test('a second producer of the same transactional id fences the first', async () => {
    expect(await scenario('fencing')).toBe('fenced');
  });

  test('topic to topic, offsets in the transaction', async () => {
    expect(await scenario('copy')).toEqual({ values: numbered('V', 0, 20), committed: 20 });
  });

  test('groups are described, listed and deleted, and wrong topics are refused', async () => {
    expect(await scenario('groups')).toEqual({
      ...{ state: 'STABLE', members: 1, listed: true, watermarks: [0, 0] },
      errors: {
        'bad name': 'TOPIC_EXCEPTION',
        there: 'TOPIC_ALREADY_EXISTS',
        replicas: 'INVALID_REPLICATION_FACTOR',
      },
    });
  });
});
