// The loggers and rotators that people have: Python's rotating handlers, logrotate, svlogd, multilog, rotatelogs, and what Docker and the kubelet do (loggers.py),
// rotating every second or so, while `tailrace up` is killed with -9
// again and again. What is on the disk in the end is in the files once; what only stood in a file that logrotate deleted or truncated at most once.
// LOGGERS_SECONDS: 12 unless told. Skipped by name where Python, logrotate or zstd is missing; piped loggers that are not installed are left out and named.
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { endAll, freePort, root, start, until } from '../support/command.ts';
import { isInstalled, run } from '../support/programs.ts';

const seconds = Number(process.env['LOGGERS_SECONDS'] ?? 12);
const missing = ['python3', 'logrotate', 'zstd'].filter((program) => !isInstalled(program));
const name = missing.length === 0 ? 'loggers' : `loggers (not here: ${missing.join(', ')})`;

/** What logrotate does to the logs in the folder of that name, beside renaming. */
const rotations: Record<string, string> = {
  plain: '',
  compress: 'compress',
  'compress-zstd': 'compress\ncompresscmd zstd\ncompressext .zst\ncompressoptions -q --rm',
  delaycompress: 'compress\ndelaycompress',
  dateext: 'dateext\ndateformat -%Y%m%d-%H%M%S-%s',
  olddir: 'olddir old\ncreateolddir 755',
  copytruncate: 'copytruncate',
};
const patterns = {
  named: ['*/app.log', '*/current', '*/link.log'],
  matched: ['*/app.log*', '*/app-*.log', '*/old/app.log*', '*/current', '*/@*', '*/pods/0.log*'],
};
/** Those that rotate what they are piped, and how many logs they have. */
const piped = { svlogd: 2, multilog: 1, rotatelogs: 3 };
const isHere = ([program]: readonly [string, number]) => isInstalled(program);
/** Beside those: Python's four, logrotate's seven, Docker's two, the kubelet's. */
const otherLogs = 14;

let folder: string;
const logs = () => join(folder, 'logs');

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-loggers-'));
  // logrotate reads nothing that others may write to.
  for (const one of ['logs', 'rules']) mkdirSync(join(folder, one), { mode: 0o755 });
  for (const [one, rules] of Object.entries(rotations)) {
    const all = `rotate 10000\nmissingok\n${rules}\n`;
    writeFileSync(join(folder, 'rules', one), `${logs()}/${one}/app.log {\n${all}}\n`, { mode: 0o644 });
  }
  const agents = Object.entries(patterns).map(([agent, paths]) => {
    const found = paths.map((path) => JSON.stringify(join(logs(), path)));
    return `  ${agent}: { type: tail, paths: [ ${found.join(', ')} ] }`;
  });
  const edges = Object.keys(patterns).map((agent) => `  ${agent}: { from: ${agent}, to: ${agent}-files }`);
  const sinks = Object.keys(patterns).map(
    (agent) =>
      `  ${agent}-files: { type: file, path: "${folder}/${agent}/{partition}-{offset}.log", roll: { idle: 1s } }`,
  );
  const lines = ['agents:', ...agents, 'pipelines:', ...edges, 'sinks:', ...sinks];
  writeFileSync(
    join(folder, 'tailrace.yaml'),
    `broker: { listen: "127.0.0.1:${await freePort()}" }\n${lines.join('\n')}\n`,
  );
});

afterEach(async () => {
  await endAll();
  rmSync(folder, { recursive: true, force: true });
});

/** The texts of all files in the folder and below, without what loggers keep for themselves and the copies that logrotate makes of files that are in its way. */
function textsIn(path: string): string[] {
  const names = readdirSync(path, { recursive: true, encoding: 'utf8' }).filter(
    (each) =>
      !/(^|\/)(?:\.|(?:lock|config|state|newstate)$)|\.backup$/.test(each) && statSync(join(path, each)).isFile(),
  );
  return names.map((each) => {
    const bytes = readFileSync(join(path, each));
    const magic = bytes.toString('hex', 0, 4);
    const text = magic.startsWith('1f8b')
      ? gunzipSync(bytes)
      : magic === '28b52ffd'
        ? zstdDecompressSync(bytes)
        : bytes;
    return text.toString();
  });
}

function linesIn(path: string): string[] {
  return textsIn(path).flatMap((text) => text.split('\n').slice(0, -1));
}

/** What files end with that is no line: logrotate packs a log while its program still writes to it, and may see half of a line. */
function fragmentsIn(path: string): Set<string> {
  return new Set(textsIn(path).map((text) => text.slice(text.lastIndexOf('\n') + 1)));
}

function countsOf(lines: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1);
  return counts;
}

/** Rotates all logs, one after the other, about once a second until there is a file `end`. */
async function rotate(): Promise<void> {
  while (!readdirSync(logs()).includes('end')) {
    await wait(600);
    for (const one of Object.keys(rotations)) {
      await run('logrotate', ['-f', '-s', join(folder, 'state'), join(folder, 'rules', one)]);
    }
  }
}

/** What is wrong with the lines that came out: missing ones that are on the disk, others that came more than once, or that nobody wrote and no file ends with. */
function faults(written: readonly string[], outcome: readonly string[], fragments: ReadonlySet<string>) {
  const counts = countsOf(outcome);
  const lost = written.filter((line) => !counts.has(line));
  const doubled = [...counts].filter(([, count]) => count > 1).map(([line]) => line);
  const strange = outcome.filter((line) => !/^[a-z-]+ \d+ x*$/.test(line) && !fragments.has(line));
  return { lost, doubled, strange };
}

describe.skipIf(missing.length > 0)(name, () => {
  it('lose and double nothing through kills', { timeout: 240_000 }, async () => {
    const out = (agent: string) => {
      mkdirSync(join(folder, agent), { recursive: true });
      return linesIn(join(folder, agent));
    };
    const here = Object.entries(piped).filter(isHere);
    const absent = Object.keys(piped).filter((program) => !here.some(([each]) => each === program));
    const logCount = here.reduce((sum, [, count]) => sum + count, otherLogs);
    let up = start(['up'], { cwd: folder });
    const programs = run('python3', [join(root, 'test/crash/loggers.py'), logs()], '', 240_000);
    try {
      // A log that is rotated before anybody has ever seen it is nobody's.
      const isSeen = () => Object.keys(patterns).every((agent) => out(agent).length >= logCount);
      await until('the first line of each log is out', isSeen, 60_000);
      writeFileSync(join(logs(), 'go'), '');
      const rotating = rotate();
      const endMs = performance.now() + seconds * 1_000;
      while (performance.now() < endMs) {
        await wait(500 + Math.random() * 3_000);
        up.signal('SIGKILL');
        await up.end();
        up = start(['up'], { cwd: folder });
      }
      writeFileSync(join(logs(), 'end'), '');
      await rotating;
    } finally {
      // Also when they have not begun.
      for (const word of ['go', 'end']) writeFileSync(join(logs(), word), '');
      // Not before they have packed what they had begun to pack.
      expect(await programs).toMatchObject({ code: 0, stderr: '' });
    }
    const written = linesIn(logs());
    const fragments = fragmentsIn(logs());
    expect(written.length).toBeGreaterThan(1_000);
    const isOut = () =>
      Object.keys(patterns).every((agent) => faults(written, out(agent), fragments).lost.length === 0);
    const inTime = await until('all is out', isOut, 60_000).catch(() => 'not all');
    up.signal('SIGTERM');
    await up.end();
    for (const agent of Object.keys(patterns)) {
      const { lost, doubled, strange } = faults(written, out(agent), fragments);
      const shown = [lost, doubled, strange].map((lines) => ({ count: lines.length, some: lines.slice(0, 5) }));
      expect(shown, `${agent}: lost, doubled, strange; ${String(inTime)}`).toEqual(
        shown.map(() => ({ count: 0, some: [] })),
      );
    }
    const without = absent.length === 0 ? '' : ` (not here: ${absent.join(', ')})`;
    console.log(`${logCount} loggers${without}: ${written.length} lines on the disk, each once in both outcomes`);
  });
});
