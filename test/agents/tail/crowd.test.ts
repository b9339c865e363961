// Logs that are many, small or large: what is told apart among them, and what it costs.
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { HandleBudget } from '../../../agents/handle-budget.ts';
import { Siblings } from '../../../agents/tail/siblings.ts';
import type { Files, OpenFile } from '../../../base/files.ts';
import { nodeFiles } from '../../../base/node-files.ts';
import { until } from '../support/tail-bench.ts';
import { arrived, line, move, onOpening, pack, withStats, write } from '../support/tail-logs.ts';
import { bench, cluster, texts, useTailWorld } from '../support/tail-world.ts';

useTailWorld();

/** What was packed has ended, or is followed as the packed file: that depends on whether its handle was still open. */
const isPackedOrGone = () =>
  cluster.records('__tailrace_positions').some(({ value }) => /"gone"|"packed"/.test(value ?? ''));

describe.each([true, false])('inodes that go from log to log (births told: %s)', (isBirthTold) => {
  it('do not take a log for the archive of another', async () => {
    const logs = ['a', 'b', 'c', 'd'];
    // Each archive gets the inode that the log in the next folder had.
    const given = new Map<string, string>();
    const files = withStats(({ born, ...stat }, path) => ({
      ...stat,
      identity: given.get(path) ?? (given.size > 0 ? `new ${stat.identity}` : stat.identity),
      ...(isBirthTold && born !== undefined ? { born } : {}),
    }));
    const lines = logs.flatMap((log) => write(log, 0, 20));
    await bench.once(cluster.client(), { paths: ['*/app.log'] }, { files });
    const inodes = await Promise.all(logs.map((log) => files.stat(bench.path(`${log}/app.log`))));
    for (const [index, log] of logs.entries()) {
      lines.push(...write(log, 20, 30));
      move(`${log}/app.log`, `${log}/app.log.1`);
      pack(`${log}/app.log.1`);
      given.set(bench.path(`${log}/app.log.1.gz`), inodes[(index + 1) % logs.length]!.identity);
      lines.push(...write(log, 30, 35));
    }
    const agent = await bench.once(cluster.client(), { paths: ['*/app.log'] }, { files });
    await arrived(lines);
    expect(agent.ledger().warnings).toEqual([]);
    await bench.once(cluster.client(), { paths: ['*/app.log'] }, { files });
    await arrived(lines);
  });
});

it('knows a log of a few bytes again that was packed after it had been read and was away', async () => {
  const paths = ['*/app.log'];
  const agent = await bench.start(cluster.client(), { paths });
  const lines = write('a', 0, 3);
  await arrived(lines);
  move('a/app.log', 'a/app.log.1');
  lines.push(...write('a', 3, 6));
  await arrived(lines);
  pack('a/app.log.1');
  await until(isPackedOrGone, () => 'it has not ended', 25_000);
  await agent.stop(1_000);
  lines.push(...write('a', 6, 7));
  move('a/app.log.1.gz', 'a/app.log.2.gz');
  move('a/app.log', 'a/app.log.1');
  lines.push(...write('a', 7, 9));
  await bench.once(cluster.client(), { paths });
  await arrived(lines);
});

it('begins behind archives with `from: end`, now and later', async () => {
  write('a', 0, 10);
  move('a/app.log', 'a/app.log.1');
  pack('a/app.log.1');
  write('a', 10, 20);
  const settings = { paths: ['*/app.log*'], from: 'end' };
  await bench.once(cluster.client(), settings);
  const lines = write('a', 20, 30);
  await bench.once(cluster.client(), settings);
  await arrived(lines);
  move('a/app.log.1.gz', 'a/app.log.2.gz');
  move('a/app.log', 'a/app.log.1');
  lines.push(...write('a', 30, 40));
  await bench.once(cluster.client(), settings);
  await arrived(lines);
});

it('reads the others while it compares a large archive', async () => {
  const paths = ['*/app.log*'];
  const large = Array.from({ length: 200_000 }, (_none, number) => line('a', number));
  mkdirSync(bench.path('a'));
  writeFileSync(bench.path('a/app.log'), large.map((each) => `${each}\n`).join(''));
  const lines = write('b', 0, 10);
  await bench.once(cluster.client(), { paths });
  expect(texts()).toHaveLength(large.length + lines.length);
  writeFileSync(bench.path('a/app.log.1.gz'), gzipSync(readFileSync(bench.path('a/app.log')), { level: 0 }));
  rmSync(bench.path('a/app.log'));
  utimesSync(bench.path('a/app.log.1.gz'), new Date(0), new Date(0));
  let reads = 0;
  let cameDuringIt: boolean | undefined;
  const slowly = (file: OpenFile) => {
    const read = file.read.bind(file);
    file.read = async (target, position) => {
      if (++reads === 5) write('b', 10, 11);
      await new Promise((resolve) => setTimeout(resolve, 5));
      return read(target, position);
    };
    const close = file.close.bind(file);
    file.close = () => {
      if (reads > 20) cameDuringIt ??= texts().length > large.length + lines.length;
      return close();
    };
  };
  const files = onOpening((file) => {
    if (file.path.endsWith('.gz')) slowly(file);
  });
  await bench.start(cluster.client(), { paths }, { files });
  await until(
    () => cameDuringIt !== undefined,
    () => 'the archive was not read to its end',
    60_000,
  );
  expect(cameDuringIt).toBe(true);
  expect(texts()).toHaveLength(large.length + lines.length + 1);
});

it('reads the others while it goes to where it was in a large archive', async () => {
  const paths = ['*/app.log*'];
  const archive = bench.path('a/app.log.1.gz');
  const large = Array.from({ length: 10_000 }, (_none, number) => `${number} ${'x'.repeat(1_000)}`);
  mkdirSync(bench.path('a'));
  writeFileSync(archive, gzipSync(large.map((each) => `${each}\n`).join(''), { level: 0 }));
  const lines = write('b', 0, 10);
  const agent = await bench.start(cluster.client(), { paths, flush: { size: '1MB' } });
  await until(() => texts().length > 0);
  cluster.onCommit = () => {
    if (texts().length > large.length / 2) void agent.stop(30_000);
    return undefined;
  };
  await until(() => texts().length > large.length / 2);
  await agent.stop(30_000);
  cluster.onCommit = undefined;
  const unpackedBytes = texts().length * large[0]!.length;
  expect(texts().length).toBeLessThan(large.length);
  let reads = 0;
  let cameDuringIt: boolean | undefined;
  const files = onOpening((file) => {
    const { path } = file;
    const read = file.read.bind(file);
    file.read = async (target, position) => {
      if (path !== archive) return read(target, position);
      if (++reads === 5) lines.push(...write('b', 10, 11));
      await new Promise((resolve) => setTimeout(resolve, 5));
      if (position + target.length >= unpackedBytes) cameDuringIt ??= texts().includes(line('b', 10));
      return read(target, position);
    };
  });
  await bench.start(cluster.client(), { paths }, { files });
  await until(() => cameDuringIt !== undefined);
  await arrived([...large, ...lines]);
  expect(cameDuringIt).toBe(true);
});

describe.each(['app.log', 'app.log*'])(
  'logs that are rotated again while it is looked around for them, with %s',
  (pattern) => {
    const paths = [`a/${pattern}`];
    const path = (generation: number) => bench.path(`a/app.log.${generation}`);

    it.each(['renamed and packed', 'copied and truncated'])('%s: each line is read once', async (how) => {
      const lines = write('a', 0, 3);
      await bench.once(cluster.client(), { paths });
      const isPacked = how === 'renamed and packed';
      const ending = isPacked ? '.gz' : '';
      const rotate = (number: number) => {
        lines.push(...write('a', number, number + 3));
        for (const generation of [3, 2, 1])
          if (existsSync(path(generation) + ending))
            renameSync(path(generation) + ending, path(generation + 1) + ending);
        if (isPacked) {
          renameSync(bench.path('a/app.log'), path(1));
          pack('a/app.log.1');
        } else {
          copyFileSync(bench.path('a/app.log'), path(1));
          truncateSync(bench.path('a/app.log'));
        }
        lines.push(...write('a', number + 3, number + 4));
      };
      rotate(10);
      let rotations = 0;
      const files: Files = {
        ...nodeFiles,
        open: (opened, mode) => {
          if (opened === path(1) + ending && rotations < 2) rotate(20 + rotations++ * 10);
          return nodeFiles.open(opened, mode);
        },
      };
      await bench.start(cluster.client(), { paths }, { files });
      await arrived(lines);
      expect(rotations).toBe(2);
    });
  },
);

it('knows a log again that was renamed once more while its folder was listed', async () => {
  const names = (generation: number) => `a/app.log${generation === 0 ? '' : `.${generation}`}`;
  const lines = write('a', 0, 3);
  const rotate = (number: number) => {
    lines.push(...write('a', number + 5, number + 6));
    for (const generation of [1, 0])
      if (existsSync(bench.path(names(generation)))) move(names(generation), names(generation + 1));
    lines.push(...write('a', number, number + 2));
  };
  let rotations = 0;
  const files: Files = {
    ...nodeFiles,
    list: async (folder) => {
      const found = await nodeFiles.list(folder);
      if (folder === bench.path('a') && rotations === 1) rotate(10 * ++rotations);
      return found;
    },
  };
  await bench.start(cluster.client(), { paths: ['a/app.log'] }, { files });
  await arrived(lines);
  rotate(10 * ++rotations);
  await until(
    () => rotations === 2,
    () => 'the folder was not listed',
    60_000,
  );
  await arrived(lines);
  // What was read twice would come by now.
  lines.push(...write('a', 30, 31));
  await arrived(lines);
});

it('finds what came and went while one log after the other was rotated, faster than anybody can look', async () => {
  const names = Array.from({ length: 40 }, (_none, index) => `app-${index}.log`);
  const lines = names.flatMap((name) => write('.', 0, 3, name).map((each) => each.replace('.', name)));
  for (const name of names) {
    const text = readFileSync(bench.path(name), 'latin1');
    writeFileSync(bench.path(name), text.replaceAll(/^\./gm, name));
  }
  const append = (name: string, from: number) => {
    lines.push(line(name, from));
    appendFileSync(bench.path(name), `${line(name, from)}\n`);
  };
  const rest: string[] = [];
  const files: Files = {
    ...nodeFiles,
    stat: (path) => {
      const name = path === bench.folder ? rest.shift() : undefined;
      for (let generation = 2; name !== undefined && generation > 0; generation--) {
        append(name, 10 - generation);
        move(name, `${name}.${generation}`);
        pack(`${name}.${generation}`);
        append(name, 20 - generation);
      }
      return nodeFiles.stat(path);
    },
  };
  await bench.start(cluster.client(), { paths: ['app-*.log'] }, { files });
  await arrived(lines);
  rest.push(...names);
  await until(
    () => rest.length === 0,
    () => `${rest.length} are left`,
    60_000,
  );
  await arrived(lines);
});

const hasProc = existsSync('/proc/self/fd');

it.skipIf(!hasProc)(
  'holds no more handles than it needs, and rotates all logs at once in a few looks at each',
  async () => {
    const count = 600;
    const names = Array.from({ length: count }, (_none, index) => `log-${index}`);
    let most = 0;
    cluster.onCommit = () => {
      const links = readdirSync('/proc/self/fd').map((fd) => {
        try {
          return readlinkSync(`/proc/self/fd/${fd}`);
        } catch {
          return '';
        }
      });
      most = Math.max(most, links.filter((link) => link.startsWith(bench.folder)).length);
      return undefined;
    };
    const calls = { list: 0, open: 0 };
    const files: Files = {
      ...nodeFiles,
      list: (path) => {
        calls.list++;
        return nodeFiles.list(path);
      },
      open: (path, mode) => {
        calls.open++;
        return nodeFiles.open(path, mode);
      },
    };
    const lines = names.flatMap((name) => write(name, 0, 2));
    await bench.once(cluster.client(), { paths: ['*/app.log'] }, { files });
    await arrived(lines);
    for (const name of names) {
      lines.push(...write(name, 2, 4));
      move(`${name}/app.log`, `${name}/app.log.1`);
      lines.push(...write(name, 4, 5));
    }
    calls.list = calls.open = 0;
    await bench.once(cluster.client(), { paths: ['*/app.log'] }, { files });
    await arrived(lines);
    expect(most).toBeGreaterThan(0);
    expect(most).toBeLessThanOrEqual(512 + 64);
    expect(calls.list).toBeLessThan(count * 3);
    expect(calls.open).toBeLessThan(count * 8);
  },
);

it('reads more than a few hundred logs to their end that are deleted, as far as the process may have so many files open', async () => {
  const names = Array.from({ length: 600 }, (_none, index) => `log-${index}`);
  const handles = new HandleBudget(100);
  const lines = names.flatMap((name) => write(name, 0, 2));
  const agent = await bench.start(cluster.client(), { paths: ['*/app.log'] }, { handles });
  await arrived(lines);
  for (const name of names) {
    lines.push(...write(name, 2, 4));
    rmSync(bench.path(`${name}/app.log`));
  }
  await arrived(lines);
  // Its clock runs fast, and closing hundreds of files takes a while.
  await agent.stop(600_000);
  let free = 0;
  while (handles.take()) free++;
  expect(free).toBe(100);
}, 90_000);

it('opens logs again that had to be closed for others when there is room, and says which went before', async () => {
  const names = Array.from({ length: 600 }, (_none, index) => `log-${index}`);
  const open = new Map<string, number>();
  const count = (path: string, change: number) => open.set(path, (open.get(path) ?? 0) + change);
  const isOpen = (name: string) => (open.get(bench.path(`${name}/app.log`)) ?? 0) > 0;
  const files = onOpening((file) => {
    count(file.path, 1);
    const close = file.close.bind(file);
    file.close = () => {
      count(file.path, -1);
      return close();
    };
  });
  const lines = names.flatMap((name) => write(name, 0, 2));
  const agent = await bench.start(cluster.client(), { paths: ['*/app.log'] }, { files, handles: new HandleBudget(40) });
  await arrived(lines);
  const lost = names.find((name) => !isOpen(name))!;
  rmSync(bench.path(`${lost}/app.log`));
  await until(() => agent.ledger().warnings.length > 0, String, 60_000);
  expect(agent.ledger().warnings).toEqual([expect.stringContaining(`${lost}/app.log is gone, and was not open`)]);
  const gone = names.filter(isOpen).slice(0, 100);
  for (const name of gone) rmSync(bench.path(`${name}/app.log`));
  const rest = names.filter((name) => name !== lost && !gone.includes(name));
  const closed = () => rest.filter((name) => !isOpen(name)).length;
  await until(
    () => closed() === 0,
    () => `${closed()} are closed`,
    60_000,
  );
  for (const name of rest) {
    lines.push(...write(name, 2, 4));
    rmSync(bench.path(`${name}/app.log`));
  }
  await arrived(lines);
}, 150_000);

it('finds what a rotator made of a log by its name, likely ones first', async () => {
  for (const name of ['app.log', 'app.log.2.gz', 'app.log.1', 'app-worker.log', 'application.gz', 'other.log'])
    write('home', 0, 1, name);
  for (const folder of ['home/old', 'archive', 'elsewhere'])
    for (const name of ['app.log.3.gz', 'app.log.4', 'app-worker.log']) write(folder, 0, 1, name);
  const found = await new Siblings(nodeFiles, Date.now).alike(bench.path('home/app.log'));
  expect(found.map(({ path }) => path.slice(bench.folder.length + 1))).toEqual([
    'home/app.log.1',
    'home/app.log.2.gz',
    'home/old/app.log.4',
    'archive/app.log.4',
    'home/old/app.log.3.gz',
    'archive/app.log.3.gz',
    'home/app-worker.log',
    'home/application.gz',
  ]);
});

it('looks at few of thousands of folders beside that of a log', async () => {
  for (let number = 0; number < 400; number++) mkdirSync(bench.path(`logs/${number}`), { recursive: true });
  write('logs/7', 0, 1);
  write('logs/old-logs', 0, 1, 'app.log.1');
  let looks = 0;
  const files = withStats((stat) => (looks++, stat));
  const found = await new Siblings(files, Date.now).alike(bench.path('logs/7/app.log'));
  expect(found.map(({ path }) => path)).toEqual([bench.path('logs/old-logs/app.log.1')]);
  expect(looks).toBeLessThan(150);
});
