// Runs the real command as a process of its own: what it printed, how it ended, signals. Whoever starts one ends it: see `endAll`.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

export const root = join(import.meta.dirname, '..', '..');
const running = new Set<ChildProcess>();

export interface CommandResult {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface CommandOptions {
  cwd: string;
  env?: Record<string, string>;
  /** A program that starts the command: its name and arguments, to which the command is added. */
  under?: readonly string[];
}

export class RunningCommand {
  readonly process: ChildProcess;
  stdout = '';
  stderr = '';
  /** Resolves when it has ended. */
  readonly closed: Promise<CommandResult>;

  constructor(args: readonly string[], options: CommandOptions) {
    const [program, ...given] = [...(options.under ?? []), join(root, 'tailrace'), ...args];
    this.process = spawn(program!, given, {
      cwd: options.cwd,
      env: { ...process.env, NO_COLOR: '1', ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    running.add(this.process);
    this.process.stdout!.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.process.stderr!.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.closed = once(this.process, 'close').then(([code, signal]) => {
      running.delete(this.process);
      return {
        code: code as number | null,
        signal: signal as NodeJS.Signals | null,
        stdout: this.stdout,
        stderr: this.stderr,
      };
    });
  }

  /** How it ended. Rejects, with what it printed, when it has not ended by then. */
  async end(timeoutMs = 60_000): Promise<CommandResult> {
    const late = new AbortController();
    const timeout = wait(timeoutMs, undefined, { signal: late.signal, ref: false }).then(() => {
      throw new Error(`still running after ${timeoutMs} ms\n${this.stdout}\n${this.stderr}`);
    });
    timeout.catch(() => undefined);
    try {
      return await Promise.race([this.closed, timeout]);
    } finally {
      late.abort();
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }

  /** Sends input and closes standard input. */
  input(text: string | Buffer): void {
    this.process.stdin!.end(text);
  }
}

/** Starts the command; it goes on beside the test. */
export function start(args: readonly string[], options: CommandOptions): RunningCommand {
  return new RunningCommand(args, options);
}

/** Runs the command to its end. */
export async function run(
  args: readonly string[],
  options: CommandOptions & { input?: string | Buffer; timeoutMs?: number },
): Promise<CommandResult> {
  const command = new RunningCommand(args, options);
  command.input(options.input ?? '');
  return command.end(options.timeoutMs);
}

/** Ends whatever a test left running; for afterEach. */
export async function endAll(): Promise<void> {
  const closing = [...running].map(async (child) => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'close');
  });
  await Promise.all(closing);
}

/** Polls until `condition` gives something, or rejects naming `what`. */
export async function until<T>(
  what: string,
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  timeoutMs = 60_000,
): Promise<T> {
  const endMs = performance.now() + timeoutMs;
  for (;;) {
    const value = await condition();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > endMs) throw new Error(`never happened: ${what}`);
    await wait(20);
  }
}

/** A port below 32768 (out of the range that the system gives to outgoing connections) that was free a moment ago. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const server = createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (free) return port;
  }
  throw new Error('no free port found');
}
