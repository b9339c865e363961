import { describe, expect, it } from 'vitest';
import type { CompiledStep } from '../../../pipelines/plan.ts';
import { load, planOf, problemsOf } from '../../support/planning.ts';
import { transform } from '../../support/transforming.ts';

const config = (rules: string, to = '[alarms, search, topic:rest]') => `
topics: { t: {} }
sinks: { alarms: stdout, search: stdout }
pipelines:
  p:
    from: t
    steps:
      - parse: json
      - route:
${rules}
    to: ${to}
`;
const rules = `
          - { when: level == "error", to: [alarms, search] }
          - { when: level == "debug", to: [] }
          - { when: level == "info", to: search }`;
const lines = ['error', 'debug', 'info', 'warn'].map((level) => `{"level":"${level}"}`);

async function reached(steps: readonly CompiledStep[], target: string | undefined): Promise<string> {
  const { pieces, readCount, droppedCount } = await transform(steps, lines, target);
  expect(readCount).toBe(pieces.length + droppedCount);
  return pieces.map(({ text }) => (JSON.parse(text) as { level: string }).level).join(' ');
}

describe('route', () => {
  it('lets the first rule that fits decide; what fits none goes where no rule leads', async () => {
    const { steps } = (await planOf(config(rules))).pipelines[0]!;
    expect(await reached(steps, 'alarms')).toBe('error');
    expect(await reached(steps, 'search')).toBe('error info');
    expect(await reached(steps, 'topic:rest')).toBe('warn');
  });

  it('takes what is dropped nowhere into a sink that is none of its targets', async () => {
    const { steps } = (await planOf(config(rules))).pipelines[0]!;
    expect(await reached(steps, 'new-index')).toBe('error info warn');
    expect(await reached(steps, undefined)).toBe('error info warn');
  });

  it('has an else', async () => {
    const { steps } = (
      await planOf(config('        - { when: level == "error", to: alarms }\n        - to: [search, topic:rest]'))
    ).pipelines[0]!;
    expect(await reached(steps, 'alarms')).toBe('error');
    expect(await reached(steps, 'search')).toBe('debug info warn');
  });

  it('works for the pipeline that borrows the steps, whose targets may be others', async () => {
    const borrowed = '  again: { from: t, steps: { use: p }, to: more }\n';
    const text = config(rules).replace('search: stdout }', 'search: stdout, more: stdout }') + borrowed;
    const { steps } = (await planOf(text)).pipelines[1]!;
    expect(await reached(steps, 'more')).toBe('error info warn');
  });

  it.each([
    [
      '        - { when: a, to: nowhere }',
      '"nowhere" is not among the targets of this pipeline, alarms, search, topic:rest; put it there first',
    ],
    ['        - { when: a, to: rest }', '(did you mean "topic:rest"?)'],
    ['        - { when: a, to: [serch] }', '(did you mean "search"?)'],
    ['        - to: search\n        - to: alarms', 'this rule fits always, so those below it are never looked at'],
    ['        - { when: a, to: [search, alarms, topic:rest] }', 'what none of these rules fits would go nowhere'],
    ['        - { when: a ==, to: search }', 'unexpected'],
    ['        - { wen: a, to: search }', 'unknown key "wen"'],
  ])('%s is refused', async (text, message) => {
    expect(await problemsOf(config(text))).toContain(message);
  });

  it('says so in place', async () => {
    const { problems } = await load({ 'a.yaml': config('        - { when: a, to: [search, x] }') });
    expect(problems.map(({ place }) => place?.text.trim())).toEqual(['- { when: a, to: [search, x] }']);
  });
});
