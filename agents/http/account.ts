// What an http agent tells about itself: records committed in this run and by all runs.
import type { AgentLedger } from '../agent.ts';

/** What one transaction has committed. */
export interface Committed {
  linesByTopic: ReadonlyMap<string, number>;
  bytes: number;
}

export class Account {
  private readonly committedLines: Record<string, number> = {};
  private committedBytes = 0;
  private totals: Record<string, number> = {};

  /** A session has read back what all earlier ones committed. */
  recovered(totals: Readonly<Record<string, number>>): void {
    this.totals = { ...totals };
  }

  /** The totals as they will be with `linesByTopic`. */
  totalsWith(linesByTopic: ReadonlyMap<string, number>): Record<string, number> {
    const totals = { ...this.totals };
    for (const [topic, lines] of linesByTopic) totals[topic] = (totals[topic] ?? 0) + lines;
    return totals;
  }

  committed(load: Committed): void {
    this.totals = this.totalsWith(load.linesByTopic);
    this.found(load);
  }

  /** What the totals that were read back hold already was of this run. */
  found({ linesByTopic, bytes }: Committed): void {
    for (const [topic, lines] of linesByTopic) this.committedLines[topic] = (this.committedLines[topic] ?? 0) + lines;
    this.committedBytes += bytes;
  }

  ledger(): AgentLedger {
    const { committedLines, committedBytes, totals } = this;
    return {
      committedLines: { ...committedLines },
      committedBytes,
      totalLines: { ...totals },
      destroyedBytes: 0,
      warnings: [],
      problem: undefined,
    };
  }
}
