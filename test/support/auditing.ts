// An audit of pipelines that a test runs in process (pipeline-world.ts).
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/logger.ts';
import { nodeFiles } from '../../base/node-files.ts';
import { systemRandom } from '../../base/random.ts';
import { audit } from '../../pipelines/audit/audit.ts';
import type { AuditResult } from '../../pipelines/audit/findings.ts';
import type { PipelinePlan } from '../../pipelines/plan.ts';
import type { PipelineWorld } from './pipeline-world.ts';

/** A remedy is the range that is to be delivered again: "web.files app/0 10 20". */
export function auditOf(
  world: PipelineWorld,
  pipelines: readonly PipelinePlan[],
  given: { fromMs?: number; untilMs?: number; edges?: readonly string[] } = {},
): Promise<AuditResult> {
  const { fromMs, untilMs, edges = [] } = given;
  return audit(
    {
      ...{ plan: { pipelines, agents: [] }, fromMs, untilMs, edges },
      remedy: (_pipeline, { group }, { topic, partition, from, to }) => `${group} ${topic}/${partition} ${from} ${to}`,
    },
    {
      ...{ client: world.client, files: nodeFiles, clock: systemClock, random: systemRandom, logger: silentLogger },
      signal: new AbortController().signal,
    },
  );
}
