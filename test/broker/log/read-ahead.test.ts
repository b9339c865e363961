// Reading segments ahead of their readers, into memory that is used again: the same bytes as ever.
import { beforeEach, expect, it } from 'vitest';
import { seededRandom } from '../../../base/random.ts';
import type { LogDirectory, PartitionLog } from '../../../broker/log/contract.ts';
import { ReadAhead } from '../../../broker/log/read-ahead.ts';
import { Segment } from '../../../broker/log/segment.ts';
import { giveBatchBuffer } from '../../../broker/wire/batch-buffers.ts';
import { batchOf, recordsOf } from '../../support/batches.ts';
import { MemoryLog } from '../../support/memory-log.ts';

const firstLog = '/data/app-0/00000000000000000000.log';
const maxBytes = 256 * 1024;

let memory: MemoryLog;
let log: LogDirectory;
let values: string[];

function app(): PartitionLog {
  return log.partition('app', 0)!;
}

/** Batches of one record each, of 10 to 60 KB. */
async function fill(count: number): Promise<void> {
  const random = seededRandom(values.length);
  for (let index = 0; index < count; index++) {
    const value = `${values.length} `.repeat(Math.round(3000 + random.next() * 8000));
    values.push(value);
    await app().append(batchOf([value]), { origin: 'client' }).durable;
  }
}

async function overwrite(path: string, position: number, bytes: Buffer): Promise<void> {
  await (await memory.files.open(path, 'write')).write([bytes], position);
}

/** One answer's worth from `offset` on, compared, and its memory given back: the next offset. */
async function readOn(offset: number): Promise<number> {
  const { records } = await app().read(offset, maxBytes, 'read_uncommitted');
  const found = recordsOf(records, offset);
  expect(found.map(({ value }) => value)).toEqual(values.slice(offset, offset + found.length));
  records.forEach(giveBatchBuffer);
  return offset + found.length;
}

beforeEach(async () => {
  memory = new MemoryLog();
  log = await memory.open({ tailBytes: 0 });
  await log.createTopic({ name: 'app', partitions: 1, configs: { 'segment.bytes': '2000000' } });
  values = [];
});

it('what comes next has been read when a reader that reads on asks for it, and no more than that', async () => {
  await fill(60);
  const second = await readOn(0);
  const third = await readOn(second);
  await new Promise((resolve) => setImmediate(resolve));
  await overwrite(firstLog, 0, Buffer.alloc(1_000_000));
  const fourth = await readOn(third);
  expect(fourth).toBeGreaterThan(third);
  await expect(readOn(1)).rejects.toThrow();
});

it('readers side by side, behind and at the end, read what was written, whatever is removed meanwhile', async () => {
  await fill(150);
  const random = seededRandom(3);
  const readers = [0, 0, 0, 40, 90];
  while (readers.some((offset) => offset < values.length)) {
    const which = Math.floor(random.next() * readers.length);
    readers[which] = await readOn(Math.max(readers[which]!, app().logStartOffset));
    if (values.length < 300 && random.next() < 0.2) await fill(5);
    if (random.next() < 0.05) await app().deleteRecordsBefore(Math.min(...readers) + Math.floor(random.next() * 20));
  }
  expect(app().logStartOffset).toBeGreaterThan(0);
});

it('what was read ahead longest ago makes room, and what cannot be read is not there', async () => {
  const sizeBytes = 2 * 1024 * 1024;
  const file = await memory.files.open('/data/00000000000000000000.log', 'create');
  await file.write([Buffer.alloc(sizeBytes, 'x')], 0);
  const segment = new Segment(memory.files, '/data', 0, false);
  const ahead = new ReadAhead();
  const chunks = Array.from({ length: 9 }, () => ahead.begin(segment, 0, sizeBytes)!);
  expect(await ahead.take(chunks[0]!)).toBeUndefined();
  expect(await ahead.take(chunks[1]!)).toEqual(Buffer.alloc(sizeBytes, 'x'));
  expect(await ahead.take(chunks[1]!)).toBeUndefined();
  expect(await ahead.take(ahead.begin(segment, 1, sizeBytes)!)).toBeUndefined();
  expect(ahead.begin(segment, 0, 2 * sizeBytes)).toBeUndefined();
});
