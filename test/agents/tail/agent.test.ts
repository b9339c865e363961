import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  linkSync,
  mkdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { describe, expect, it } from 'vitest';
import { recordingLogger } from '../../support/recording-logger.ts';
import { until } from '../support/tail-bench.ts';
import { bench, cluster, texts, useTailWorld } from '../support/tail-world.ts';

useTailWorld();

const write = (name: string, text: string) => writeFileSync(bench.path(name), text);
const append = (name: string, text: string) => appendFileSync(bench.path(name), text);
const logs = { paths: ['*.log*'] };
const arrived = (...expected: string[]) =>
  until(
    () => texts().length >= expected.length,
    () => `wanted ${JSON.stringify(expected)}, have ${JSON.stringify(texts())}`,
  ).then(() => expect(texts()).toEqual(expected));

describe('--once', () => {
  it('reads what is there, last lines without newline included, and goes on there the next time', async () => {
    write('a.log', 'one\ntwo\r\n\nlast');
    const first = await bench.once(cluster.client(), logs);
    expect(texts()).toEqual(['one', 'two\r', '', 'last']);
    expect(first.ledger()).toMatchObject({ committedLines: { lines: 4 }, totalLines: { lines: 4 }, warnings: [] });
    append('a.log', '\nmore\n');
    const second = await bench.once(cluster.client(), logs);
    expect(texts().slice(4)).toEqual(['', 'more']);
    expect(second.ledger()).toMatchObject({ committedLines: { lines: 2 }, totalLines: { lines: 6 } });
    const third = await bench.once(cluster.client(), logs);
    expect(third.ledger()).toMatchObject({ committedLines: {}, totalLines: { lines: 6 } });
  });

  it('takes every byte that is there when it begins: a line that is being written becomes two records', async () => {
    write('a.log', 'one\nthe begin');
    await bench.once(cluster.client(), logs);
    append('a.log', 'ning and the end\nlast\n');
    await bench.once(cluster.client(), logs);
    expect(texts()).toEqual(['one', 'the begin', 'ning and the end', 'last']);
  });

  it('keeps bytes that are no UTF-8', async () => {
    writeFileSync(bench.path('a.log'), Buffer.from([0xff, 0x00, 0xc3, 0x0a, 0x80, 0x0a]));
    await bench.once(cluster.client(), logs);
    expect(texts()).toEqual(['\xff\x00\xc3', '\x80']);
  });

  it('reads a file with several names once, and symbolic links as what they mean', async () => {
    mkdirSync(bench.path('elsewhere'));
    write('elsewhere/real.txt', 'x\n');
    symlinkSync(bench.path('elsewhere/real.txt'), bench.path('a.log'));
    linkSync(bench.path('elsewhere/real.txt'), bench.path('b.log'));
    symlinkSync(bench.path('.'), bench.path('elsewhere/circle'));
    await bench.once(cluster.client(), { paths: ['*.log', '**/*.txt', '*.log'] });
    expect(texts()).toEqual(['x']);
  });

  it('passes over folders, sockets, unreadable and compressed files with a word, and reads the rest', async () => {
    mkdirSync(bench.path('folder.log'));
    write('good.log', 'good\n');
    write('bad.log', 'secret\n');
    chmodSync(bench.path('bad.log'), 0);
    writeFileSync(bench.path('old.log.1'), Buffer.from([0x1f, 0x8b, 0x08, 0x00, 0x0a]));
    writeFileSync(bench.path('older.log.xz'), Buffer.from('fd377a585a000004', 'hex'));
    const agent = await bench.once(cluster.client(), { paths: ['folder.log', '*.log*'] });
    // Root reads what nobody may.
    const readable = process.getuid?.() === 0 ? ['secret', 'good'] : ['good'];
    expect(texts().sort()).toEqual(readable.sort());
    const warnings = agent.ledger().warnings.join('\n');
    expect(warnings).toMatch(/folder\.log is a folder/);
    expect(warnings).toMatch(/old\.log\.1 is not whole as gzip/);
    expect(warnings).toMatch(/older\.log\.xz is compressed/);
    if (process.getuid?.() !== 0) expect(warnings).toMatch(/Cannot read .*bad\.log/);
  });

  it('leaves out what is excluded, by name, by path and by identity', async () => {
    for (const name of ['a.log', 'b.log', 'c.log', 'd.log']) write(name, `${name}\n`);
    const { dev, ino } = statSync(bench.path('d.log'));
    const exclude = ['a.*', bench.path('b.*')];
    await bench.once(cluster.client(), { ...logs, exclude }, { excluded: new Set([`${dev}:${ino}`]) });
    expect(texts()).toEqual(['c.log']);
  });

  it('marks long lines and keeps their bytes', async () => {
    const long = 'x'.repeat(3_000_000);
    write('a.log', `short\n${long}\nend\n`);
    const agent = await bench.once(cluster.client(), { ...logs, max_line: '100kB' });
    const lines = cluster.lines('lines');
    expect(lines[0]!.mark).toBeUndefined();
    const pieces = lines.slice(1, -1);
    expect(pieces.map((line) => line.text).join('')).toBe(long);
    expect(pieces.map(({ mark }) => [...mark!])).toEqual([
      [0, 0],
      [0, 1],
      [1, 2],
    ]);
    expect(lines.at(-1)!.text).toBe('end');
    expect(agent.ledger().warnings).toEqual(['1 lines longer than max_line (long_line: keep)']);
  });

  it('keeps lines for a partition that is offline in their files, says so once, and goes on with the others', async () => {
    cluster.createTopic('spread', 2);
    const names = Array.from({ length: 24 }, (_, index) => `${index}.log`);
    for (const name of names) write(name, `${name} first\n`);
    const logger = recordingLogger();
    const options = { topic: 'spread', logger };
    await bench.once(cluster.client(), { paths: ['*.log'] }, options);
    const firsts = cluster.lines('spread');
    expect(firsts).toHaveLength(24);
    const there = firsts.filter(({ partition }) => partition === 1).map(({ text }) => text.split(' ')[0]!);

    cluster.offline.add(0);
    for (const name of names) append(name, `${name} second\n`);
    const once = await bench.once(cluster.client(), { paths: ['*.log'] }, options);
    const seconds = () => cluster.lines('spread').filter(({ text }) => text.endsWith('second'));
    expect(seconds().map(({ text }) => text.split(' ')[0])).toEqual(expect.arrayContaining(there));
    expect(seconds()).toHaveLength(there.length);
    const held = `what is new in ${24 - there.length} of the files waits`;
    expect(once.ledger().problem).toBe(`topic spread, partition 0: offline; ${held}`);
    expect(logger.lines.map(({ message }) => message)).toEqual(['the agent pauses']);

    logger.lines.length = 0;
    const agent = await bench.start(cluster.client(), { paths: ['*.log'] }, options);
    append(
      names.find((name) => there.includes(name))!,
      'more\n',
    );
    await until(() => cluster.lines('spread').some(({ text }) => text === 'more'));
    await until(() => agent.ledger().problem?.includes('offline') === true);
    cluster.offline.clear();
    await until(() => seconds().length === 24 && agent.ledger().problem === undefined);
    expect(logger.lines.map(({ message }) => message)).toEqual(['the agent pauses', 'the agent goes on']);
  });

  it('sends a file always to the same partition', async () => {
    cluster.createTopic('spread', 8);
    for (let file = 0; file < 20; file++) write(`${file}.log`, `${file}\n${file}\n`);
    await bench.once(cluster.client(), logs, { topic: 'spread' });
    for (let file = 0; file < 20; file++) append(`${file}.log`, `${file}\n`);
    await bench.once(cluster.client(), logs, { topic: 'spread' });
    const partitions = new Map<string, Set<number>>();
    for (const { text, partition } of cluster.lines('spread')) {
      partitions.set(text, (partitions.get(text) ?? new Set()).add(partition));
    }
    expect(partitions.size).toBe(20);
    for (const set of partitions.values()) expect(set.size).toBe(1);
    expect(new Set([...partitions.values()].flatMap((set) => [...set])).size).toBeGreaterThan(3);
  });
});

describe('following', () => {
  it('reads whole lines as they are completed, and new files at once, however small', async () => {
    await bench.start(cluster.client(), logs);
    write('a.log', 'half');
    write('b.log', 'b\n');
    await arrived('b');
    append('a.log', ' a line\nnext');
    await arrived('b', 'half a line');
    append('a.log', '\n');
    await arrived('b', 'half a line', 'next');
  });

  it('begins at the end when told so, with the line that is being written; and where it was after a restart', async () => {
    write('a.log', 'old\nbegun');
    const first = await bench.start(cluster.client(), { ...logs, from: 'end' });
    await until(() => cluster.commits > 0);
    append('a.log', ' and done\n');
    write('new.log', 'new\n');
    await until(
      () => texts().length === 2,
      () => JSON.stringify(cluster.lines('lines')),
      2000,
    );
    expect(texts().sort()).toEqual(['begun and done', 'new']);
    await first.stop(1_000);
    append('a.log', 'while away\n');
    write('late.log', 'late\n');
    await bench.start(cluster.client(), { ...logs, from: 'end' });
    await until(
      () => texts().length === 4,
      () => JSON.stringify(cluster.lines('lines')),
      2000,
    );
    expect(texts().slice(2).sort()).toEqual(['late', 'while away']);
  });

  it('takes the last line of a file that is gone', async () => {
    write('a.log', 'one\nunfinished');
    await bench.start(cluster.client(), logs);
    await arrived('one');
    rmSync(bench.path('a.log'));
    await arrived('one', 'unfinished');
  });

  it('is woken by the system, long before it would look by itself', async () => {
    mkdirSync(bench.path('sub'));
    write('sub/a.log', '1\n');
    await bench.start(cluster.client(), { paths: ['**/*.log'], rescan: '1h' });
    await arrived('1');
    // Watching begins a moment after the first look.
    await until(() => {
      append('sub/a.log', 'more\n');
      return texts().length > 1;
    });
    const { length } = texts();
    write('sub/b.log', 'new\n');
    await until(() => texts().slice(length).includes('new'));
  });

  it('starts over when a commit fails, whether it took effect or not', async () => {
    cluster.onCommit = (number) => (number % 4 === 2 ? 'fail-before' : number % 4 === 3 ? 'fail-after' : undefined);
    await bench.start(cluster.client(), logs);
    const expected: string[] = [];
    for (let line = 0; line < 8; line++) {
      append('a.log', `${line}\n`);
      expected.push(`${line}`);
      await arrived(...expected);
    }
  });

  it('ends for good when another one takes over', async () => {
    write('a.log', '1\n');
    const first = await bench.start(cluster.client(), logs);
    await arrived('1');
    await bench.start(cluster.client(), logs);
    append('a.log', '2\n');
    await expect(first.failed).rejects.toMatchObject({ code: 'TLR_FENCED' });
    await arrived('1', '2');
  });
});

describe('rotation', () => {
  it('by renaming: the old file is read to its end, the new one from its beginning', async () => {
    write('app.log', '1\n2\n');
    await bench.start(cluster.client(), logs);
    await arrived('1', '2');
    append('app.log', '3\n');
    renameSync(bench.path('app.log'), bench.path('app.log.1'));
    write('app.log', '5\n');
    append('app.log.1', '4\n');
    await until(() => texts().length === 5);
    expect(texts().sort()).toEqual(['1', '2', '3', '4', '5']);
  });

  it('by renaming to a name that no pattern matches, while nobody looks', async () => {
    write('app.log', '1\n');
    await bench.once(cluster.client(), { paths: ['app.log'] });
    append('app.log', '2\n');
    renameSync(bench.path('app.log'), bench.path('app.log.old'));
    write('app.log', '3\n');
    await bench.once(cluster.client(), { paths: ['app.log'] });
    expect(texts().sort()).toEqual(['1', '2', '3']);
  });

  it.each([
    ['matched by the pattern', '*.log*'],
    ['beside it', 'app.log'],
  ])(
    'by copying and truncating, the copy %s: nothing is read twice, what only the copy has is read',
    async (_where, pattern) => {
      const lines = Array.from({ length: 100 }, (_none, index) => `${index} ${'x'.repeat(30)}`);
      write('app.log', lines.slice(0, 50).join('\n') + '\n');
      await bench.once(cluster.client(), { paths: [pattern] });
      append('app.log', lines.slice(50, 90).join('\n') + '\n');
      copyFileSync(bench.path('app.log'), bench.path('app.log.1'));
      truncateSync(bench.path('app.log'));
      append('app.log', lines.slice(90).join('\n') + '\n');
      await bench.start(cluster.client(), { paths: [pattern] });
      await until(
        () => texts().length >= 100,
        () => `${texts().length}`,
      );
      expect(texts().sort()).toEqual([...lines].sort());
    },
  );

  it('by copying and truncating, what was written between being read already: known by the copy after a start, too', async () => {
    const lines = Array.from({ length: 63 }, (_none, index) => `${index} ${'x'.repeat(30)}`);
    const put = (from: number, to: number) => append('app.log', lines.slice(from, to).join('\n') + '\n');
    write('app.log', '');
    put(0, 30);
    await bench.once(cluster.client(), { paths: ['app.log'] });
    put(30, 50);
    copyFileSync(bench.path('app.log'), bench.path('app.log.1'));
    put(50, 53);
    await bench.once(cluster.client(), { paths: ['app.log'] });
    truncateSync(bench.path('app.log'));
    put(53, 63);
    await bench.once(cluster.client(), { paths: ['app.log'] });
    expect(texts().sort()).toEqual([...lines].sort());
  });

  it('by copying and truncating while it is followed, over and over', async () => {
    await bench.start(cluster.client(), logs);
    const expected: string[] = [];
    for (let round = 0; round < 5; round++) {
      const lines = Array.from({ length: 20 }, (_none, index) => `${round} ${index}`);
      expected.push(...lines);
      append('app.log', lines.join('\n') + '\n');
      if (round % 2 === 0)
        await until(
          () => texts().length === expected.length,
          () => `${round}: ${texts().length}`,
        );
      copyFileSync(bench.path('app.log'), bench.path(`app.log.${round}`));
      truncateSync(bench.path('app.log'));
    }
    append('app.log', 'end\n');
    await until(
      () => texts().length > expected.length,
      () => `${texts().length} of ${expected.length}`,
    );
    expect(texts().sort()).toEqual([...expected, 'end'].sort());
  });

  it('tells a truncated file that has grown beyond its old size at once', async () => {
    write('app.log', 'old line 1\nold line 2\n');
    await bench.start(cluster.client(), logs);
    await arrived('old line 1', 'old line 2');
    write('app.log', 'another content that is longer than the old one\nand more\n');
    await arrived('old line 1', 'old line 2', 'another content that is longer than the old one', 'and more');
  });

  it('reads files with the same head as the files they are', async () => {
    const head = '# a header that all share\n'.repeat(100);
    write('a.log', `${head}a\n`);
    await bench.start(cluster.client(), logs);
    await until(() => texts().length === 101);
    write('b.log', `${head}b\n`);
    write('c.log', head);
    await until(() => texts().length === 302);
    append('c.log', 'c\n');
    await until(() => texts().length === 303);
    expect(
      texts()
        .filter((text) => text.length === 1)
        .sort(),
    ).toEqual(['a', 'b', 'c']);
  });
});
