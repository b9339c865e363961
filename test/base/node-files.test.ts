// The real file system behind `Files`, and replacing files as a whole.
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { replaceFile } from '../../base/atomic-file.ts';
import { nodeFiles } from '../../base/node-files.ts';
import { CrashFiles } from '../support/crash-files.ts';

let directory: string;
const at = (name: string) => join(directory, name);

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tailrace-files-'));
});

afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe('nodeFiles', () => {
  it('writes many buffers at a position, more than one system call takes', async () => {
    const file = await nodeFiles.open(at('a'), 'create');
    const buffers = Array.from({ length: 2500 }, (_, index) => Buffer.from(String(index % 10).repeat(index % 4)));
    await file.write(buffers, 5);
    await file.sync();
    const expected = Buffer.concat([Buffer.alloc(5), ...buffers]);
    expect(readFileSync(at('a'))).toEqual(expected);
    const target = Buffer.alloc(expected.length + 10);
    expect(await file.read(target, 0)).toBe(expected.length);
    expect(file.readSync(target.subarray(0, 10), 7)).toBe(10);
    await file.truncate(3);
    expect(await file.size()).toBe(3);
    await file.close();
    await expect(file.size()).rejects.toMatchObject({ code: 'EBADF' });
    expect(statSync(at('a')).mode & 0o777).toBe(0o600);
  });

  it('keeps to its modes', async () => {
    await expect(nodeFiles.open(at('none'), 'read')).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(nodeFiles.open(at('none'), 'write')).rejects.toMatchObject({ code: 'ENOENT' });
    writeFileSync(at('there'), 'content');
    await expect(nodeFiles.open(at('there'), 'create-new')).rejects.toMatchObject({ code: 'EEXIST' });
    const file = await nodeFiles.open(at('there'), 'create');
    await file.write([Buffer.from('C')], 0);
    await file.close();
    expect(readFileSync(at('there'), 'utf8')).toBe('Content');
    const reader = await nodeFiles.open(at('there'), 'read');
    await expect(reader.write([Buffer.from('x')], 0)).rejects.toMatchObject({ code: 'EBADF' });
    await reader.close();
  });

  it('closes only after the reads under way are done', async () => {
    writeFileSync(at('a'), Buffer.alloc(1_000_000, 7));
    const file = await nodeFiles.open(at('a'), 'read');
    const target = Buffer.alloc(1_000_000);
    const reading = file.read(target, 0);
    await file.close();
    expect(await reading).toBe(1_000_000);
  });

  it('renames, links, lists, removes', async () => {
    await nodeFiles.makeDirectory(at('x/y'));
    writeFileSync(at('x/y/b'), 'b');
    writeFileSync(at('x/y/a'), 'a');
    expect(await nodeFiles.list(at('x/y'))).toEqual(['a', 'b']);
    await expect(nodeFiles.link(at('x/y/a'), at('x/y/b'))).rejects.toMatchObject({ code: 'EEXIST' });
    await nodeFiles.rename(at('x/y/a'), at('x/y/b'));
    expect((await nodeFiles.readFile(at('x/y/b'))).toString()).toBe('a');
    await nodeFiles.remove(at('x/y/none'));
    await nodeFiles.syncDirectory(at('x/y'));
    await nodeFiles.removeDirectory(at('x'));
    expect(await nodeFiles.stat(at('x'))).toBeUndefined();
    expect((await nodeFiles.space(at('not/there'))).freeBytes).toBeGreaterThan(0);
  });
});

it('a replaced file is old or new after a crash at any step, never a mixture', async () => {
  const files = new CrashFiles();
  await files.makeDirectory('/d');
  await replaceFile(files, '/d/f', 'old content');
  await files.syncDirectory('/');
  const from = files.steps;
  await replaceFile(files, '/d/f', 'new');
  let draws = 0;
  const random = { next: () => (draws = (draws * 7 + 3) % 11) / 11, bytes: (length: number) => Buffer.alloc(length) };
  for (let step = from; step <= files.steps; step++) {
    for (let count = 0; count < 30; count++) {
      const content = (await files.crash(step, random).readFile('/d/f')).toString();
      if (step === files.steps) expect(content).toBe('new');
      else expect(['old content', 'new']).toContain(content);
    }
  }
});
