// What is remembered of files that are followed no more.
import { writeFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { EndedFiles } from '../../../agents/tail/ended-files.ts';
import { Imprint } from '../../../agents/tail/identity.ts';
import type { KnownFile } from '../../../agents/tail/tailed-file.ts';
import { nodeFiles } from '../../../base/node-files.ts';
import { bench, useTailWorld } from '../support/tail-world.ts';

useTailWorld();

const dayMs = 86_400_000;
const content = (number: number) => Buffer.from(`log ${number}\n`.repeat(100));

function known(number: number): KnownFile {
  const bytes = content(number);
  const path = `/logs/${number}.log`;
  return {
    ...{ file: `file-${number}`, state: 'gone', path, firstPath: path, partition: 0, identity: `1:${number}` },
    ...{ generation: 0, position: bytes.length, lines: 100, part: 0 },
    ...Imprint.empty.after(bytes, 0, bytes.length).fingerprint(),
  };
}

it('is forgotten after thirty days', async () => {
  const ended = new EndedFiles();
  const isKnown = async (number: number) => {
    const path = bench.path(`${number}.log`);
    writeFileSync(path, content(number));
    const file = await nodeFiles.open(path, 'read');
    const found = await ended.find(file, { path, stat: await file.stat() }, () => true).finally(() => file.close());
    return found?.known.file === `file-${number}`;
  };
  const add = (number: number, endedMs: number) =>
    ended.add({ known: known(number), endedMs, soundMs: endedMs, head: undefined });
  add(1, dayMs);
  add(2, 2 * dayMs);
  expect([await isKnown(1), await isKnown(2)]).toEqual([true, true]);
  add(3, 31 * dayMs);
  expect([await isKnown(1), await isKnown(2), await isKnown(3)]).toEqual([false, true, true]);
});
