// What an audit finds, for people and machines.

/** A range that does not add up. */
export interface Problem {
  /** The edge or agent. */
  who: string;
  /**
   * bytes: of a file that became no record, or two · offsets: read by nobody, or twice · published: files · missing: records in a store or topic ·
   * letters: dead letters · account: the numbers themselves · offline: a partition that cannot be read
   */
  kind: 'bytes' | 'offsets' | 'published' | 'missing' | 'letters' | 'account' | 'offline';
  /** The offsets that it is about; `to` is behind the last. */
  ranges: readonly OffsetRange[];
  /** File, index or topic. */
  where: string | undefined;
  what: string;
  /** What to do, a command where there is one. */
  remedy: string | undefined;
}

export interface OffsetRange {
  topic: string;
  partition: number;
  from: number;
  to: number;
}

/** A file's bytes and the records that they became. */
export interface AuditedFile {
  agent: string;
  path: string;
  /** The bytes from `fromByte` to `toByte` became records. */
  fromByte: number;
  toByte: number;
  records: number;
  ranges: readonly OffsetRange[];
}

/** One partition as an edge read it. */
export interface AuditedRange extends OffsetRange {
  /** Records that are there to be read. */
  records: number;
  /** Offsets without one: markers of transactions, aborted records, what compaction took. */
  skipped: number;
}

export interface AuditedEdge {
  edge: string;
  /** Where it writes, in words. */
  target: string;
  ranges: readonly AuditedRange[];
  read: number;
  delivered: number;
  alreadyThere: number;
  dropped: number;
  deadLetters: number;
  split: number;
  /** What was looked at in the target. */
  checked: { what: 'files' | 'documents' | 'records' | 'nothing'; count: number; lines: number };
  balanced: boolean;
}

export interface AuditedAgent {
  agent: string;
  files: readonly AuditedFile[];
  bytes: number;
  records: number;
  balanced: boolean;
}

export interface AuditResult {
  agents: readonly AuditedAgent[];
  edges: readonly AuditedEdge[];
  problems: readonly Problem[];
  /** What could not be checked, and why. */
  notes: readonly string[];
  balanced: boolean;
}
