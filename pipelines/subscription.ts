// Which topics an edge reads: those it names, and with patterns those of the cluster that match. They are looked up again from time to time; when they are
// others than before, the edge ends its session and begins one with the new list, so that assignments never change under a running loop.
import type { Clock } from '../base/clock.ts';
import type { Admin } from '../broker/client/contract.ts';
import type { Ends } from './job-ends.ts';
import type { TopicPattern } from './topic-pattern.ts';

/** How soon a topic that has appeared is read. */
export const lookMs = 2000;

export interface TopicSelection {
  topics: readonly string[];
  patterns: readonly TopicPattern[];
}

/** The topics there are now, sorted. */
export async function selectTopics(admin: Admin, { topics, patterns }: TopicSelection): Promise<string[]> {
  const all = patterns.length === 0 ? [] : await admin.topics();
  const matching = all.filter(({ name, isInternal }) => !isInternal && patterns.some(({ matches }) => matches(name)));
  return [...new Set([...topics, ...matching.map(({ name }) => name)])].toSorted();
}

export class Subscription {
  private readonly selection: TopicSelection;
  private readonly admin: () => Admin;
  private readonly clock: Clock;
  private current: readonly string[];
  private lookedMs = -Infinity;

  constructor(selection: TopicSelection, admin: () => Admin, clock: Clock) {
    this.selection = selection;
    this.admin = admin;
    this.clock = clock;
    this.current = selection.topics;
  }

  /** As of the last look. */
  get topics(): readonly string[] {
    return this.current;
  }

  /** Looks now. True when the topics are others than before. */
  async look(): Promise<boolean> {
    if (this.selection.patterns.length === 0) return false;
    this.lookedMs = this.clock.monotonicMs();
    const found = await selectTopics(this.admin(), this.selection);
    const isNew = found.join() !== this.current.join();
    this.current = found;
    return isNew;
  }

  /** Looks when it is time to, or when there is something to be reached in a topic that is not among them. */
  async hasChanged(wanted: Ends | undefined): Promise<boolean> {
    if (this.selection.patterns.length === 0) return false;
    const isDue = this.clock.monotonicMs() - this.lookedMs >= lookMs;
    const isMissing = wanted !== undefined && [...wanted.keys()].some((topic) => !this.current.includes(topic));
    return isDue || isMissing ? this.look() : false;
  }
}
