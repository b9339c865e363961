// What the scaled forms cost (docs/scaling.md): CPU seconds and most memory, and room on disk, of a sender and of the central Tailrace it sends to, and of a sender and of the
// pipelines on a cluster of three Kafka brokers (where there is a JDK and Maven). CPU seconds, for they do not depend on what else the machine does.
import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatBytes, formatCount } from '../base/units.ts';
import { freePort, until } from '../test/support/command.ts';
import { canRunRealKafka, startRealCluster } from '../test/support/real-kafka.ts';
import { accessLine, writeLines } from './lines.ts';
import { MeasuredCommand } from './measured.ts';

const lines = Number(process.env['BENCH_LINES'] ?? 1_000_000);
const patienceMs = 300_000;

/** The most memory that a process had, in bytes. */
function mostMemory({ process: { pid } }: MeasuredCommand): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) * 1024;
}

function bytesIn(folder: string): number {
  const names = readdirSync(folder, { recursive: true }) as string[];
  const files = names.filter((name) => !name.slice(name.lastIndexOf('/') + 1).startsWith('.'));
  return files.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}

/** Runs both until all lines are in files, and tells what each took for them. */
async function measure(folder: string, name: string, brokers: { sender: string; other: string }): Promise<void> {
  const here = join(folder, name);
  for (const each of ['logs', 'out']) mkdirSync(join(here, each), { recursive: true });
  const log = join(here, 'lines.log');
  const sizeBytes = writeLines(log, lines, accessLine);
  const begin = (role: string, text: string) => {
    const path = join(here, `${role}.yaml`);
    writeFileSync(path, `data: ${join(here, role)}\n${text}`);
    return new MeasuredCommand(['up', path, '--log-level', 'warn']);
  };
  const roll = 'roll: { size: 64MB, age: 1s }';
  const pipelines = `pipelines: { out: { from: lines, to: files } }\nsinks: { files: { type: file, path: "${here}/out/{partition}-{offset}.log", ${roll} } }\n`;
  const other = begin('other', `${brokers.other}\ntopics: { lines: { partitions: 4 } }\n${pipelines}`);
  const sender = begin(
    'sender',
    `${brokers.sender}\nagents: { lines: { type: tail, paths: [ "${here}/logs/*.log" ] } }\n`,
  );
  const idle = async () => {
    const before = [sender, other].map(({ usage }) => usage.coreSeconds);
    await new Promise((resolve) => setTimeout(resolve, 3000));
    return [sender, other].every(({ usage }, index) => usage.coreSeconds - before[index]! < 0.1);
  };
  await until('both are up', idle, patienceMs);
  const before = [sender, other].map(({ usage }) => usage.coreSeconds);
  renameSync(log, join(here, 'logs', 'lines.log'));
  await until('all lines', () => bytesIn(join(here, 'out')) === sizeBytes, patienceMs);
  for (const [index, [role, command]] of Object.entries({ sender, [name]: other }).entries()) {
    const took = command.usage.coreSeconds - before[index]!;
    const memory = formatBytes(mostMemory(command));
    console.log(`  ${role.padEnd(26)} ${took.toFixed(1)} s of CPU   ${memory} at most`);
  }
  if (brokers.other.includes('listen')) {
    const kept = formatBytes(bytesIn(join(here, 'other')));
    console.log(`  ${'on its disk'.padEnd(26)} ${kept} for ${formatBytes(sizeBytes)} of lines`);
  }
  await sender.terminate();
  await other.terminate();
}

export async function scaling(folder: string): Promise<void> {
  console.log(`${formatCount(lines)} lines, from one file into rolled files:`);
  const port = await freePort();
  const central = { sender: `broker: kafka://127.0.0.1:${port}`, other: `broker: { listen: "127.0.0.1:${port}" }` };
  await measure(folder, 'central Tailrace', central);
  if (!canRunRealKafka()) return;
  const cluster = await startRealCluster(3);
  try {
    const broker = `broker: kafka://${cluster.bootstrap}`;
    await measure(folder, 'pipelines on three brokers', { sender: broker, other: broker });
  } finally {
    await cluster.stop();
  }
}
