// What makes bytes recognisable: the head (the first bytes that were read, up to 1 KiB, so it grows with the file) and the anchor (the last
// bytes before the position, up to 256). Both are always bytes that have been read, hence a log file that only grows never changes them; a
// file whose head and anchor match has, as far as can be told, everything before the position in common with the one that was read.
import { hash } from 'node:crypto';
import type { FileStat, OpenFile } from '../../base/files.ts';
import type { Fingerprint } from '../../broker/client/positions-record.ts';

export const headLimitBytes = 1024;
export const anchorLimitBytes = 256;
const nanosecondsPerMs = 1_000_000;

/** 128 bits of SHA-256, in hexadecimal. */
export function hashOf(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex').slice(0, 32);
}

/** In memory of its own: a slice of a pool would keep 8 KiB alive for each of thousands of files. */
function joined(parts: readonly Buffer[]): Buffer {
  const whole = Buffer.allocUnsafeSlow(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) at += part.copy(whole, at);
  return whole;
}

/** Head and anchor of what was read so far. Immutable: `after` makes the next one. */
export class Imprint {
  static readonly empty = new Imprint(Buffer.alloc(0), Buffer.alloc(0));
  /** The first bytes: all before the position, up to the limit. */
  readonly head: Buffer;
  /** The last bytes before the position, up to the limit. */
  readonly anchor: Buffer;
  private headHash: string | undefined;

  constructor(head: Buffer, anchor: Buffer) {
    this.head = head;
    this.anchor = anchor;
  }

  /** The imprint when `bytes[start, end)` were read next. */
  after(bytes: Buffer, start: number, end: number): Imprint {
    const count = end - start;
    if (count <= 0) return this;
    const missing = headLimitBytes - this.head.length;
    const head = missing > 0 ? joined([this.head, bytes.subarray(start, Math.min(end, start + missing))]) : this.head;
    const anchor =
      count >= anchorLimitBytes
        ? joined([bytes.subarray(end - anchorLimitBytes, end)])
        : joined([
            this.anchor.subarray(Math.max(0, this.anchor.length + count - anchorLimitBytes)),
            bytes.subarray(start, end),
          ]);
    const next = new Imprint(head, anchor);
    if (missing <= 0) next.headHash = this.headHash;
    return next;
  }

  fingerprint(): Fingerprint {
    this.headHash ??= hashOf(this.head);
    return {
      ...{ headBytes: this.head.length, headHash: this.headHash },
      ...{ anchorBytes: this.anchor.length, anchorHash: hashOf(this.anchor) },
    };
  }
}

/** Whether both are one inode, as far as can be told. Where it is known when they were made the device does not count: its number may change with a restart. */
export function isSameInode(one: { identity: string; born?: string | undefined }, other: FileStat): boolean {
  if (one.born === undefined || other.born === undefined) return one.identity === other.identity;
  return one.born === other.born && one.identity.split(':')[1] === other.identity.split(':')[1];
}

/** When a file was made, where that is known. */
export function bornMs({ born }: { born?: string | undefined }): number | undefined {
  return born === undefined ? undefined : Number(born) / nanosecondsPerMs;
}

/** `length` bytes from `position`, fewer when the file ends before. */
export async function readRange(file: OpenFile, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  return bytes.subarray(0, length === 0 ? 0 : await file.read(bytes, position));
}

/** The imprint of `file` at `position`, whatever it holds; undefined when it is shorter than that. */
export async function imprintAt(file: OpenFile, position: number): Promise<Imprint | undefined> {
  const head = await readRange(file, 0, Math.min(position, headLimitBytes));
  const anchorBytes = Math.min(position, anchorLimitBytes);
  const anchor = await readRange(file, position - anchorBytes, anchorBytes);
  if (head.length < Math.min(position, headLimitBytes) || anchor.length < anchorBytes) return undefined;
  return new Imprint(head, anchor);
}

/** The imprint of `file` at `position` when it agrees with what was recorded there; undefined when this is not the file, or not any more. */
export async function verify(file: OpenFile, position: number, known: Fingerprint): Promise<Imprint | undefined> {
  // The head decides in most cases, and costs little where bytes must be unpacked.
  const head = await readRange(file, 0, Math.min(position, headLimitBytes));
  if (head.length !== known.headBytes || hashOf(head) !== known.headHash) return undefined;
  const anchorBytes = Math.min(position, anchorLimitBytes);
  const anchor = await readRange(file, position - anchorBytes, anchorBytes);
  if (anchor.length !== known.anchorBytes || hashOf(anchor) !== known.anchorHash) return undefined;
  return new Imprint(head, anchor);
}

/** Whether two files agree in their first `length` bytes, as far as samples at the start, in the middle and at the end can tell. */
export async function beginAlike(left: OpenFile, right: OpenFile, length: number): Promise<boolean> {
  const last = Math.max(0, length - anchorLimitBytes);
  for (const position of new Set([0, Math.floor(last / 2), last])) {
    const count = Math.min(position === 0 ? headLimitBytes : anchorLimitBytes, length - position);
    const [here, there] = await Promise.all([readRange(left, position, count), readRange(right, position, count)]);
    if (here.length < count || !here.equals(there)) return false;
  }
  return true;
}
