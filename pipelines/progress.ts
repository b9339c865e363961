// How far one partition of an edge has come since it was assigned: position, account, and what waits for the next decision.
import type { OutgoingRecord, TopicPartitionOffset } from '../broker/client/contract.ts';
import type { Coordinates, Outcome } from '../sinks/sink.ts';
import { type Account, decodeAccount, emptyAccount, encodeAccount } from './account.ts';
import { type DeadLetter, sizeOf } from './dead-letter.ts';
import { accountSince, type LedgerPart } from './ledger-record.ts';
import { keptBytes, type SettledLetters } from './letter-source.ts';
import type { SourceBatch } from './source-batch.ts';
import type { Transformed } from './transform.ts';

export class PartitionProgress {
  readonly coordinates: Coordinates;
  /** The next offset to be read. */
  nextOffset: number;
  /** The end of the partition when it was last read. */
  seenEnd = 0;
  readonly account: Account;
  /** Dead letters that the next decision sends. */
  deadLetters: DeadLetter[] = [];
  deadLetterBytes = 0;
  /** Letters that were not chosen, which the next decision writes again (letter-source.ts). */
  keptLetters: OutgoingRecord[] = [];
  /** Records handed to the target since the last decision. */
  undecidedCount = 0;
  /** True until the offset is committed for the first time, where a restart would begin elsewhere otherwise. */
  private mustPin: boolean;
  private savedOffset: number;
  /** Up to where the ledger has it, and the account there. */
  private recorded: { offset: number; account: Account };

  constructor(coordinates: Coordinates, committed: { offset: number; metadata: string }, pin: boolean) {
    this.coordinates = coordinates;
    this.nextOffset = committed.offset;
    this.savedOffset = committed.offset;
    const account = decodeAccount(committed.metadata);
    this.account = account ?? emptyAccount();
    this.recorded = { offset: committed.offset, account: { ...this.account } };
    this.mustPin = pin && account === undefined;
  }

  get hasUnsaved(): boolean {
    return this.mustPin || this.nextOffset !== this.savedOffset;
  }

  /** Whether something is not in the ledger yet. */
  get hasUnrecorded(): boolean {
    return this.nextOffset !== this.recorded.offset;
  }

  /** What is not in the ledger yet. */
  unrecorded(): LedgerPart {
    const { topic, topicId, partition } = this.coordinates;
    const account = accountSince(this.account, this.recorded.account);
    return {
      topic,
      topicId: topicId.toString('hex'),
      partition,
      from: this.recorded.offset,
      to: this.nextOffset,
      account,
    };
  }

  /** A decision has brought it into the ledger up to here. */
  isRecorded(): void {
    this.recorded = { offset: this.nextOffset, account: { ...this.account } };
  }

  /** Offsets that are not decided, up to the end that was last seen. */
  get waitingCount(): number {
    return Math.max(0, this.seenEnd - this.savedOffset);
  }

  /** What is to be committed as of now; saved() when that has happened. */
  offset(): TopicPartitionOffset {
    const { topic, topicId, partition } = this.coordinates;
    return { topic, partition, offset: this.nextOffset, metadata: encodeAccount(this.account, topicId) };
  }

  saved(offset: number): void {
    this.savedOffset = offset;
    this.mustPin = false;
    this.undecidedCount = 0;
    this.deadLetters = [];
    this.keptLetters = [];
    this.deadLetterBytes = 0;
  }

  addDeadLetters(letters: readonly DeadLetter[]): void {
    this.account.dead += letters.length;
    this.deadLetters.push(...letters);
    for (const letter of letters) this.deadLetterBytes += sizeOf(letter);
  }

  /** Accounts for letters that are dropped, and takes those that stay. */
  addSettled({ droppedCount, kept }: SettledLetters): void {
    this.account.in += droppedCount;
    this.account.dropped += droppedCount;
    for (const letter of kept) this.keptLetters.push(letter);
    this.deadLetterBytes += keptBytes(kept);
  }

  /** Accounts for what the steps did. */
  addTransformed(result: Transformed): void {
    this.account.in += result.readCount;
    this.account.dropped += result.droppedCount;
    this.account.split += result.splitCount;
    this.addDeadLetters(result.deadLetters);
  }

  /** Accounts for what the target did with the records of a batch. */
  addDelivered(batch: SourceBatch, outcomes: readonly Outcome[] | undefined, sinkName: string): void {
    this.undecidedCount += batch.count;
    if (outcomes === undefined) {
      this.account.out += batch.count;
      return;
    }
    const refused: DeadLetter[] = [];
    let index = 0;
    batch.forEach((delivery) => {
      const outcome = outcomes[index++];
      if (outcome?.kind === 'already-there') this.account.alreadyThere++;
      else if (outcome?.kind !== 'refused') this.account.out++;
      else {
        refused.push({
          ...{
            reason: outcome.reason,
            refusedBy: { sink: sinkName },
            coordinates: batch.coordinates,
            offset: delivery.offset,
            ordinal: delivery.ordinal,
          },
          ...{ timestampMs: delivery.timestampMs, key: copyOf(delivery.key()), headers: delivery.headers() },
          value: Buffer.from(delivery.source()),
        });
      }
    });
    this.addDeadLetters(refused);
  }
}

function copyOf(bytes: Buffer | null): Buffer | null {
  return bytes === null ? null : Buffer.from(bytes);
}
