// `tailrace-metadata.log`: topics, their ids, partitions and settings, what requests have altered of the broker's settings, users that requests have
// made, the leader epoch and the block of producer ids, as a log of changes.
//
//   file:   8 bytes "TLRMETA1", then entries
//   entry:  uint32 length of the payload | uint32 CRC32C of the payload | payload: one change as JSON (`MetadataChange`)
//
// A change is one entry, written and synced before the next one is begun. So after a crash only the very last entry can be torn, and it was not
// acknowledged: it is cut. A bad entry with a sound one anywhere behind it is damage (TLR_CORRUPT). When the log is long it is replaced, as a whole,
// by the entries that give the same state. The digit in the head is the version: a newer one is refused.
import { join } from 'node:path';
import { replaceFile } from '../../base/atomic-file.ts';
import { crashPoint } from '../../base/crash-point.ts';
import { messageOf, TailraceError } from '../../base/errors.ts';
import type { Files, OpenFile } from '../../base/files.ts';
import { crc32c } from '../wire/crc32c.ts';
import { isDiskFull } from './group-commit.ts';

/** One change of the metadata; what happened, in the order it happened. */
export type MetadataChange =
  | { kind: 'cluster'; clusterId: string }
  | { kind: 'leader-epoch'; leaderEpoch: number }
  | { kind: 'producer-ids'; next: number }
  | { kind: 'topic'; name: string; topicId: string; partitions: number; configs: Record<string, string> }
  | { kind: 'partitions'; topicId: string; partitions: number }
  | { kind: 'configs'; topicId: string; configs: Record<string, string> }
  /** Everything that requests have altered of the settings of one broker, by its id, or of all, which is ''. */
  | { kind: 'broker-configs'; broker: string; configs: Record<string, string> }
  /** The topic is gone; its folders may still be there. */
  | { kind: 'delete'; topicId: string }
  /** The folders of a deleted topic are gone too. */
  | { kind: 'removed'; topicId: string }
  | ({ kind: 'credentials' } & CredentialChanges)
  /** So many changes there have been: behind the entries that a log was replaced by. */
  | { kind: 'changes'; count: number };

export interface TopicMetadata {
  name: string;
  /** 16 bytes as base64url, as in Kafka's partition.metadata. */
  topicId: string;
  partitions: number;
  configs: Record<string, string>;
}

/** What requests have altered of the settings of brokers: by the broker's id, '' for all brokers. */
export type BrokerConfigs = ReadonlyMap<string, Readonly<Record<string, string>>>;

/** How a user can authenticate by SCRAM; bytes as base64. */
export interface StoredCredential {
  user: string;
  mechanism: string;
  iterations: number;
  salt: string;
  storedKey: string;
  serverKey: string;
}

export interface CredentialChanges {
  set: StoredCredential[];
  removed: { user: string; mechanism: string }[];
}

const magic = Buffer.from('TLRMETA1');
const entryHeaderBytes = 8;
const greatestEntryBytes = 16 * 1024 * 1024;
const compactAboveBytes = 1024 * 1024;
const fileName = 'tailrace-metadata.log';
/** Who the directory belongs to, as in Kafka (see identity.ts). */
export const identityFile = 'meta.properties';

/** What the changes amount to. */
export class MetadataState {
  clusterId: string | undefined;
  leaderEpoch = 0;
  nextProducerId = 0;
  /** How many changes there have been. */
  changeCount = 0;
  readonly topics = new Map<string, TopicMetadata>();
  /** Settings of brokers, as `BrokerConfigs`. */
  readonly brokerConfigs = new Map<string, Record<string, string>>();
  /** By mechanism and user. */
  readonly credentials = new Map<string, StoredCredential>();
  /** Deleted topics whose folders may be there: id → name. */
  readonly deleting = new Map<string, string>();
  /** The topic of each name: its id. */
  private readonly idsByName = new Map<string, string>();

  apply(change: MetadataChange): void {
    this.changeCount++;
    switch (change.kind) {
      case 'cluster':
        this.clusterId = change.clusterId;
        break;
      case 'leader-epoch':
        this.leaderEpoch = change.leaderEpoch;
        break;
      case 'producer-ids':
        this.nextProducerId = change.next;
        break;
      case 'topic': {
        const { name, topicId, partitions, configs } = change;
        // Without partitions it is one that is being deleted (see `changes`).
        if (partitions > 0) this.supersede(name, topicId);
        this.topics.set(topicId, { name, topicId, partitions, configs });
        break;
      }
      case 'partitions':
        this.topics.get(change.topicId)!.partitions = change.partitions;
        break;
      case 'configs':
        this.topics.get(change.topicId)!.configs = change.configs;
        break;
      case 'broker-configs':
        this.brokerConfigs.set(change.broker, change.configs);
        break;
      case 'delete':
        this.forget(change.topicId);
        break;
      case 'removed':
        this.deleting.delete(change.topicId);
        break;
      case 'credentials':
        for (const { mechanism, user } of change.removed) this.credentials.delete(`${mechanism} ${user}`);
        for (const set of change.set) this.credentials.set(`${set.mechanism} ${set.user}`, set);
        break;
      case 'changes':
        this.changeCount = change.count;
        break;
    }
  }

  /**
   * A topic of this name that is still there could not be made, and not be taken back either, because the disk was full. Nobody was told of it, so it is
   * deleted now.
   */
  private supersede(name: string, topicId: string): void {
    const before = this.idsByName.get(name);
    if (before !== undefined && before !== topicId) this.forget(before);
    this.idsByName.set(name, topicId);
  }

  private forget(topicId: string): void {
    const name = this.topics.get(topicId)?.name ?? '';
    this.deleting.set(topicId, name);
    this.topics.delete(topicId);
    if (this.idsByName.get(name) === topicId) this.idsByName.delete(name);
  }

  /** The shortest changes that give this state. */
  changes(): MetadataChange[] {
    const changes: MetadataChange[] = [
      { kind: 'leader-epoch', leaderEpoch: this.leaderEpoch },
      { kind: 'producer-ids', next: this.nextProducerId },
    ];
    if (this.clusterId !== undefined) changes.unshift({ kind: 'cluster', clusterId: this.clusterId });
    for (const [broker, configs] of this.brokerConfigs) changes.push({ kind: 'broker-configs', broker, configs });
    for (const topic of this.topics.values()) changes.push({ kind: 'topic', ...topic });
    for (const [topicId, name] of this.deleting) {
      changes.push({ kind: 'topic', name, topicId, partitions: 0, configs: {} }, { kind: 'delete', topicId });
    }
    const set = [...this.credentials.values()];
    if (set.length > 0) changes.push({ kind: 'credentials', set, removed: [] });
    changes.push({ kind: 'changes', count: this.changeCount });
    return changes;
  }
}

export class MetadataLog {
  readonly state = new MetadataState();
  /** False when the file was made by this open(). */
  readonly existed: boolean;
  /** Bytes of a torn last entry that open() cut off. */
  cutBytes = 0;

  private readonly path: string;
  private readonly file: OpenFile;
  private endBytes = 0;
  private failure: TailraceError | undefined;
  private last: Promise<void> = Promise.resolve();

  private constructor(path: string, file: OpenFile, existed: boolean) {
    this.path = path;
    this.file = file;
    this.existed = existed;
  }

  /** Opens the log of a data directory, making it when there is none. Throws TLR_CORRUPT or TLR_DATA_VERSION. */
  static async open(files: Files, directory: string): Promise<MetadataLog> {
    const path = join(directory, fileName);
    const existed = (await files.stat(path)) !== undefined;
    if (!existed) {
      await checkIsNew(files, directory);
      await replaceFile(files, path, magic);
    } else await compactIfLong(files, path);
    const log = new MetadataLog(path, await files.open(path, 'write'), existed);
    const { changes, endBytes, sizeBytes } = parseLog(await files.readFile(path), path);
    for (const change of changes) log.state.apply(change);
    log.cutBytes = sizeBytes - endBytes;
    if (endBytes < sizeBytes) await log.file.truncate(endBytes);
    await log.file.sync();
    log.endBytes = endBytes;
    return log;
  }

  /** Writes one change; durable, and part of `state`, when it resolves. */
  append(change: MetadataChange): Promise<void> {
    const result = this.last.then(() => this.write(change));
    this.last = result.catch(() => undefined);
    return result;
  }

  async close(): Promise<void> {
    await this.last;
    await this.file.close();
  }

  private async write(change: MetadataChange): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    const entry = encodeEntry(change);
    try {
      await this.file.write([entry], this.endBytes);
    } catch (error) {
      if (!isDiskFull(error)) throw this.fail(error);
      await this.file.truncate(this.endBytes).catch((second: unknown) => {
        throw this.fail(second);
      });
      throw new TailraceError('TLR_DISK_FULL', `${this.path}: ${messageOf(error)}`, { cause: error, retriable: true });
    }
    crashPoint('log.metadata-written');
    try {
      await this.file.sync();
    } catch (error) {
      throw this.fail(error);
    }
    this.endBytes += entry.length;
    this.state.apply(change);
  }

  /** Whether the entry is on disk is not known then; the next open() will tell. */
  private fail(error: unknown): TailraceError {
    this.failure = new TailraceError('TLR_DISK_FAILED', `${this.path}: ${messageOf(error)}`, { cause: error });
    return this.failure;
  }
}

/** The identity is written behind the first change: where it is, there was a log. */
async function checkIsNew(files: Files, directory: string): Promise<void> {
  if ((await files.stat(join(directory, identityFile))) === undefined) return;
  throw new TailraceError(
    'TLR_CORRUPT',
    `${directory} holds topics, but ${fileName}, which says what they are, is missing: put it back from a backup, or begin with another data directory`,
  );
}

async function compactIfLong(files: Files, path: string): Promise<void> {
  const content = await files.readFile(path);
  if (content.length <= compactAboveBytes) return;
  const state = new MetadataState();
  for (const change of parseLog(content, path).changes) state.apply(change);
  await replaceFile(files, path, Buffer.concat([magic, ...state.changes().map(encodeEntry)]));
}

function encodeEntry(change: MetadataChange): Buffer {
  const payload = Buffer.from(JSON.stringify(change));
  const header = Buffer.alloc(entryHeaderBytes);
  header.writeUInt32BE(payload.length, 0);
  header.writeUInt32BE(crc32c(payload), 4);
  return Buffer.concat([header, payload]);
}

function parseLog(content: Buffer, path: string): { changes: MetadataChange[]; endBytes: number; sizeBytes: number } {
  const head = content.subarray(0, magic.length);
  if (!head.equals(magic)) {
    if (head.subarray(0, 7).equals(magic.subarray(0, 7))) {
      throw new TailraceError('TLR_DATA_VERSION', `${path} has version ${head.toString('latin1', 7)}, not 1`);
    }
    throw new TailraceError('TLR_CORRUPT', `${path} is not a metadata log`);
  }
  const changes: MetadataChange[] = [];
  let position = magic.length;
  for (let payload = entryAt(content, position); payload !== undefined; payload = entryAt(content, position)) {
    changes.push(JSON.parse(payload.toString('utf8')) as MetadataChange);
    position += entryHeaderBytes + payload.length;
  }
  for (let later = position + 1; later < content.length; later++) {
    if (entryAt(content, later) !== undefined) {
      throw new TailraceError('TLR_CORRUPT', `${path}: the entry at byte ${position} is damaged`);
    }
  }
  return { changes, endBytes: position, sizeBytes: content.length };
}

/** The payload of a sound entry at `position`, undefined when there is none. */
function entryAt(content: Buffer, position: number): Buffer | undefined {
  if (position + entryHeaderBytes > content.length) return undefined;
  const length = content.readUInt32BE(position);
  const start = position + entryHeaderBytes;
  if (length === 0 || length > greatestEntryBytes || start + length > content.length) return undefined;
  const payload = content.subarray(start, start + length);
  return crc32c(payload) === content.readUInt32BE(position + 4) ? payload : undefined;
}
