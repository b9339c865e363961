// The house rules that no linter knows: who may import whom, how long files may be, what must not be left behind.
import { readFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = normalize(join(import.meta.dirname, '..'));

/** Files git tracks, and new ones it does not ignore; those already deleted in the work tree are left out. */
const tracked = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((path) => path !== '');
const text = new Map<string, string>();
for (const path of tracked) {
  try {
    text.set(path, readFileSync(join(root, path), 'utf8'));
  } catch {
    continue; // deleted, not committed yet
  }
}
const sources = [...text.keys()].filter(
  (path) => path.endsWith('.ts') && !path.startsWith('test/') && !path.endsWith('.config.ts'),
);

/** The import table of the house: folder → what of ours it may import besides itself. The longest matching folder counts. */
const mayImport: Record<string, readonly string[]> = {
  base: [],
  'broker/wire': ['base'],
  'broker/log': ['base', 'broker/wire'],
  'broker/coordinator': ['base', 'broker/wire', 'broker/log'],
  'broker/handlers': [
    'base',
    'broker/wire',
    'broker/log',
    'broker/coordinator',
    'broker/client/contract.ts',
    'broker/config.ts',
  ],
  'broker/server': ['base', 'broker/wire', 'broker/log', 'broker/coordinator', 'broker/handlers'],
  'broker/client': ['base', 'broker/wire'],
  broker: [
    'base',
    'broker/wire',
    'broker/log',
    'broker/coordinator',
    'broker/handlers',
    'broker/server',
    'broker/client/contract.ts',
  ],
  agents: ['base', 'broker/client', 'broker/wire'],
  sinks: ['base'],
  pipelines: ['base', 'broker/client', 'broker/wire', 'sinks', 'agents/agent.ts'],
  cli: ['base', 'broker', 'agents', 'sinks', 'pipelines', 'console'],
  bench: ['base', 'broker', 'agents', 'sinks', 'pipelines', 'cli', 'test'],
};

const folderOf = (path: string) =>
  Object.keys(mayImport)
    .filter((folder) => path.startsWith(folder + '/'))
    .sort((left, right) => right.length - left.length)[0];

function importsOf(path: string): string[] {
  const found = [...text.get(path)!.matchAll(/(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map((match) => match[1]!);
  return found.map((target) => normalize(join(dirname(path), target)));
}

describe('the house', () => {
  it('is imported in one direction', () => {
    const wrong: string[] = [];
    for (const path of sources) {
      const folder = folderOf(path);
      if (folder === undefined) wrong.push(`${path}: in no folder of the import table`);
      else {
        for (const target of importsOf(path)) {
          const inside = folderOf(target) === folder;
          const allowed = mayImport[folder]!.some((prefix) => target === prefix || target.startsWith(prefix + '/'));
          if (!inside && !allowed) wrong.push(`${path} imports ${target}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  it('imports files that exist', () => {
    const wrong = sources.flatMap((path) =>
      importsOf(path)
        .filter((target) => !text.has(target))
        .map((target) => `${path}: ${target}`),
    );
    expect(wrong).toEqual([]);
  });

  it('has no file that nothing uses', () => {
    const used = new Set([...text.keys()].filter((path) => path.endsWith('.ts')).flatMap(importsOf));
    const entries = new Set(['cli/entry.ts', 'bench/run.ts']);
    const named = [...text]
      .filter(([path]) => path === 'package.json' || path.endsWith('.md'))
      .map(([, content]) => content)
      .join('\n');
    const dead = sources.filter((path) => !used.has(path) && !entries.has(path) && !named.includes(path));
    expect(dead).toEqual([]);
  });

  it('has files that say what they own, and that end', () => {
    const wrong: string[] = [];
    for (const path of [...text.keys()].filter((name) => name.endsWith('.ts'))) {
      const content = text.get(path)!;
      const lines = content.split('\n').length;
      if (lines > 451) wrong.push(`${path}: ${lines} lines`);
      if (!path.endsWith('.test.ts') && !/^(#!.*\n)?\s*(\/\/|\/\*)/.test(content))
        wrong.push(`${path}: does not say what it owns`);
      if (!/^[a-z0-9.-]+$/.test(path.split('/').at(-1)!)) wrong.push(`${path}: name is not kebab-case`);
    }
    expect(wrong).toEqual([]);
  });

  it('has nothing left behind', () => {
    const marks = new RegExp(
      ['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X', '@ts-ig' + 'nore', '\\.on' + 'ly\\(']
        .map((word) => `\\b${word}`)
        .join('|')
        .replaceAll('\\b\\.', '\\.')
        .replaceAll('\\b@', '@'),
    );
    const wrong = [...text]
      .filter(([path, content]) => /\.(ts|js|md|yaml|sh)$/.test(path) && marks.test(content))
      .map(([path]) => path);
    expect(wrong).toEqual([]);
  });
});
