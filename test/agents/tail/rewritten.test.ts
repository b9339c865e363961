// What comes of a log that is written anew without being rotated, or by a rotator that leaves no clear trace: the limits that docs/guarantees.md names.
import {
  appendFileSync,
  closeSync,
  copyFileSync,
  openSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { expect, it } from 'vitest';
import { copyWaitMs } from '../../../agents/tail/copies.ts';
import { hastyClock, until } from '../support/tail-bench.ts';
import { bench, cluster, texts, useTailWorld } from '../support/tail-world.ts';

useTailWorld();

const path = (name: string) => bench.path(name);
const lines = (tag: string, count: number) =>
  Array.from({ length: count }, (_none, index) => `${tag} ${index} ${'x'.repeat(30)}`);
const text = (each: readonly string[]) => each.map((line) => `${line}\n`).join('');
const look = (pattern: string) => bench.once(cluster.client(), { paths: [pattern] });
/** Long enough for an agent to take a file that waits for a copy that does not. */
const standStill = async () => {
  const endMs = hastyClock.monotonicMs() + 4 * copyWaitMs;
  await until(() => hastyClock.monotonicMs() > endMs);
};
const arrived = (count: number) =>
  until(
    () => texts().length >= count,
    () => `${texts().length} of ${count}`,
  );

it.each(['app.log', 'app.log*'])(
  'passes over the zeros that a writer without O_APPEND leaves after copytruncate, each line once, with %s',
  async (pattern) => {
    const [before, after, later] = [lines('before', 20), lines('after', 20), lines('later', 3)];
    const log = openSync(path('app.log'), 'w');
    writeSync(log, text(before));
    await look(pattern);
    copyFileSync(path('app.log'), path('app.log.1'));
    truncateSync(path('app.log'));
    writeSync(log, text(after));
    await look(pattern);
    writeSync(log, text(later));
    await look(pattern);
    closeSync(log);
    expect(texts()).toEqual([...before, ...after, ...later]);
  },
);

it.each(['keep', 'split', 'truncate', 'drop'] as const)(
  'passes over a hole that is larger than a read, with long_line: %s and through a restart in the middle of it',
  async (long_line) => {
    const options = { paths: ['app.log'], max_line: '64KiB', long_line };
    writeFileSync(path('app.log'), '');
    truncateSync(path('app.log'), 1_500_000);
    await bench.once(cluster.client(), options);
    expect(texts()).toEqual([]);
    truncateSync(path('app.log'), 3_000_000);
    appendFileSync(path('app.log'), text(['first', 'second']));
    await bench.once(cluster.client(), options);
    expect(texts()).toEqual(['first', 'second']);
  },
);

it('reads a log again that is cut to its own last lines in its place', async () => {
  const all = lines('line', 20);
  writeFileSync(path('app.log'), text(all));
  await look('app.log');
  writeFileSync(path('app.log'), text(all.slice(-5)));
  await look('app.log');
  appendFileSync(path('app.log'), text(['new']));
  await look('app.log');
  expect(texts()).toEqual([...all, ...all.slice(-5), 'new']);
});

it('loses nothing of a log that an editor replaces while it is followed, though it may read it again', async () => {
  const all = lines('line', 20);
  writeFileSync(path('app.log'), text(all));
  await bench.start(cluster.client(), { paths: ['app.log'] });
  await arrived(20);
  writeFileSync(path('sedXXXX'), text([...all, 'new']));
  renameSync(path('sedXXXX'), path('app.log'));
  await until(() => texts().includes('new'));
  expect(new Set(texts())).toEqual(new Set([...all, 'new']));
});

it('reads a log once that an editor replaced while no agent ran', async () => {
  const all = lines('line', 20);
  writeFileSync(path('app.log'), text(all));
  await look('app.log');
  writeFileSync(path('sedXXXX'), text([...all, 'new']));
  renameSync(path('sedXXXX'), path('app.log'));
  await look('app.log');
  expect(texts()).toEqual([...all, 'new']);
});

it.each([
  ['app.log', 'app.log'],
  ['app.log*', 'app.log'],
  ['app.log*', 'app.log.0'],
])(
  'reads nothing twice when the making of a copy stands still half-way, and when the log is truncated long after it, with %s of %s',
  async (pattern, log) => {
    const all = lines('line', 20);
    writeFileSync(path(log), text(all));
    await bench.start(cluster.client(), { paths: [pattern] });
    await arrived(20);
    writeFileSync(path('app.log.1'), text(all.slice(0, 10)));
    await standStill();
    appendFileSync(path('app.log.1'), text(all.slice(10)));
    await standStill();
    appendFileSync(path(log), text(['late']));
    truncateSync(path(log));
    appendFileSync(path(log), text(['new']));
    await until(() => texts().includes('new'));
    expect(texts().filter((line) => line !== 'late')).toEqual([...all, 'new']);
  },
);

it('reads a copy that becomes another file, and a dated log that says what the one of yesterday said', async () => {
  const all = lines('line', 20);
  writeFileSync(path('app.log'), text(all));
  writeFileSync(path('job-2026-11-22.log'), text(lines('job', 20)));
  await bench.start(cluster.client(), { paths: ['app.log*', 'job-*.log'] });
  await arrived(40);
  writeFileSync(path('app.log.1'), text(all.slice(0, 10)));
  writeFileSync(path('job-2026-11-23.log'), text(lines('job', 20)));
  await arrived(60);
  await standStill();
  expect(texts().filter((line) => line.startsWith('line'))).toEqual(all);
  appendFileSync(path('app.log.1'), text(['other']));
  await until(() => texts().includes('other'));
  expect(texts()).toHaveLength(71);
});

it('reads nothing twice when a log is deleted beside a copy that stood still', async () => {
  const all = lines('line', 20);
  writeFileSync(path('app.log'), text(all));
  await bench.start(cluster.client(), { paths: ['app.log*'] });
  await arrived(20);
  copyFileSync(path('app.log'), path('app.log.1'));
  await standStill();
  rmSync(path('app.log'));
  appendFileSync(path('app.log.1'), text(['only in the copy']));
  writeFileSync(path('app.log'), text(['new']));
  await until(() => texts().includes('new') && texts().includes('only in the copy'));
  expect(texts().toSorted()).toEqual([...all, 'new', 'only in the copy'].toSorted());
});
