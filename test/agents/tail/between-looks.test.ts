// What goes on between two looks of the agent: files that are copied, truncated or renamed before they could be opened or read.
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { Files, FileStat } from '../../../base/files.ts';
import { nodeFiles } from '../../../base/node-files.ts';
import { until } from '../support/tail-bench.ts';
import { arrived, countingLooks, line, move, onOpening, pack, write } from '../support/tail-logs.ts';
import { bench, cluster, texts, useTailWorld } from '../support/tail-world.ts';

useTailWorld();

const isCopyKnown = () =>
  cluster.records('__tailrace_positions').some(({ value }) => value?.includes('app.log.1') === true);

it('finds what was copied and truncated before anything of it was read, though as much stands there again', async () => {
  const lines = write('a', 0, 3);
  const append = (from: number, to: number) => lines.push(...write('a', from, to));
  let isRotated = false;
  const files = onOpening((file) => {
    const { path } = file;
    const read = file.read.bind(file);
    file.read = (target, position) => {
      // Not a head that is looked at, but the first chunk.
      if (path === bench.path('a/app.log') && target.length > 64 * 1024 && !isRotated) {
        isRotated = true;
        copyFileSync(path, `${path}.1`);
        truncateSync(path);
        append(3, 6);
      }
      return read(target, position);
    };
  });
  await bench.start(cluster.client(), { paths: ['a/app.log'] }, { files });
  await arrived(lines);
  expect(isRotated).toBe(true);
});

it('reads a log once whose copy stands beside it at the very first look, not truncated yet', async () => {
  const [log, copy] = [bench.path('a/app.log'), bench.path('a/app.log.1')];
  const lines = write('a', 0, 3);
  copyFileSync(log, copy);
  // However slow the machine is: it was made just now.
  const young = <T extends FileStat | undefined>(stat: T): T => stat && { ...stat, modifiedMs: Date.now() };
  let opened = 0;
  const files = onOpening((file) => {
    if (file.path !== copy) return;
    const stat = file.stat.bind(file);
    file.stat = async () => young(await stat());
    if (++opened !== 2) return;
    truncateSync(log);
    lines.push(...write('a', 3, 6));
  });
  files.stat = async (path) => (path === copy ? young(await nodeFiles.stat(path)) : nodeFiles.stat(path));
  await bench.start(cluster.client(), { paths: ['a/app.log*'] }, { files });
  await until(() => opened >= 2);
  await arrived(lines);
});

it('finds what was copied and truncated after the log had been seen empty', async () => {
  const rotate = () => {
    if (existsSync(bench.path('a/app.log.1'))) move('a/app.log.1', 'a/app.log.2');
    copyFileSync(bench.path('a/app.log'), bench.path('a/app.log.1'));
    truncateSync(bench.path('a/app.log'));
  };
  const lines = write('a', 0, 3);
  await bench.start(cluster.client(), { paths: ['a/app.log'] });
  await arrived(lines);
  rotate();
  await until(isCopyKnown, () => 'nobody saw it empty', 60_000);
  lines.push(...write('a', 3, 6));
  rotate();
  lines.push(...write('a', 6, 9));
  await arrived(lines);
});

it('reports nothing as destroyed when a log was copied, truncated and has grown beyond what was read before the next look', async () => {
  const lines = write('a', 0, 3);
  let isAway = false;
  const client = cluster.client();
  const files: Files = {
    ...nodeFiles,
    stat: (path) => {
      if (isAway && path === bench.path('a/app.log')) {
        isAway = false;
        lines.push(...write('a', 3, 5));
        copyFileSync(path, `${path}.1`);
        truncateSync(path);
        lines.push(...write('a', 5, 20));
      }
      return nodeFiles.stat(path);
    },
  };
  const agent = await bench.start(client, { paths: ['a/app.log'] }, { files });
  await arrived(lines);
  isAway = true;
  await until(() => !isAway);
  await arrived(lines);
  expect(agent.ledger()).toMatchObject({ destroyedBytes: 0, warnings: [] });
});

it('finds what was copied and truncated between the look at a new log and its opening', async () => {
  const lines = write('a', 0, 3);
  let isRotated = false;
  const files: Files = {
    ...nodeFiles,
    open: (path, mode) => {
      if (path === bench.path('b/app.log') && !isRotated) {
        isRotated = true;
        copyFileSync(path, `${path}.1`);
        truncateSync(path);
        lines.push(...write('b', 3, 5));
      }
      return nodeFiles.open(path, mode);
    },
  };
  await bench.start(cluster.client(), { paths: ['*/app.log'] }, { files });
  await arrived(lines);
  lines.push(...write('b', 0, 3));
  await until(
    () => isRotated,
    () => 'it was not opened',
    60_000,
  );
  await arrived(lines);
});

it('finds what was copied and packed before anything of it was read, though the log was still whole when they were compared', async () => {
  const copy = bench.path('a/app.log.2.gz');
  const seen = { failures: 0, comparisons: 0 };
  let isBlocked = false;
  const files = onOpening((file) => {
    const { path } = file;
    const read = file.read.bind(file);
    file.read = (target, position) => {
      // Not a head that is looked at, but a chunk.
      if (path !== bench.path('a/app.log') || target.length <= 64 * 1024 || !isBlocked) return read(target, position);
      seen.failures++;
      return Promise.reject(Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' }));
    };
    const close = file.close.bind(file);
    file.close = () => {
      if (path === copy) seen.comparisons++;
      return close();
    };
  });
  const has = (what: keyof typeof seen) =>
    until(
      () => seen[what] > 0,
      () => `no ${what}`,
      25_000,
    );
  const lines = write('a', 0, 3);
  await bench.start(cluster.client(), { paths: ['a/app.log*'] }, { files });
  await arrived(lines);
  isBlocked = true;
  move('a/app.log', 'a/app.log.1');
  lines.push(...write('a', 3, 6));
  await has('failures');
  writeFileSync(bench.path('copy'), gzipSync(readFileSync(bench.path('a/app.log'))));
  utimesSync(bench.path('copy'), new Date(0), new Date(0));
  move('copy', 'a/app.log.2.gz');
  await has('comparisons');
  truncateSync(bench.path('a/app.log'));
  lines.push(...write('a', 7, 9));
  isBlocked = false;
  await arrived(lines);
});

it('--once leaves a line that goes on beyond where the log ended to the next time', async () => {
  const log = bench.path('a/app.log');
  write('a', 0, 1);
  appendFileSync(log, 'half a line');
  const rest = () => appendFileSync(log, ' is no line\nand a last one');
  const files = onOpening(() => {
    if (!readFileSync(log, 'utf8').includes('no line')) rest();
  });
  const paths = ['a/app.log'];
  await bench.once(cluster.client(), { paths }, { files });
  expect(texts()).toEqual([line('a', 0)]);
  await bench.once(cluster.client(), { paths });
  expect(texts()).toEqual([line('a', 0), 'half a line is no line', 'and a last one']);
});

it('reads archives while other logs come at every look', async () => {
  const lines = write('a', 0, 3);
  let others = 0;
  let isOver = false;
  // Whenever one is opened, the next one is there.
  const files = onOpening(({ path }) => {
    if (basename(path) === `${others}.log` && !isOver) write('b', others, ++others, `${others}.log`);
  });
  write('b', others, 1, `${others}.log`);
  await bench.start(cluster.client(), { paths: ['a/*', 'b/*'] }, { files });
  await until(() => others > 3);
  const before = write('a', 3, 6, 'old.log');
  pack('a/old.log');
  utimesSync(bench.path('a/old.log.gz'), new Date(0), new Date(0));
  await until(
    () => before.every((each) => texts().includes(each)),
    () => `${others} other logs came`,
  ).finally(() => (isOver = true));
  await until(() => lines.every((each) => texts().includes(each)));
  await until(() => texts().filter((text) => text.startsWith('b ')).length >= others);
});

it('reads a packed file at the next look that was renamed before it could be opened again', async () => {
  const lines = write('a', 0, 3);
  const paths = ['a/app.log*'];
  await bench.once(cluster.client(), { paths });
  lines.push(...write('a', 3, 6));
  pack('a/app.log');
  utimesSync(bench.path('a/app.log.gz'), new Date(0), new Date(0));
  move('a/app.log.gz', 'a/app.log.1.gz');
  const renamed = bench.path('a/app.log.2.gz');
  let opened = 0;
  let looksNeeded = Infinity;
  const counting = countingLooks(renamed);
  const files: Files = {
    ...counting.files,
    open: (path, mode) => {
      // First it is compared, then read.
      if (path === bench.path('a/app.log.1.gz') && ++opened === 2) move('a/app.log.1.gz', 'a/app.log.2.gz');
      if (path === renamed) looksNeeded = Math.min(counting.looks(), looksNeeded);
      return nodeFiles.open(path, mode);
    },
  };
  await bench.start(cluster.client(), { paths }, { files });
  await arrived(lines);
  expect(looksNeeded).toBeLessThan(10);
});

it('reads a log that was quiet for a while and is renamed between the look at it and its opening', async () => {
  const log = bench.path('a/app.log');
  const lines = write('a', 0, 3);
  let identity = '';
  let isRenamed = false;
  const files: Files = {
    ...nodeFiles,
    stat: async (path) => {
      const stat = await nodeFiles.stat(path);
      // An agent that is so slow that a look comes long after the last line.
      const isYoung = stat?.identity === identity && Date.now() - stat.modifiedMs < 500;
      return path === log && isYoung ? undefined : stat;
    },
    open: async (path, mode) => {
      if (path === log && identity !== '' && !isRenamed) {
        isRenamed = true;
        move('a/app.log', 'a/app.log.1');
        lines.push(...write('a', 6, 9));
        const folder = (await nodeFiles.stat(bench.path('a')))!;
        await until(() => Date.now() - folder.modifiedMs > 300);
      }
      return nodeFiles.open(path, mode);
    },
  };
  await bench.start(cluster.client(), { paths: ['a/app.log'] }, { files });
  await arrived(lines);
  move('a/app.log', 'a/app.log.2');
  lines.push(...write('a', 3, 6));
  identity = (await nodeFiles.stat(log))!.identity;
  await until(
    () => isRenamed,
    () => 'it was not opened',
    60_000,
  );
  await arrived(lines);
});

it('reads what came and went while nobody looked of a log that had been deleted before', async () => {
  const lines = write('a', 0, 3);
  const paths = ['a/app.log'];
  const first = await bench.start(cluster.client(), { paths });
  await arrived(lines);
  rmSync(bench.path('a/app.log'));
  const isGone = () => cluster.records('__tailrace_positions').some(({ value }) => value?.includes('"gone"') === true);
  await until(isGone, () => 'it was not given up', 60_000);
  await first.stop(1_000);
  lines.push(...write('a', 3, 6));
  move('a/app.log', 'a/app.log.1');
  lines.push(...write('a', 6, 9));
  await bench.start(cluster.client(), { paths });
  await arrived(lines);
});

/** Where a log stands, under which name it is followed, and what its rotator calls the generations that it puts aside. */
const homes: Record<string, { log: string; followed: string; aside: (number: number) => string }> = {
  'a container of Kubernetes': {
    log: 'pods/c/0.log',
    followed: 'containers/c.log',
    aside: (number) => `pods/c/0.log.20261122-1${number}0000`,
  },
  'daemontools, s6': {
    log: 'a/current',
    followed: 'a/current',
    aside: (number) => `a/@40000000${number}741d2a10c3f8a1c.s`,
  },
  'log4j with days': {
    log: 'a/app.log',
    followed: 'a/app.log',
    aside: (number) => `a/2026-11/app-11-22-2026-${number}.log`,
  },
  'rotating-file-stream, which puts the date first': {
    log: 'a/app.log',
    followed: 'a/app.log',
    aside: (number) => `a/20261122-1530-0${number}-app.log`,
  },
};

it.each(Object.keys(homes))('reads what was rotated twice while no agent ran: %s', async (home) => {
  const { log, followed, aside } = homes[home]!;
  const put = (from: number, to: number) => write(dirname(log), from, to, basename(log));
  for (const path of [followed, aside(1)]) mkdirSync(dirname(bench.path(path)), { recursive: true });
  const lines = put(0, 3);
  if (log !== followed) symlinkSync(bench.path(log), bench.path(followed));
  const paths = [followed];
  await bench.once(cluster.client(), { paths });
  lines.push(...put(3, 6));
  move(log, aside(1));
  lines.push(...put(6, 9));
  move(log, aside(2));
  lines.push(...put(9, 12));
  await bench.start(cluster.client(), { paths });
  await arrived(lines);
});

it('reads what was rotated twice while no agent ran: java.util.logging, which writes to app.log.0', async () => {
  const rotate = () => {
    if (existsSync(bench.path('a/app.log.1'))) move('a/app.log.1', 'a/app.log.2');
    move('a/app.log.0', 'a/app.log.1');
  };
  const lines = write('a', 0, 3, 'app.log.0');
  const paths = ['a/app.log.0'];
  await bench.once(cluster.client(), { paths });
  lines.push(...write('a', 3, 6, 'app.log.0'));
  rotate();
  lines.push(...write('a', 6, 9, 'app.log.0'));
  rotate();
  lines.push(...write('a', 9, 12, 'app.log.0'));
  await bench.start(cluster.client(), { paths });
  await arrived(lines);
});

it('reads what was put into the last of a hundred folders while no agent ran', async () => {
  for (let day = 100; day < 200; day++) {
    mkdirSync(bench.path(`a/2026${day}`), { recursive: true });
    utimesSync(bench.path(`a/2026${day}`), day, day);
  }
  const lines = write('a', 0, 30);
  const paths = ['a/app.log'];
  await bench.once(cluster.client(), { paths });
  lines.push(...write('a', 30, 60));
  pack('a/app.log');
  mkdirSync(bench.path('a/2026200'));
  move('a/app.log.gz', 'a/2026200/app.log.gz');
  lines.push(...write('a', 60, 90));
  await bench.start(cluster.client(), { paths });
  await arrived(lines);
});

it('reads generations that nobody saw though there are a hundred older ones', async () => {
  const name = (number: number) => `app.log-2026${String(number).padStart(4, '0')}`;
  for (let number = 100; number < 200; number++) {
    write('a', -number, -number + 1, name(number));
    utimesSync(bench.path(`a/${name(number)}`), new Date(number), new Date(number));
  }
  const lines = write('a', 0, 3);
  const paths = ['a/app.log'];
  await bench.once(cluster.client(), { paths });
  expect(texts()).toEqual(lines);
  move('a/app.log', `a/${name(200)}`);
  lines.push(...write('a', 3, 6, name(201)), ...write('a', 6, 9));
  await bench.start(cluster.client(), { paths });
  await arrived(lines);
});

describe('half a line at the end of a file with the name that a rotator gives', () => {
  const half = 'the beginning of a line';

  it('is read when the log itself goes on', async () => {
    const lines = write('a', 0, 3, 'app.log.1');
    appendFileSync(bench.path('a/app.log.1'), half);
    lines.push(half, ...write('a', 3, 6));
    await bench.start(cluster.client(), { paths: ['a/app.log*'] });
    await arrived(lines);
  });

  it('waits for its end when there is no such log', async () => {
    const name = 'app-2026-11-23.log';
    const lines = write('a', 0, 3, name);
    appendFileSync(bench.path(`a/${name}`), half);
    const { files, looks } = countingLooks(bench.path(`a/${name}`));
    await bench.start(cluster.client(), { paths: ['a/app*.log'] }, { files });
    await arrived(lines);
    const needed = looks() + 60;
    await until(() => looks() > needed);
    appendFileSync(bench.path(`a/${name}`), ' and its end\n');
    await arrived([...lines, `${half} and its end`]);
  });
});
