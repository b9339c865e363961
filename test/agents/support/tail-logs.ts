// Logs in folders of their own, written and rotated under the eyes of a tail agent: what tests of rotation begin with.
import { appendFileSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { expect } from 'vitest';
import type { Files, FileStat, OpenFile } from '../../../base/files.ts';
import { nodeFiles } from '../../../base/node-files.ts';
import { until } from './tail-bench.ts';
import { bench, texts } from './tail-world.ts';

/** The n-th line of a log. */
export const line = (log: string, number: number) => `${log} ${number} ${'x'.repeat(30)}`;
/** Appends lines to a log in the folder `log`, and returns them. */
export function write(log: string, from: number, to: number, name = 'app.log'): string[] {
  const lines = Array.from({ length: to - from }, (_none, index) => line(log, from + index));
  mkdirSync(bench.path(log), { recursive: true });
  appendFileSync(bench.path(`${log}/${name}`), lines.map((each) => `${each}\n`).join(''));
  return lines;
}
/** Waits for as many lines, and compares. */
export const arrived = (lines: readonly string[]) =>
  until(
    () => texts().length >= lines.length,
    () => `${texts().length} of ${lines.length}`,
    60_000,
  ).then(() => expect(texts().sort()).toEqual([...lines].sort()));
/** The file system, whose files `change` gets to see when they are opened. */
export function onOpening(change: (file: OpenFile) => void): Files {
  return {
    ...nodeFiles,
    open: async (path, mode) => {
      const file = await nodeFiles.open(path, mode);
      change(file);
      return file;
    },
  };
}
/** The file system, with other stats, by name and by handle. */
export function withStats(change: (stat: FileStat, path: string) => FileStat): Files {
  return {
    ...onOpening((file) => {
      const stat = file.stat.bind(file);
      file.stat = async () => change(await stat(), file.path);
    }),
    stat: async (path) => {
      const stat = await nodeFiles.stat(path);
      return stat && change(stat, path);
    },
  };
}
/** The file system, and how often the file under `path` was looked at. */
export function countingLooks(path: string): { files: Files; looks: () => number } {
  let looks = 0;
  const stat: Files['stat'] = (each) => {
    if (each === path) looks++;
    return nodeFiles.stat(each);
  };
  return { files: { ...nodeFiles, stat }, looks: () => looks };
}
/** Replaces a file as gzip does. */
export function pack(path: string): void {
  writeFileSync(bench.path(`${path}.gz`), gzipSync(readFileSync(bench.path(path))));
  rmSync(bench.path(path));
}
export const move = (from: string, to: string) => renameSync(bench.path(from), bench.path(to));
