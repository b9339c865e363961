// What people must hear of agents and edges that come: where they begin, and what comes once more because of that. An edge or agent with another name is another one.
import type { Clock } from '../base/clock.ts';
import type { KafkaClient } from '../broker/client/contract.ts';
import { PositionsLog } from '../broker/client/positions-log.ts';
import { decodePositionsRecord } from '../broker/client/positions-record.ts';
import { beginningOf } from '../pipelines/beginnings.ts';
import type { AgentPlan, Plan } from '../pipelines/plan.ts';
import {
  type EdgeOfPipeline,
  edgesOf,
  type Notes,
  type PlanDifference,
  sameReading,
  sameTarget,
} from '../pipelines/plan-difference.ts';

/** Of a change that is about to be made. Rejects when the broker is not to be had. */
export async function notesOn(
  difference: PlanDifference,
  { client, instance }: { client: KafkaClient; instance: string },
  clock: Clock,
): Promise<Notes> {
  const { agents, edges } = difference;
  const notes = new Map<AgentPlan | EdgeOfPipeline, string>();
  for (const added of edges.added) {
    const beginning = await beginningOf(client.admin(), added.pipeline, added.edge);
    const again = edges.removed.filter((removed) => deliversAgain(removed, added)).map(({ edge }) => edge.group);
    const repeats = again.length === 0 ? '' : `; what ${again.join(' and ')} delivered there is delivered again`;
    notes.set(added, beginning === undefined ? 'goes on where it was' : `new, ${beginning.words}${repeats}`);
  }
  for (const { from, to } of edges.changed) {
    if (to.pipeline.from.every((topic) => from.pipeline.from.includes(topic))) continue;
    const beginning = await beginningOf(client.admin(), to.pipeline, to.edge);
    if (beginning !== undefined) notes.set(to, beginning.words);
  }
  const known = agents.added.length === 0 ? new Set() : await knownAgents(client, instance, clock);
  for (const added of agents.added) {
    const beginning = added.definition.describeBeginning?.(added.settings);
    if (beginning === undefined) continue;
    const again = agents.removed.filter((removed) => sameReading(removed, added)).map(({ name }) => name);
    const repeats = again.length === 0 ? '' : `; what ${again.join(' and ')} read of them is read again`;
    notes.set(added, known.has(added.name) ? 'goes on where it was' : `new, begins at ${beginning}${repeats}`);
  }
  return notes;
}

/** Of edges that nobody runs and that find records of which they have committed nothing: one sentence each. */
export async function beginningsOf(client: KafkaClient, plan: Plan): Promise<string[]> {
  const admin = client.admin();
  const found = await Promise.all(
    edgesOf(plan).map(async ({ pipeline, edge }) => {
      const beginning = await beginningOf(admin, pipeline, edge);
      if (beginning === undefined || beginning.records === 0) return [];
      const { members } = await admin.describeGroup(edge.group);
      return members.length > 0 ? [] : [`edge ${edge.group} is new: it ${beginning.words}`];
    }),
  );
  return found.flat();
}

function deliversAgain(removed: EdgeOfPipeline, added: EdgeOfPipeline): boolean {
  const shared = added.pipeline.from.some((topic) => removed.pipeline.from.includes(topic));
  return shared && sameTarget(removed.edge, added.edge);
}

/** Names that something was read under. */
async function knownAgents(client: KafkaClient, instance: string, clock: Clock): Promise<Set<string>> {
  const names = new Set<string>();
  const positions = new PositionsLog(client, { isolation: 'read_uncommitted', clock }, (key, value) => {
    const record = value === null ? undefined : decodePositionsRecord(key, value);
    if (record?.instance === instance) names.add(record.agent);
  });
  try {
    await positions.readToEnd();
  } finally {
    await positions.close();
  }
  return names;
}
