// Starting after a kill with many gigabytes of topics: recovery may look only at what lies above the recovery points. What the process has read until it
// is ready is counted, not the time (it is printed, too). The topics are real; they share their sealed files by hard links.
import {
  copyFileSync,
  linkSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { nodeFiles } from '../../base/node-files.ts';
import { systemRandom } from '../../base/random.ts';
import { openLogDirectory } from '../../broker/log/log-directory.ts';
import { appendValues } from '../support/batches.ts';
import { endAll, freePort, run, start, until } from '../support/command.ts';
import { countLines, RotatingWriter } from '../support/numbered-lines.ts';

const totalBytes = 50e9;
const templateBytes = 256e6;
const segmentBytes = 64_000_000;
/** What may be read until it is ready: program, indexes of last segments, what lies above the recovery points. */
const readLimitBytes = 150e6;
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-big-'));
});
afterEach(async () => {
  await endAll();
  rmSync(folder, { recursive: true });
});

/** A data directory with one topic of real records and many that have the same ones; returns its size. */
async function fill(directory: string): Promise<number> {
  const options = { directory, files: nodeFiles, clock: systemClock, random: systemRandom, logger: silentLogger };
  const log = await openLogDirectory(options);
  const topics = Array.from({ length: Math.ceil(totalBytes / templateBytes) }, (_, index) => `topic-${index}`);
  const configs = { 'segment.bytes': String(segmentBytes), 'retention.ms': '-1' };
  for (const name of topics) await log.createTopic({ name, partitions: 1, configs });
  const lines = Array.from({ length: 100 }, (_, line) => `line ${line} ${'x'.repeat(1000)}`);
  const [first] = topics;
  const partition = log.partition(first!, 0)!;
  while (partition.sizeBytes < templateBytes)
    await Promise.all(Array.from({ length: 40 }, () => appendValues(partition, lines)));
  await log.close();
  const template = join(directory, `${first!}-0`);
  const names = readdirSync(template).filter((name) => name !== 'partition.metadata');
  for (const topic of topics.slice(1)) {
    for (const name of names) {
      const [from, to] = [join(template, name), join(directory, `${topic}-0`, name)];
      rmSync(to, { force: true });
      if (name.endsWith('.log')) linkSync(from, to);
      else copyFileSync(from, to);
    }
  }
  const checkpoint = join(directory, 'recovery-point-offset-checkpoint');
  const points = readFileSync(checkpoint, 'utf8');
  const end = /^topic-0 0 (\d+)$/m.exec(points)![1]!;
  writeFileSync(checkpoint, points.replace(/^(topic-\d+ 0) \d+$/gm, `$1 ${end}`));
  return topics.reduce((sum, topic) => {
    const own = join(directory, `${topic}-0`);
    return sum + readdirSync(own).reduce((all, name) => all + statSync(join(own, name)).size, 0);
  }, 0);
}

it(`reads only what lies above the recovery points, with ${totalBytes / 1e9} GB of topics`, async () => {
  const data = join(folder, 'data');
  const sizeBytes = await fill(data);
  expect(sizeBytes).toBeGreaterThan(totalBytes);
  writeFileSync(
    join(folder, 'tailrace.yaml'),
    `
max_disk: 1TB
broker: { listen: "127.0.0.1:${await freePort()}" }
agents: { app: { type: tail, paths: [ "${folder}/app.log*" ] } }
pipelines: { keep: { from: app, to: files } }
sinks: { files: { type: file, path: "${folder}/out/{partition}-{offset}.log", roll: { size: 1MB, age: 300ms } } }
`,
  );
  const writer = new RotatingWriter(join(folder, 'app.log'));
  const killed = start(['up', '--data', 'data'], { cwd: folder });
  await until(
    'lines are taken',
    () => readdirSync(folder).includes('out') && readdirSync(join(folder, 'out')).length > 3,
  );
  killed.signal('SIGKILL');
  await killed.end();
  await writer.stop();

  const beganMs = performance.now();
  const again = start(['up', '--data', 'data'], { cwd: folder });
  await until('it is ready', () => again.stdout.includes('stop'));
  const startMs = Math.round(performance.now() - beganMs);
  const readBytes = Number(/^rchar: (\d+)$/m.exec(readFileSync(`/proc/${again.process.pid!}/io`, 'utf8'))![1]);
  console.log(`${(sizeBytes / 1e9).toFixed(1)} GB, ready after ${startMs} ms, ${(readBytes / 1e6).toFixed(1)} MB read`);
  expect(readBytes).toBeLessThan(readLimitBytes);
  again.signal('SIGKILL');
  await again.end();
  const last = await run(['up', '--data', 'data', '--once', '--json'], { cwd: folder });
  expect(last.code, last.stderr).toBe(0);
  expect(await countLines(join(folder, 'out'), writer.written)).toEqual({ lost: 0, doubled: 0 });
});
