// The way of records between topics: which pipelines lead from which topic to which. A way that comes round would never end.
import type { PipelinePlan } from './plan.ts';

interface Hop {
  pipeline: string;
  to: string;
}

/**
 * Each round that records could take, as "app → (web) → errors → (again) → app" with the pipeline that closes it. Dead letters are counted in: a
 * pipeline that feeds them back to where they came from would circle with the same record for ever.
 */
export function findCycles(pipelines: readonly PipelinePlan[]): { pipeline: string; description: string }[] {
  const hops = new Map<string, Hop[]>();
  for (const { name, from, edges, deadLetterTopic } of pipelines) {
    const targets = edges.flatMap(({ target }) => (target.kind === 'topic' ? [target.topic] : []));
    for (const topic of from) {
      const list = hops.get(topic) ?? [];
      list.push(...[...targets, deadLetterTopic].map((to) => ({ pipeline: name, to })));
      hops.set(topic, list);
    }
  }
  const cycles: { pipeline: string; description: string }[] = [];
  const done = new Set<string>();
  const visit = (topic: string, way: readonly string[], topics: readonly string[]): void => {
    const start = topics.indexOf(topic);
    if (start >= 0) {
      const pipeline = /\((.*)\)/.exec(way.at(-1)!)?.[1] ?? '';
      cycles.push({ pipeline, description: [...interleave(topics.slice(start), way.slice(start)), topic].join(' → ') });
      return;
    }
    if (done.has(topic)) return;
    for (const { pipeline, to } of hops.get(topic) ?? []) visit(to, [...way, `(${pipeline})`], [...topics, topic]);
    done.add(topic);
  };
  for (const topic of hops.keys()) visit(topic, [], []);
  return cycles;
}

function interleave(topics: readonly string[], way: readonly string[]): string[] {
  return topics.flatMap((topic, index) => [topic, way[index] ?? '']).filter((item) => item !== '');
}
