// Named places where the crash tests stop the process, as kill -9 does: TAILRACE_CRASH_AT=NAME or NAME:N ends it the N-th time that it comes by. The
// places stand between two writes that matter (test/crash/kill-storm.test.ts goes through them all). The variable is read once;
// without it a place is a call of an empty function.

/** In the order in which a line comes by. */
export const crashPoints = [
  // The agent: lines and positions are handed over, nothing is decided; then decided, and the agent not told.
  'agent.flight-sent',
  'agent.flight-committed',
  // The log: written, not synced; synced, nobody told.
  'log.round-written',
  'log.round-synced',
  // Small files that are replaced (checkpoints, snapshots of the metadata): the new one is synced; it has its name.
  'log.replacement-synced',
  'log.replacement-renamed',
  // Topics and the like: written, not synced.
  'log.metadata-written',
  // A new segment: its files are there, their names not safe.
  'log.segment-made',
  // A transaction: its decision is in line for the disk; on it, without markers; with some of them; with all, not synced.
  'transaction.decision-appended',
  'transaction.decision-durable',
  'transaction.markers-begun',
  'transaction.completed',
  // An edge: what was taken is durable under temporary names; offsets and manifest are sent; decided; published.
  'edge.prepared',
  'edge.offsets-sent',
  'edge.decided',
  'edge.published',
  // Files: a piece is written; the whole is synced, its name not; the final name is there; it is safe, the temporary one still there.
  'file.piece-written',
  'file.sealed',
  'file.named',
  'file.name-synced',
  // HDFS: a file stands there under its temporary name; under its final one.
  'hdfs.uploaded',
  'hdfs.renamed',
  // Elasticsearch: a bulk was answered, and nothing is made of the answer.
  'search.bulk-answered',
] as const;

export type CrashPoint = (typeof crashPoints)[number];

function arm(request: string): (point: CrashPoint) => void {
  const [name, count = '1'] = request.split(':');
  let left = Number(count);
  return (point) => {
    if (point === name && --left === 0) process.kill(process.pid, 'SIGKILL');
  };
}

const asked = process.env['TAILRACE_CRASH_AT'];

/** Ends the process here if it was asked to. */
export const crashPoint: (point: CrashPoint) => void = asked === undefined ? () => undefined : arm(asked);
