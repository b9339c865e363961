import { expect, it } from 'vitest';
import { renderDot, renderMermaid } from '../../pipelines/graph.ts';
import { planOf } from '../support/planning.ts';

const text = `topics: { app: { partitions: 4 } }
agents: { web-1: { type: tail, paths: [ '/a"b<c>#/*' ], to: app } }
sinks: { search: stdout }
pipelines:
  web: { from: app, to: [search, topic:clean], steps: [ { parse: json }, { drop: 'a == "b"' } ] }
  all: { from: '/cl.*/', to: search }
`;

it('is drawn for Mermaid, whatever names and paths hold', async () => {
  expect(renderMermaid(await planOf(text), { deadLetters: false })).toBe(`flowchart LR
  n0(["web-1<br/>/a&quot;b&lt;c&gt;&num;/*"])
  n1[("app<br/>4 partitions")]
  n2["web<br/>parse · drop"]
  n3[/"search<br/>standard output"/]
  n4[("clean")]
  n5["all"]
  n6[("/cl.*/<br/>all that match")]
  n0 --> n1
  n1 --> n2
  n2 -->|"web.search"| n3
  n2 -->|"web.clean"| n4
  n4 --> n5
  n6 --> n5
  n5 -->|"all.search"| n3`);
});

it('is drawn for Graphviz, with dead letters when asked', async () => {
  const lines = renderDot(await planOf(text), { deadLetters: true }).split('\n');
  expect(lines[0]).toBe('digraph tailrace {');
  expect(lines).toContain('  n0 [label="web-1\\n/a\\"b<c>#/*", shape=oval];');
  expect(lines).toContain('  n2 -> n3 [label="web.search"];');
  expect(lines.filter((line) => line.includes('style=dashed'))).toHaveLength(2);
  expect(lines.filter((line) => line.includes('web.dlq'))).toHaveLength(1);
  expect(lines.at(-1)).toBe('}');
});
