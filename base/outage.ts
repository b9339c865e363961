// What an edge or an agent says of its troubles. One line when it stops, few while that lasts (after one minute, two, four …, then every half hour, and
// when there is a new kind of problem), one when it goes on, with numbers. Trouble that waiting will not mend is an error, and says so.
import { messageOf, TailraceError } from './errors.ts';
import type { Clock } from './clock.ts';
import type { Logger } from './logger.ts';
import { normaliseReason } from './reason.ts';

const firstReminderMs = 60_000;
const reminderLimitMs = 30 * 60_000;
/** Kinds of problems in one outage that get a line of their own: some stores have a new message for each attempt. */
const kindsLimit = 5;

export interface OutageStatus {
  /** How long it lasts; 0 when there is none. */
  seconds: number;
  /** Whether waiting will not mend it. */
  needsSomebody: boolean;
  /** Since the start. */
  outages: number;
  retries: number;
}

/** Whether waiting is of no use: a configuration, a conflict, a step that says stop, a defect. */
export function needsSomebody(error: unknown): boolean {
  if (!(error instanceof TailraceError)) return true;
  const passing: readonly string[] = [
    'TLR_FENCED',
    'TLR_CLOSED',
    'TLR_TIMEOUT',
    'TLR_UNREACHABLE',
    'TLR_DISK_FULL',
    'TLR_KAFKA',
  ];
  return !error.retriable && !passing.includes(error.code);
}

export class OutageReport {
  private readonly noun: 'edge' | 'agent';
  private readonly names: Readonly<Record<string, string>>;
  private readonly clock: Clock;
  private readonly logger: Logger;
  private current:
    { sinceMs: number; retries: number; kinds: Set<string>; reminderMs: number; nextMs: number } | undefined;
  private lastNeedsSomebody = false;
  private outages = 0;
  private retries = 0;

  /** `names`: what tells this one from others of its kind in the log. */
  constructor(noun: 'edge' | 'agent', names: Readonly<Record<string, string>>, clock: Clock, logger: Logger) {
    this.noun = noun;
    this.names = names;
    this.clock = clock;
    this.logger = logger;
  }

  get isOn(): boolean {
    return this.current !== undefined;
  }

  status(): OutageStatus {
    const { current, outages, retries } = this;
    const seconds = current === undefined ? 0 : (this.clock.monotonicMs() - current.sinceMs) / 1000;
    return { seconds, needsSomebody: current !== undefined && this.lastNeedsSomebody, outages, retries };
  }

  /** It failed and will begin again. */
  failed(error: unknown): void {
    const nowMs = this.clock.monotonicMs();
    const problem = messageOf(error);
    const kind = normaliseReason(problem);
    this.retries++;
    const wasStuck = this.current !== undefined && this.lastNeedsSomebody;
    this.lastNeedsSomebody = needsSomebody(error);
    if (this.current === undefined) {
      this.outages++;
      const times = { sinceMs: nowMs, reminderMs: firstReminderMs, nextMs: nowMs + firstReminderMs };
      this.current = { ...times, retries: 1, kinds: new Set([kind]) };
      this.say('pauses', { problem });
      return;
    }
    const { current } = this;
    current.retries++;
    const isNew = !current.kinds.has(kind) && current.kinds.size < kindsLimit;
    if (isNew) current.kinds.add(kind);
    if (!isNew && nowMs < current.nextMs && wasStuck === this.lastNeedsSomebody) return;
    if (nowMs >= current.nextMs) {
      current.reminderMs = Math.min(current.reminderMs * 2, reminderLimitMs);
      current.nextMs = nowMs + current.reminderMs;
    }
    this.say('still pauses', { problem, ...this.numbers(nowMs) });
  }

  /** It works; `waiting` records had come together, where that is known. */
  ended(waiting?: number): void {
    if (this.current === undefined) return;
    const numbers = this.numbers(this.clock.monotonicMs());
    this.current = undefined;
    this.lastNeedsSomebody = false;
    const more = waiting === undefined ? {} : { waiting };
    this.logger.info(`the ${this.noun} goes on`, { ...this.names, ...numbers, ...more });
  }

  private numbers(nowMs: number): { afterSeconds: number; retries: number } {
    const { sinceMs, retries } = this.current!;
    return { afterSeconds: Math.round((nowMs - sinceMs) / 1000), retries };
  }

  private say(message: string, fields: { problem: string; afterSeconds?: number; retries?: number }): void {
    const text = `the ${this.noun} ${message}`;
    if (this.lastNeedsSomebody)
      this.logger.error(`${text}: somebody must act, then it goes on by itself`, { ...this.names, ...fields });
    else this.logger.warn(text, { ...this.names, ...fields });
  }
}
