// Ids of documents. A record has the same id however often it is sent, so that the store can tell it has it already:
//   base64url of: first 8 bytes of the topic's id · varint partition · varint offset · varint ordinal · the pipeline's name in UTF-8
// Varints are unsigned LEB128. All but the name end by themselves, so two records never share an id. Ids of a partition begin alike, which the
// stores' dictionaries like. At most 512 bytes are allowed; names of pipelines are shorter than topics' (249 bytes), so there is room.
import type { Coordinates } from '../sink.ts';

const alphabet = Buffer.from('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_', 'latin1');
const topicBytes = 8;
const maxVarintBytes = 8;

/** Writes ids of one pipeline. */
export class DocumentIds {
  /** The greatest length of an id, in characters. */
  readonly maxLength: number;
  private readonly name: Buffer;
  private readonly raw: Uint8Array;
  private prefixLength = 0;
  /** So many bytes of the id are the same for all records of the partition, and make whole characters. */
  private sameLength = 0;

  constructor(pipeline: string) {
    this.name = Buffer.from(pipeline);
    this.raw = new Uint8Array(topicBytes + 3 * maxVarintBytes + this.name.length);
    this.maxLength = Math.ceil(this.raw.length / 3) * 4;
  }

  /** Ids are those of records of this partition from now on. */
  open({ topicId, partition }: Coordinates): void {
    this.raw.set(topicId.subarray(0, topicBytes));
    this.prefixLength = this.writeVarint(topicBytes, partition);
    this.sameLength = this.prefixLength - (this.prefixLength % 3);
  }

  /**
   * Writes the id's characters at `at`, where `maxLength` bytes are free; returns the position behind them. `isOverAnother`: the id of another record of the
   * partition stands there, so that only what differs must be written.
   */
  write(target: Buffer, at: number, offset: number, ordinal: number, isOverAnother = false): number {
    const { raw, name } = this;
    let length = this.writeVarint(this.writeVarint(this.prefixLength, offset), ordinal);
    for (let index = 0; index < name.length; index++) raw[length++] = name[index]!;
    let from = isOverAnother ? this.sameLength : 0;
    let to = at + (from / 3) * 4;
    for (; from + 3 <= length; from += 3) {
      const bits = (raw[from]! << 16) | (raw[from + 1]! << 8) | raw[from + 2]!;
      target[to++] = alphabet[bits >>> 18]!;
      target[to++] = alphabet[(bits >>> 12) & 63]!;
      target[to++] = alphabet[(bits >>> 6) & 63]!;
      target[to++] = alphabet[bits & 63]!;
    }
    if (from < length) {
      const bits = (raw[from]! << 16) | (from + 1 < length ? raw[from + 1]! << 8 : 0);
      target[to++] = alphabet[bits >>> 18]!;
      target[to++] = alphabet[(bits >>> 12) & 63]!;
      if (from + 1 < length) target[to++] = alphabet[(bits >>> 6) & 63]!;
    }
    return to;
  }

  private writeVarint(at: number, value: number): number {
    let to = at;
    let rest = value;
    for (; rest > 0x7f; rest = Math.floor(rest / 128)) this.raw[to++] = (rest % 128) | 0x80;
    this.raw[to++] = rest;
    return to;
  }
}
