// Writers that go on with a log that a rotator has renamed, while it is packed or copied: what a rotator leaves ends before what was read of the log.
import { mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { cutEnd } from '../../../agents/tail/cut-copies.ts';
import { Imprint } from '../../../agents/tail/identity.ts';
import { type KnownFile, type Remains, TailedFile } from '../../../agents/tail/tailed-file.ts';
import { nodeFiles } from '../../../base/node-files.ts';
import { until } from '../support/tail-bench.ts';
import { arrived, line, move, write } from '../support/tail-logs.ts';
import { bench, cluster, useTailWorld } from '../support/tail-world.ts';

useTailWorld();

/** As gzip does it: the archive has the time of what was packed. */
function packAside(path: string): void {
  const { atime, mtime } = statSync(bench.path(path));
  writeFileSync(bench.path(`${path}.gz`), gzipSync(readFileSync(bench.path(path))));
  utimesSync(bench.path(`${path}.gz`), atime, mtime);
}

/** The time that what is written now gets: the system's clock for it goes in ticks. */
function writtenMs(): number {
  writeFileSync(bench.path('probe'), '');
  return statSync(bench.path('probe')).mtimeMs;
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

it('are read once though all of it is less than is kept of the beginning, and was read in one go', async () => {
  const lines = write('a', 0, 2);
  const { birthtimeMs } = statSync(bench.path('a/app.log'));
  await until(() => writtenMs() > birthtimeMs);
  lines.push(...write('a', 2, 3));
  const { atime, mtime } = statSync(bench.path('a/app.log'));
  const archive = gzipSync(readFileSync(bench.path('a/app.log')));
  lines.push(...write('a', 3, 6));
  const paths = ['a/app.log*'];
  await bench.start(cluster.client(), { paths });
  await arrived(lines);
  rmSync(bench.path('a/app.log'));
  await until(isKnown('app.log', 'gone'), () => 'the log was not given up', 60_000);
  writeFileSync(bench.path('a/app.log.1.gz'), archive);
  utimesSync(bench.path('a/app.log.1.gz'), atime, mtime);
  await until(isKnown('app.log.1.gz', 'live'), () => 'nobody looked at the archive', 60_000);
  lines.push(...write('a', 6, 9));
  await arrived(lines);
});

it('does not take a log for what is left of the one before, though all of them begin alike', async () => {
  const header = Array.from({ length: 30 }, (_none, number) => line('header', number));
  const begin = (name: string) => writeFileSync(bench.path(`a/${name}`), header.map((each) => `${each}\n`).join(''));
  const paths = ['a/app.log*'];
  mkdirSync(bench.path('a'));
  begin('app.log');
  const lines = [...header, ...write('a', 0, 100)];
  const first = await bench.start(cluster.client(), { paths });
  await arrived(lines);
  move('a/app.log', 'a/app.log.1');
  await until(isKnown('app.log.1', 'live'), () => 'nobody saw that it was renamed', 60_000);
  await first.stop(1_000);
  const { birthtimeMs } = statSync(bench.path('a/app.log.1'));
  packAside('a/app.log.1');
  begin('app.log');
  lines.push(...header, ...write('a', 100, 103));
  // As when the one before was read once more after this was written.
  utimesSync(bench.path('a/app.log'), new Date(birthtimeMs + 1), new Date(birthtimeMs + 1));
  rmSync(bench.path('a/app.log.1'));
  await bench.start(cluster.client(), { paths });
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

interface CutOptions extends Remains {
  path: string;
  isHeadShared: boolean;
}

describe('a copy that is shorter than what was read of a log', () => {
  const bytes = Buffer.from(Array.from({ length: 100 }, (_none, number) => `${line('a', number)}\n`).join(''));
  const half = bytes.length / 2;
  const bornMs = 1_000_000;
  const soundMs = bornMs + 60_000;
  const log: KnownFile = {
    ...{
      file: '000000000000',
      state: 'live',
      path: '/a/app.log',
      firstPath: '/a/app.log',
      partition: 0,
      identity: '1:1',
    },
    ...{ generation: 0, position: bytes.length, lines: 100, part: 0, born: `${bornMs}000000` },
    ...Imprint.empty.after(bytes, 0, bytes.length).fingerprint(),
  };
  /** Where it goes on when it was moved to another file system, which gives it a time that is older than it. */
  const endOf = async (
    content: Buffer,
    modifiedMs: number,
    { known = log, path = '/b/app.log.1', isHeadShared = false, ...rest }: Partial<CutOptions> = {},
  ) => {
    writeFileSync(bench.path('copy'), content);
    const copy = await nodeFiles.open(bench.path('copy'), 'read');
    const stat = { ...(await copy.stat()), modifiedMs };
    const remains = { known, soundMs, head: undefined, ...rest };
    const end = cutEnd(copy, { path, stat }, remains, () => isHeadShared);
    return (await end.finally(() => copy.close()))?.position;
  };

  it('has nothing that is new when it was changed last while the log was there', async () => {
    expect(await endOf(bytes.subarray(0, half), bornMs + 1_000)).toBe(half);
  });

  it('has nothing that is new when another file has the inode of the log since', async () => {
    const lost = TailedFile.recovered(log, soundMs);
    lost.lose(soundMs);
    expect(await endOf(bytes.subarray(0, half), bornMs + 1_000, { known: lost.known })).toBe(half);
  });

  it.each(['before the log was there', 'after it was read'])(
    'is another generation when it was changed last %s',
    async (when) => {
      expect(await endOf(bytes.subarray(0, half), when === 'after it was read' ? soundMs + 1 : bornMs)).toBeUndefined();
    },
  );

  it('is another generation when it differs, at its beginning or where the log had been read to before', async () => {
    const other = Buffer.from(bytes.subarray(0, half));
    other[half - 10] = 0x79;
    const fingerprint = Imprint.empty.after(bytes, 0, half).fingerprint();
    const known = { ...log, earlier: [{ position: half, fingerprint }] };
    expect(await endOf(other, bornMs + 1, { known })).toBeUndefined();
    other[0] = 0x79;
    expect(await endOf(other, bornMs + 1)).toBeUndefined();
  });

  it.each(['/a/app.log', '/a/app-2026-11-24.log'])('is the successor of the log as %s, beside it', async (path) => {
    const nowMs = Date.now();
    const options = { path, soundMs: nowMs + 60_000 };
    expect(await endOf(bytes.subarray(0, half), nowMs + 30_000, options)).toBeUndefined();
  });

  it('is another generation when others begin alike, unless it can be compared', async () => {
    const isHeadShared = true;
    expect(await endOf(bytes.subarray(0, half), bornMs + 1, { isHeadShared })).toBeUndefined();
    const fingerprint = Imprint.empty.after(bytes, 0, half).fingerprint();
    const known = { ...log, earlier: [{ position: half, fingerprint }] };
    expect(await endOf(bytes.subarray(0, half), bornMs + 1, { isHeadShared, known })).toBe(half);
  });

  it('is compared with the log while that is open', async () => {
    writeFileSync(bench.path('log'), bytes);
    const handle = await nodeFiles.open(bench.path('log'), 'read');
    const other = Buffer.from(bytes.subarray(0, half));
    expect(await endOf(other, bornMs + 1, { handle, isHeadShared: true })).toBe(half);
    other[half - 10] = 0x79;
    expect(await endOf(other, bornMs + 1, { handle })).toBeUndefined();
    await handle.close();
  });

  it('is not cut short when it holds as much', async () => {
    expect(await endOf(bytes, bornMs + 1)).toBeUndefined();
  });
});
