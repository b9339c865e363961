// The account of one partition on one edge: what became of every record read. It is committed as the metadata text of the group's offset, in the same
// commit, so it is exact across kills. The form, short because Kafka allows 4096 bytes: {"v":1,"in":5,"out":3,"dropped":1,"dead":1,"there":0,"split":0,"topic":"0a1b…"}
// Groups know topics by name alone. "topic" is the id (hex) of the one whose offset this is: one that was deleted and made again has another.

export interface Account {
  /** Records read. */
  in: number;
  /** Records delivered. */
  out: number;
  /** Dropped by a rule: `drop`, `keep`, `on_error: drop`. */
  dropped: number;
  /** Sent to the dead letters. */
  dead: number;
  /** Delivered, but the store had them already. */
  alreadyThere: number;
  /** Records more than were read: the step `split` made them. */
  split: number;
}

export function emptyAccount(): Account {
  return { in: 0, out: 0, dropped: 0, dead: 0, alreadyThere: 0, split: 0 };
}

export function encodeAccount(account: Account, topicId: Buffer): string {
  const { in: read, out, dropped, dead, alreadyThere, split } = account;
  const topic = topicId.toString('hex');
  return JSON.stringify({ v: 1, in: read, out, dropped, dead, there: alreadyThere, split, topic });
}

/** Undefined when the text is not an account: offsets that something else has committed. */
export function decodeAccount(metadata: string): Account | undefined {
  const values = parse(metadata);
  if (values === undefined) return undefined;
  const numbers = [
    values['in'],
    values['out'],
    values['dropped'],
    values['dead'],
    values['there'],
    values['split'] ?? 0,
  ];
  if (!numbers.every((value): value is number => typeof value === 'number')) return undefined;
  const [read, out, dropped, dead, alreadyThere, split] = numbers as [number, number, number, number, number, number];
  return { in: read, out, dropped, dead, alreadyThere, split };
}

/** The id (hex) of the topic whose offset has this account; undefined when it does not say. */
export function topicIdIn(metadata: string): string | undefined {
  const topic = parse(metadata)?.['topic'];
  return typeof topic === 'string' ? topic : undefined;
}

function parse(metadata: string): Record<string, unknown> | undefined {
  if (!metadata.startsWith('{"v":1,')) return undefined;
  try {
    return JSON.parse(metadata) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

/** Adds `more` to `sum`. */
export function addAccount(sum: Account, more: Account): void {
  sum.in += more.in;
  sum.out += more.out;
  sum.dropped += more.dropped;
  sum.dead += more.dead;
  sum.alreadyThere += more.alreadyThere;
  sum.split += more.split;
}

/** Whether every record read, or made of one by splitting, has exactly one end. */
export function isBalanced(account: Account): boolean {
  return account.in + account.split === account.out + account.dropped + account.dead + account.alreadyThere;
}
