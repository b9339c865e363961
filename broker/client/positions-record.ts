// The records of the topic `__tailrace_positions` (compacted, one partition): how far each file was read, written by agents in the same
// transaction as the lines. Also the reference that every tailed record carries in a header. Both sides stand here, since agents write them
// and pipelines look paths and hosts up.
//
//   key    JSON array [instance, agent, file]; `file` is the file id as 12 hexadecimal digits, or "" for the agent's own record
//   value  JSON object, PositionRecord or AgentRecord below, with "v": 1; null (a tombstone) when a file is forgotten
//   header key "t", value: 6 bytes of file id, then the byte position of the line's start in the file as an unsigned varint
//
// A reader skips what it does not understand (another version, other keys), so an older Tailrace beside a newer one does no harm.
import { TailraceError } from '../../base/errors.ts';

export const positionsTopic = '__tailrace_positions';
/** Header key of the file reference: one byte, it is on every line. */
export const fileReferenceHeader = 't';
export const fileIdBytes = 6;

/** What is known of a file's bytes, to recognise it whatever its name or inode have become. */
export interface Fingerprint {
  /** Hash of the first `headBytes` bytes: all that were read, up to 1 KiB. */
  headBytes: number;
  headHash: string;
  /** Hash of the `anchorBytes` bytes that end at the position. */
  anchorBytes: number;
  anchorHash: string;
}

/** What was known when a file had been read so far. */
export interface Milestone {
  position: number;
  fingerprint: Fingerprint;
}

/**
 * 'live': followed. 'replaced': its path or inode holds other content now (a truncation); a copy of it may turn up and go on from here.
 * 'gone': deleted, or moved out of sight.
 */
export type FileState = 'live' | 'replaced' | 'gone';

export interface PositionRecord extends Fingerprint {
  kind: 'file';
  instance: string;
  agent: string;
  /** 12 hexadecimal digits; new for each generation of a file, so that (file, position) names one line for ever. */
  file: string;
  state: FileState;
  path: string;
  /** The name under which it was first seen: decides the partition, and so keeps the order across rotations. */
  firstPath: string;
  host: string;
  topic: string;
  partition: number;
  /** "device:inode" on `host`. */
  identity: string;
  /** 0 for a new file, one more each time the same file began anew. */
  generation: number;
  /** Bytes read: the next line starts here, unless `part` says that a long line is under way. */
  position: number;
  lines: number;
  /** Parts already taken of an overlong line that begins before `position`; 0 at the start of a line. */
  part: number;
  /** When it was last seen (state live) or found replaced or gone. */
  atMs: number;
  /** Since when the log that was first seen under `firstPath` is followed, through all its generations. */
  sinceMs?: number;
  /** Until when records tell of everything that was made of that log; before the agent had looked around it, that is earlier than `atMs`. */
  accountedMs?: number;
  /** Where the file itself stands, when `path` leads to it over symbolic links. */
  realPath?: string;
  /** When the inode was made, as the system tells it: two files can have one identity, but not at one time. */
  born?: string;
  /** How it is packed; position and fingerprint are those of the unpacked bytes. */
  packing?: 'gzip' | 'zstd';
  /** Size and change time of the packed file when it was read to its end: while they are the same it need not be unpacked again. */
  packed?: { sizeBytes: number; modifiedMs: number };
  /** The positions before this one, oldest first: a copy that was made before the last lines were written and read ends behind one of them. */
  earlier?: Milestone[];
  /** Bytes [from, to) that are no part of any line: zeros before one, which were passed over. In order. */
  zeros?: readonly (readonly [from: number, to: number])[];
}

/** The agent's own record: it was here before, and what files that are forgotten had contributed. */
export interface AgentRecord {
  kind: 'agent';
  instance: string;
  agent: string;
  startedMs: number;
  /** Lines by topic of files whose own records are no more, or that went to another topic before. */
  forgottenLines: Record<string, number>;
}

export type TailRecord = PositionRecord | AgentRecord;

/** The compaction key of a record. */
export function positionsKey(instance: string, agent: string, file: string): Buffer {
  return Buffer.from(JSON.stringify([instance, agent, file]));
}

/** The value of a record; what the key says is not repeated. */
export function encodePositionsValue(record: TailRecord): Buffer {
  const named: ReadonlySet<string> = new Set(['kind', 'instance', 'agent', 'file']);
  const entries = Object.entries(record).filter(([name]) => !named.has(name));
  return Buffer.from(JSON.stringify({ v: 1, ...Object.fromEntries<unknown>(entries) }));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
}

/** The key's parts; undefined when it is not one of ours. */
export function decodePositionsKey(key: Uint8Array): { instance: string; agent: string; file: string } | undefined {
  const parts = parsed(key);
  if (!Array.isArray(parts) || parts.length !== 3) return undefined;
  const [instance, agent, file] = parts as unknown[];
  if (typeof instance !== 'string' || typeof agent !== 'string' || typeof file !== 'string') return undefined;
  return { instance, agent, file };
}

const texts = ['path', 'firstPath', 'host', 'topic', 'identity', 'headHash', 'anchorHash'] as const;
const counts = ['partition', 'generation', 'position', 'lines', 'part', 'atMs', 'headBytes', 'anchorBytes'] as const;

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** A record from key and value; undefined when it is not one this version understands. */
export function decodePositionsRecord(key: Uint8Array, value: Uint8Array): TailRecord | undefined {
  const names = decodePositionsKey(key);
  const body = parsed(value);
  if (names === undefined || !isObject(body) || body['v'] !== 1) return undefined;
  const { instance, agent, file } = names;
  if (file === '') {
    const forgotten = body['forgottenLines'];
    if (!isCount(body['startedMs']) || !isObject(forgotten) || !Object.values(forgotten).every(isCount))
      return undefined;
    const forgottenLines = forgotten as Record<string, number>;
    return { kind: 'agent', instance, agent, startedMs: body['startedMs'], forgottenLines };
  }
  const state = body['state'];
  if (state !== 'live' && state !== 'replaced' && state !== 'gone') return undefined;
  if (!/^[0-9a-f]{12}$/.test(file)) return undefined;
  if (!texts.every((name) => typeof body[name] === 'string') || !counts.every((name) => isCount(body[name]))) {
    return undefined;
  }
  const fields = body as Omit<PositionRecord, 'kind' | 'instance' | 'agent' | 'file' | 'state'>;
  const { path, firstPath, host, topic, identity, headHash, anchorHash } = fields;
  const { partition, generation, position, lines, part, atMs, headBytes, anchorBytes } = fields;
  return {
    ...{ kind: 'file', instance, agent, file, state, path, firstPath, host, topic, partition, identity, generation },
    ...{ position, lines, part, atMs, headBytes, headHash, anchorBytes, anchorHash },
    ...optionalFields(body),
  };
}

function optionalFields(
  body: Record<string, unknown>,
): Pick<PositionRecord, 'sinceMs' | 'accountedMs' | 'realPath' | 'born' | 'packing' | 'packed' | 'earlier' | 'zeros'> {
  const { sinceMs, accountedMs, realPath, born, packing, packed, earlier, zeros } = body;
  return {
    ...(isCount(sinceMs) ? { sinceMs } : {}),
    ...(isCount(accountedMs) ? { accountedMs } : {}),
    ...(typeof realPath === 'string' ? { realPath } : {}),
    ...(typeof born === 'string' ? { born } : {}),
    ...(packing === 'gzip' || packing === 'zstd' ? { packing } : {}),
    ...(isObject(packed) && isCount(packed['sizeBytes']) && isCount(packed['modifiedMs'])
      ? { packed: { sizeBytes: packed['sizeBytes'], modifiedMs: packed['modifiedMs'] } }
      : {}),
    ...(Array.isArray(earlier) && earlier.every(isMilestone) ? { earlier } : {}),
    ...(Array.isArray(zeros) && zeros.every(isRange) ? { zeros } : {}),
  };
}

function isRange(value: unknown): value is [from: number, to: number] {
  return Array.isArray(value) && value.length === 2 && value.every(isCount);
}

function isMilestone(value: unknown): value is Milestone {
  if (!isObject(value) || !isCount(value['position']) || !isObject(value['fingerprint'])) return false;
  const { headBytes, headHash, anchorBytes, anchorHash } = value['fingerprint'];
  return isCount(headBytes) && typeof headHash === 'string' && isCount(anchorBytes) && typeof anchorHash === 'string';
}

/** Where a line came from: a file (its path and host are in the positions topic) and the byte position of its start. */
export interface FileReference {
  file: string;
  position: number;
}

/** Reads the value of header "t". Throws TailraceError TLR_PROTOCOL when it is not one. */
export function decodeFileReference(value: Uint8Array): FileReference {
  let position = 0;
  let factor = 1;
  for (let index = fileIdBytes; index < value.length; index++) {
    const byte = value[index]!;
    position += (byte & 0x7f) * factor;
    factor *= 128;
    if (byte < 0x80) {
      if (!Number.isSafeInteger(position) || index !== value.length - 1) break;
      const file = Buffer.from(value.buffer, value.byteOffset, fileIdBytes).toString('hex');
      return { file, position };
    }
  }
  throw new TailraceError(
    'TLR_PROTOCOL',
    `Header "${fileReferenceHeader}" of ${value.length} bytes is not a file reference`,
  );
}

/** Writes the value of header "t" at `at` and returns the position after it; at most 14 bytes. */
export function writeFileReference(target: Uint8Array, fileId: Uint8Array, position: number, at: number): number {
  target.set(fileId, at);
  let next = at + fileIdBytes;
  let rest = position;
  while (rest > 0x7f) {
    target[next++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  target[next++] = rest;
  return next;
}
