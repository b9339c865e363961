// Two Tailrace processes with the same file on a real cluster of three Kafka brokers: the broker that leads a partition is killed in mid-stream (twice where
// CLUSTER_LINES is 200,000 or more), and one of the two processes is killed and comes back. Every line is in the files exactly once.
// CLUSTER_LINES: 40,000 unless told; the long form is CLUSTER_LINES=400000.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { systemRandom } from '../../base/random.ts';
import { createClient } from '../../broker/client/client.ts';
import type { KafkaClient } from '../../broker/client/contract.ts';
import { parseBootstrap, SocketTransport } from '../../broker/client/socket-transport.ts';
import { groupLag } from '../../pipelines/lag.ts';
import { endAll, run, type RunningCommand, start, until } from '../support/command.ts';
import { countLines, RotatingWriter } from '../support/numbered-lines.ts';
import { canRunRealKafka, type RealCluster, type RealKafkaNode, startRealCluster } from '../support/real-kafka.ts';

const lines = Number(process.env['CLUSTER_LINES'] ?? 40_000);
const isLong = lines >= 200_000;
const topic = 'app';
const group = 'keep.files';

describe.skipIf(!canRunRealKafka())('a cluster of three', () => {
  let cluster: RealCluster;
  let client: KafkaClient;
  let folder: string;

  beforeAll(async () => {
    cluster = await startRealCluster(3);
  });
  afterAll(() => cluster.stop());
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'tailrace-cluster-'));
    client = createClient({
      transport: new SocketTransport({
        bootstrap: parseBootstrap(cluster.bootstrap),
        clientId: 'test',
        clock: systemClock,
      }),
      ...{ clientId: 'test', clock: systemClock, random: systemRandom, logger: silentLogger },
    });
    writeFileSync(
      join(folder, 'tailrace.yaml'),
      `
data: ./data
broker: kafka://${cluster.bootstrap}
topics: { ${topic}: { partitions: 6 } }
agents: { logs: { type: tail, paths: [ "./logs/*" ], to: ${topic} } }
pipelines: { keep: { from: ${topic}, to: files } }
sinks: { files: { type: file, path: "${folder}/out/{partition}-{offset}.log", roll: { size: 256KB, age: 500ms } } }
`,
    );
    for (const machine of ['one', 'two']) mkdirSync(join(folder, machine, 'logs'), { recursive: true });
  });
  afterEach(async () => {
    await endAll();
    await client.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const up = (machine: string): RunningCommand =>
    start(['up', '../tailrace.yaml', '--log-level', 'warn'], { cwd: join(folder, machine) });
  /** Partitions by member, the largest share first. */
  const shares = async () => {
    const { members } = await client.admin().describeGroup(group);
    return members.map(({ assignment }) => assignment.get(topic)?.length ?? 0).sort((left, right) => right - left);
  };
  /** Of the partition with the most records, so of one that is written to. */
  const leader = async (): Promise<RealKafkaNode> => {
    const ends = await client.admin().offsets(topic, 'latest');
    const [fullest] = [...ends].toSorted(([, left], [, right]) => right - left)[0]!;
    const [found] = await client.admin().topics([topic]);
    return cluster.nodes.find(({ id }) => id === found?.partitions[fullest]?.leader)!;
  };
  const untilWritten = (writer: RotatingWriter, part: number) =>
    until(`${part} of the lines`, () => writer.written >= (lines / 2) * part, 240_000);
  const ledByAnother = (node: RealKafkaNode) =>
    until('another leader', async () => (await leader()).id !== node.id, 60_000);

  it('loses leaders and a process, and no line', async () => {
    const first = up('one');
    const second = up('two');
    await until('both have a share', async () => (await shares()).join() === '3,3', 60_000);
    const pauseMs = isLong ? 40 : 80;
    const writers = ['one', 'two'].map(
      (machine, index) =>
        new RotatingWriter(join(folder, machine, 'logs', 'app.log'), {
          first: index,
          step: 2,
          count: lines / 2,
          pauseMs,
        }),
    );
    const [writer] = writers as [RotatingWriter, RotatingWriter];

    await untilWritten(writer, 0.2);
    const lost = await leader();
    await lost.kill();
    await ledByAnother(lost);
    const described = await run(['topics', 'describe', topic, '--broker', cluster.bootstrap, '--json'], {
      cwd: folder,
    });
    const { partitions } = JSON.parse(described.stdout) as {
      partitions: { leader: number; replicas: number[]; inSyncReplicas: number[] }[];
    };
    expect(partitions).toHaveLength(6);
    for (const { leader: led, replicas, inSyncReplicas } of partitions) {
      expect(replicas.toSorted()).toEqual([1, 2, 3]);
      expect(inSyncReplicas).not.toContain(lost.id);
      expect(inSyncReplicas).toContain(led);
    }
    await lost.start();

    await untilWritten(writer, 0.5);
    first.signal('SIGKILL');
    const killedMs = performance.now();
    await until('the other has it all', async () => (await shares())[0] === 6, 60_000);
    const takenOverMs = Math.round(performance.now() - killedMs);
    if (isLong) {
      const another = await leader();
      await another.kill();
      await ledByAnother(another);
      await another.start();
    }
    const again = up('one');
    await until('both have a share again', async () => (await shares()).join() === '3,3', 90_000);

    await Promise.all(writers.map((each) => each.finished()));
    const lag = async () => {
      const rows = await groupLag(client, systemClock, group, [topic]);
      return rows.reduce((sum, { lagRecords }) => sum + (lagRecords ?? NaN), 0);
    };
    const delivered = async () => {
      const total = (await countLines(join(folder, 'out'), lines)).lost === 0;
      return total && (await lag()) === 0;
    };
    await until('everything is delivered', delivered, 120_000);
    console.log(`  ${lines} lines; the share of a killed process was taken over after ${takenOverMs} ms`);
    expect(await countLines(join(folder, 'out'), lines)).toEqual({ lost: 0, doubled: 0 });
    for (const command of [second, again]) {
      command.signal('SIGTERM');
      expect((await command.end()).code).toBe(0);
    }
    expect(await countLines(join(folder, 'out'), lines)).toEqual({ lost: 0, doubled: 0 });
  }, 420_000);
});
