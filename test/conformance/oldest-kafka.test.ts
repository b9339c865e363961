// The oldest Kafka that works: our client's suite, and a pipeline with two topics (which have no ids there) into files. On demand: CONFORMANCE=all.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../base/clock.ts';
import { SocketTransport } from '../../broker/client/socket-transport.ts';
import { describeClient } from '../broker/client/behaviour.ts';
import { endAll, run } from '../support/command.ts';
import { canRunJava } from '../support/maven-jars.ts';
import { startOldestKafka } from '../support/oldest-kafka.ts';

describe.skipIf(process.env['CONFORMANCE'] !== 'all' || !canRunJava())('Kafka 2.5.1', () => {
  describeClient('Kafka 2.5.1', async () => {
    const kafka = await startOldestKafka();
    const bootstrap = [{ host: '127.0.0.1', port: kafka.port }];
    return {
      transport: (clientId: string) => new SocketTransport({ bootstrap, clientId, clock: systemClock }),
      stop: () => kafka.stop(),
    };
  });

  describe('the whole', () => {
    let kafka: Awaited<ReturnType<typeof startOldestKafka>>;
    let folder: string;
    beforeAll(async () => {
      kafka = await startOldestKafka();
      folder = mkdtempSync(join(tmpdir(), 'tailrace-oldest-'));
    }, 300_000);
    afterAll(async () => {
      await endAll();
      await kafka.stop();
      rmSync(folder, { recursive: true, force: true });
    });

    it('delivers two topics through one edge, and finds each record', async () => {
      mkdirSync(join(folder, 'logs'));
      for (const name of ['one', 'two']) writeFileSync(join(folder, 'logs', `${name}.log`), `${name} 1\n${name} 2\n`);
      writeFileSync(
        join(folder, 'tailrace.yaml'),
        `
broker: kafka://127.0.0.1:${kafka.port}
agents: { one: "tail:./logs/one.log", two: "tail:./logs/two.log" }
pipelines: { keep: { from: [ one, two ], to: files } }
sinks: { files: { type: file, path: "out/{topic}-{partition}-{offset}.log", roll: { idle: 100ms } } }
`,
      );
      const command = (...args: string[]) => run(args, { cwd: folder });
      for (const round of ['up', 'again']) {
        const done = await command('up', '--once', '--data', `data-${round}`);
        expect(done.code, done.stdout + done.stderr).toBe(0);
      }
      const names = readdirSync(join(folder, 'out')).filter((name) => !name.startsWith('.'));
      const lines = names.flatMap((name) =>
        readFileSync(join(folder, 'out', name), 'utf8')
          .split('\n')
          .slice(0, -1),
      );
      // Two instances, as two machines that have the same files.
      expect(lines.toSorted()).toEqual(['one 1', 'one 1', 'one 2', 'one 2', 'two 1', 'two 1', 'two 2', 'two 2']);
      const audited = await command('audit');
      expect(audited.code, audited.stdout + audited.stderr).toBe(0);
      const found = await command('why', 'logs/two.log:2');
      expect(found.stdout, found.stderr).toMatch(/→ .*out\/two-.*\.log:2 +two 2/);
      expect((await command('groups', 'list', '--broker', `127.0.0.1:${kafka.port}`)).stdout).toMatch(
        /keep\.files +(Stable|Empty)/,
      );
    }, 120_000);
  });
});
