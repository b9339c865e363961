// Kafka's own commands, as tools.ts lists them, in one Java machine, against our broker, and with CONFORMANCE=all against a real Kafka too. They are one
// course: a step sees what those before it have done.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../../support/command.ts';
import { canRunTools, JavaTools } from '../../support/java-tools.ts';
import { brokerNames, recorded, useBrokers } from './brokers.ts';
import type { BrokerName } from './page.ts';
import { mainOf, type Step, steps } from './tools.ts';

const name = 'tools';
const subcommandFirst = new Set(['kafka-transactions', 'kafka-metadata-quorum', 'kafka-features']);

describe.skipIf(!canRunTools())('commands of Kafka', () => {
  const brokers = useBrokers();
  let java: JavaTools;
  let version: string;
  let folder: string;
  beforeAll(async () => {
    java = await JavaTools.open();
    version = (await java.run(mainOf('kafka-topics'), ['--version'])).stdout.trim().split(' ')[0]!;
    folder = mkdtempSync(join(tmpdir(), 'tailrace-tools-'));
    const partitions = [{ topic: name, partition: 0, offset: -1 }];
    writeFileSync(join(folder, 'deletions.json'), JSON.stringify({ version: 1, partitions }));
    for (const broker of brokerNames) {
      const client = brokers.client(broker);
      for (const topic of ['more', 'open', 'load', 'latency'])
        await client.admin().createTopic({ name: `${name}-${topic}`, partitions: 1 });
      const producer = client.producer({ transactionalId: `${name}-open` });
      await producer.init();
      const transaction = producer.begin();
      transaction.send([{ topic: `${name}-open`, partition: 0, value: Buffer.from('never decided') }]);
      await until('the open record', async () => (await client.admin().offsets(`${name}-open`, 'latest')).get(0) === 1);
    }
  });
  afterAll(() => {
    java.close();
    rmSync(folder, { recursive: true, force: true });
  });

  async function attempt({ tool, args, prints, code = 0, input = '' }: Step, broker: BrokerName): Promise<void> {
    const given = args.replaceAll('NAME', name).replaceAll('DELETIONS', join(folder, 'deletions.json')).split(' ');
    const at = ['--bootstrap-server', brokers.bootstrap(broker)];
    const command = [...(subcommandFirst.has(tool) ? [...at, ...given] : [...given, ...at])].filter(
      (part) => part !== '',
    );
    const ended = await java.run(mainOf(tool), command, input);
    const printed = ended.stdout + (code === 0 ? '' : ended.stderr);
    expect(ended.code, `${ended.stdout}${ended.stderr}`).toBe(code);
    expect(printed).toMatch(new RegExp(prints.source.replaceAll('NAME', name), prints.flags));
  }

  for (const broker of brokerNames)
    test.for(steps.filter(({ notOurs }) => broker === 'kafka' || notOurs === undefined))(
      `$tool: $does on ${broker}`,
      (step) => {
        const cell = { table: 'tools', client: step.tool, version, feature: step.does, broker } as const;
        return recorded(cell, () => attempt(step, broker).then(() => step.notOurs));
      },
    );
});
