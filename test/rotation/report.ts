// What the runs of the matrix have shown, kept from run to run in results.json beside this file, and the page that is made of it: docs/rotation.md.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { type CourseResult, type Outcome, patterns, type State } from './course.ts';
import { forms } from './forms.ts';

const resultsFile = join(import.meta.dirname, 'results.json');
const page = join(import.meta.dirname, '..', '..', 'docs', 'rotation.md');
const states: readonly State[] = ['up', 'down', 'killed'];

type Cell = Omit<Outcome, 'sums'> & Omit<Outcome['sums'], 'samples'> & { date: string };
type Run = Pick<CourseResult, 'kills' | 'seconds' | 'peak' | 'atEnd'> & {
  logs: number;
  state: State;
  date: string;
  forms: number;
  /** Absent where both patterns were read by one process. */
  patterns?: 1;
};

interface Results {
  cells: Cell[];
  runs: Run[];
}

function load(): Results {
  return existsSync(resultsFile) ? (JSON.parse(readFileSync(resultsFile, 'utf8')) as Results) : { cells: [], runs: [] };
}

/** Takes the place of what earlier runs of the same cells have shown, and writes the page. */
export function record(result: CourseResult, logs: number, state: State): void {
  const results = load();
  const date = new Date().toISOString().slice(0, 16).replace('T', ' ');
  const keyOf = (cell: Pick<Cell, 'form' | 'pattern' | 'logs' | 'state' | 'subject'>) =>
    JSON.stringify([cell.form, cell.pattern, cell.logs, cell.state, cell.subject]);
  const cells = new Map(results.cells.map((cell) => [keyOf(cell), cell]));
  for (const { sums, ...outcome } of result.outcomes) {
    const { written, lost, doubled, destroyed, strange } = sums;
    cells.set(keyOf(outcome), { ...outcome, written, lost, doubled, destroyed, strange, date });
  }
  const count = new Set(result.outcomes.map(({ form }) => form)).size;
  const { kills, seconds, peak, atEnd } = result;
  const isOfOne = new Set(result.outcomes.map(({ pattern }) => pattern)).size === 1;
  const run: Run = {
    logs,
    state,
    date,
    forms: count,
    kills,
    seconds,
    peak,
    atEnd,
    ...(isOfOne ? { patterns: 1 } : {}),
  };
  const sortOf = (each: Run) => JSON.stringify([each.logs, each.state, each.forms, each.patterns]);
  const others = results.runs.filter((each) => sortOf(each) !== sortOf(run));
  const next = { cells: [...cells.values()], runs: [...others, run] };
  // One line for each, so that a change shows what changed.
  const lines = (items: readonly unknown[]) => items.map((item) => JSON.stringify(item)).join(',\n');
  writeFileSync(resultsFile, `{"cells":[\n${lines(next.cells)}\n],"runs":[\n${lines(next.runs)}\n]}\n`);
  writeFileSync(page, render(next));
}

function textOf(program: string, args: readonly string[], pattern: RegExp): string {
  try {
    return pattern.exec(execFileSync(program, args, { encoding: 'utf8' }))?.[0] ?? 'unknown';
  } catch {
    return 'not there';
  }
}

const fileSystem = () => textOf('stat', ['-f', '-c', '%T', '/tmp'], /\S+/).replace('ext2/ext3', 'ext4');

const intro = () => `# Rotation

What came of every way of rotating logs, with real processes, files and programs (\`gzip\`, \`zstd\`). Written by \`npm run test:rotation\` with ROTATION=all; ROTATION_LOGS (1, 100, 5000), ROTATION_STATE and ROTATION_FORM choose a
part of it. \`npm run test:rotation\` alone takes all forms with one log each.

Each log is written in numbered lines; the logs are rotated four times while the reader is **up**, twice while it is **down** (lines were waiting when it stopped, and come between and after the rotations), six times while it is
**killed** six times with -9 and started again; 5,000 logs twice, twice and three times. In the end every line must have arrived exactly once. *Lost*: missing, though it stood in a file long enough or stands there still. *Destroyed*: missing, and the rotator has
deleted or cut it before anybody can have been sure to read it; in brackets the bytes of it that Tailrace had seen and reports by itself. A record that is no line that was written would count as *strange*, a line
that came only after one more start as *late*: there was none where nothing is said. One log: a plain path. 100 logs: in one folder. 5,000: each in a folder of its own. What has no table, or no row in one, was not run to its end yet: nothing is claimed of it. The tables of 1 and 100 logs ran on the tree of 22:30 on 2026-11-22, those of 5,000 in the hours after it (from 00:47 on with UV_THREADPOOL_SIZE=4, for less CPU); up to 100 logs the rows of copytruncate and of the half line that is split are of 01:00 on the 23rd. The forms of one run share a process, an agent for each form and pattern; with 5,000 logs three forms at a time, for the programs that write them hold 5,000 files open for each.

*Delete soon after* of 5,000 logs is the form that needs most handles: 10,000 for two generations, and as many again for a second pattern. The process may open 20,000 files here, and its agents some 16,000 of them, so its row with the reader up shows each pattern read by a process of its own (ROTATION_PATTERN), one after the other. With both in one process one run of 04:39 on 2026-11-23 lost nothing, another of 04:55 3,114 of 280,000 lines on a busier machine: the last two of 1,557 logs that were deleted while they were not open. The agent's log names each of them.

The last columns are rsyslog's imfile under the very same rotations and kills, up to 100 logs (state written every 20 lines, \`reopenOnTruncate\` on): the control that the harness sees losses.

Linux ${release()}, ${fileSystem()}, Node ${process.versions.node}, ${textOf('rsyslogd', ['-v'], /rsyslogd\s+\S+/)}. Two cores that other work shared, so times mean nothing here.

## The forms

${forms.map(({ name, what }) => `- **${name}**: ${what}`).join('\n')}
`;

const number = (value: number) => value.toLocaleString('en-US');

function row(cells: readonly Cell[], form: string): string | undefined {
  const of = (subject: string, pattern: string) =>
    cells.find((cell) => cell.form === form && cell.subject === subject && cell.pattern === pattern);
  if (of('tailrace', 'app.log') === undefined) return undefined;
  const columns = patterns.flatMap((pattern) => {
    const cell = of('tailrace', pattern);
    if (cell === undefined) return ['', ''];
    const strange = cell.strange === 0 ? '' : `, ${cell.strange} strange`;
    const late = cell.late === 0 ? '' : `, ${cell.late} late`;
    const reported = cell.reportedBytes === 0 ? '' : ` (${number(cell.reportedBytes)} B)`;
    return [
      `${cell.lost} / ${cell.doubled}${strange}${late}`,
      cell.destroyed === 0 ? `0${reported}` : `${cell.destroyed}${reported}`,
    ];
  });
  const control = patterns.map((pattern) => {
    const cell = of('rsyslog', pattern);
    return cell === undefined
      ? ''
      : `${number(cell.lost)} / ${number(cell.doubled)}${cell.strange === 0 ? '' : `, ${number(cell.strange)} strange`}`;
  });
  const written = number(of('tailrace', 'app.log')!.written);
  return `| ${[form, written, ...columns, ...control].join(' | ')} |`;
}

function table(results: Results, logs: number, state: State): string {
  const cells = results.cells.filter((cell) => cell.logs === logs && cell.state === state);
  const rows = forms.flatMap(({ name }) => row(cells, name) ?? []);
  if (rows.length === 0) return '';
  const dates = [...new Set(cells.map(({ date }) => date.slice(0, 10)))].sort().join(', ');
  const head = ['form', 'lines', ...patterns.flatMap((each) => [`\`${each}\` lost / doubled`, 'destroyed'])];
  const control = patterns.map((each) => `rsyslog \`${each}\` lost / doubled`);
  const columns = [...head, ...control];
  const title = `## ${number(logs)} ${logs === 1 ? 'log' : 'logs'}, reader ${state}`;
  return `\n${title}\n\n${dates}\n\n| ${columns.join(' | ')} |\n|${columns.map(() => ' --- |').join('')}\n${rows.join('\n')}\n`;
}

function footprints({ runs }: Results): string {
  const rows = [...runs]
    .sort(
      (left, right) =>
        left.logs - right.logs || states.indexOf(left.state) - states.indexOf(right.state) || left.forms - right.forms,
    )
    .map(({ logs, state, forms: count, patterns: one, kills, peak, atEnd }) => {
      const mebibytes = Math.round(peak.residentBytes / 1024 / 1024);
      const held = `${number(peak.openLogs)} / ${number(atEnd.openLogs)} / ${atEnd.deletedLogs}`;
      return `| ${number(logs)} × ${count}${one === undefined ? '' : ', one pattern'} | ${state} | ${kills} | ${mebibytes} MiB | ${peak.cpuSeconds.toFixed(1)} | ${held} | ${peak.watches} |`;
    });
  return `
## What the process held

Handles: the most at any look, at the end, and those at the end to deleted files (which must be none: they keep room on the disk). Each log is followed twice, once for each pattern, unless one is said. CPU is that of the life that used most.

| logs × forms | reader | kills | memory at most | CPU s | handles | watches |
| --- | --- | --- | --- | --- | --- | --- |
${rows.join('\n')}
`;
}

function render(results: Results): string {
  const counts = [...new Set(results.cells.map(({ logs }) => logs))].sort((left, right) => left - right);
  const tables = counts.flatMap((logs) => states.map((state) => table(results, logs, state)));
  return intro() + tables.join('') + footprints(results);
}
