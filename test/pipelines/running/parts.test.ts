// The parts of the loop that need no broker: origins, accounts, fetched batches, events, the ledger.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FetchedBatches } from '../../../broker/client/contract.ts';
import { writeFileReference } from '../../../broker/client/positions-record.ts';
import { BatchBuilder, encodeHeaders } from '../../../broker/wire/batch-builder.ts';
import { decodeAccount, emptyAccount, encodeAccount, isBalanced } from '../../../pipelines/account.ts';
import type { FileNames } from '../../../pipelines/event.ts';
import { parseExactJson } from '../../../pipelines/exact-integer.ts';
import { type AgentAccount, buildLedger, type EdgeAccount, renderLedger } from '../../../pipelines/ledger.ts';
import { decodeOrigin, encodeOrigin } from '../../../pipelines/origin.ts';
import { PassThroughBatch, type SourceDelivery } from '../../../pipelines/source-batch.ts';
import type { Fields } from '../../../pipelines/steps/step.ts';
import { Transformer } from '../../../pipelines/transform.ts';
import { numbered, step } from '../../support/pipeline-world.ts';

const topicId = Buffer.alloc(16, 5);

interface TestBatch {
  baseOffset: number;
  lines: string[];
  compression?: 'none' | 'gzip' | 'zstd';
  headers?: { key: string; value: Buffer | null }[];
}

function fetched(batches: readonly TestBatch[], fromOffset: number): FetchedBatches {
  const built = batches.map(({ baseOffset, lines, compression = 'none', headers = [] }) => {
    const builder = new BatchBuilder();
    for (const line of lines) {
      builder.append(1000 + baseOffset, null, Buffer.from(line), 0, Buffer.byteLength(line), encodeHeaders(headers));
    }
    return builder.build({ baseOffset, compression });
  });
  const last = batches.at(-1)!;
  const nextOffset = last.baseOffset + last.lines.length;
  return {
    topic: 'app',
    topicId,
    partition: 0,
    batches: built,
    fromOffset,
    nextOffset,
    highWatermark: nextOffset,
    lastStableOffset: nextOffset,
  };
}

function collect(batch: {
  forEach(visit: (delivery: SourceDelivery) => void): void;
}): { offset: number; text: string }[] {
  const found: { offset: number; text: string }[] = [];
  batch.forEach(({ offset, buffer, start, end }) => found.push({ offset, text: buffer.toString('utf8', start, end) }));
  return found;
}

describe('origins', () => {
  it('come back as they were', () => {
    const number = fc.nat({ max: Number.MAX_SAFE_INTEGER });
    fc.assert(
      fc.property(fc.nat(), number, fc.nat(), (partition, offset, ordinal) => {
        const origin = { topicId, partition, offset, ordinal };
        expect(decodeOrigin(encodeOrigin(origin))).toEqual(origin);
      }),
    );
  });

  it('are nothing else', () => {
    const whole = encodeOrigin({ topicId, partition: 300, offset: 70_000, ordinal: 0 });
    for (let length = 0; length < whole.length; length++)
      expect(decodeOrigin(whole.subarray(0, length))).toBeUndefined();
    expect(decodeOrigin(Buffer.concat([whole, Buffer.from([0])]))).toBeUndefined();
  });
});

describe('accounts', () => {
  it('come back as they were, and nothing else is one', () => {
    const number = fc.nat({ max: Number.MAX_SAFE_INTEGER });
    fc.assert(
      fc.property(
        fc.record({ in: number, out: number, dropped: number, dead: number, alreadyThere: number, split: number }),
        (account) => {
          expect(decodeAccount(encodeAccount(account, Buffer.alloc(16, 7)))).toEqual(account);
        },
      ),
    );
    for (const text of ['', 'x', '{}', '{"v":1,', '{"v":1,"in":1}', '{"v":2,"in":1}'])
      expect(decodeAccount(text)).toBeUndefined();
  });

  it('balance when every record has one end', () => {
    expect(isBalanced({ in: 10, out: 4, dropped: 3, dead: 2, alreadyThere: 1, split: 0 })).toBe(true);
    expect(isBalanced({ in: 10, out: 14, dropped: 3, dead: 2, alreadyThere: 1, split: 10 })).toBe(true);
    expect(isBalanced({ ...emptyAccount(), in: 1 })).toBe(false);
  });
});

describe('fetched batches', () => {
  it('show the records between where reading began and the end, whatever the batches', () => {
    const shape = fc.array(
      fc.record({ count: fc.integer({ min: 1, max: 5 }), gap: fc.nat({ max: 3 }), packed: fc.boolean() }),
      { minLength: 1, maxLength: 6 },
    );
    fc.assert(
      fc.property(shape, fc.nat({ max: 40 }), fc.nat({ max: 40 }), (shapes, from, end) => {
        let next = 0;
        const all: { offset: number; text: string }[] = [];
        const batches = shapes.map(({ count, gap, packed }): TestBatch => {
          const baseOffset = next + gap;
          next = baseOffset + count;
          const lines = numbered(count, baseOffset);
          lines.forEach((text, index) => all.push({ offset: baseOffset + index, text }));
          return { baseOffset, lines, compression: packed ? 'gzip' : 'none' };
        });
        const expected = all.filter(({ offset }) => offset >= from && offset < end);
        const batch = new PassThroughBatch(fetched(batches, from), end);
        expect(collect(batch)).toEqual(expected);
        expect(batch.count).toBe(expected.length);
        expect(collect(batch)).toEqual(expected);
      }),
    );
  });

  it('begin at any record and end where the visitor says', () => {
    const lines = fc.array(fc.array(fc.string(), { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(lines, fc.nat(25), fc.nat(25), fc.nat(25), fc.nat(25), (each, fromOffset, endOffset, from, most) => {
        let baseOffset = 0;
        const batches = each.map((texts) => {
          const batch = { baseOffset, lines: texts };
          baseOffset += texts.length;
          return batch;
        });
        const batch = new PassThroughBatch(fetched(batches, fromOffset), endOffset);
        const found: number[] = [];
        batch.forEach(({ offset }) => found.push(offset) < most, from);
        const offsets = collect(batch).map(({ offset }) => offset);
        expect(found).toEqual(offsets.slice(from, from + Math.max(most, 1)));
      }),
    );
  });

  it('know keys, headers and the line as a field', () => {
    const headers = [
      { key: 'a', value: Buffer.from('1') },
      { key: 'b', value: null },
    ];
    new PassThroughBatch(fetched([{ baseOffset: 7, lines: ['x'], headers }], 0)).forEach((delivery) => {
      expect(delivery.headers()).toEqual(headers);
      expect(delivery.key()).toBeNull();
      expect(delivery.field('message')).toBe('x');
      expect(delivery.field('meta.offset')).toBe(7);
      expect(delivery.field('level')).toBeUndefined();
      expect(delivery).toMatchObject({ timestampMs: 1007, untouched: true });
    });
  });
});

describe('events', () => {
  const reference = Buffer.alloc(8);
  writeFileReference(reference, Buffer.from('0102030405ff', 'hex'), 300, 0);
  const headers = [{ key: 't', value: reference }];

  function names(known: Record<string, { path: string; host: string }>): FileNames & { asked: string[] } {
    const resolved = new Map<string, { path: string; host: string }>();
    const asked: string[] = [];
    return {
      asked,
      peek: (file) => resolved.get(file),
      resolve: (file) => {
        asked.push(file);
        const name = known[file];
        if (name !== undefined) resolved.set(file, name);
        return Promise.resolve(name);
      },
    };
  }

  it('tell whole numbers that JavaScript cannot hold by their digits', async () => {
    const parsed = step((event) => {
      event.fields = parseExactJson(event.message) as Fields;
      return 'keep';
    });
    const options = { steps: [parsed], names: undefined, askedPaths: ['id', 'user.id', 'n'] };
    const lines = ['{"id":12345678901234567890,"user":{"id":-99999999999999999},"n":5}'];
    const { batch } = await new Transformer(options).run(fetched([{ baseOffset: 0, lines }], 0), Infinity);
    const found: unknown[] = [];
    batch.forEach((delivery) => found.push(...options.askedPaths.map((path) => delivery.field(path))));
    expect(found).toEqual(['12345678901234567890', '-99999999999999999', 5]);
  });

  it('know the file a line was read from, looked up once', async () => {
    const fileNames = names({ '0102030405ff': { path: '/var/log/a.log', host: 'web1' } });
    const paths = step((event) => {
      event.fields = { path: event.meta.path, host: event.get('meta.host'), position: event.meta.position };
      return 'keep';
    });
    const transformer = new Transformer({ steps: [paths], names: fileNames, askedPaths: [] });
    const result = await transformer.run(fetched([{ baseOffset: 0, lines: ['x', 'y'], headers }], 0), Infinity);
    const json = '{"path":"/var/log/a.log","host":"web1","position":300}';
    expect(collect(result.batch).map(({ text }) => text)).toEqual([json, json]);
    expect(result.readCount).toBe(2);
    expect(fileNames.asked).toEqual(['0102030405ff']);
  });

  it('do without a name that nobody knows', async () => {
    const fileNames = names({});
    const transformer = new Transformer({ steps: [], names: fileNames, askedPaths: ['meta.path', 'message'] });
    const batch = fetched([{ baseOffset: 0, lines: ['x', 'y'], headers }], 0);
    for (let time = 0; time < 2; time++) {
      const { batch: kept } = await transformer.run(batch, Infinity);
      kept.forEach((delivery) =>
        expect([delivery.field('meta.path'), delivery.field('message')]).toEqual([undefined, expect.any(String)]),
      );
      expect(kept.count).toBe(2);
    }
    expect(fileNames.asked).toHaveLength(1);
  });

  it('pass bytes that are no text through unharmed', async () => {
    const builder = new BatchBuilder();
    const bytes = Buffer.from([0xff, 0xfe, 0x00, 0x80]);
    builder.append(1, null, bytes);
    const batch = { ...fetched([{ baseOffset: 0, lines: ['x'] }], 0), batches: [builder.build()] };
    const looked = step((event) => (event.message === '' ? 'drop' : 'keep'));
    const { batch: kept } = await new Transformer({ steps: [looked], names: undefined, askedPaths: [] }).run(
      batch,
      Infinity,
    );
    kept.forEach(({ buffer, start, end, untouched }) =>
      expect([buffer.subarray(start, end), untouched]).toEqual([bytes, true]),
    );
  });
});

describe('the ledger', () => {
  const agent: AgentAccount = {
    agent: 'nginx',
    committedLines: { app: 60 },
    committedBytes: 6000,
    totalLines: { app: 100 },
    warnings: [],
    problem: undefined,
  };
  const edge: EdgeAccount = {
    ...{
      edge: 'web.files',
      topics: ['app'],
      toTopic: undefined,
      deadLetterTopic: 'web.dlq',
      readsAll: true,
      problem: undefined,
    },
    account: { in: 100, out: 90, dropped: 7, dead: 3, alreadyThere: 0, split: 0 },
  };

  it('balances, and shows it', () => {
    const ledger = buildLedger([agent], [edge]);
    expect(ledger).toMatchObject({
      balanced: true,
      edges: [{ missing: 0, balanced: true, deadLetterTopic: 'web.dlq' }],
    });
    expect(renderLedger(ledger)).toMatchInlineSnapshot(`
      "agent  lines this run    bytes  lines ever
      nginx              60  5.9 KiB         100

      edge       read  delivered  already there  dropped  dead letters  balanced
      web.files   100         90              0        7             3       yes

      web.files: 3 dead letters are in web.dlq, each with its reason

      balanced: every line read has exactly one end"
    `);
  });

  it.each([
    ['lines were not read', { account: { in: 99, out: 89, dropped: 7, dead: 3, alreadyThere: 0, split: 0 } }],
    ['a record has no end', { account: { in: 100, out: 89, dropped: 7, dead: 3, alreadyThere: 0, split: 0 } }],
    ['an edge is stuck', { problem: 'connection refused' }],
  ])('does not when %s', (_, change) => {
    const ledger = buildLedger([agent], [{ ...edge, ...change }]);
    expect(ledger.balanced).toBe(false);
    expect(renderLedger(ledger)).toContain('NOT balanced');
  });

  it('does not mind other producers, nor edges that need not read everything', () => {
    const more = { ...edge, account: { in: 150, out: 150, dropped: 0, dead: 0, alreadyThere: 0, split: 0 } };
    const job = {
      ...edge,
      readsAll: false,
      account: { in: 10, out: 10, dropped: 0, dead: 0, alreadyThere: 0, split: 0 },
    };
    expect(buildLedger([agent], [more, job]).balanced).toBe(true);
  });

  it('follows records from topic to topic', () => {
    const clean: EdgeAccount = { ...edge, edge: 'clean.clean', toTopic: 'clean' };
    const files: EdgeAccount = {
      ...edge,
      edge: 'out.files',
      topics: ['clean'],
      account: { ...emptyAccount(), in: 89, out: 89 },
    };
    expect(buildLedger([agent], [clean, files]).edges[1]).toMatchObject({ missing: 1, balanced: false });
  });
});
