// Which records may be in the store although nobody here knows: those behind the committed offset that an earlier owner of their partition may have sent. It
// matters only where ids are not unique: in data streams and behind aliases, `create` sees the index that is written to at the moment, so a record that is
// sent again after a roll-over would be there twice. There they are looked up first, and only those that are not found are sent.
//
// An owner sends a partition in order, at most two windows (sender.ts) at a time: when nothing was found over a length that is more than
// those, nobody has sent what comes behind it. Jobs (a replay, dead letters tried again) may meet records that others have sent anywhere: all of theirs are looked up.
//
// What if a request is still under way in the store when it is looked up? Its items come to be there later. When they come into the same index, `create` sees
// them; when the roll-over lies just between, it does not: that is the one case left (docs/guarantees.md).
import type { Coordinates } from '../sink.ts';

/** Four windows of the sender. */
const clearBytes = 64 * 1024 * 1024;

export class Doubt {
  private readonly isJob: boolean;
  /** By partition, the bytes looked up since something was found last. */
  private readonly looked = new Map<string, number>();

  constructor(isJob: boolean) {
    this.isJob = isJob;
  }

  /** Partitions were given to this member: somebody else may have sent what comes next. */
  begin(): void {
    this.looked.clear();
  }

  isOn(coordinates: Coordinates): boolean {
    return this.isJob || (this.looked.get(keyOf(coordinates)) ?? 0) < clearBytes;
  }

  /** The next `bytes` of a partition were looked up, and `found` of their items were there. */
  lookedUp(coordinates: Coordinates, bytes: number, found: number): void {
    const key = keyOf(coordinates);
    this.looked.set(key, found > 0 ? 0 : (this.looked.get(key) ?? 0) + bytes);
  }
}

function keyOf({ topicId, partition }: Coordinates): string {
  return `${topicId.toString('hex')}/${partition}`;
}
