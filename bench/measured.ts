// The command as it is installed, in a process of its own: what it used of a core, and what its profile says.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { root } from '../test/support/command.ts';

/** As --cpu-prof and the inspector write it: `hitCount` samples fell into the function itself. */
export interface Profile {
  nodes: { callFrame: { functionName: string; url: string; lineNumber: number }; hitCount?: number | undefined }[];
}

/** Not work: waiting, and what the machine does outside of JavaScript and its collector. */
const notFunctions = new Set(['(idle)', '(program)', '(root)']);

/** The three functions with the most samples of their own, in percent of those in functions (collecting garbage is one). */
export function hottest(profile: Profile): string {
  const samples = new Map<string, number>();
  let total = 0;
  for (const { callFrame, hitCount = 0 } of profile.nodes) {
    if (notFunctions.has(callFrame.functionName)) continue;
    const file = callFrame.url.slice(callFrame.url.lastIndexOf('/') + 1);
    // In dist/ the line says nothing about the source.
    const isSource = file.endsWith('.ts');
    const place = isSource ? ` (${file}:${callFrame.lineNumber + 1})` : callFrame.url === '' ? ' (native)' : '';
    const name = `${callFrame.functionName || 'anonymous'}${callFrame.functionName.startsWith('(') ? '' : place}`;
    samples.set(name, (samples.get(name) ?? 0) + hitCount);
    total += hitCount;
  }
  const first = [...samples].toSorted((one, other) => other[1] - one[1]).slice(0, 3);
  return first.map(([name, count]) => `${name} ${((count / total) * 100).toFixed(0)} %`).join(', ');
}

/** Seconds of core time that a process used: all threads together, and the main thread alone, which is the one that limits how fast it can be. */
export interface Usage {
  coreSeconds: number;
  mainSeconds: number;
}

/** From the file `stat` of a process or a thread. */
function secondsIn(stat: string): number {
  const fields = readFileSync(stat, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

export interface MeasuredOptions {
  /** A folder for its profile, which is taken only then. */
  profiles?: string;
  /** Modules that it loads first. */
  imports?: readonly string[];
  /** Another bundle than that in dist/. */
  entry?: string;
}

export class MeasuredCommand {
  readonly process: ChildProcess;
  /** What it logged. */
  log = '';
  private output = '';
  private used = '';
  private readonly profiles: string | undefined;
  private readonly closed: Promise<unknown>;

  constructor(args: readonly string[], { profiles, imports = [], entry }: MeasuredOptions = {}) {
    this.profiles = profiles === undefined ? undefined : mkdtempSync(join(profiles, 'profile-'));
    const flags = this.profiles === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${this.profiles}`];
    for (const module of [join(import.meta.dirname, 'usage.mjs'), ...imports]) flags.push('--import', module);
    this.process = spawn(process.execPath, [...flags, entry ?? join(root, 'dist', 'cli', 'entry.js'), ...args], {
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
      // As the launcher does.
      env: { ...process.env, UV_THREADPOOL_SIZE: '16', NO_COLOR: '1' },
    });
    this.process.stdout!.setEncoding('utf8').on('data', (text: string) => (this.output += text));
    this.process.stderr!.setEncoding('utf8').on('data', (text: string) => (this.log += text));
    (this.process.stdio[3] as Readable).setEncoding('utf8').on('data', (text: string) => (this.used += text));
    this.closed = once(this.process, 'close');
  }

  /** Until now. */
  get usage(): Usage {
    const { pid } = this.process;
    return { coreSeconds: secondsIn(`/proc/${pid}/stat`), mainSeconds: secondsIn(`/proc/${pid}/task/${pid}/stat`) };
  }

  /** Waits until it has ended by itself; rejects when it failed. */
  async end(): Promise<Usage> {
    await this.closed;
    if (this.process.exitCode !== 0)
      throw new Error(`the command ended with ${this.process.exitCode}: ${this.output}\n${this.log}`);
    return JSON.parse(this.used) as Usage;
  }

  async terminate(): Promise<void> {
    this.process.kill('SIGTERM');
    await this.closed;
  }

  /** Once it has ended; removes its folder. */
  profile(): Profile {
    const folder = this.profiles!;
    const files = readdirSync(folder).map((name) => join(folder, name));
    const nodes = files.flatMap((file) => (JSON.parse(readFileSync(file, 'utf8')) as Profile).nodes);
    rmSync(folder, { recursive: true });
    return { nodes };
  }
}
