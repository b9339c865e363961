import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsonObject, notAnObject, scanJsonObject } from '../../../sinks/elasticsearch/json-object.ts';

function scan(text: string | Buffer): number {
  const line = Buffer.from(text);
  const framed = Buffer.concat([Buffer.from('}"x'), line, Buffer.from('{"a":1}')]);
  return scanJsonObject(framed, 3, 3 + line.length);
}

function isObject(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value);
  } catch {
    return false;
  }
}

/** Text that is nearly JSON: tokens in any order, and JSON with a character changed. */
const tokens = fc
  .array(
    fc.constantFrom(
      ...['{', '}', '[', ']', ',', ':', '"', '"a"', '"\\u00e4"', '"\\x"', '0', '-1.5e+3', '01', '1.', '-', 'e', 'true'],
      ...['nul', 'null', ' ', '\n', '\t', '\r', '\u00a0', '\ufeff', 'ü', '"😀"', '\u0000', '\\', '/'],
    ),
    { maxLength: 12 },
  )
  .map((parts) => parts.join(''));
const damaged = fc
  .tuple(fc.json(), fc.nat(), fc.constantFrom('', '"', '\\', '}', '0', ',', '\n', 'ä'))
  .map(([text, at, instead]) => {
    const place = at % (text.length + 1);
    return text.slice(0, place) + instead + text.slice(place + 1);
  });

describe('scanJsonObject', () => {
  it('accepts what JSON.parse gives an object for, and nothing else', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.json(),
          fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()).map((value) => JSON.stringify(value, null, 1)),
          tokens,
          tokens.map((text) => `{${text}}`),
          damaged,
        ),
        (text) => {
          fc.pre(text.isWellFormed());
          expect(scan(text) !== notAnObject).toBe(isObject(text));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it.each([
    ...['', ' ', '{', '}', '{}}', '{"a"}', '{"a":}', '{"a":1,}', '{,}', '{a:1}', "{'a':1}", '{"a":01}', '{"a":.5}'],
    ...['{"a":+1}', '{"a":1e}', '{"a":tru}', '{"a":"\t"}', '{"a":"\\u12g4"}', '{"a":"\\', '[{}]', 'null', '"a"'],
    ...['{"a":[1,]}', '{"a":[}', '{"a":{]}', '{"a":NaN}', '{}x', '\ufeff{}', '{"a":1 "b":2}', '{"a":"\\u12"}'],
  ])('refuses %j', (text) => {
    expect(isObject(text)).toBe(false);
    expect(scan(text)).toBe(notAnObject);
  });

  it('takes only UTF-8', () => {
    expect(scan('{"ä":"😀"}')).toBe(0);
    expect(scan(Buffer.from([...Buffer.from('{"a":"'), 0xff, ...Buffer.from('"}')]))).toBe(notAnObject);
    expect(scan(Buffer.from([...Buffer.from('{"a":"'), 0xed, 0xa0, 0x80, ...Buffer.from('"}')]))).toBe(notAnObject);
  });

  it('knows 1,000 levels, as the stores do', () => {
    const nested = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
    expect(scan(nested(1000))).toBe(0);
    expect(scan(nested(1001))).toBe(notAnObject);
    expect(scan('{"a":'.repeat(1_000_000))).toBe(notAnObject);
  });

  it.each([
    ['{}', jsonObject.isEmpty],
    [' { } ', jsonObject.isEmpty],
    ['{"a":{}}', 0],
    ['{"a":\n1}', jsonObject.hasLineBreak],
    ['{"a"\n:1}', jsonObject.hasLineBreak],
    ['\n{"a":1}', 0],
    ['{"a":1}\n', jsonObject.hasLineBreak],
    ['{"a":"\\n"}', 0],
    ['{"@timestamp":1}', jsonObject.hasTimestamp],
    ['{"\\u0040timestamp":1}', jsonObject.hasTimestamp],
    ['{"a":{"@timestamp":1,"log":2,"host":3}}', 0],
    ['{"a":"@timestamp","@timestamps":1}', 0],
    ['{"log":{"level":"info"}}', jsonObject.hasLog],
    ['{"lo\\u0067":1,"\\u0068ost":2}', jsonObject.hasLog | jsonObject.hasHost],
    ['{"log.level":"info"}', jsonObject.hasLog],
    ['{"logs":1,"lo":2,"l":3,"":4}', 0],
    ['{"a":1,"host":"x"}', jsonObject.hasHost],
    ['{"host.name":"x","log":1,"@timestamp":2}', jsonObject.hasHost | jsonObject.hasLog | jsonObject.hasTimestamp],
    ['{"hostname":"x"}', 0],
  ])('notes what is in %j', (text, found) => {
    expect(scan(text)).toBe(found);
  });
});
