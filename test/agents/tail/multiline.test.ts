// Lines joined to events: against a plain model however the bytes arrive, and in the agent through time, restarts and rotation.
import { appendFileSync, renameSync, writeFileSync } from 'node:fs';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { tailAgent } from '../../../agents/tail/agent.ts';
import { EventFramer, type Extent, type MultilineRule } from '../../../agents/tail/multiline.ts';
import { compilePattern } from '../../../base/regex.ts';
import { FakeCluster } from '../support/fake-cluster.ts';
import { TailBench, until } from '../support/tail-bench.ts';

const limits = { maxLineBytes: 40, longLine: 'keep' as const, pieceBytes: 60 };
const first: MultilineRule = { pattern: compilePattern('^[0-9]'), finds: 'first', maxLines: 5, maxBytes: 50 };
const further: MultilineRule = { ...first, pattern: compilePattern('^\\s'), finds: 'further' };

/** Reads `text` as the agent does, in reads of these sizes: what is not taken is read again. */
function frame(rule: MultilineRule, text: string, reads: readonly number[], last: Extent = 'all'): string[] {
  const events: string[] = [];
  const positions: number[] = [];
  const framer = new EventFramer(limits, rule, (source, start, end, position) => {
    events.push(source.toString('utf8', start, end));
    positions.push(position);
  });
  const bytes = Buffer.from(text);
  let [position, part, there] = [0, 0, 0];
  for (const read of [...reads, bytes.length]) {
    there = Math.min(bytes.length, there + read);
    const isLast = there === bytes.length;
    framer.frame(bytes.subarray(position, there), 0, there - position, position, part, isLast ? last : 'ended');
    position += framer.consumedBytes;
    part = framer.part;
  }
  if (last === 'all') expect(position).toBe(bytes.length);
  events.forEach((event, index) => expect(bytes.toString('utf8', positions[index]).startsWith(event)).toBe(true));
  return events;
}

/** The same in a few lines, for lines that are not overlong. */
function model(rule: MultilineRule, text: string): string[] {
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  const events: string[][] = [];
  for (const line of lines) {
    const event = events.at(-1);
    const joins = rule.pattern.test(line) === (rule.finds === 'further');
    const fits =
      event !== undefined && event.length < rule.maxLines && [...event, line].join('\n').length <= rule.maxBytes;
    if (joins && fits) event.push(line);
    else events.push([line]);
  }
  return events.map((event) => event.join('\n'));
}

const line = fc.oneof(
  fc.constantFrom('1 starts', '2', ' goes on', '\tat x', 'neither', '', '3 has thirty-eight bytes, nearly 40'),
  fc.string({ unit: fc.constantFrom('0', '1', ' ', '\t', 'a', 'b'), maxLength: 12 }),
);

describe('an event', () => {
  it.each([first, further])('is the same however the bytes arrive ($finds)', (rule) => {
    fc.assert(
      fc.property(fc.array(line, { maxLength: 30 }), fc.boolean(), fc.array(fc.nat(60)), (lines, ends, reads) => {
        const text = lines.join('\n') + (ends ? '\n' : '');
        expect(frame(rule, text, reads)).toEqual(model(rule, text));
      }),
      { numRuns: 1_000 },
    );
  });

  it('is left in the file until something ends it', () => {
    const text = '1 one\n more\n2 two\n more\n half';
    expect(frame(first, text, [], 'ended')).toEqual(['1 one\n more']);
    expect(frame(first, text, [], 'whole-lines')).toEqual(['1 one\n more', '2 two\n more']);
    expect(frame(first, text, [], 'all')).toEqual(['1 one\n more', '2 two\n more\n half']);
  });

  it('ends before an overlong line, whose bytes are all kept', () => {
    fc.assert(
      fc.property(fc.nat({ max: 200 }), fc.array(fc.nat(90)), (length, reads) => {
        const long = 'x'.repeat(41 + length);
        const events = frame(first, `1 one\n more\n${long}\n more\n2 two\n`, reads);
        expect(events[0]).toBe('1 one\n more');
        expect(events.slice(1, -2).join('')).toBe(long);
        expect(events.slice(-2)).toEqual([' more', '2 two']);
      }),
    );
  });
});

describe('the agent', () => {
  let bench: TailBench;
  let cluster: FakeCluster;
  beforeEach(() => {
    bench = new TailBench();
    cluster = new FakeCluster();
  });
  afterEach(() => bench.close());

  const settings = (timeout = '2s') => ({ paths: ['*.log*'], multiline: { starts_with: '^\\d', timeout } });
  const events = () => cluster.lines('lines').map(({ text }) => text);

  it('joins a stack trace, across restarts and writes, each event once', async () => {
    writeFileSync(bench.path('a.log'), '1 one\n at a\n at b\n2 two\n at c');
    const agent = await bench.start(cluster.client(), settings('10m'));
    await until(() => events().length === 1);
    await agent.stop(2_000);
    appendFileSync(bench.path('a.log'), '\n at d\n3 three\n');
    await bench.start(cluster.client(), settings('10m'));
    await until(() => events().length === 2);
    expect(events()).toEqual(['1 one\n at a\n at b', '2 two\n at c\n at d']);
  });

  it('takes the last event when its writer is idle', async () => {
    writeFileSync(bench.path('a.log'), '1 one\n at a\n');
    await bench.start(cluster.client(), settings());
    await until(() => events().length === 1);
    appendFileSync(bench.path('a.log'), '2 two\n');
    await until(() => events().length === 2);
    expect(events()).toEqual(['1 one\n at a', '2 two']);
  });

  it('takes the last event at the end of a rotated file, and with --once', async () => {
    writeFileSync(bench.path('a.log'), '0 zero\n1 one\n at a');
    const agent = await bench.start(cluster.client(), settings('10m'));
    await until(() => events().length === 1);
    renameSync(bench.path('a.log'), bench.path('a.log.1'));
    writeFileSync(bench.path('a.log'), '2 two\n');
    await until(() => events().length === 2);
    await agent.stop(2_000);
    await bench.once(cluster.client(), settings('10m'));
    expect(events()).toEqual(['0 zero', '1 one\n at a', '2 two']);
  });

  it('is refused with both patterns, none, or one that cannot run in linear time', () => {
    const parse = (multiline: unknown) => () => tailAgent.settings.parse({ paths: ['x'], multiline });
    expect(parse({})).toThrow(/one of starts_with/);
    expect(parse({ starts_with: '^a', continues_with: '^b' })).toThrow(/one of starts_with/);
    expect(parse({ starts_with: '(?=a)' })).toThrow(/look-around/);
    expect(parse({ continues_with: '^\\s' })).not.toThrow();
  });
});
