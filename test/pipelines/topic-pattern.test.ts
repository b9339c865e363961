import { describe, expect, it } from 'vitest';
import { compileTopicPattern } from '../../pipelines/topic-pattern.ts';
import { planOf, problemsOf } from '../support/planning.ts';

describe('a pattern of topics', () => {
  it.each([
    ['app-.*', 'app-one', true],
    ['app-.*', 'my-app-one', false],
    ['a|b', 'b', true],
    ['a|b', 'ab', false],
    ['.*', '__consumer_offsets', false],
    ['.*', 'web.dlq', false],
  ])('/%s/ and %s: %s', (source, topic, expected) => {
    expect(compileTopicPattern(source).matches(topic)).toBe(expected);
  });
});

const config = (from: string, to = 's') =>
  `topics: { app-a: {}, other: {} }\nagents: { app-b: "tail:///b" }\nsinks: { s: stdout }\npipelines: { p: { from: ${from}, to: ${to} } }\n`;

describe('from', () => {
  it('takes patterns beside names; what matches in the configuration is in the plan', async () => {
    const { from, fromPatterns } = (await planOf(config("['/app-.*/', other, app-a]"))).pipelines[0]!;
    expect(from).toEqual(['other', 'app-a', 'app-b']);
    expect(fromPatterns.map(({ source }) => source)).toEqual(['app-.*']);
  });

  it.each([
    ["'/app-(/'", 's', 'a.yaml:4:25: error: this is not a regular expression: missing closing )'],
    ["'/(?=a)/'", 's', 'look-around and back-references are refused'],
    ["'/none.*/'", 's', 'a.yaml:4:25: warning: nothing here writes to a topic that matches /none.*/'],
    ["'/app-.*/'", 'topic:app-c', 'records would go round without end'],
    ["['/a.*/', '/a.*/']", 's', 'stands here twice'],
  ])('%s to %s: says what is wrong', async (from, to, message) => {
    expect(await problemsOf(config(from, to))).toContain(message);
  });
});
