// The two loops in WebAssembly must do what the readable ones in JavaScript do.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { LineHeaders } from '../../../agents/tail/line-headers.ts';
import { BatchBuilder, encodeHeaders } from '../../../broker/wire/batch-builder.ts';
import { unframeLines } from '../../../broker/wire/line-kernel.ts';
import { batchHeaderBytes, RecordCursor } from '../../../broker/wire/record-batch.ts';

const fileId = Buffer.from('a1b2c3d4e5f6', 'hex');

/** Line after line, as for lines that are not plain. */
function appendSingly(builder: BatchBuilder, timestampMs: number, source: Buffer, position: number): void {
  const headers = new LineHeaders();
  headers.use(fileId);
  for (let from = 0; from < source.length;) {
    const at = source.indexOf(0x0a, from);
    builder.appendLine(timestampMs, source, from, at, headers.at(position + from));
    from = at + 1;
  }
}

/** With the kernel for all that it takes. */
function appendTogether(builder: BatchBuilder, timestampMs: number, source: Buffer, position: number, longest: number) {
  const headers = new LineHeaders();
  headers.use(fileId);
  let together = 0;
  for (let from = 0; from < source.length;) {
    const run = { timestampMs, longestBytes: longest, reference: headers.prefix, position: position + from };
    const taken = builder.appendLines(source, from, source.length, run, 2 ** 31);
    together += taken.count;
    from = taken.end;
    const at = source.indexOf(0x0a, from);
    if (at < 0) break;
    builder.appendLine(timestampMs, source, from, at, headers.at(position + from));
    from = at + 1;
  }
  return together;
}

it('stops at a line that begins with 16 zeros, and at no other', () => {
  const builder = new BatchBuilder();
  const run = { timestampMs: 0, longestBytes: 1000, reference: Buffer.alloc(16), position: 0 };
  const lines = ['\0'.repeat(15), `${'\0'.repeat(15)}a`, '', `b${'\0'.repeat(30)}`, '\0'.repeat(16), 'c'];
  const source = Buffer.from(lines.map((each) => `${each}\n`).join(''));
  expect(builder.appendLines(source, 0, source.length, run, 2 ** 31).count).toBe(4);
});

const line = fc.oneof(
  { weight: 6, arbitrary: fc.uint8Array({ maxLength: 90 }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 20_000 }).map((length) => Buffer.alloc(length, 'x')) },
);
const text = fc
  .array(line, { maxLength: 200 })
  .map((lines) =>
    Buffer.concat(lines.flatMap((bytes) => [Buffer.from(bytes.filter((byte) => byte !== 0x0a)), Buffer.from('\n')])),
  );

it('frames lines as appendLine does', () => {
  const position = fc.oneof(fc.nat(300), fc.nat(2 ** 30), fc.integer({ min: 0, max: 2 ** 52 }));
  const delta = fc.oneof(fc.nat(300), fc.integer({ min: -10, max: 2 ** 31 }));
  const property = fc.property(fc.array(fc.tuple(text, position, delta), { maxLength: 4 }), (runs) => {
    const [singly, together] = [new BatchBuilder(), new BatchBuilder()];
    for (const [source, at, deltaMs] of runs) {
      const timestampMs = 1_700_000_000_000 + deltaMs;
      appendSingly(singly, timestampMs, source, at);
      appendTogether(together, timestampMs, source, at, 1000);
    }
    expect(together.build().equals(singly.build())).toBe(true);
  });
  fc.assert(property, { numRuns: 100 });
});

it('frames more than fits into its memory, in turns', () => {
  const source = Buffer.from('a line of twenty-one bytes \n\n'.repeat(100_000));
  const [singly, together] = [new BatchBuilder(), new BatchBuilder()];
  appendSingly(singly, 5, source, 0);
  expect(appendTogether(together, 5, source, 0, 1000)).toBeGreaterThan(199_000);
  expect(together.build().equals(singly.build())).toBe(true);
});

it('leaves what is behind the last newline, what is too long and what has no room', () => {
  const headers = new LineHeaders();
  headers.use(fileId);
  const run = { timestampMs: 5, longestBytes: 4, reference: headers.prefix, position: 0 };
  const builder = new BatchBuilder();
  // Beyond the end there is a newline, of other bytes.
  expect(builder.appendLines(Buffer.from('one\ntwo\nrest\n'), 0, 12, run, 1000)).toMatchObject({ end: 8, count: 2 });
  expect(builder.appendLines(Buffer.from('three\nfour\n'), 0, 11, run, 1000)).toMatchObject({ end: 0, count: 0 });
  expect(builder.appendLines(Buffer.from('five\n'), 0, 5, run, builder.sizeBytes + 20)).toMatchObject({ count: 0 });
  expect(builder.count).toBe(2);
  const limited = new BatchBuilder();
  const many = Buffer.from('four\n'.repeat(1000));
  const { count } = limited.appendLines(many, 0, many.length, run, 2000);
  expect(count).toBeGreaterThan(50);
  expect(limited.sizeBytes).toBeLessThanOrEqual(2000);
});

const records = fc.array(
  fc.record({
    deltaMs: fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
    key: fc.option(fc.uint8Array({ maxLength: 70 }), { nil: null }),
    value: fc.option(fc.uint8Array({ maxLength: 300 }), { nil: null }),
    headers: fc.array(
      fc.record({
        key: fc.string({ maxLength: 5 }),
        value: fc.option(fc.uint8Array({ maxLength: 100 }), { nil: null }),
      }),
      { maxLength: 3 },
    ),
  }),
  { minLength: 1, maxLength: 60 },
);

function batchOf(
  list: readonly {
    deltaMs: number;
    key: Uint8Array | null;
    value: Uint8Array | null;
    headers: { key: string; value: Uint8Array | null }[];
  }[],
): Buffer {
  const builder = new BatchBuilder();
  for (const { deltaMs, key, value, headers } of list)
    builder.append(1_700_000_000_000 + deltaMs, key, value, 0, value?.length ?? 0, encodeHeaders(headers));
  return builder.build();
}

it('gives the values back as lines', () => {
  const property = fc.property(records, (list) => {
    const batch = batchOf(list);
    const unframed = unframeLines(batch, batchHeaderBytes, batch.length, list.length)!;
    const expected = Buffer.concat(list.flatMap(({ value }) => [value ?? Buffer.alloc(0), Buffer.from('\n')]));
    expect(unframed.lines.equals(expected)).toBe(true);
    const deltas = list.map(({ deltaMs }) => deltaMs - list[0]!.deltaMs);
    expect([unframed.earliestDelta, unframed.latestDelta]).toEqual([Math.min(...deltas), Math.max(...deltas)]);
  });
  fc.assert(property, { numRuns: 200 });
});

it('refuses what RecordCursor refuses, and nothing else', () => {
  const damage = fc.array(fc.tuple(fc.nat(5000), fc.nat(255)), { minLength: 1, maxLength: 3 });
  const property = fc.property(records, damage, (list, changes) => {
    const batch = batchOf(list);
    const room = batch.length - batchHeaderBytes;
    for (const [at, byte] of changes) batch[batchHeaderBytes + (at % room)] = byte;
    const lines = unframeLines(batch, batchHeaderBytes, batch.length, list.length)?.lines;
    const values: Buffer[] = [];
    let refused = false;
    try {
      const cursor = new RecordCursor(batch);
      while (cursor.next()) values.push(cursor.value() ?? Buffer.alloc(0), Buffer.from('\n'));
    } catch {
      refused = true;
    }
    expect(lines === undefined).toBe(refused);
    if (lines !== undefined) expect(lines.equals(Buffer.concat(values))).toBe(true);
  });
  fc.assert(property, { numRuns: 1000 });
});
