// Programs (programs.ts): 100,000 records each, on our broker and on a real Kafka, with CONFORMANCE=all. What is not there is skipped by name.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readAll } from '../../support/topic-readers.ts';
import { brokerNames, isLong, recorded, useBrokers } from './brokers.ts';
import type { BrokerName } from './page.ts';
import { lineCount, type Program } from './program.ts';
import { programs } from './programs.ts';

describe.skipIf(!isLong)('programs', () => {
  const brokers = useBrokers();

  async function attempt({ name, run }: Program, broker: BrokerName): Promise<string> {
    const client = brokers.client(broker);
    const topic = `${name.replaceAll(' ', '-')}-lines`;
    await client.admin().createTopic({ name: topic, partitions: 3 });
    const folder = mkdtempSync(join(tmpdir(), `tailrace-${topic}-`));
    const stored = async () =>
      [...(await client.admin().offsets(topic, 'latest')).values()].reduce((sum, end) => sum + end, 0);
    try {
      const read = await run({ bootstrap: brokers.bootstrap(broker), topic, folder, stored, client });
      const written = new Map<string, number>();
      await readAll(client, topic, (_partition, _offset, value) => written.set(value, (written.get(value) ?? 0) + 1));
      const copies = [...written.values()].reduce((sum, count) => sum + count, 0);
      expect(written.size).toBe(lineCount);
      if (read !== undefined) expect(new Set(read).size).toBe(lineCount);
      return `${copies - lineCount} doubled in the topic${read === undefined ? '' : `, ${read.length - lineCount} as read back`}`;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  for (const program of programs)
    test.skipIf(!program.isThere()).for([...brokerNames])(
      `${program.name} ${program.does}, on %s`,
      { timeout: 600_000 },
      async (broker) => {
        const { name: client, does: feature } = program;
        const cell = { table: 'programs', client, version: await program.version(), feature, broker } as const;
        await recorded(cell, () => attempt(program, broker));
      },
    );
});
