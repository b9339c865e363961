// rsyslog's imfile under the same test, set up as well as it can be: state written every 20
// lines, truncation noticed, output not buffered.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isInstalled } from '../support/programs.ts';
import { until } from '../support/command.ts';
import { Arrived } from './lines.ts';
import type { Subject, Watch } from './subject.ts';

/** Nothing written for so long: it has read what it will. */
const quietMs = 3_000;

export function hasRsyslog(): boolean {
  return isInstalled('rsyslogd', ['-v']);
}

/** One process for each pattern, so that none follows a file twice. */
export class Rsyslog implements Subject {
  readonly name = 'rsyslog';
  readonly pid = undefined;
  private readonly folder: string;
  private readonly watches: readonly Watch[];
  private readonly kinds: readonly string[];
  private children: ChildProcess[] = [];

  constructor(folder: string, watches: readonly Watch[]) {
    this.folder = join(folder, 'rsyslog');
    this.watches = watches;
    const kindOf = ({ name }: Watch) => name.replace(/\d+$/, '');
    this.kinds = [...new Set(watches.map(kindOf))];
    for (const kind of this.kinds) {
      this.configure(
        kind,
        watches.filter((watch) => kindOf(watch) === kind),
      );
    }
  }

  private configure(kind: string, watches: readonly Watch[]): void {
    mkdirSync(join(this.folder, kind), { recursive: true });
    const lines = [
      `global(workDirectory="${this.folder}/${kind}" maxMessageSize="64k")`,
      'module(load="imfile" mode="inotify")',
      'template(name="line" type="string" string="%msg%\\n")',
    ];
    for (const { name, pattern } of watches) {
      const common = `type="omfile" file="${this.output(name)}" template="line" asyncWriting="off"`;
      lines.push(
        `ruleset(name="${name}") { action(${common} flushOnTXEnd="on") }`,
        `input(type="imfile" file="${pattern}" tag="${name}" ruleset="${name}" reopenOnTruncate="on" persistStateInterval="20")`,
      );
    }
    writeFileSync(join(this.folder, `${kind}.conf`), lines.join('\n') + '\n');
  }

  private output(name: string): string {
    return join(this.folder, `${name}.out`);
  }

  async start(): Promise<void> {
    await Promise.all(this.kinds.map((kind) => this.startOne(kind)));
  }

  private async startOne(kind: string): Promise<void> {
    const pidFile = join(this.folder, `${kind}.pid`);
    rmSync(pidFile, { force: true });
    const args = ['-n', '-f', join(this.folder, `${kind}.conf`), '-i', pidFile];
    this.children.push(spawn('rsyslogd', args, { stdio: 'ignore' }));
    await until('rsyslogd is up', () => existsSync(pidFile));
  }

  async stop(): Promise<void> {
    await this.end('SIGTERM');
  }

  async kill(): Promise<void> {
    await this.end('SIGKILL');
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const ending = this.children.filter((child) => child.exitCode === null && child.signalCode === null);
    this.children = [];
    await Promise.all(
      ending.map(async (child) => {
        const closed = once(child, 'close');
        child.kill(signal);
        await closed;
      }),
    );
  }

  arrived(): Promise<ReadonlyMap<string, Arrived>> {
    const found = new Map<string, Arrived>();
    for (const { name, cell } of this.watches) {
      const arrived = new Arrived(cell);
      found.set(name, arrived);
      if (!existsSync(this.output(name))) continue;
      const lines = readFileSync(this.output(name), 'latin1').split('\n');
      lines.pop();
      // imfile gives a message a leading space when it begins without one.
      for (const line of lines) arrived.add(line.startsWith(' ') ? line.slice(1) : line);
    }
    return Promise.resolve(found);
  }

  private outputBytes(): number {
    const paths = this.watches.map(({ name }) => this.output(name)).filter((path) => existsSync(path));
    return paths.reduce((sum, path) => sum + statSync(path).size, 0);
  }

  /** It gets all the time it makes use of. */
  async finish(): Promise<ReadonlyMap<string, Arrived>> {
    let bytes = -1;
    let sinceMs = performance.now();
    await until(
      'rsyslog writes no more',
      () => {
        const now = this.outputBytes();
        if (now !== bytes) sinceMs = performance.now();
        bytes = now;
        return performance.now() - sinceMs > quietMs;
      },
      60_000,
    );
    await this.stop();
    return this.arrived();
  }
}
