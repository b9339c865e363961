// A pattern that backtracking engines need years for costs milliseconds, in every step that takes patterns.
import { expect, it } from 'vitest';
import { compile, runLine, TestEvent } from '../../support/planning.ts';

const line = `${'a'.repeat(20_000)}!`;

it.each([
  ['parse: regex', "- parse: { regex: '^(?<x>(a+)+)$' }\n  on_error: keep"],
  ['parse: grok', "- parse: { grok: '^(?<x>(a|aa)+)$' }\n  on_error: keep"],
  ['redact', "- redact: [ { name: x, pattern: '(a+)+$' } ]"],
  ['drop', '- drop: message.matches("^(a+)+$")'],
  ['when', "- set: { x: '1' }\n  when: message.matches('(x+x+)+y')"],
])('%s', async (_step, steps) => {
  const compiled = await compile(steps);
  const before = process.cpuUsage();
  expect(runLine(compiled, new TestEvent(line))).toContain(line);
  const { user, system } = process.cpuUsage(before);
  expect((user + system) / 1000).toBeLessThan(1000);
});
