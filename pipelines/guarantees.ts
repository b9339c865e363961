// What a configuration guarantees, in words, and why: for each agent, each edge, and the dead letters of each pipeline. docs/guarantees.md tells the same at length.
import type { EdgePlan, PipelinePlan, Plan } from './plan.ts';
import { describeSources } from './topic-pattern.ts';

export interface Guarantees {
  agents: { agent: string; topic: string; guarantee: string }[];
  edges: { edge: string; from: readonly string[]; to: string; guarantee: string }[];
  deadLetters: { pipeline: string; topic: string; guarantee: string }[];
}

function ofEdge({ edges }: PipelinePlan, { target }: EdgePlan): string {
  if (target.kind === 'sink') return target.sink.definition.describeGuarantee(target.sink.settings);
  const shared = edges.length > 1 ? '; the other edges of this pipeline are decided apart' : '';
  return `exactly once: the records and the offsets that they were read from are one transaction, for readers of committed records (read_committed)${shared}`;
}

export function guaranteesOf({ agents, pipelines }: Pick<Plan, 'agents' | 'pipelines'>): Guarantees {
  return {
    agents: agents.map(({ name, definition, settings, topic }) => ({
      ...{ agent: name, topic },
      guarantee: definition.describeGuarantee(settings),
    })),
    edges: pipelines.flatMap((pipeline) =>
      pipeline.edges.map((edge) => ({
        ...{ edge: edge.group, from: describeSources(pipeline) },
        to: edge.target.kind === 'sink' ? edge.target.sink.name : `topic:${edge.target.topic}`,
        guarantee: ofEdge(pipeline, edge),
      })),
    ),
    deadLetters: pipelines.map(({ name, deadLetterTopic }) => ({
      ...{ pipeline: name, topic: deadLetterTopic },
      guarantee:
        'exactly once: what a step or a sink refuses for good is written in the transaction that holds the offsets',
    })),
  };
}
