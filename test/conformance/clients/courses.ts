// Courses that clients in this process and Java's share: what they do for a feature of features.ts, step by step, given each one's way to do a step.
import { until } from '../../support/command.ts';

const limitMs = 60_000;

/** A running member of a group. */
export interface Member {
  /** What it has read. */
  values: () => string[];
  partitions: () => number | Promise<number>;
  /** Leaves the group. */
  stop: () => Promise<unknown>;
}

/** `rebalance`, for members that can be watched; `send` sends one half of the values. */
export async function watchRebalance(
  members: readonly [Member, Member],
  values: readonly string[],
  send: (half: readonly string[], index: number) => Promise<unknown>,
): Promise<{ together: number[]; alone: number; read: string[] }> {
  const [first, second] = members;
  const half = values.length / 2;
  const read = () => members.flatMap((member) => member.values());
  const counts = async () => [await first.partitions(), await second.partitions()];
  try {
    await until('two partitions each', async () => (await counts()).every((count) => count === 2), limitMs);
    await send(values.slice(0, half), 0);
    await until('the first half', () => new Set(read()).size === half, limitMs);
    const together = await counts();
    await second.stop();
    await until('all partitions', async () => (await first.partitions()) === 4, limitMs);
    const alone = await first.partitions();
    await send(values.slice(half), 1);
    await until('the second half', () => new Set(read()).size === values.length, limitMs);
    return { together, alone, read: read() };
  } finally {
    await first.stop();
  }
}

/** `resume`: `take` joins the group, reads so many values, commits and leaves. */
export async function resumeReading(
  values: readonly string[],
  send: (values: readonly string[], index: number) => Promise<unknown>,
  take: (count: number) => Promise<string[]>,
): Promise<{ first: string[]; then: string[] }> {
  await send(values.slice(0, 60), 0);
  const first = await take(60);
  await send(values.slice(60), 1);
  return { first, then: await take(values.length - 60) };
}

/** How a client administers the topic of a place. */
export interface Administration {
  /** With two partitions and retention.ms=12345. */
  create: () => Promise<unknown>;
  isListed: () => Promise<boolean>;
  partitions: () => Promise<number>;
  retention: () => Promise<string>;
  /** To three partitions. */
  addPartition: () => Promise<unknown>;
  /** To retention.ms=54321. */
  alter: () => Promise<unknown>;
  remove: () => Promise<unknown>;
}

/** `admin`. */
export async function administer(topic: Administration) {
  await topic.create();
  await until('the topic', topic.isListed, limitMs);
  const before = { partitions: await topic.partitions(), retention: await topic.retention() };
  const listed = [await topic.isListed()];
  await topic.addPartition();
  await topic.alter();
  await until(
    'the changes',
    async () => (await topic.partitions()) === 3 && (await topic.retention()) === '54321',
    limitMs,
  );
  const after = { partitions: await topic.partitions(), retention: await topic.retention() };
  await topic.remove();
  await until('the end of the topic', async () => !(await topic.isListed()), limitMs);
  listed.push(await topic.isListed());
  return {
    partitions: [before.partitions, after.partitions],
    retention: [before.retention, after.retention],
    listed,
  };
}
