// rsyslog's imfile under the same test, set up as well as it can be: state written every 20 lines, truncation noticed, output not buffered.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isInstalled } from '../support/programs.ts';
import { until } from '../support/command.ts';
import { Arrived } from './lines.ts';
import type { Subject, Watch } from './subject.ts';

export function hasRsyslog(): boolean {
  return isInstalled('rsyslogd', ['-v']);
}

export class Rsyslog implements Subject {
  readonly name = 'rsyslog';
  private readonly folder: string;
  private readonly watches: readonly Watch[];
  private child: ChildProcess | undefined;

  constructor(folder: string, watches: readonly Watch[]) {
    this.folder = join(folder, 'rsyslog');
    this.watches = watches;
    mkdirSync(join(this.folder, 'state'), { recursive: true });
    const lines = [
      `global(workDirectory="${this.folder}/state" maxMessageSize="64k")`,
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
    writeFileSync(join(this.folder, 'rsyslog.conf'), lines.join('\n') + '\n');
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  private output(name: string): string {
    return join(this.folder, `${name}.out`);
  }

  async start(): Promise<void> {
    const pidFile = join(this.folder, 'pid');
    this.child = spawn('rsyslogd', ['-n', '-f', join(this.folder, 'rsyslog.conf'), '-i', pidFile], { stdio: 'ignore' });
    await until('rsyslogd is up', () => existsSync(pidFile));
  }

  async stop(): Promise<void> {
    await this.end('SIGTERM');
  }

  async kill(): Promise<void> {
    await this.end('SIGKILL');
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.child;
    this.child = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const closed = once(child, 'close');
    child.kill(signal);
    await closed;
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

  async finish(): Promise<ReadonlyMap<string, Arrived>> {
    await this.stop();
    return this.arrived();
  }
}
