import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { packingOf, UnpackedFile } from '../../../agents/tail/packing.ts';
import { nodeFiles } from '../../../base/node-files.ts';

const folder = mkdtempSync(join(tmpdir(), 'tailrace-packing-'));
afterAll(() => rmSync(folder, { recursive: true }));

const text = Buffer.from(
  Array.from({ length: 150_000 }, (_none, index) => `line ${(index * 7919) % 100_003}`).join('\n'),
);
const [first, second] = [text.subarray(0, 500_000), text.subarray(500_000)];

async function opened(name: string, bytes: Buffer): Promise<UnpackedFile> {
  writeFileSync(join(folder, name), bytes);
  const raw = await nodeFiles.open(join(folder, name), 'read');
  const packing = packingOf(bytes);
  expect(packing).toBe(name.split(' ')[0]);
  return new UnpackedFile(raw, packing === 'zstd' ? 'zstd' : 'gzip');
}

async function slice(file: UnpackedFile, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  return bytes.subarray(0, await file.read(bytes, position));
}

describe.each([
  ['gzip', gzipSync(text), gzipSync],
  ['gzip in members', Buffer.concat([gzipSync(first), gzipSync(second)]), gzipSync],
  ['zstd', zstdCompressSync(text), zstdCompressSync],
  ['zstd in frames', Buffer.concat([zstdCompressSync(first), zstdCompressSync(second)]), zstdCompressSync],
])('%s', (name, bytes, pack) => {
  it('shows what was packed, forward, and from the beginning again', async () => {
    const file = await opened(name, bytes);
    for (const position of [0, 100, 700_000, 699_900, 3, 0, 1_000_000, text.length - 10]) {
      expect(
        (await slice(file, position, 300_000)).equals(text.subarray(position, position + 300_000)),
        `${position}`,
      ).toBe(true);
    }
    expect(await file.unpackAll()).toBe(text.length);
    expect(await slice(file, text.length, 10)).toHaveLength(0);
    await file.close();
  });

  it('says when it is cut short, and goes on when it is whole', async () => {
    const packed = pack(text);
    const file = await opened(`${name} cut`, packed.subarray(0, packed.length - 20));
    await expect(slice(file, text.length - 100, 100)).rejects.toMatchObject({ code: 'TLR_UNREADABLE' });
    writeFileSync(join(folder, `${name} cut`), packed);
    expect((await slice(file, text.length - 100, 100)).equals(text.subarray(-100))).toBe(true);
    await file.close();
  });
});

/** Small files are unpacked in one go, where that can be. */
describe('a small file', () => {
  const hello = (pack: (text: string) => Buffer, ...words: string[]) => Buffer.concat(words.map((word) => pack(word)));
  const skippable = Buffer.concat([Buffer.from('502a4d1804000000', 'hex'), Buffer.from('abcd')]);

  it.each([
    ['gzip', gzipSync('hello '), 'hello '],
    ['gzip of nothing', gzipSync(''), ''],
    ['gzip in small members', hello(gzipSync, 'hello ', 'world'), 'hello world'],
    ['gzip that grows', gzipSync(text.subarray(0, 1).toString().repeat(3_000_000)), 'l'.repeat(3_000_000)],
    ['zstd', zstdCompressSync('hello '), 'hello '],
    ['zstd in small frames', hello(zstdCompressSync, 'hello ', 'world'), 'hello world'],
    ['zstd after a skippable frame', Buffer.concat([skippable, zstdCompressSync('hello ')]), 'hello '],
    ['zstd before a skippable frame', Buffer.concat([zstdCompressSync('hello '), skippable]), 'hello '],
  ])('%s', async (name, bytes, content) => {
    const file = await opened(name, bytes);
    expect(await file.unpackAll()).toBe(content.length);
    expect((await slice(file, 0, content.length + 1)).toString()).toBe(content);
    expect((await slice(file, 2, 3)).toString()).toBe(content.slice(2, 5));
    await file.close();
  });
});

it('knows packed files by their first bytes', () => {
  expect(packingOf(Buffer.from('plain text\n'))).toBeUndefined();
  expect(packingOf(Buffer.from('BZh9 is a word\n'))).toBeUndefined();
  expect(packingOf(Buffer.from('BZh9\x31\x41\x59\x26\x53\x59', 'latin1'))).toBe('foreign');
  expect(packingOf(Buffer.from('fd377a585a000004', 'hex'))).toBe('foreign');
  expect(packingOf(Buffer.alloc(0))).toBeUndefined();
});
