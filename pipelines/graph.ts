// A plan as a picture, in the languages of Mermaid and Graphviz: agents → topics → pipelines → sinks and topics. What is drawn is a list of nodes and arrows;
// the two languages differ in how they write those down.
import type { Plan } from './plan.ts';

type Kind = 'agent' | 'topic' | 'pipeline' | 'sink';

interface Node {
  kind: Kind;
  name: string;
  /** What it does, below its name. */
  detail: string;
}

interface Arrow {
  from: Node;
  to: Node;
  /** The consumer group, on the arrows that have one. */
  label: string;
  isDeadLetter: boolean;
}

export interface GraphOptions {
  /** Draws dead-letter topics, too. */
  deadLetters: boolean;
}

class Graph {
  readonly nodes = new Map<string, Node>();
  readonly arrows: Arrow[] = [];

  node(kind: Kind, name: string, detail: string): Node {
    const key = `${kind} ${name}`;
    const node = this.nodes.get(key) ?? { kind, name, detail };
    this.nodes.set(key, node);
    return node;
  }

  arrow(from: Node, to: Node, label = '', isDeadLetter = false): void {
    this.arrows.push({ from, to, label, isDeadLetter });
  }

  /** "n0", "n1", …: names of users may hold anything. */
  idOf(node: Node): string {
    return `n${[...this.nodes.values()].indexOf(node)}`;
  }
}

function build(plan: Plan, { deadLetters }: GraphOptions): Graph {
  const graph = new Graph();
  const topic = (name: string) => graph.node('topic', name, topicDetail(plan, name));
  for (const { name, definition, settings, topic: to } of plan.agents)
    graph.arrow(graph.node('agent', name, definition.describe(settings)), topic(to));
  for (const pipeline of plan.pipelines) {
    const node = graph.node('pipeline', pipeline.name, pipeline.steps.map(({ name }) => name).join(' · '));
    for (const from of pipeline.from) graph.arrow(topic(from), node);
    for (const { source } of pipeline.fromPatterns)
      graph.arrow(graph.node('topic', `/${source}/`, 'all that match'), node);
    for (const { target, group } of pipeline.edges) {
      if (target.kind === 'topic') graph.arrow(node, topic(target.topic), group);
      else {
        const { name, definition, settings } = target.sink;
        graph.arrow(node, graph.node('sink', name, definition.describe(settings)), group);
      }
    }
    if (deadLetters) graph.arrow(node, topic(pipeline.deadLetterTopic), '', true);
  }
  return graph;
}

function topicDetail(plan: Plan, name: string): string {
  const partitions = plan.topics.find((topic) => topic.name === name)?.partitions ?? 1;
  return partitions === 1 ? '' : `${partitions} partitions`;
}

const mermaidShapes: Record<Kind, readonly [string, string]> = {
  agent: ['([', '])'],
  topic: ['[(', ')]'],
  pipeline: ['[', ']'],
  sink: ['[/', '/]'],
};

/** Mermaid: for Markdown on GitHub and the like. */
export function renderMermaid(plan: Plan, options: GraphOptions): string {
  const graph = build(plan, options);
  const quote = (text: string) =>
    text
      .replaceAll('&', '&amp;')
      .replaceAll('"', '&quot;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('#', '&num;');
  const nodes = [...graph.nodes.values()].map((node) => {
    const [open, close] = mermaidShapes[node.kind];
    const detail = node.detail === '' ? '' : `<br/>${quote(node.detail)}`;
    return `  ${graph.idOf(node)}${open}"${quote(node.name)}${detail}"${close}`;
  });
  const arrows = graph.arrows.map(({ from, to, label, isDeadLetter }) => {
    const line = isDeadLetter ? '-.->' : '-->';
    return `  ${graph.idOf(from)} ${line}${label === '' ? '' : `|"${quote(label)}"|`} ${graph.idOf(to)}`;
  });
  return ['flowchart LR', ...nodes, ...arrows].join('\n');
}

const dotShapes: Record<Kind, string> = { agent: 'oval', topic: 'cylinder', pipeline: 'box', sink: 'folder' };

/** Graphviz: for `dot -Tsvg`. */
export function renderDot(plan: Plan, options: GraphOptions): string {
  const graph = build(plan, options);
  const quote = (text: string) => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;
  const nodes = [...graph.nodes.values()].map((node) => {
    const text = node.detail === '' ? node.name : `${node.name}\n${node.detail}`;
    return `  ${graph.idOf(node)} [label=${quote(text)}, shape=${dotShapes[node.kind]}];`;
  });
  const arrows = graph.arrows.map(({ from, to, label, isDeadLetter }) => {
    const attributes = [...(label === '' ? [] : [`label=${quote(label)}`]), ...(isDeadLetter ? ['style=dashed'] : [])];
    const list = attributes.length === 0 ? '' : ` [${attributes.join(', ')}]`;
    return `  ${graph.idOf(from)} -> ${graph.idOf(to)}${list};`;
  });
  return ['digraph tailrace {', '  rankdir=LR;', ...nodes, ...arrows, '}'].join('\n');
}
