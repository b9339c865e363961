// Where two files are easily taken for one, or one bad file could hold up all the others.
import {
  appendFileSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { Files, OpenFile } from '../../../base/files.ts';
import { nodeFiles } from '../../../base/node-files.ts';
import { until } from '../support/tail-bench.ts';
import { onOpening, withStats } from '../support/tail-logs.ts';
import { bench, cluster, texts, useTailWorld } from '../support/tail-world.ts';

useTailWorld();

const write = (name: string, text: string) => appendFileSync(bench.path(name), text);
const rename = (from: string, to: string) => renameSync(bench.path(from), bench.path(to));
const look = (...paths: string[]) => bench.once(cluster.client(), { paths });
function pack(name: string): void {
  writeFileSync(bench.path(`${name}.gz`), gzipSync(readFileSync(bench.path(name))));
  rmSync(bench.path(name));
}
const arrived = (count: number) =>
  until(
    () => texts().length >= count,
    () => `${texts().length} of ${count}`,
  );

describe.each(['job.log', 'job.log*'])('a log that says the same every day, with %s', (pattern) => {
  it('is read every day, though what is packed holds the same', async () => {
    write('job.log', 'done\n');
    await look(pattern);
    rename('job.log', 'job.log.1');
    pack('job.log.1');
    await look(pattern);
    write('job.log', 'done\n');
    await look(pattern);
    expect(texts()).toEqual(['done', 'done']);
    await look(pattern);
    expect(texts()).toEqual(['done', 'done']);
  });

  const threeDays = async (text: string) => {
    write('job.log', text);
    await look(pattern);
    for (let day = 0; day < 3; day++) {
      for (let number = day; number > 0; number--) rename(`job.log.${number}`, `job.log.${number + 1}`);
      rename('job.log', 'job.log.1');
      write('job.log', text);
    }
    await look(pattern);
    return texts().length;
  };

  it('is read for the days on which nobody looked', async () => {
    expect(await threeDays('done\n')).toBe(4);
  });

  it('and says much is read for all those days where the pattern means what was put aside, else for the last', async () => {
    expect(await threeDays(`${'done '.repeat(60)}\n`)).toBe(pattern === 'job.log' ? 2 : 4);
  });
});

it('reads each of many logs that say the same', async () => {
  write('a.log', 'done\n');
  await look('*.log*');
  pack('a.log');
  await look('*.log*');
  write('b.log', 'done\n');
  write('c.log', 'done\n');
  await look('*.log*');
  write('d.log', 'done\n');
  pack('d.log');
  await look('*.log*');
  expect(texts()).toEqual(['done', 'done', 'done', 'done']);
});

it('does not double what somebody unpacks beside an archive', async () => {
  write('job.log', 'done\n');
  await look('job.log*');
  rename('job.log', 'job.log.1');
  pack('job.log.1');
  await look('job.log*');
  write('job.log.1', 'done\n');
  await look('job.log*');
  expect(texts()).toEqual(['done']);
});

it('reads a log that got the inode of an archive which cannot be read', async () => {
  const bzip2 = Buffer.from('425a6839314159265359', 'hex');
  writeFileSync(bench.path('app.log.2.bz2'), bzip2);
  const identity = (await nodeFiles.stat(bench.path('app.log.2.bz2')))!.identity;
  const agent = await bench.start(
    cluster.client(),
    { paths: ['app.log*'] },
    { files: withStats((stat, path) => (path.endsWith('app.log') ? { ...stat, identity } : stat)) },
  );
  await until(() => agent.ledger().warnings.length > 0);
  mkdirSync(bench.path('away'));
  write('new', 'one\n');
  rename('new', 'app.log');
  rename('app.log.2.bz2', 'away/old');
  await arrived(1);
  expect(texts()).toEqual(['one']);
});

it.each(['app.log', 'app.log*'])(
  'reads the rest of a few bytes that were packed the moment before the agent began anew, with %s',
  async (pattern) => {
    write('app.log', 'one\n');
    await look(pattern);
    write('app.log', 'two\n');
    rename('app.log', 'app.log.1');
    pack('app.log.1');
    const soon = new Date(Date.now() + 100);
    utimesSync(bench.path('app.log.1.gz'), soon, soon);
    write('app.log', 'three\n');
    await bench.start(cluster.client(), { paths: [pattern] });
    await arrived(3);
    await until(() =>
      cluster.records('__tailrace_positions').some(({ value }) => value?.includes('"packed"') === true),
    );
    expect(texts().sort()).toEqual(['one', 'three', 'two']);
  },
);

it('goes on with the others when one file cannot be compared', async () => {
  write('app.log', 'x'.repeat(2_000) + '\n');
  await look('*.log*');
  const broken = (file: OpenFile): void => {
    const read = file.read.bind(file);
    file.read = (target, position) =>
      file.path.endsWith('bad.log') && position > 0
        ? Promise.reject(Object.assign(new Error('EIO: i/o error, read'), { code: 'EIO' }))
        : read(target, position);
  };
  const files = onOpening(broken);
  copyFileSync(bench.path('app.log'), bench.path('bad.log'));
  rmSync(bench.path('app.log'));
  write('other.log', 'two\n');
  await bench.start(cluster.client(), { paths: ['*.log*'] }, { files });
  await arrived(2);
  // What cannot be compared is not taken for new by the next sweep.
  write('other.log', 'three\n');
  await arrived(3);
  expect(texts().slice(1)).toEqual(['two', 'three']);
});

it('knows small logs again when their device has another number after the machine was started anew', async () => {
  const on = (device: number) =>
    withStats((stat) => ({ ...stat, born: '7', identity: stat.identity.replace(/^\d+/, String(device)) }));
  write('app.log', 'one\n');
  await bench.once(cluster.client(), { paths: ['app.log'] }, { files: on(1) });
  write('app.log', 'two\n');
  await bench.once(cluster.client(), { paths: ['app.log'] }, { files: on(2) });
  expect(texts()).toEqual(['one', 'two']);
});

it('never goes back to where a log was when its copy was found', async () => {
  const lines = Array.from({ length: 20_000 }, (_none, number) => `${number} ${'x'.repeat(140)}`);
  writeFileSync(bench.path('app.log'), lines.map((line) => `${line}\n`).join(''));
  writeFileSync(bench.path('old.log.gz'), gzipSync('old\n'));
  utimesSync(bench.path('old.log.gz'), new Date(0), new Date(0));
  let reads = 0;
  const onOpen = (file: OpenFile): void => {
    const read = file.read.bind(file);
    file.read = async (target, position) => {
      if (!file.path.endsWith('app.log') || target.length < 100_000) return read(target, position);
      if (++reads === 2) {
        rename('old.log.gz', 'z.log.gz');
        copyFileSync(bench.path('app.log'), bench.path('app.log.1'));
        rmSync(bench.path('app.log'));
      }
      // A slow disk: the next look comes before all was read.
      await new Promise((resolve) => setTimeout(resolve, 20));
      return read(target, position);
    };
  };
  await bench.start(cluster.client(), { paths: ['app.log*', 'z.log*'] }, { files: onOpening(onOpen) });
  await arrived(lines.length + 1);
  expect(texts().filter((text) => text !== 'old')).toEqual(lines);
});

it('has no word to say of a log that is rotated between the look at it and its opening', async () => {
  write('app.log', 'one\n');
  await look('app.log');
  write('app.log', 'two\n');
  let isRotated = false;
  const files: Files = {
    ...nodeFiles,
    open: (path, mode) => {
      if (!isRotated && path === bench.path('app.log')) {
        isRotated = true;
        rename('app.log', 'app.log.1');
        write('app.log', 'three\n');
      }
      return nodeFiles.open(path, mode);
    },
  };
  const agent = await bench.start(cluster.client(), { paths: ['app.log'] }, { files });
  await arrived(3);
  expect(texts()).toEqual(['one', 'two', 'three']);
  expect(agent.ledger().warnings).toEqual([]);
});
