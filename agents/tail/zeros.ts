// Runs of zero bytes where a line should begin. They are nobody's line: a writer that did not open its log to append (O_APPEND) goes on at its old place after a
// `copytruncate`, and the file begins with a hole as long as all that it ever wrote; a file system that lost power may leave such blocks, too. They are passed
// over, so that the line behind them is itself, and the positions record says where they were. A few zeros are left alone: texts of two or four bytes
// a character have them.

/** Fewer than this are part of a line. */
export const leastZeros = 16;
/** Compared at once. */
const block = Buffer.alloc(4096);

/**
 * Where the zeros that begin at `from` end; `from` itself where they are too few to be passed over. At `end` so many are left that they are known again when more has
 * been read; with `final` none.
 */
export function endOfZeros(source: Buffer, from: number, end: number, final: boolean): number {
  if (source[from] !== 0 || end - from < leastZeros) return from;
  let at = from;
  while (end - at >= block.length && source.compare(block, 0, block.length, at, at + block.length) === 0)
    at += block.length;
  while (at < end && source[at] === 0) at++;
  if (at - from < leastZeros) return from;
  return at === end && !final ? end - leastZeros : at;
}

/** Bytes [from, to) of a file. */
export type ZeroRange = readonly [from: number, to: number];

/** Ranges that are remembered of a file; of more, the first are forgotten. */
const rangesLimit = 64;

/** Adds a range behind the others. */
export function addZeros(ranges: readonly ZeroRange[], [from, to]: ZeroRange): ZeroRange[] {
  const last = ranges.at(-1);
  if (last?.[1] === from) return [...ranges.slice(0, -1), [last[0], to]];
  return [...ranges, [from, to] as const].slice(-rangesLimit);
}
