// A writer that appends, rotates in every way and deletes, while the agent is stopped at any moment, replaced, and its commits fail before or
// after they took effect. In the end every line written must be there exactly once, in order for each file.
import { appendFileSync, copyFileSync, existsSync, renameSync, rmSync, statSync, truncateSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Agent } from '../../../agents/agent.ts';
import { seededRandom } from '../../../base/random.ts';
import { FakeCluster } from '../support/fake-cluster.ts';
import { TailBench, until } from '../support/tail-bench.ts';

/** Longer than what identifies a file's beginning. */
const sharedHead = Array.from({ length: 40 }, (_none, index) => `# header line ${index} that several files share`);

class Storm {
  readonly written = new Map<string, number>();
  private readonly bench = new TailBench();
  private readonly cluster = new FakeCluster();
  private readonly random: () => number;
  private readonly paths: string[];
  private readonly files = new Map<string, { partial: string }>();
  private agent: Agent | undefined;
  private life = 0;
  private serial = 0;
  private rotations = 0;

  constructor(seed: number, paths: string[]) {
    this.random = seededRandom(seed).next.bind(undefined);
    this.paths = paths;
    this.cluster.createTopic('lines', 3);
    this.cluster.onCommit = () => {
      const lot = this.random();
      return lot < 0.03 ? 'fail-before' : lot < 0.06 ? 'fail-after' : undefined;
    };
  }

  async run(actions: number): Promise<void> {
    try {
      await this.restart();
      for (let action = 0; action < actions; action++) {
        await this.act();
        if (this.random() < 0.5) await this.pause();
      }
      this.cluster.onCommit = undefined;
      for (const name of this.files.keys()) this.endLine(name);
      await this.settled();
      await this.agent?.stop(1_000);
      // Nothing more turns up when somebody looks again.
      await this.bench.once(this.cluster.client(), { paths: this.paths });
      this.check();
    } finally {
      await this.bench.close();
    }
  }

  private below(limit: number): number {
    return Math.floor(this.random() * limit);
  }

  private async pause(): Promise<void> {
    if (this.random() < 0.2) return new Promise((resolve) => setTimeout(resolve, this.below(30)));
    for (let turn = this.below(20); turn > 0; turn--) await new Promise((resolve) => setImmediate(resolve));
  }

  private count(text: string): void {
    this.written.set(text, (this.written.get(text) ?? 0) + 1);
  }

  private names(): string[] {
    return ['app.log', 'other.log', 'web.log'];
  }

  private async act(): Promise<void> {
    const lot = this.random();
    const name = this.names()[this.below(3)]!;
    if (lot < 0.45) this.appendLines(name, 1 + this.below(30));
    else if (lot < 0.55) this.appendPartial(name);
    else if (lot < 0.65) this.rename(name);
    else if (lot < 0.75) await this.copyAndTruncate(name);
    else if (lot < 0.8) this.appendLines(`tiny-${this.serial}.log`, 1);
    else if (lot < 0.85) this.beginWithSharedHead();
    else if (lot < 0.9) await this.deleteOld();
    else if (lot < 0.97) await this.restart();
    else await this.leave();
  }

  private fileOf(name: string): { partial: string } {
    let file = this.files.get(name);
    if (file === undefined) {
      file = { partial: '' };
      this.files.set(name, file);
    }
    return file;
  }

  private newLine(): string {
    return `line ${this.serial++} ${'.'.repeat(this.below(60))}`;
  }

  private appendLines(name: string, lines: number): void {
    this.endLine(name);
    let text = '';
    for (; lines > 0; lines--) {
      const line = this.newLine();
      this.count(line);
      text += `${line}\n`;
    }
    this.fileOf(name);
    appendFileSync(this.bench.path(name), text);
  }

  private appendPartial(name: string): void {
    const file = this.fileOf(name);
    const piece = this.newLine();
    file.partial += piece;
    appendFileSync(this.bench.path(name), piece);
  }

  private endLine(name: string): void {
    const file = this.fileOf(name);
    if (file.partial === '') return;
    this.count(file.partial);
    file.partial = '';
    appendFileSync(this.bench.path(name), '\n');
  }

  private beginWithSharedHead(): void {
    const name = `head-${this.serial}.log`;
    const line = this.newLine();
    for (const each of [...sharedHead, line]) this.count(each);
    this.fileOf(name);
    appendFileSync(this.bench.path(name), [...sharedHead, line, ''].join('\n'));
  }

  /** Moves a file aside; the writer ends its line there before it opens the new one, or a moment later. */
  private rename(name: string): void {
    if (!existsSync(this.bench.path(name))) return;
    const aside = `${name}.${++this.rotations}`;
    renameSync(this.bench.path(name), this.bench.path(aside));
    this.files.set(aside, this.fileOf(name));
    this.files.delete(name);
    if (this.random() < 0.5) this.appendLines(name, 1);
    this.endLine(aside);
    if (this.random() < 0.3) this.appendLines(aside, 2);
  }

  private async copyAndTruncate(name: string): Promise<void> {
    if (!existsSync(this.bench.path(name))) return;
    this.endLine(name);
    if (this.random() < 0.5) await this.pause();
    copyFileSync(this.bench.path(name), this.bench.path(`${name}.${++this.rotations}`));
    if (this.random() < 0.5)
      for (let turn = this.below(40); turn > 0; turn--) await new Promise((resolve) => setImmediate(resolve));
    truncateSync(this.bench.path(name));
    if (this.random() < 0.5) this.appendLines(name, 1 + this.below(40));
  }

  /** Removes rotated files when everything is committed. */
  private async deleteOld(): Promise<void> {
    for (const name of this.files.keys()) this.endLine(name);
    await this.settled();
    for (const name of this.files.keys()) {
      if (this.names().includes(name) || this.random() < 0.5) continue;
      rmSync(this.bench.path(name));
      this.files.delete(name);
    }
  }

  /** Another agent takes over while the old one is in the middle of something; what that one had not committed is void. */
  private async restart(): Promise<void> {
    const old = this.agent;
    const life = ++this.life;
    const client = this.cluster.client(() => life !== this.life);
    this.agent = await this.bench.start(client, { paths: this.paths, flush: { wait: '20ms' } });
    await old?.stop(0);
  }

  /** Nobody looks for a while. */
  private async leave(): Promise<void> {
    await this.agent?.stop(this.random() < 0.5 ? 1_000 : 0);
    for (let action = this.below(4); action > 0; action--) {
      const name = this.names()[this.below(3)]!;
      const lot = this.random();
      if (lot < 0.4) this.appendLines(name, 5);
      else if (lot < 0.7) this.rename(name);
      else await this.copyAndTruncate(name);
    }
    await this.restart();
  }

  private committed(): Map<string, number> {
    const found = new Map<string, number>();
    for (const { text } of this.cluster.lines('lines')) found.set(text, (found.get(text) ?? 0) + 1);
    return found;
  }

  private async settled(): Promise<void> {
    const missing = () => {
      const found = this.committed();
      return [...this.written].filter(([text, count]) => (found.get(text) ?? 0) < count).map(([text]) => text);
    };
    await until(
      () => missing().length === 0,
      () => `Missing: ${missing().slice(0, 5).join(', ')} of ${this.sizes()}`,
    );
  }

  private sizes(): string {
    return [...this.files.keys()].map((name) => `${name} ${statSync(this.bench.path(name)).size}`).join(', ');
  }

  private check(): void {
    expect([...this.committed()].sort()).toEqual([...this.written].sort());
    const reached = new Map<string, number>();
    for (const { file, position } of this.cluster.lines('lines')) {
      expect(position).toBeGreaterThan(reached.get(file) ?? -1);
      reached.set(file, position);
    }
  }
}

describe('a storm', () => {
  const seeds = process.env['STORM_SEED'] === undefined ? [1, 2] : [Number(process.env['STORM_SEED'])];
  it.each(seeds)('of rotations and restarts loses nothing and doubles nothing (seed %i)', async (seed) => {
    await new Storm(seed, ['*.log*']).run(120);
  });
});
