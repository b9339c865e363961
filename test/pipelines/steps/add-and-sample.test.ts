import { describe, expect, it } from 'vitest';
import { compile, through } from '../../support/planning.ts';
import { transform } from '../../support/transforming.ts';

describe('add', () => {
  it.each([
    [
      '{ env: prod, n: 5, ok: true, none: null, tags: [a, b] }',
      '{}',
      '{"env":"prod","n":5,"ok":true,"none":null,"tags":["a","b"]}',
    ],
    ['{ env: prod }', '{ "env": "test" }', '{ "env": "test" }'],
    ['{ user.role: guest }', '{"user":{"name":"x"}}', '{"user":{"name":"x","role":"guest"}}'],
    [
      "{ at: '{user.name}@{n}{absent}{list}' }",
      '{"user":{"name":"x"},"n":5,"list":[1]}',
      '{"user":{"name":"x"},"n":5,"list":[1],"at":"x@5[1]"}',
    ],
    ["{ json: '{ not a path }' }", '{}', '{"json":"{ not a path }"}'],
  ])('%s to %s', async (settings, line, expected) => {
    expect(await through(`- parse: json\n- add: ${settings}`, line)).toBe(expected);
  });
});

describe('sample', () => {
  const lines = Array.from({ length: 4000 }, (_, index) => `{"trace":"t${index % 400}","n":${index}}`);
  const kept = async (settings: string) =>
    (await transform(await compile(`- parse: json\n- sample: ${settings}`), lines)).pieces.map(({ text }) => text);

  it('keeps about that part, the same ones each time', async () => {
    const first = await kept('25%');
    expect(first.length).toBeGreaterThan(850);
    expect(first.length).toBeLessThan(1150);
    expect(await kept('0.25')).toEqual(first);
    const half = new Set(await kept('50%'));
    expect(first.every((text) => half.has(text))).toBe(true);
    expect((await kept('100%')).length).toBe(4000);
    expect((await kept('0')).length).toBe(0);
  });

  it('keeps or drops together what shares a field', async () => {
    const traces = new Map<string, number>();
    for (const text of await kept('{ rate: 10%, by: trace }')) {
      const { trace } = JSON.parse(text) as { trace: string };
      traces.set(trace, (traces.get(trace) ?? 0) + 1);
    }
    expect([...traces.values()].every((count) => count === 10)).toBe(true);
    expect(traces.size).toBeGreaterThan(15);
    expect(traces.size).toBeLessThan(80);
  });

  it.each(['often', '120%', '-1', "''", '{ rate: 2, by: a }'])('%s is refused', async (settings) => {
    await expect(compile(`- sample: ${settings}`)).rejects.toThrow(/a part of the records,? such as 10% or 0.1/);
  });
});
