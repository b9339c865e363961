import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { csvParser, splitCsv } from '../../../pipelines/parsers/csv.ts';
import { through } from '../../support/planning.ts';

describe('csv', () => {
  it.each([
    ['a,b', ['a', 'b']],
    ['', ['']],
    [',', ['', '']],
    ['"a,b","c ""d"""', ['a,b', 'c "d"']],
    ['"",x', ['', 'x']],
    ['a "quoted" word,x', ['a "quoted" word', 'x']],
    ['"open', undefined],
    ['"a"b,c', undefined],
  ])('splits %s', (text, expected) => {
    expect(splitCsv(text, ',')).toEqual(expected);
  });

  it('gives back what was written, whatever the values and the separator', () => {
    const quote = (value: string) => `"${value.replaceAll('"', '""')}"`;
    const separators = fc.constantFrom(',', ';', '\t', '|');
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1 }), separators, (values, separator) => {
        expect(splitCsv(values.map(quote).join(separator), separator)).toEqual(values);
        const plain = values.map((value) => value.replaceAll(/["\t,;|]/g, ''));
        expect(splitCsv(plain.join(separator), separator)).toEqual(plain);
      }),
    );
  });

  it('names and types the columns, and leaves out those without a name', () => {
    const parse = csvParser({ columns: ['user.name', '', 'took_ms:int', 'load:float', 'code:int'], separator: ';' });
    expect(parse('bob;x;15;0.5;none', 0).fields).toEqual({
      user: { name: 'bob' },
      took_ms: 15,
      load: 0.5,
      code: 'none',
    });
  });

  it('works as a step, long and short, and says what does not fit', async () => {
    expect(await through('- parse: { csv: [time, level] }', '10:00,info')).toBe('{"time":"10:00","level":"info"}');
    expect(await through("- parse: { csv: { columns: [a, b], separator: '|' } }", 'x|"y|z"')).toBe(
      '{"a":"x","b":"y|z"}',
    );
    expect(await through("- parse: 'csv:a,b:int'", 'x,5')).toBe('{"a":"x","b":5}');
    await expect(through('- parse: { csv: [a, b] }', '1,2,3')).rejects.toThrow(
      'the line has 3 values, not the 2 of the columns',
    );
    await expect(through('- parse: { csv: [a, b] }', '"1,2')).rejects.toThrow('the line is not CSV');
    await expect(through('- parse: { csv: ["a:date"] }', '1')).rejects.toThrow(
      '"date" is no type; there are int, float, string',
    );
  });
});
