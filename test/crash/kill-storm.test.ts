// Files rotated in every form, tailed into a topic and on into files, while `tailrace up` is killed again and again: at random moments, at every named point,
// and stopped politely. Nothing is lost, doubled or out of order, in the topic, for its readers, and in the files. STORM_KILLS sets the number of kills
// (15 unless told otherwise), STORM_SEED repeats the draws of a run.
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, expect, it } from 'vitest';
import { type CrashPoint, crashPoints } from '../../base/crash-point.ts';
import { endAll } from '../support/command.ts';
import { KillStorm, type StormOptions } from '../support/kill-storm.ts';

const kills = Number(process.env['STORM_KILLS'] ?? 15);
const seed = Number(process.env['STORM_SEED'] ?? Date.now() % 1_000_000);
const points = crashPoints.filter((point) => !/^(hdfs|search)\./.test(point));

afterEach(endAll);

/** Published files are named by partition and first offset, so in their order the lines of a partition are. */
async function* publishedLines(folder: string) {
  const directory = join(folder, 'out');
  for (const name of (await readdir(directory)).toSorted()) {
    if (name.startsWith('.')) throw new Error(`left over: ${name}`);
    for await (const line of createInterface({ input: createReadStream(join(directory, name)) })) {
      yield { place: name.split('-')[0]!, line };
    }
  }
}

async function storm(options: Pick<StormOptions, 'kills' | 'points' | 'signal'>) {
  const report = await new KillStorm({
    ...options,
    seed,
    sink: (folder) => `{ type: file, path: "${folder}/out/{partition}-{offset}.log", roll: { size: 1MB, age: 500ms } }`,
    content: publishedLines,
  }).run();
  console.log(report.text, Object.fromEntries(report.hits));
  expect(report.leastRotations).toBeGreaterThan(0);
  expect(report.readMeanwhile).toBeGreaterThan(0);
  return report;
}

it(`loses, doubles and disorders nothing through ${kills} kills at random (seed ${seed})`, () => storm({ kills }));

it(`the same through kills at every named point (seed ${seed})`, async () => {
  const { hits } = await storm({ kills: Math.max(kills, points.length), points });
  const missed: CrashPoint[] = points.filter((point) => !hits.has(point));
  expect(missed).toEqual([]);
});

it(`stops in any phase when it is told to, ${kills} times, and loses and doubles nothing`, () =>
  storm({ kills, signal: 'SIGTERM' }));
