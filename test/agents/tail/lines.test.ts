import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type FramingLimits, LineFramer, type LongLineMark, type TakeRun } from '../../../agents/tail/lines.ts';
import { addZeros, type ZeroRange } from '../../../agents/tail/zeros.ts';

interface Taken {
  text: string;
  position: number;
  mark: LongLineMark | undefined;
}

/** Feeds `bytes` as a file that grows by the given steps, as the reader does: what was not consumed is read again. */
function frameAll(bytes: Buffer, steps: readonly number[], limits: FramingLimits, final: boolean, runLines?: number) {
  const taken: Taken[] = [];
  /** Takes at most `runLines` plain lines at once. */
  const takeRun: TakeRun = (source, start, end, position, longestBytes) => {
    let from = start;
    let count = 0;
    for (; count < (runLines ?? 0); count++) {
      const at = source.subarray(0, end).indexOf(0x0a, from);
      if (at < 0 || at - from > longestBytes) break;
      taken.push({ text: source.toString('latin1', from, at), position: position + from - start, mark: undefined });
      from = at + 1;
    }
    return { end: from, count };
  };
  const framer = new LineFramer(
    limits,
    (source, start, end, position, mark) => {
      taken.push({ text: source.toString('latin1', start, end), position, mark });
    },
    runLines === undefined ? undefined : takeRun,
  );
  let position = 0;
  let part = 0;
  let records = 0;
  let size = 0;
  let zeros: readonly ZeroRange[] = [];
  const feed = (last: boolean) => {
    // Some room before and behind, with newlines in it that must not be seen.
    const chunk = Buffer.concat([Buffer.from('\n\n'), bytes.subarray(position, size), Buffer.from('\n')]);
    framer.frame(chunk, 2, chunk.length - 1, position, part, last);
    position += framer.consumedBytes;
    part = framer.part;
    records += framer.records;
    for (const range of framer.zeros) zeros = addZeros(zeros, range);
  };
  for (const step of [...steps, bytes.length]) {
    size = Math.min(bytes.length, size + step);
    feed(false);
  }
  if (final) feed(true);
  expect(records).toBe(taken.length);
  return { taken, position, zeros };
}

const text = fc.string({ unit: fc.constantFrom('a', 'b', '\n', '\r', 'é'), maxLength: 60 });
const steps = fc.array(fc.nat({ max: 20 }), { maxLength: 12 });
const bytesOf = (value: string) => Buffer.from(value, 'latin1');
const big = { maxLineBytes: 1000, pieceBytes: 1000, longLine: 'keep' as const };

describe('framing', () => {
  it('is the same with runs of lines', () => {
    const policy = fc.constantFrom('keep', 'split', 'truncate', 'drop');
    const long = fc.string({ unit: fc.constantFrom('a', '\n'), maxLength: 3000 });
    fc.assert(
      fc.property(
        fc.oneof(text, long),
        steps,
        policy,
        fc.nat(40),
        fc.boolean(),
        (value, sizes, longLine, run, final) => {
          const limits = { maxLineBytes: 5, pieceBytes: 8, longLine };
          const singly = frameAll(bytesOf(value), sizes, limits, final);
          expect(frameAll(bytesOf(value), sizes, limits, final, run)).toEqual(singly);
        },
      ),
    );
  });

  it('is splitting at newlines, however the bytes come', () => {
    fc.assert(
      fc.property(text, steps, fc.boolean(), (value, sizes, final) => {
        const parts = value.split('\n');
        const rest = parts.pop()!;
        const expected = final && rest !== '' ? [...parts, rest] : parts;
        const { taken, position } = frameAll(bytesOf(value), sizes, big, final);
        expect(taken.map((line) => line.text)).toEqual(expected);
        expect(position).toBe(final ? value.length : value.length - rest.length);
        for (const line of taken) {
          expect(value.slice(line.position, line.position + line.text.length)).toBe(line.text);
          expect(line.mark).toBeUndefined();
        }
      }),
    );
  });

  it('keeps every byte of overlong lines and marks them', () => {
    fc.assert(
      fc.property(
        text,
        steps,
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 0, max: 9 }),
        (value, sizes, maxLineBytes, more) => {
          const limits = { maxLineBytes, pieceBytes: maxLineBytes + more, longLine: 'keep' as const };
          const { taken } = frameAll(bytesOf(value), sizes, limits, true);
          const lines: string[] = [];
          let open = false;
          for (const { text: piece, mark } of taken) {
            expect(piece.length).toBeLessThanOrEqual(mark === undefined ? maxLineBytes : limits.pieceBytes);
            if (open) lines.push(lines.pop()! + piece);
            else lines.push(piece);
            expect(mark === undefined ? false : mark.part > 0).toBe(open);
            open = mark !== undefined && !mark.ends;
          }
          const expected = value.split('\n');
          if (expected.at(-1) === '') expected.pop();
          // The last line may have been taken whole before anybody knew that it ends: then its last part carries no end.
          expect(lines).toEqual(expected);
        },
      ),
    );
  });

  it('splits without marks', () => {
    const { taken } = frameAll(
      bytesOf('abcdefgh\nij\n'),
      [],
      { maxLineBytes: 3, pieceBytes: 3, longLine: 'split' },
      false,
    );
    expect(taken.map((line) => [line.text, line.position, line.mark])).toEqual([
      ['abc', 0, undefined],
      ['def', 3, undefined],
      ['gh', 6, undefined],
      ['ij', 9, undefined],
    ]);
  });

  it.each([['truncate' as const], ['drop' as const]])('can %s overlong lines, however the bytes come', (longLine) => {
    fc.assert(
      fc.property(text, steps, fc.integer({ min: 1, max: 9 }), (value, sizes, maxLineBytes) => {
        const { taken } = frameAll(bytesOf(value), sizes, { maxLineBytes, pieceBytes: maxLineBytes, longLine }, true);
        const lines = value.split('\n');
        if (lines.at(-1) === '') lines.pop();
        const expected =
          longLine === 'drop'
            ? lines.filter((line) => line.length <= maxLineBytes)
            : lines.map((line) => line.slice(0, maxLineBytes));
        expect(taken.map((line) => line.text)).toEqual(expected);
        for (const line of taken)
          expect(line.mark?.truncated ?? false).toBe(
            value[line.position + line.text.length] !== '\n' && value.length > line.position + line.text.length,
          );
      }),
    );
  });

  it('passes over zeros where a line should begin, however the bytes come', () => {
    const runs = fc.oneof(fc.constantFrom(1, 2, 15, 16, 17, 40, 5000), fc.nat(60)).map((count) => '\0'.repeat(count));
    const zeroed = fc.array(fc.oneof(runs, fc.string({ unit: fc.constantFrom('a', '\n'), maxLength: 20 })), {
      maxLength: 12,
    });
    const limits = { maxLineBytes: 20_000, pieceBytes: 20_000, longLine: 'drop' as const };
    fc.assert(
      fc.property(zeroed, fc.array(fc.nat({ max: 60 }), { maxLength: 12 }), fc.boolean(), (parts, sizes, final) => {
        const value = parts.join('');
        const lines = value.split('\n').map((line) => line.replace(/^\0{16,}/, ''));
        const rest = lines.pop()!;
        const { taken, position, zeros } = frameAll(bytesOf(value), sizes, limits, final);
        expect(taken.map((line) => line.text)).toEqual(final && rest !== '' ? [...lines, rest] : lines);
        for (const line of taken) expect(value.slice(line.position, line.position + line.text.length)).toBe(line.text);
        // What is in no line is a newline, or told.
        const covered = Buffer.from(value.slice(0, position), 'latin1');
        for (const [from, to] of zeros) covered.fill('\n', from, to);
        for (const line of taken) covered.fill('\n', line.position, line.position + line.text.length);
        expect(covered.toString('latin1').replaceAll('\n', '')).toBe('');
      }),
    );
  });

  it('never needs more than a piece at once', () => {
    const limits = { maxLineBytes: 100, pieceBytes: 150, longLine: 'keep' as const };
    const framer = new LineFramer(limits, () => undefined);
    const chunk = Buffer.alloc(framer.neededBytes, 'x');
    framer.frame(chunk, 0, chunk.length, 0, 0, false);
    expect(framer.consumedBytes).toBeGreaterThan(0);
  });
});
