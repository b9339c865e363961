// Writers that go on with a log that a rotator has renamed, while it is packed or copied: what a rotator leaves ends before what was read of the log.
import { mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { it } from 'vitest';
import { until } from '../support/tail-bench.ts';
import { arrived, move, write } from '../support/tail-logs.ts';
import { bench, cluster, useTailWorld } from '../support/tail-world.ts';

useTailWorld();

/** As gzip does it: the archive has the time of what was packed. */
function packAside(path: string): void {
  const { atime, mtime } = statSync(bench.path(path));
  writeFileSync(bench.path(`${path}.gz`), gzipSync(readFileSync(bench.path(path))));
  utimesSync(bench.path(`${path}.gz`), atime, mtime);
}

const isKnown = (name: string, state: string) => () =>
  cluster
    .records('__tailrace_positions')
    .some(({ value }) => value?.includes(`${name}"`) === true && value.includes(`"state":"${state}"`));

it.each(['app.log', 'app.log*'])('are read once, pattern %s', async (pattern) => {
  const lines = write('a', 0, 200);
  await bench.start(cluster.client(), { paths: [`a/${pattern}`] });
  await arrived(lines);
  lines.push(...write('a', 200, 300));
  await arrived(lines);
  move('a/app.log', 'a/app.log.1');
  packAside('a/app.log.1');
  lines.push(...write('a', 300, 310, 'app.log.1'));
  await arrived(lines);
  rmSync(bench.path('a/app.log.1'));
  lines.push(...write('a', 310, 320));
  await arrived(lines);
  // The archive is looked at again when the log itself is given up.
  const [name, state] = pattern === 'app.log' ? (['app.log', 'gone'] as const) : (['app.log.1.gz', 'live'] as const);
  await until(isKnown(name, state), () => 'nobody looked at the archive', 60_000);
  lines.push(...write('a', 320, 330));
  await arrived(lines);
});

/** What a rotator leaves of the log `packed` while nobody looks. */
const leavings: Record<string, { paths: string[]; name: string; leave: (bytes: Buffer) => Buffer }> = {
  'packed, pattern app.log': { paths: ['a/app.log'], name: 'a/app.log.1.gz', leave: (bytes) => gzipSync(bytes) },
  'packed, pattern app.log*': { paths: ['a/app.log*'], name: 'a/app.log.1.gz', leave: (bytes) => gzipSync(bytes) },
  'on another file system': { paths: ['a/app.log', 'old/*'], name: 'old/app.log.1', leave: (bytes) => bytes },
};

it.each(Object.keys(leavings))('are read once when the agent was killed, %s', async (kind) => {
  const { paths, name, leave } = leavings[kind]!;
  mkdirSync(bench.path('old'));
  const lines = write('a', 0, 100);
  const first = await bench.start(cluster.client(), { paths });
  await arrived(lines);
  lines.push(...write('a', 100, 200));
  await arrived(lines);
  const { atime, mtime } = statSync(bench.path('a/app.log'));
  const bytes = readFileSync(bench.path('a/app.log'));
  lines.push(...write('a', 200, 210));
  await arrived(lines);
  await first.stop(1_000);
  writeFileSync(bench.path(name), leave(bytes));
  utimesSync(bench.path(name), atime, mtime);
  // In this order, so that it does not get the inode.
  lines.push(...write('a', 210, 220, 'next'));
  rmSync(bench.path('a/app.log'));
  move('a/next', 'a/app.log');
  await bench.start(cluster.client(), { paths });
  await until(isKnown(name, 'live'), () => 'nobody looked at what was left', 60_000);
  lines.push(...write('a', 220, 230));
  await arrived(lines);
});
