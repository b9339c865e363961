// Bodies of POST /ingest and of _bulk, cut into records: bytes as they came, the first broken line by its number.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bulkAnswer, readBulk } from '../../../agents/http/bulk.ts';
import { type BodyFormat, cutRecords, formatOf } from '../../../agents/http/formats.ts';
import { HttpProblem } from '../../../agents/http/problem.ts';

function cut(format: BodyFormat, body: string | Buffer, limitBytes = 1_000_000): string[] {
  const source = Buffer.from(body);
  const spans = cutRecords(format, source, limitBytes);
  return Array.from({ length: spans.length / 2 }, (_, index) =>
    source.toString('latin1', spans[index * 2], spans[index * 2 + 1]),
  );
}

function problem(action: () => unknown): HttpProblem {
  try {
    action();
  } catch (error) {
    if (error instanceof HttpProblem) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('formats of bodies', () => {
  it('are named by Content-Type', () => {
    expect(formatOf('application/x-ndjson; charset=utf-8')).toBe('ndjson');
    expect(formatOf('Application/JSON')).toBe('json');
    expect(formatOf('text/plain')).toBe('lines');
    expect(problem(() => formatOf(undefined))).toMatchObject({ status: 415 });
    expect(problem(() => formatOf('image/png'))).toMatchObject({ status: 415 });
  });

  it('NDJSON: a value on each line, as its bytes', () => {
    expect(cut('ndjson', '{"a": 1}\r\n\n  [2]  \n"three"')).toEqual(['{"a": 1}', '[2]', '"three"']);
    expect(cut('ndjson', '')).toEqual([]);
  });

  it('plain lines: every byte, empty lines too', () => {
    expect(cut('lines', 'one\r\n\n{"half\nlast')).toEqual(['one\r', '', '{"half', 'last']);
    expect(cut('lines', Buffer.from([0xff, 0x0a, 0xfe]))).toEqual(['\xff', '\xfe']);
  });

  it('JSON: the elements of an array, or values one after the other, each on one line', () => {
    expect(cut('json', ' [ {"a": 1}, {\n "b": [ 2,\n 3 ] }, "x\\" y" ] \n')).toEqual([
      '{"a": 1}',
      '{"b":[2,3]}',
      '"x\\" y"',
    ]);
    expect(cut('json', '[]')).toEqual([]);
    expect(cut('json', '{"a":1}\n{\n"b":2}')).toEqual(['{"a":1}', '{"b":2}']);
  });

  it.each<[BodyFormat, string | Buffer, number]>([
    ['ndjson', '{"a":1}\n{"b":\n2}\n', 2],
    ['ndjson', '{"a":1}\n\n{"b":2} {"c":3}\n', 3],
    ['ndjson', Buffer.concat([Buffer.from('{"a":1}\n"'), Buffer.from([0xff]), Buffer.from('"\n')]), 2],
    ['json', '[{\n"a":1},\n{"b":2\n},\n]', 5],
    ['json', '[1,2', 1],
    ['json', '[1]\n2', 2],
    ['json', '[{\n\n"a":1},\nx]', 4],
  ])('%s %j is refused, naming line %i', (format, body, line) => {
    expect(problem(() => cut(format, body))).toMatchObject({ status: 400, details: { line } });
  });

  it('a record above the limit is refused, naming its line', () => {
    expect(problem(() => cut('lines', 'short\nmuch too long\n', 10))).toMatchObject({
      status: 413,
      details: { line: 2 },
    });
  });

  it('any values come out as they went in, as NDJSON and as an array', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue(), { maxLength: 20 }), fc.constantFrom(undefined, 1), (values, indent) => {
        const wanted = values.map((value) => Buffer.from(JSON.stringify(value)).toString('latin1'));
        expect(cut('ndjson', values.map((value) => JSON.stringify(value) + '\n').join(''))).toEqual(wanted);
        expect(cut('json', JSON.stringify(values, null, indent))).toEqual(wanted);
      }),
    );
  });
});

describe('_bulk', () => {
  const read = (body: string, index?: string) =>
    readBulk(Buffer.from(body), {
      index,
      topicOf: (name) => (name === 'audit' ? 'audit' : 'app'),
      recordLimitBytes: () => 40,
    });

  it('takes index and create, by index into topics, ids as keys', () => {
    const bulk = read(
      '{"index":{"_index":"x"}}\n{"a": 1}\n{"create":{"_index":"audit","_id":"7"}}\r\n{"b":2}\r\n\n{"index":{"_id":8}}\n{"c":3}',
      'other',
    );
    const parts = bulk.parts.map(({ topic, source, spans, keys }) => ({
      topic,
      values: spans.flatMap((start, at) => (at % 2 === 0 ? [source.toString('utf8', start, spans[at + 1])] : [])),
      keys: keys?.map((key) => key?.toString()),
    }));
    expect(parts).toEqual([
      { topic: 'app', values: ['{"a": 1}', '{"c":3}'], keys: [undefined, '8'] },
      { topic: 'audit', values: ['{"b":2}'], keys: ['7'] },
    ]);
    const answer = JSON.parse(bulkAnswer(bulk, 3.4)) as {
      took: number;
      errors: boolean;
      items: Record<string, { status: number }>[];
    };
    expect(answer).toMatchObject({ took: 3, errors: false });
    expect(answer.items.map((item) => Object.values(item)[0]!.status)).toEqual([201, 201, 201]);
    expect(answer.items[1]).toMatchObject({ create: { _index: 'audit', _id: '7', result: 'created' } });
  });

  it('refuses item by item what is not possible, and takes the rest', () => {
    const bulk = read(
      [
        '{"delete":{"_id":"1"}}',
        ...['{"update":{"_id":"1"}}', '{"doc":{}}'],
        ...['{"index":{}}', '{"broken":'],
        ...['{"index":{}}', '[1]'],
        ...['{"index":{}}', `{"long":"${'x'.repeat(50)}"}`],
        ...['{"index":{"_id":""}}', '{"a":1}'],
        ...['{"create":{}}', '{"good":1}', ''],
      ].join('\n'),
    );
    const { errors, items } = JSON.parse(bulkAnswer(bulk, 0)) as {
      errors: boolean;
      items: Record<string, { status: number; error?: { reason: string } }>[];
    };
    expect(errors).toBe(true);
    const outcomes = items.map((item) => Object.values(item)[0]!);
    expect(outcomes.map(({ status }) => status)).toEqual([400, 400, 400, 400, 400, 400, 201]);
    expect(outcomes[2]!.error!.reason).toContain('line 5');
    expect(bulk.parts.map(({ spans }) => spans.length / 2)).toEqual([1]);
  });

  it.each([
    '{"index":{}}\n{"a":1}\nnonsense\n{}\n',
    '{"index":{}}\n{"a":1}\n{"what":{}}\n{}\n',
    '{"index":{}}\n{"a":1}\n{"index":{}}\n',
  ])('refuses the whole of %j, naming line 3', (body) =>
    expect(problem(() => read(body))).toMatchObject({ status: 400, details: { line: 3 } }),
  );
});
