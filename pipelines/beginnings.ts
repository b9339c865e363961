// Where edges that have committed nothing begin, in words: a pipeline or sink with another name is another edge, which delivers once more what its topic holds.
// People must hear that before it surprises them.
import { formatCount } from '../base/units.ts';
import type { Admin } from '../broker/client/contract.ts';
import type { EdgePlan, PipelinePlan } from './plan.ts';
import { selectTopics } from './subscription.ts';

/** A partition that does not tell its ends by then is left out. */
const patienceMs = 500;

export interface Beginning {
  /** "begins at the beginning of topic app (up to 5,000 records)". */
  words: string;
  /** What is there to be read already; offsets, which markers of transactions have too, so it is not more. */
  records: number;
}

/** Of those topics that the edge's group has committed nothing of. Undefined where it goes on in all. */
export async function beginningOf(
  admin: Admin,
  { from, fromPatterns, start, until }: PipelinePlan,
  { group }: EdgePlan,
): Promise<Beginning | undefined> {
  const committed = await admin.groupOffsets(group);
  const topics = await selectTopics(admin, { topics: from, patterns: fromPatterns });
  const unread = topics.filter((topic) => (committed.get(topic)?.size ?? 0) === 0);
  if (unread.length === 0) return undefined;
  const begins = until === undefined ? 'begins' : 'begins, as a job,';
  if (start === 'latest') return { words: `${begins} at the end of ${listed(unread)}`, records: 0 };
  const counts = await Promise.all(unread.map((topic) => countOf(admin, topic)));
  const place = start === 'earliest' ? 'the beginning' : new Date(start.timestampMs).toISOString();
  const records = counts.reduce((sum, count) => sum + count, 0);
  const held = records === 0 ? 'empty' : `${start === 'earliest' ? '' : 'of '}up to ${formatCount(records)} records`;
  return { words: `${begins} at ${place} of ${listed(unread)} (${held})`, records };
}

function listed(topics: readonly string[]): string {
  return `${topics.length === 1 ? 'topic' : 'topics'} ${topics.join(', ')}`;
}

async function countOf(admin: Admin, topic: string): Promise<number> {
  if ((await admin.topics([topic])).length === 0) return 0;
  const [starts, ends] = await Promise.all([
    admin.offsets(topic, 'earliest', { withinMs: patienceMs }),
    admin.offsets(topic, 'latest', { withinMs: patienceMs }),
  ]);
  return [...ends].reduce((sum, [partition, end]) => sum + end - (starts.get(partition) ?? end), 0);
}
