// Tries whether sinks can be opened, without an edge: before a reload replaces what works, and for `check --reach`.
import { hostname } from 'node:os';
import { sleep, systemClock } from '../base/clock.ts';
import { messageOf, TailraceError } from '../base/errors.ts';
import { silentLogger } from '../base/logger.ts';
import { nodeFiles } from '../base/node-files.ts';
import { systemRandom } from '../base/random.ts';
import type { SinkPlan } from '../pipelines/plan.ts';
import type { Manifest } from '../sinks/sink.ts';
import type { EdgeOfPipeline } from '../pipelines/plan-difference.ts';

/** Sinks wait out short trouble by themselves; whoever asks here does not. */
const deadlineMs = 15_000;

/**
 * Opens and closes the sink; the reason when it cannot be reached, or cannot finish what was decided last by the edges that are to write to it. `scratch`: see
 * SinkContext.
 */
export async function reachSink(
  sink: SinkPlan,
  scratch?: string,
  lastDecided: readonly Manifest[] = [],
): Promise<string | undefined> {
  const late = new AbortController();
  const opening = sink.definition.open(sink.settings, {
    edge: `check.${sink.name}`,
    pipeline: 'check',
    instance: `check-${hostname()}`,
    generation: 0,
    scratch,
    files: nodeFiles,
    clock: systemClock,
    random: systemRandom,
    logger: silentLogger,
  });
  const closing = opening.then(async (opened) => {
    try {
      if (opened.guarantee === 'two-phase') for (const manifest of lastDecided) await opened.accept(manifest);
    } finally {
      await opened.close();
    }
  });
  try {
    const isLate = await Promise.race([
      closing.then(() => false),
      sleep(systemClock, deadlineMs, late.signal).then(() => true),
    ]);
    return isLate ? `it did not answer within ${deadlineMs / 1000} s` : undefined;
  } catch (error) {
    return messageOf(error);
  } finally {
    closing.catch(() => undefined);
    late.abort();
  }
}

/** Throws TailraceError TLR_SINK with the reason of each sink of these edges that cannot be opened. `lastDecided`: by an edge of that group. */
export async function reachSinks(
  edges: readonly EdgeOfPipeline[],
  scratch: string,
  lastDecided: (group: string) => Promise<readonly Manifest[]>,
): Promise<void> {
  const decided = new Map<SinkPlan, Manifest[]>();
  for (const { edge } of edges) {
    if (edge.target.kind !== 'sink') continue;
    const { sink } = edge.target;
    decided.set(sink, [...(decided.get(sink) ?? []), ...(await lastDecided(edge.group))]);
  }
  const problems = await Promise.all(
    [...decided].map(async ([sink, manifests]) => {
      const reason = await reachSink(sink, scratch, manifests);
      return reason === undefined ? [] : [`the sink ${sink.name} cannot be opened: ${reason}`];
    }),
  );
  if (problems.flat().length > 0) throw new TailraceError('TLR_SINK', problems.flat().join('; '));
}
