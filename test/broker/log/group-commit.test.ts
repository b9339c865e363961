// Rounds that overlap: what is written while another round is being synced, and what becomes of it when either fails.
import { beforeEach, expect, it } from 'vitest';
import type { OpenFile } from '../../../base/files.ts';
import { type Committable, GroupCommit, type PendingWrites } from '../../../broker/log/group-commit.ts';
import { Segment } from '../../../broker/log/segment.ts';
import { CrashFiles } from '../../support/crash-files.ts';

/** What happened, in order. */
let events: string[];
let files: CrashFiles;
let commit: GroupCommit;
/** Each sync of a log waits here until it is let go, or fails. */
let syncs: { go: () => void; fail: (error: Error) => void }[];

/** A partition that is nothing but a segment of bytes. */
class Bytes implements Committable {
  durable = '';
  private text = '';
  private takenBytes = 0;
  private readonly segment: Segment;
  private readonly name: string;

  constructor(name: string) {
    this.name = name;
    this.segment = new Segment(files, `/${name}`, 0, true);
  }

  /** As if there were much of it, or little. */
  append(text: string, size: 'much' | 'little' = 'much'): Promise<void> {
    this.text += text;
    return commit.enqueue(this, size === 'much' ? 1e6 : 1);
  }

  takePending(): PendingWrites {
    const { segment, text } = this;
    const bytes = text.slice(this.takenBytes);
    const write = { segment, position: this.takenBytes, buffers: [Buffer.from(bytes)], latest: segment.placed };
    this.takenBytes = text.length;
    return { writes: bytes === '' ? [] : [write], endOffset: text.length };
  }

  committed({ endOffset }: PendingWrites): void {
    this.durable = this.text.slice(0, endOffset);
    events.push(`${this.name} has ${this.durable}`);
  }

  rollBack(): Promise<void> {
    this.text = this.durable;
    this.takenBytes = this.text.length;
    events.push(`${this.name} goes back to ${this.durable}`);
    return Promise.resolve();
  }

  failed(): void {
    events.push(`${this.name} failed`);
  }

  written(): Promise<Buffer> {
    return files.readFile(this.segment.path);
  }
}

const until = async (holds: () => boolean | Promise<boolean>) => {
  for (let turn = 0; !(await holds()); turn++) {
    if (turn > 1000) throw new Error('it never came true');
    await new Promise((resolve) => setImmediate(resolve));
  }
};

beforeEach(async () => {
  events = [];
  syncs = [];
  files = new CrashFiles();
  for (const name of ['a', 'b']) await files.makeDirectory(`/${name}`);
  const open = files.open.bind(files);
  files.open = async (path, mode) => {
    const file = await open(path, mode);
    const held = () => new Promise<void>((resolve, reject) => syncs.push({ go: resolve, fail: reject }));
    return path.endsWith('.log') ? ({ ...bound(file), sync: held } satisfies OpenFile) : file;
  };
  commit = new GroupCommit(
    {
      onCommitted: () => undefined,
      onFull: () => events.push('full'),
      onFailed: () => events.push('failed for good'),
    },
    () => 0,
  );
});

function bound(file: OpenFile): Omit<OpenFile, 'sync'> {
  return {
    path: file.path,
    size: () => file.size(),
    stat: () => file.stat(),
    read: (target, position) => file.read(target, position),
    readSync: (target, position) => file.readSync(target, position),
    write: (buffers, position) => file.write(buffers, position),
    truncate: (sizeBytes) => file.truncate(sizeBytes),
    close: () => file.close(),
  };
}

it('writes what comes while a round is synced; it is durable after a sync of its own, together with what came until then', async () => {
  const a = new Bytes('a');
  const first = a.append('1');
  await until(() => syncs.length === 1);
  const second = a.append('2');
  await until(async () => (await a.written()).toString() === '12');
  const third = a.append('3');
  await until(async () => (await a.written()).toString() === '123');
  const fourth = a.append('4', 'little');
  expect(a.durable).toBe('');
  syncs[0]!.go();
  await first;
  expect(a.durable).toBe('1');
  await until(() => syncs.length === 2);
  expect(a.durable).toBe('1');
  expect((await a.written()).toString()).toBe('1234');
  syncs[1]!.go();
  await Promise.all([second, third, fourth]);
  expect(events).toEqual(['a has 1', 'a has 12', 'a has 123', 'a has 1234']);
  await commit.idle();
  expect(syncs).toHaveLength(2);
});

it('keeps the round that is being synced when the disk is full for the next one', async () => {
  const [a, b] = [new Bytes('a'), new Bytes('b')];
  const first = a.append('1');
  await until(() => syncs.length === 1);
  files.inject = ({ kind }) => (kind === 'write' ? CrashFiles.error('ENOSPC') : undefined);
  const refused = Promise.allSettled([a.append('2'), b.append('x')]);
  await until(async () => (await files.stat('/b/00000000000000000000.log')) !== undefined);
  expect(events).toEqual([]);
  syncs[0]!.go();
  await first;
  expect((await refused).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  expect(events).toEqual(['a has 1', 'a goes back to 1', 'b goes back to ', 'full']);
  files.inject = undefined;
  const later = b.append('y');
  await until(() => syncs.length === 2);
  syncs[1]!.go();
  await later;
  expect(b.durable).toBe('y');
});

it('fails for good with the sync that failed, and with it all that was written meanwhile', async () => {
  const [a, b] = [new Bytes('a'), new Bytes('b')];
  const first = a.append('1');
  await until(() => syncs.length === 1);
  const second = b.append('2');
  await until(async () => (await files.stat('/b/00000000000000000000.log')) !== undefined);
  syncs[0]!.fail(CrashFiles.error('EIO'));
  await expect(first).rejects.toMatchObject({ code: 'TLR_DISK_FAILED' });
  await expect(second).rejects.toMatchObject({ code: 'TLR_DISK_FAILED' });
  await commit.idle();
  expect(events).toEqual(['a failed', 'failed for good', 'b failed']);
  expect(() => a.append('3')).toThrow('the log stopped');
  expect(syncs).toHaveLength(1);
});
