// Stands in for broker/client/transaction.ts in a bundle of the bench (durability.ts): the same calls, but batches are sent as those of a producer without transactions,
// and commit() only waits until all of them are durable. Good for nothing but to see what transactions cost.
import type { BatchSource, OutgoingRecord, ProducerTransaction } from '../broker/client/contract.ts';
import type { KafkaProducer } from '../broker/client/producer.ts';

export class Transaction implements ProducerTransaction {
  readonly touched = false;
  readonly isVersion2 = true;
  private readonly producer: KafkaProducer;
  private readonly underWay: Promise<void>[] = [];

  constructor(producer: KafkaProducer) {
    this.producer = producer;
  }

  sendBatch(topic: string, partition: number, builder: BatchSource): Promise<void> {
    const sent = this.producer.append(topic, partition, builder, undefined);
    this.underWay.push(sent);
    // The shipper waits with each batch only for its being taken; this one waits with it for the disk, at the commit.
    return Promise.resolve();
  }

  send(records: readonly OutgoingRecord[]): void {
    this.underWay.push(this.producer.appendRecords(records, undefined));
  }

  sendOffsets(): Promise<void> {
    return Promise.reject(new Error('the bench has no consumers'));
  }

  settled(): Promise<void> {
    return Promise.resolve();
  }

  async commit(): Promise<void> {
    await Promise.all(this.underWay);
    this.producer.transactionEnded();
  }

  abort(): Promise<void> {
    return Promise.reject(new Error('nothing of this can be taken back'));
  }

  admit(): undefined {
    return undefined;
  }
}
