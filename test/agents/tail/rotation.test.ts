import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { Files, FileStat } from '../../../base/files.ts';
import { nodeFiles } from '../../../base/node-files.ts';
import { until } from '../support/tail-bench.ts';
import { bench, cluster, texts, useTailWorld } from '../support/tail-world.ts';

useTailWorld();

const numbers = () =>
  texts()
    .map((text) => Number(text.split(' ')[0]))
    .sort((left, right) => left - right);
const range = (from: number, to: number) => Array.from({ length: to - from }, (_none, index) => from + index);
const linesOf = (from: number, to: number) =>
  range(from, to)
    .map((index) => `${index} ${'x'.repeat(40)}\n`)
    .join('');
const write = (name: string, from: number, to: number) => appendFileSync(bench.path(name), linesOf(from, to));
const look = (...paths: string[]) => bench.once(cluster.client(), { paths });
const arrived = (to: number) =>
  until(
    () => texts().length >= to,
    () => `${texts().length} of ${to}`,
  ).then(() => expect(numbers()).toEqual(range(0, to)));

/** As the programs do: the packed file is there before the other one goes. */
function pack(name: string, kind: 'gz' | 'zst'): void {
  const bytes = readFileSync(bench.path(name));
  writeFileSync(bench.path(`${name}.${kind}`), kind === 'gz' ? gzipSync(bytes) : zstdCompressSync(bytes));
  rmSync(bench.path(name));
}

describe.each(['app.log', 'app.log*'])('while nobody looks, with %s', (pattern) => {
  it.each(['gz', 'zst'] as const)(
    'a log is renamed and packed (%s): the rest is read from the archive',
    async (kind) => {
      write('app.log', 0, 50);
      await look(pattern);
      write('app.log', 50, 80);
      renameSync(bench.path('app.log'), bench.path('app.log.1'));
      write('app.log', 80, 90);
      pack('app.log.1', kind);
      await look(pattern);
      expect(numbers()).toEqual(range(0, 90));
      await look(pattern);
      expect(numbers()).toEqual(range(0, 90));
    },
  );

  it('several generations come and go, some of them packed', async () => {
    write('app.log', 0, 30);
    await look(pattern);
    write('app.log', 30, 40);
    for (let generation = 1; generation <= 3; generation++) {
      renameSync(bench.path('app.log'), bench.path(`app.log-2026010${generation}`));
      write('app.log', 30 + generation * 10, 40 + generation * 10);
    }
    pack('app.log-20260102', 'gz');
    await look(pattern);
    expect(numbers()).toEqual(range(0, 70));
  });

  it('a log is copied, truncated and the copy packed', async () => {
    write('app.log', 0, 30);
    await look(pattern);
    write('app.log', 30, 60);
    copyFileSync(bench.path('app.log'), bench.path('app.log.1'));
    truncateSync(bench.path('app.log'));
    pack('app.log.1', 'gz');
    write('app.log', 60, 70);
    await look(pattern);
    expect(numbers()).toEqual(range(0, 70));
  });

  it('generations begin with the same lines, and the one that nobody saw is packed while the next one has no others yet', async () => {
    write('app.log', -100, 20);
    await look(pattern);
    renameSync(bench.path('app.log'), bench.path('app.log.2'));
    write('app.log.1', -100, 0);
    write('app.log.1', 20, 60);
    pack('app.log.1', 'gz');
    write('app.log', -100, 0);
    await look(pattern);
    expect(numbers().filter((number) => number >= 0)).toEqual(range(0, 60));
    expect(texts()).toHaveLength(360);
  });

  it('a generation with nothing but the lines with which all begin is packed', async () => {
    write('app.log', -100, 0);
    await look(pattern);
    pack('app.log', 'gz');
    await look(pattern);
    write('app.log', -100, 20);
    await look(pattern);
    expect(numbers().filter((number) => number >= 0)).toEqual(range(0, 20));
    expect(texts()).toHaveLength(220);
  });

  it('the link is swapped, far away', async () => {
    for (const run of ['1', '2']) mkdirSync(bench.path(`runs/${run}/out`), { recursive: true });
    write('runs/1/out/text', 0, 20);
    symlinkSync('runs/1/out/text', bench.path('app.log'));
    await look(pattern);
    write('runs/1/out/text', 20, 30);
    write('runs/2/out/text', 30, 40);
    rmSync(bench.path('app.log'));
    symlinkSync('runs/2/out/text', bench.path('app.log'));
    await look(pattern);
    expect(numbers()).toEqual(range(0, 40));
  });
});

it('reads archives that are there at the first start where the pattern means them, and no others', async () => {
  write('app.log.1', 0, 20);
  pack('app.log.1', 'gz');
  // Not of the moment in which the log is first followed.
  utimesSync(bench.path('app.log.1.gz'), new Date(Date.now() - 60_000), new Date(Date.now() - 60_000));
  write('app.log', 20, 30);
  await bench.once(cluster.client(), { paths: ['app.log'] }, { name: 'exact' });
  expect(numbers()).toEqual(range(20, 30));
  await look('app.log*');
  expect(numbers().slice(0, 20)).toEqual(range(0, 20));
  expect(texts()).toHaveLength(40);
  await bench.once(cluster.client(), { paths: ['app.log'] }, { name: 'exact' });
  expect(texts()).toHaveLength(40);
});

it('knows a log again that is packed while it is followed, at once or long after it had gone', async () => {
  await bench.start(cluster.client(), { paths: ['app.log*'] });
  write('app.log', 0, 30);
  await arrived(30);
  renameSync(bench.path('app.log'), bench.path('app.log.1'));
  pack('app.log.1', 'gz');
  write('app.log', 30, 60);
  await arrived(60);
  const bytes = readFileSync(bench.path('app.log'));
  rmSync(bench.path('app.log'));
  // Nobody can reach it any more: it is given up.
  await until(() => positions().some(({ state }) => state === 'gone'));
  writeFileSync(bench.path('app.log.2.zst'), zstdCompressSync(bytes));
  write('app.log', 60, 70);
  await arrived(70);
  await until(
    () => positions().filter(({ packing, packed }) => packing !== undefined && packed !== undefined).length === 2,
  );
  expect(numbers()).toEqual(range(0, 70));
});

interface Position {
  state: string;
  packing?: string;
  packed?: object;
}

/** The last record of each file. */
function positions(): Position[] {
  const latest = new Map<string, Position>();
  for (const { key, value } of cluster.records('__tailrace_positions'))
    if (value !== null) latest.set(key, JSON.parse(value) as Position);
  return [...latest.values()];
}

it('reads a generation that nobody saw and that has the inode of a log which was deleted', async () => {
  mkdirSync(bench.path('other'));
  write('other/gone.log', 0, 10);
  write('app.log', 10, 20);
  await look('other/*.log', '*.log');
  const identity = (await nodeFiles.stat(bench.path('other/gone.log')))!.identity;
  // Out of sight: the system itself is not to give its inode to another.
  mkdirSync(bench.path('far/away'), { recursive: true });
  renameSync(bench.path('other/gone.log'), bench.path('far/away/gone.log'));
  renameSync(bench.path('app.log'), bench.path('app.log.2'));
  write('app.log.1', 20, 30);
  write('app.log', 30, 40);
  const files = withStat(bench.path('app.log.1'), { identity });
  await bench.once(cluster.client(), { paths: ['other/*.log', '*.log'] }, { files });
  expect(numbers()).toEqual(range(0, 40));
});

it.each(['alone', 'beside another'])(
  'knows a log again that got the inode of the one before in the moment in which that was to be opened, %s',
  async (place) => {
    const paths = ['app.log', 'other.log'];
    if (place === 'beside another') write('other.log', 0, 5);
    await look(...paths);
    write('app.log', texts().length, 10);
    // The look still saw the old one. How old the new one is cannot be told yet: it was changed in the tick in which it was made.
    const files = withStat(bench.path('app.log'), { born: '1' }, {}, true);
    await bench.once(cluster.client(), { paths }, { files });
    write('app.log', 10, 20);
    const later = withStat(bench.path('app.log'), { born: '2' });
    await bench.once(cluster.client(), { paths }, { files: later });
    expect(numbers()).toEqual(range(0, 20));
  },
);

/**
 * The same files, of which the one at `path` is told to be like this, by its name and by its handle; unless told, nobody knows when it was made.
 * `untilOpened`: once it was opened, it is by its name what it is by its handle.
 */
function withStat(path: string, byName: Partial<FileStat>, byHandle = byName, untilOpened = false): Files {
  let wasOpened = false;
  const told = ({ kind, sizeBytes, identity, modifiedMs }: FileStat, given: Partial<FileStat>) => ({
    ...{ kind, sizeBytes, identity, modifiedMs },
    ...given,
  });
  return {
    ...nodeFiles,
    stat: async (each) => {
      const stat = await nodeFiles.stat(each);
      return stat && each === path ? told(stat, wasOpened ? byHandle : byName) : stat;
    },
    open: async (each, mode) => {
      const file = await nodeFiles.open(each, mode);
      const stat = file.stat.bind(file);
      if (each === path) {
        file.stat = async () => told(await stat(), byHandle);
        wasOpened = untilOpened;
      }
      return file;
    },
  };
}

it('leaves copies alone that people make beside a log', async () => {
  write('app.log', 0, 30);
  await look('app.log');
  write('app.log', 30, 40);
  copyFileSync(bench.path('app.log'), bench.path('app.log.bak'));
  copyFileSync(bench.path('app.log'), bench.path('app.log.2'));
  write('app.log', 40, 50);
  renameSync(bench.path('app.log'), bench.path('app.log.1'));
  write('app.log', 50, 60);
  await look('app.log');
  expect(numbers()).toEqual(range(0, 60));
});

it('tells which bytes were destroyed', async () => {
  const files = {
    ...nodeFiles,
    open: (path: string, mode: 'read' | 'write' | 'create' | 'create-new') =>
      path.endsWith('locked.log') ? Promise.reject(new Error('not now')) : nodeFiles.open(path, mode),
  };
  const agent = await bench.start(cluster.client(), { paths: ['*.log'] }, { files });
  write('app.log', 0, 10);
  write('locked.log', 0, 7);
  await until(() => texts().length === 10);
  await until(() => agent.ledger().warnings.length > 0 || agent.ledger().committedBytes > 0);
  rmSync(bench.path('locked.log'));
  await until(() => agent.ledger().destroyedBytes > 0);
  const bytes = linesOf(0, 7).length;
  expect(agent.ledger().destroyedBytes).toBe(bytes);
  expect(agent.ledger().warnings.join()).toContain(
    `locked.log was deleted before its bytes 0 to ${bytes} could be read`,
  );
});

it('knows a copy that takes the name of a generation which is packed in the same moment', async () => {
  await bench.start(cluster.client(), { paths: ['*.log*'] });
  write('app.log.1', 0, 300);
  await arrived(300);
  write('app.log', 300, 400);
  await arrived(400);
  writeFileSync(bench.path('app.log.2.gz'), gzipSync(readFileSync(bench.path('app.log.1'))));
  rmSync(bench.path('app.log.1'));
  copyFileSync(bench.path('app.log'), bench.path('app.log.1'));
  truncateSync(bench.path('app.log'));
  write('app.log', 400, 410);
  await arrived(410);
  // The archive is compared once it has been quiet for a while; then all is decided.
  await until(() => positions().some(({ packing, packed }) => packing !== undefined && packed !== undefined));
  expect(numbers()).toEqual(range(0, 410));
});
