// docs/guarantees.md names a test for each promise: they have to be there, under the titles that it quotes.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const docs = join(import.meta.dirname, '..', '..', 'docs');
const page = readFileSync(join(docs, 'guarantees.md'), 'utf8');

/** Tests that are named: a link, then the titles in quotation marks, until the next link. */
const named = [...page.matchAll(/\]\((\.\.\/test\/[^)]+)\)([^[|]*)/g)].map(([, file, rest]) => ({
  file: file!,
  titles: [...rest!.matchAll(/“([^”]+)”/g)].map((match) => match[1]!),
}));

function section(title: string): string[] {
  const start = page.indexOf(`## ${title}`);
  const text = page.slice(start, page.indexOf('\n## ', start + 1));
  const rows = text.split('\n').filter((line) => line.startsWith('| '));
  return rows.slice(1).filter((line) => !line.startsWith('| ---'));
}

it('names tests that exist', () => {
  expect(named.length).toBeGreaterThan(30);
  const wrong = named.flatMap(({ file, titles }) => {
    if (!existsSync(join(docs, file))) return [`${file} is not there`];
    const source = readFileSync(join(docs, file), 'utf8');
    return titles.filter((title) => !source.includes(title)).map((title) => `${file} has no test “${title}”`);
  });
  expect(wrong).toEqual([]);
});

it.each(['What holds', 'What cannot be had'])('names one for each line of “%s”', (title) => {
  const rows = section(title);
  expect(rows.length).toBeGreaterThan(5);
  expect(rows.filter((row) => !row.includes('](../test/'))).toEqual([]);
});

it('says of others only what a page of theirs says', () => {
  const rows = section('Beside others');
  expect(rows.length).toBeGreaterThan(4);
  const said = rows.flatMap((row) => row.split(/(?<!\\)\|/).slice(2, -1));
  const isSourced = (cell: string) =>
    cell.includes('](https://') || /not looked at|nothing found|FileStream again/.test(cell);
  expect(said.filter((cell) => !isSourced(cell))).toEqual([]);
});
