// The agent `tail`: reads files by pattern, line by line, into a topic, each line exactly once through rotations, crashes and restarts. This
// file holds its definition and the crash-only loop around sessions (session.ts).
import { resolve } from 'node:path';
import { Backoff } from '../../base/backoff.ts';
import { messageOf, TailraceError } from '../../base/errors.ts';
import { OutageReport } from '../../base/outage.ts';
import { formatBytes } from '../../base/units.ts';
import type { Agent, AgentContext, AgentDefinition, AgentLedger } from '../agent.ts';
import { Account } from './account.ts';
import type { KeptHandles } from './reader.ts';
import { Session } from './session.ts';
import { tailSettings, type TailSettings, tailSettingsFromUrl } from './settings.ts';
import { Starts } from './start-position.ts';
import { Wake } from './wake.ts';

/** Errors that no new session can mend. */
const fatalCodes: ReadonlySet<string> = new Set(['TLR_FENCED', 'TLR_CONFIG', 'TLR_DISK_FAILED', 'TLR_CORRUPT']);

class TailAgent implements Agent {
  readonly failed: Promise<never>;
  private readonly context: AgentContext;
  private readonly account: Account;
  private readonly newSession: () => Session;
  private readonly kept: KeptHandles = new Map();
  private readonly backoff: Backoff;
  private readonly wake: Wake;
  private fail!: (error: unknown) => void;
  private session: Session | undefined;
  private running: Promise<void> = Promise.resolve();
  private stopped = false;
  private readonly outage: OutageReport;
  private problem: string | undefined;
  private readonly reading = Promise.withResolvers<boolean>();
  private readonly done = Promise.withResolvers<boolean>();

  constructor(settings: TailSettings, topic: string, context: AgentContext, options: { once: boolean }) {
    this.context = context;
    this.account = new Account(context.logger);
    this.backoff = new Backoff({ firstMs: 100, maxMs: 30_000 }, context.random);
    this.wake = new Wake(context.clock);
    this.outage = new OutageReport('agent', {}, context.clock, context.logger);
    this.failed = new Promise((_resolve, reject) => (this.fail = reject));
    this.failed.catch(() => undefined);
    const { kept } = this;
    const targets = options.once ? new Map<string, number>() : undefined;
    const starts = new Starts(settings.max_line);
    const paths = settings.paths.map((path) => resolve(path));
    const exclude = settings.exclude.map((path) => (path.includes('/') ? resolve(path) : path));
    this.newSession = () =>
      new Session({
        ...{ settings: { ...settings, paths, exclude }, topic, context, account: this.account, targets, starts, kept },
        onDrained: () => this.done.resolve(true),
        onReading: () => this.reading.resolve(true),
        onWell: () => this.isWell(),
        onHeld: (error) => this.isTroubled(error),
      });
  }

  async start(): Promise<void> {
    this.running = this.run().finally(() => this.closeKept());
    await Promise.race([this.reading.promise, this.failed]);
  }

  /** Session after session, until one ends well or for good. */
  private async run(): Promise<void> {
    while (!this.stopped) {
      this.session = this.newSession();
      try {
        await this.session.run();
      } catch (error) {
        if (error instanceof TailraceError && fatalCodes.has(error.code)) {
          this.fail(error);
          return;
        }
        if (this.hasEnded()) return;
        this.isTroubled(error);
        await this.wake.wait(this.backoff.nextMs());
      }
    }
  }

  private async closeKept(): Promise<void> {
    await Promise.all([...this.kept.values()].map((handle) => handle.close().catch(() => undefined)));
  }

  private hasEnded(): boolean {
    return this.stopped;
  }

  private isTroubled(error: unknown): void {
    this.outage.failed(error);
    this.problem = messageOf(error);
  }

  private isWell(): void {
    this.outage.ended();
    this.problem = undefined;
    this.backoff.reset();
  }

  async drained(): Promise<void> {
    await Promise.race([this.done.promise, this.failed]);
  }

  ledger(): AgentLedger {
    return { ...this.account.ledger(), problem: this.problem };
  }

  async stop(deadlineMs: number): Promise<void> {
    this.stopped = true;
    this.session?.stop();
    this.wake.ring();
    const late = Promise.withResolvers<boolean>();
    const timer = this.context.clock.schedule(deadlineMs, () => late.resolve(true));
    const isLate = await Promise.race([this.running.then(() => false), late.promise]);
    timer.cancel();
    if (isLate)
      this.context.logger.warn('stopped before everything that was read could be committed; it is read again');
  }
}

export const tailAgent: AgentDefinition<TailSettings> = {
  type: 'tail',
  summary: 'reads files by pattern, each line exactly once, through rotation and restarts',
  settings: tailSettings,
  fromUrl: tailSettingsFromUrl,
  describe: ({ paths }) => paths.join(', '),
  describeBeginning: ({ from }) => (from === 'end' ? 'the ends of its files' : 'the beginning of its files'),
  describeGuarantee: ({ from, long_line: longLine, max_line: maxLineBytes }) => {
    const start = from === 'end' ? ', from the ends that the files have at the first start' : '';
    const cut = { keep: '', split: '', truncate: 'cut there', drop: 'left out, and counted' }[longLine];
    const long = cut === '' ? '' : `; lines longer than ${formatBytes(maxLineBytes)} are ${cut}`;
    return `exactly once${start}: lines and the positions that they reach are one transaction; only bytes that are destroyed before they were read are missing${long}`;
  },
  create: (settings, topic, context, options) => new TailAgent(settings, topic, context, options),
};
