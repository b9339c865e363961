// What the contract of all sinks does not say: names, rolling, conflicts, many files, disks that fail.
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../../../base/clock.ts';
import type { Files } from '../../../base/files.ts';
import { silentLogger } from '../../../base/logger.ts';
import { nodeFiles } from '../../../base/node-files.ts';
import { systemRandom } from '../../../base/random.ts';
import { fileSink } from '../../../sinks/file/sink.ts';
import type { TwoPhaseSink, WriterScope } from '../../../sinks/sink.ts';
import { deliveryBatch, testPartition } from '../../support/deliveries.ts';
import { StoppingFiles } from '../../support/stopping-files.ts';

const scope: WriterScope = { kind: 'partition', coordinates: testPartition };
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tailrace-file-sink-'));
});
afterEach(() => rm(folder, { recursive: true }));

const unsynced = new StoppingFiles(nodeFiles, Infinity);

function open(
  path: string,
  given: {
    files?: Files;
    clock?: Clock;
    roll?: Record<string, string>;
    generation?: number;
    instance?: string;
    mode?: string | number;
  } = {},
) {
  const { files = unsynced, clock = systemClock, roll = {}, generation = 1, instance = 'here', mode } = given;
  const context = {
    edge: 'web.out',
    pipeline: 'web',
    instance,
    generation,
    files,
    clock,
    random: systemRandom,
    logger: silentLogger,
  };
  return fileSink.open(
    fileSink.settings.parse({ path: join(folder, path), roll, mode }),
    context,
  ) as Promise<TwoPhaseSink>;
}

function lines(count: number, given: { size?: number; fields?: (index: number) => Record<string, unknown> } = {}) {
  return Array.from({ length: count }, (_, index) => ({
    offset: index,
    text: `${index} ${'x'.repeat(given.size ?? 0)}`,
    fields: given.fields?.(index) ?? {},
  }));
}

describe('rolling', () => {
  it.each([
    ['size', { size: '1KB' }, 0],
    ['age', { age: '5s' }, 5000],
    ['idle', { idle: '3s' }, 3000],
  ] as const)('is due by %s', async (kind, roll, afterMs) => {
    const clock = { ...systemClock, monotonicMs: () => 1000 };
    const writer = await (await open('{partition}-{offset}', { roll, clock })).openWriter(scope);
    expect(writer.isDue(1e9)).toBe(false);
    await writer.write(deliveryBatch(lines(1, { size: kind === 'size' ? 500 : 0 })));
    expect(writer.isDue(1000 + afterMs - 1)).toBe(false);
    await writer.write(deliveryBatch(lines(1, { size: kind === 'size' ? 600 : 0 })));
    expect(writer.isDue(1000 + afterMs)).toBe(true);
    await writer.prepare();
    expect(writer.isDue(1e9)).toBe(false);
  });
});

describe('final names', () => {
  it('that are taken by other content are left alone', async () => {
    const taken = join(folder, '0-00000000000000000000');
    await writeFile(taken, 'not ours\n');
    const sink = await open('{partition}-{offset}');
    const writer = await sink.openWriter(scope);
    await writer.write(deliveryBatch(lines(3)));
    const manifest = (await writer.prepare())!;
    await expect(writer.publish(manifest)).rejects.toThrow(
      `${taken} exists with other content and is not overwritten; move it away`,
    );
    await expect(sink.recover(scope, manifest)).rejects.toMatchObject({ code: 'TLR_SINK', retriable: false });
    expect(await readFile(taken, 'utf8')).toBe('not ours\n');
    await rm(taken);
    await sink.recover(scope, manifest);
    expect(await readFile(taken, 'utf8')).toBe('0 \n1 \n2 \n');
    expect(await readdir(folder)).toEqual(['0-00000000000000000000']);
  });

  it('that are taken by the same content are done', async () => {
    await writeFile(join(folder, '0-00000000000000000000'), '0 \n1 \n');
    const sink = await open('{partition}-{offset}');
    const writer = await sink.openWriter(scope);
    await writer.write(deliveryBatch(lines(2)));
    await writer.publish((await writer.prepare())!);
    expect(await readdir(folder)).toEqual(['0-00000000000000000000']);
  });

  it('that were published and moved away since do not come back', async () => {
    const sink = await open('{partition}-{offset}');
    const writer = await sink.openWriter(scope);
    await writer.write(deliveryBatch(lines(2)));
    const manifest = (await writer.prepare())!;
    await writer.publish(manifest);
    await rm(join(folder, '0-00000000000000000000'));
    await sink.recover(scope, manifest);
    expect(await readdir(folder)).toEqual([]);
  });
});

describe('appended files', () => {
  it('are not written to when somebody else has made them longer', async () => {
    const sink = await open('app.log');
    const writer = await sink.openWriter({ kind: 'edge' });
    await writer.write(deliveryBatch(lines(1)));
    const manifest = (await writer.prepare())!;
    await writeFile(join(folder, 'app.log'), 'somebody else\n');
    await expect(writer.publish(manifest)).rejects.toThrow('somebody else writes to it');
    expect(await readFile(join(folder, 'app.log'), 'utf8')).toBe('somebody else\n');
  });

  it('begin anew after they were rotated away', async () => {
    const sink = await open('app.log');
    const writer = await sink.openWriter({ kind: 'edge' });
    for (let time = 0; time < 2; time++) {
      await writer.write(deliveryBatch(lines(1)));
      await writer.publish((await writer.prepare())!);
      await rm(join(folder, 'app.log'));
    }
    await writer.write(deliveryBatch(lines(2)));
    await writer.publish((await writer.prepare())!);
    expect(await readFile(join(folder, 'app.log'), 'utf8')).toBe('0 \n1 \n');
  });
});

describe('leftovers', () => {
  it('of other edges, other partitions and later generations stay', async () => {
    const unpublished = async (given: { generation?: number; instance?: string }, which: WriterScope) => {
      const writer = await (await open('{partition}-{offset}', given)).openWriter(which);
      await writer.write(deliveryBatch(lines(1)));
      await writer.prepare();
    };
    await unpublished({ generation: 3, instance: 'there' }, scope);
    await unpublished({ generation: 1, instance: 'there' }, scope);
    await unpublished({ generation: 9 }, scope);
    await unpublished({}, { kind: 'partition', coordinates: { ...testPartition, partition: 1 } });
    const before = await readdir(folder);
    await (await open('{partition}-{offset}', { generation: 2 })).recover(scope, undefined);
    const left = await readdir(folder);
    expect(before).toHaveLength(4);
    expect(left).toHaveLength(2);
    expect(left.every((name) => /\.[13]\.\d+\.tmp$/.test(name))).toBe(true);
  });
});

describe('many and large', () => {
  it('writes more files at once than it may hold open', async () => {
    const sink = await open('{id}/{partition}-{offset}.gz');
    const writer = await sink.openWriter(scope);
    const records = lines(900, { size: 3000, fields: (index) => ({ id: index % 300 }) });
    for (let from = 0; from < records.length; from += 300)
      await writer.write(deliveryBatch(records.slice(from, from + 300)));
    await writer.publish((await writer.prepare())!);
    const names = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.gz'));
    expect(names).toHaveLength(300);
    const seventh = gunzipSync(await readFile(join(folder, '7/0-00000000000000000007.gz'))).toString();
    expect(seventh).toBe([7, 307, 607].map((index) => `${index} ${'x'.repeat(3000)}\n`).join(''));
  });

  it('writes lines longer than its buffers', async () => {
    const sink = await open('{partition}-{offset}');
    const writer = await sink.openWriter(scope);
    const records = [
      ...lines(2),
      { offset: 2, text: 'y'.repeat(5_000_000) },
      { offset: 3, text: '' },
      { offset: 4, text: 'end' },
    ];
    await writer.write(deliveryBatch(records));
    await writer.publish((await writer.prepare())!);
    const text = await readFile(join(folder, '0-00000000000000000000'), 'utf8');
    expect(text).toBe(records.map((record) => `${record.text}\n`).join(''));
  });
});

describe('failing disks', () => {
  it.each([
    ['ENOSPC', 'TLR_DISK_FULL'],
    ['EIO', 'TLR_SINK'],
  ])('%s is told as %s', async (code, expected) => {
    const failing: Files = Object.create(unsynced, {
      open: {
        value: async (path: string, mode: 'create-new') => {
          const file = await nodeFiles.open(path, mode);
          return {
            ...file,
            close: () => file.close(),
            write: () => Promise.reject(Object.assign(new Error(code), { code })),
          };
        },
      },
    }) as Files;
    const sink = await open('{partition}-{offset}', { files: failing });
    const writer = await sink.openWriter(scope);
    await writer.write(deliveryBatch(lines(10)));
    await expect(writer.prepare()).rejects.toMatchObject({ code: expected, retriable: true });
    await sink.close();
  });
});

describe('permissions', () => {
  it.each([
    [undefined, '{partition}-{offset}', 0o640, 0o750],
    [undefined, '{topic}', 0o640, 0o750],
    ['0600', '{partition}-{offset}', 0o600, 0o700],
    [644, '{topic}', 0o644, 0o755],
  ])('%s give %s', async (mode, name, file, directory) => {
    const sink = await open(`new/${name}`, mode === undefined ? {} : { mode });
    const each: WriterScope = name === '{topic}' ? { kind: 'edge' } : scope;
    const writer = await sink.openWriter(each);
    await writer.write(deliveryBatch(lines(3)));
    await writer.publish((await writer.prepare())!);
    await sink.close();
    const [published] = await readdir(join(folder, 'new'));
    await writeFile(join(folder, 'plain'), '', { mode: 0o777 });
    const umask = 0o777 & ~(await stat(join(folder, 'plain'))).mode;
    expect((await stat(join(folder, 'new', published!))).mode & 0o777).toBe(file & ~umask);
    expect((await stat(join(folder, 'new'))).mode & 0o777).toBe(directory & ~umask);
  });
});

it('reads URLs', () => {
  expect(fileSink.fromUrl('file:///srv/{partition}-%Y.log')).toEqual({ path: '/srv/{partition}-%Y.log' });
  expect(fileSink.fromUrl('file:out/x.log')).toEqual({ path: 'out/x.log' });
  expect(fileSink.fromUrl('tail:///x')).toBeUndefined();
});

it('refuses settings that cannot be', () => {
  const parse = (settings: Record<string, unknown>) => () => fileSink.settings.parse(settings);
  expect(parse({ path: 'x', roll: { size: 'big' } })).toThrow(/big.* is not a size/);
  expect(parse({ path: 'x', roll: { age: '5' } })).toThrow(/5.* is not a duration/);
  expect(parse({ path: 'x', colour: 'red' })).toThrow('colour');
  expect(parse({ path: '%q' })).toThrow('%q is not known');
  expect(parse({ path: 'x', mode: '0999' })).toThrow('0999 is not a mode');
});

it('says when topics would share names', async () => {
  const sink = await open('{partition}-{offset}');
  await sink.recover(scope, undefined);
  const other = { topic: 'other', topicId: Buffer.alloc(16, 9), partition: 0 };
  await expect(sink.recover({ kind: 'partition', coordinates: other }, undefined)).rejects.toThrow(
    '{topic} is missing; logs and other',
  );
});
