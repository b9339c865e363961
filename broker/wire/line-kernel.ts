// Runs the two inner loops of line-kernel.wat: lines into records, records into lines. One instance with one memory serves the process (calls never wait, so
// they never overlap); it is made by the first call. What goes in is copied in, what comes out lies in that memory until the next call.
import { type KernelInstance, KernelModule, slackBytes } from './kernel-instance.ts';
import { lineKernelCode } from './line-kernel-code.ts';

/** So many bytes of lines are taken at once. */
const inputBytes = 512 * 1024;
/** So many bytes of records may come out at once, or go in. */
const recordBytes = 1024 * 1024;

/** Bytes of the part of a file reference's header that is the same for all lines of a file. */
export const referencePrefixBytes = 10;

const referenceAt = 16;
const linesAt = 64;
const recordsAt = linesAt + inputBytes + slackBytes;
const unframedAt = recordsAt + recordBytes + slackBytes;
const memoryBytes = unframedAt + recordBytes + slackBytes;

interface Functions {
  frame: (...args: [...numbers: FrameNumbers, position: bigint]) => [from: number, out: number, record: number];
  unframe: (...args: RecordBounds) => [out: number, earliestDelta: bigint, latestDelta: bigint];
}
type FrameNumbers = [
  ...bounds: [from: number, end: number, out: number, outEnd: number],
  ...record: [record: number, delta: number, longest: number, reference: number],
];

type RecordBounds = [from: number, end: number, count: number, out: number];

const module = new KernelModule<Functions>(lineKernelCode);
let loaded: KernelInstance<Functions> | undefined;

function kernel(): KernelInstance<Functions> {
  return (loaded ??= module.instance(memoryBytes));
}

/** How lines become records. */
export interface Framing {
  /** The offset delta of the first. */
  firstDelta: number;
  /** At least 0. */
  timestampDelta: number;
  /** Longer lines are left to the caller. */
  longestBytes: number;
  /** The first ten bytes of the header, with its count: what agents/tail/line-headers.ts writes. */
  reference: Buffer;
  /** Where the lines stand in the file. */
  position: number;
  /** The records must not have more bytes. */
  limitBytes: number;
}

/** What became of a call. */
export interface Framed {
  /** Where it stopped in the source: behind a newline, or where it began. */
  end: number;
  count: number;
  /** The records, encoded; a view that holds until the next call. */
  records: Buffer;
}

/**
 * Frames the lines of `source[start, end)` as records with the file reference as their header, for as long as they are plain: it stops at the last newline,
 * before a line that is too long or begins with 16 zeros, when the limit is near, or when it has done enough for one call.
 */
export function frameLines(source: Buffer, start: number, end: number, framing: Framing): Framed {
  const { memory, frame } = kernel();
  const { firstDelta, timestampDelta, longestBytes, reference, position, limitBytes } = framing;
  const length = source.copy(memory, linesAt, start, Math.min(end, start + inputBytes));
  reference.copy(memory, referenceAt, 0, referencePrefixBytes);
  const outEnd = recordsAt + Math.min(limitBytes, recordBytes);
  const [from, out, record] = frame(
    ...([linesAt, linesAt + length, recordsAt, outEnd] as const),
    ...([firstDelta, timestampDelta, longestBytes, referenceAt] as const),
    BigInt(position),
  );
  return { end: start + from - linesAt, count: record - firstDelta, records: memory.subarray(recordsAt, out) };
}

/** What came out of records. */
export interface Unframed {
  /** A view that holds until the next call. */
  lines: Buffer;
  /** The least and the greatest timestamp delta. */
  earliestDelta: number;
  latestDelta: number;
}

/**
 * The values of the `count` records that stand in `source[start, end)`, at least one, each with a newline behind it. Undefined when it cannot be done here: the
 * records are too large together, or are not as they should be.
 */
export function unframeLines(source: Buffer, start: number, end: number, count: number): Unframed | undefined {
  if (end - start > recordBytes || count < 1) return undefined;
  const { memory, unframe } = kernel();
  const length = source.copy(memory, recordsAt, start, end);
  const [out, earliestDelta, latestDelta] = unframe(recordsAt, recordsAt + length, count, unframedAt);
  if (out === 0) return undefined;
  const lines = memory.subarray(unframedAt, out);
  return { lines, earliestDelta: Number(earliestDelta), latestDelta: Number(latestDelta) };
}
