// Kafka's own administration tools against our broker: kafka-transactions finds and aborts a transaction that hangs, kafka-configs makes users who then
// authenticate with Kafka's client. Skipped where a real Kafka cannot be run.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { run } from '../support/programs.ts';
import { canRunRealKafka, kafkaJars } from '../support/real-kafka.ts';
import { freePort, startTestBroker, type TestBroker } from '../support/test-broker.ts';
import { ask } from '../support/in-process.ts';
import { batchOf } from '../support/text-batches.ts';

describe.skipIf(!canRunRealKafka())("Kafka's administration tools", () => {
  let server: TestBroker;
  let classPath: string;
  let folder: string;
  let plain: string;
  let secured: string;

  beforeAll(async () => {
    const ports = [await freePort(), await freePort()] as const;
    [plain, secured] = [`127.0.0.1:${ports[0]}`, `127.0.0.1:${ports[1]}`];
    classPath = (await kafkaJars()).join(':');
    folder = await mkdtemp(join(tmpdir(), 'tailrace-admin-tools-'));
    server = await startTestBroker({
      listen: [
        { host: '127.0.0.1', port: ports[0] },
        { host: '127.0.0.1', port: ports[1], sasl: ['SCRAM-SHA-512'] },
      ],
    });
    const topics = [{ name: 'hanging', numPartitions: 1, replicationFactor: 1 }];
    await ask(server.broker, 'CreateTopics', { topics });
  });
  afterAll(async () => {
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function tool(name: string, ...args: string[]): Promise<string> {
    const java = ['-Xmx128m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-cp', classPath, name, ...args];
    const { code, stdout, stderr } = await run('java', java);
    if (code !== 0) throw new Error(`${name} ended with ${code}: ${stdout}${stderr}`);
    return stdout;
  }

  test('kafka-transactions finds a transaction that hangs, and aborts it', async () => {
    const partition = server.broker.log.partition('hanging', 0)!;
    const producer = { producerId: 4242, producerEpoch: 0, baseSequence: 0, isTransactional: true };
    await partition.append(batchOf(['lost'], producer), { origin: 'client' }).durable;
    const transactions = (...args: string[]) =>
      tool('org.apache.kafka.tools.TransactionsCommand', '--bootstrap-server', plain, ...args);
    const found = await transactions(
      'find-hanging',
      '--topic',
      'hanging',
      '--partition',
      '0',
      '--max-transaction-timeout',
      '0',
    );
    expect(found).toMatch(/hanging\s+0\s+4242\s+0\s/);
    expect(partition.lastStableOffset).toBe(0);
    await transactions('abort', '--topic', 'hanging', '--partition', '0', '--start-offset', '0');
    expect(partition.lastStableOffset).toBe(2);
    expect(partition.producers()).toMatchObject([{ producerId: 4242, currentTransactionStartOffset: -1 }]);
  });

  test('kafka-configs alters settings of the broker, and shows where they come from', async () => {
    const configs = (...args: string[]) =>
      tool('kafka.admin.ConfigCommand', '--bootstrap-server', plain, '--entity-type', 'brokers', ...args);
    const added = await configs('--entity-name', '1', '--alter', '--add-config', 'log.retention.ms=7000000');
    expect(added).toContain('Completed updating config for broker 1');
    await configs('--entity-default', '--alter', '--add-config', 'log.retention.ms=8000000,message.max.bytes=2000000');
    const own = await configs('--entity-name', '1', '--describe');
    expect(own).toMatch(
      /log.retention.ms=7000000 sensitive=false synonyms={DYNAMIC_BROKER_CONFIG:log.retention.ms=7000000, DYNAMIC_DEFAULT_BROKER_CONFIG:log.retention.ms=8000000, DEFAULT_CONFIG:log.retention.ms=604800000}/,
    );
    await expect(configs('--entity-name', '1', '--alter', '--add-config', 'log.cleaner.threads=2')).rejects.toThrow(
      "There is no broker setting 'log.cleaner.threads'",
    );
  });

  test('kafka-configs makes a user, who authenticates', async () => {
    const configs = (...args: string[]) =>
      tool('kafka.admin.ConfigCommand', '--bootstrap-server', plain, '--entity-type', 'users', ...args);
    const options = ['--add-config', 'SCRAM-SHA-512=[iterations=8192,password=wonder]'];
    await configs('--entity-name', 'alice', '--alter', ...options);
    expect(await configs('--describe')).toMatch(/alice.*SCRAM-SHA-512=iterations=8192/);
    const properties = join(folder, 'client.properties');
    const login =
      'org.apache.kafka.common.security.scram.ScramLoginModule required username="alice" password="wonder";';
    await writeFile(
      properties,
      `security.protocol=SASL_PLAINTEXT\nsasl.mechanism=SCRAM-SHA-512\nsasl.jaas.config=${login}\n`,
    );
    const listing = ['--bootstrap-server', secured, '--command-config', properties, '--list'];
    expect(await tool('org.apache.kafka.tools.TopicCommand', ...listing)).toContain('hanging');
  });
});
