// A sink `elasticsearch` with a quick clock in front of scripted stores.
import { nodeFiles } from '../../../base/node-files.ts';
import { silentLogger } from '../../../base/logger.ts';
import { seededRandom } from '../../../base/random.ts';
import { elasticsearchSink } from '../../../sinks/elasticsearch/sink.ts';
import type { Outcome, SendingSink } from '../../../sinks/sink.ts';
import type { TestRecord } from '../../support/deliveries.ts';
import { QuickClock } from '../../support/quick-clock.ts';

/** Opens one; from then on its time runs `speed` times as fast as the machine's. */
export async function openSink(
  settings: Record<string, unknown>,
  { pipeline = 'web', speed = 5, logger = silentLogger, job = false } = {},
): Promise<SendingSink> {
  const clock = new QuickClock();
  const sink = await elasticsearchSink.open(elasticsearchSink.settings.parse({ index: 'app-%Y', ...settings }), {
    ...{ edge: `${pipeline}.search`, pipeline, instance: 'here', generation: 1, files: nodeFiles },
    ...{ clock, random: seededRandom(1), logger, job },
  });
  clock.setSpeed(speed);
  if (sink.guarantee === 'two-phase') throw new Error('not a sending sink');
  return sink;
}

/** Records `{"n":0}`, `{"n":1}`, … of one partition. */
export function numbered(count: number, from = 0): TestRecord[] {
  return Array.from({ length: count }, (_, index) => ({
    offset: from + index,
    text: `{"n":${from + index}}`,
    timestampMs: 1_700_000_000_000,
  }));
}

export const never = new AbortController().signal;

/** How many outcomes there are of each kind. */
export function counted(outcomes: readonly Outcome[] | undefined): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { kind } of outcomes ?? []) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}
