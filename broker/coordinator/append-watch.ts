// Follows one append until it is durable, and says at once when the log takes it back: a full disk makes the log roll back what is not durable yet,
// and by the time the append's promise has rejected, others may have written behind. Whoever builds on an append before it is durable watches it.
import type { PartitionLog } from '../log/contract.ts';

export class AppendWatch {
  private readonly partition: PartitionLog;
  private readonly offset: number;
  private readonly stopListening: () => void;
  private lost = false;

  /** `offset`: the last one of the append. `onLost` is called at most once, before the partition takes another append. */
  constructor(partition: PartitionLog, offset: number, onLost: () => void = () => undefined) {
    this.partition = partition;
    this.offset = offset;
    this.stopListening = partition.onAdvance(() => {
      if (partition.highWatermark > offset) {
        this.stopListening();
        return;
      }
      if (partition.logEndOffset > offset) return;
      this.lost = true;
      this.stopListening();
      onLost();
    });
  }

  /** Whether the log has taken the append back, or is about to. */
  get isLost(): boolean {
    return this.lost || this.partition.logEndOffset <= this.offset;
  }

  /** Ends the watch. */
  cancel(): void {
    this.stopListening();
  }
}
