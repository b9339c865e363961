// The headers of a line's record, encoded in place: "t", the file reference (broker/client/positions-record.ts), at most 18 bytes with
// count, key and lengths for files below 256 TiB and 14 for those below 256 MiB; and "l" on overlong lines alone (lines.ts). One scratch
// buffer serves all lines of an agent, a line costs the bytes of its position and nothing else.
import { fileIdBytes, fileReferenceHeader, writeFileReference } from '../../broker/client/positions-record.ts';
import { encodeHeaders } from '../../broker/wire/batch-builder.ts';
import type { LongLineMark } from './lines.ts';

export const longLineHeader = 'l';

// Count 1, key length 1, key, value length: as zigzag varints each one byte, since all are small.
const valueAt = 4;
const positionAt = valueAt + fileIdBytes;

/** Writes headers for line after line of one file, then of the next. */
export class LineHeaders {
  private readonly scratch = Buffer.alloc(positionAt + 8);
  /** Views of the scratch by the length of the position, so that none is made for each line. */
  private readonly views: Buffer[] = [];

  constructor() {
    this.scratch[0] = 2;
    this.scratch[1] = 2;
    this.scratch.write(fileReferenceHeader, 2);
    for (let length = 0; length <= 8; length++) this.views.push(this.scratch.subarray(0, positionAt + length));
  }

  /** The following lines are of the file with this id. */
  use(fileId: Buffer): void {
    fileId.copy(this.scratch, valueAt);
  }

  /** What the headers of all lines of the file begin with: those of `at` up to the position. */
  get prefix(): Buffer {
    return this.scratch;
  }

  /** Headers of the line at `position`; good until the next call. */
  at(position: number): Buffer {
    const { scratch } = this;
    let next = positionAt;
    let rest = position;
    while (rest > 0x7f) {
      scratch[next++] = (rest % 128) | 0x80;
      rest = rest < 0x8000_0000 ? rest >>> 7 : Math.floor(rest / 128);
    }
    scratch[next++] = rest;
    scratch[3] = (next - valueAt) * 2;
    return this.views[next - positionAt]!;
  }

  /** Headers of a record that is an overlong line or a part of one. */
  marked(fileId: Buffer, position: number, mark: LongLineMark): Buffer {
    const reference = Buffer.alloc(16);
    const end = writeFileReference(reference, fileId, position, 0);
    const flags: number[] = [(mark.ends ? 1 : 0) | (mark.truncated ? 2 : 0)];
    let rest = mark.part;
    for (; rest > 0x7f; rest >>>= 7) flags.push((rest & 0x7f) | 0x80);
    flags.push(rest);
    return encodeHeaders([
      { key: fileReferenceHeader, value: reference.subarray(0, end) },
      { key: longLineHeader, value: Buffer.from(flags) },
    ]);
  }
}
