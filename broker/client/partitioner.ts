// Which partition a record goes to: as the Java client does it, murmur2 of the key; records without a key stay together, for whole batches,
// in a partition drawn by lot.
import type { Random } from '../../base/random.ts';
import { partitionForKey } from '../wire/murmur2.ts';

/** Chooses for one lot of records: all keyless ones of a topic get the same partition. */
export class Partitioner {
  private readonly random: Random;
  private readonly chosen = new Map<string, number>();

  constructor(random: Random) {
    this.random = random;
  }

  partition(topic: string, key: Uint8Array | null | undefined, partitions: number): number {
    if (key !== null && key !== undefined) return partitionForKey(key, partitions);
    let partition = this.chosen.get(topic);
    if (partition === undefined || partition >= partitions) {
      partition = Math.floor(this.random.next() * partitions);
      this.chosen.set(topic, partition);
    }
    return partition;
  }
}
