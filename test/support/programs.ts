// Runs other people's programs in tests, and tells whether they are there.
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface ProgramResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface RunningProgram {
  readonly pid: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  /** SIGTERM, and SIGKILL after ten seconds; resolves when it has ended. */
  stop(): Promise<ProgramResult>;
}

/** Starts a program that goes on beside the test; whoever starts it stops it. */
export function start(program: string, args: readonly string[]): RunningProgram {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const self = { pid: child.pid, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (self.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (self.stderr += text));
  const ended = new Promise<ProgramResult>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout: self.stdout, stderr: self.stderr }));
  });
  ended.catch(() => undefined);
  const stop = () => {
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
    return ended.finally(() => clearTimeout(timer));
  };
  return Object.assign(self, { stop });
}

/** Runs a program to its end, with `input` on its stdin; killed after `timeoutMs`. */
export function run(program: string, args: readonly string[], input = '', timeoutMs = 60_000): Promise<ProgramResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'], timeout: timeoutMs, killSignal: 'SIGKILL' });
    const result = { code: null as number | null, stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => (result.stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (result.stderr += text));
    child.on('error', reject);
    child.on('close', (code) => resolve({ ...result, code }));
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}

/** Whether the program can be started. */
export function isInstalled(program: string, args: readonly string[] = ['--version']): boolean {
  return spawnSync(program, args, { stdio: 'ignore' }).error === undefined;
}

/** Version of a package of npm's that is installed here. */
export function versionOf(name: string): string {
  const manifest = join(import.meta.dirname, '..', '..', 'node_modules', name, 'package.json');
  return (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version;
}
