// A topic that is deleted and made again under its name: nothing that was noted of the old one may be taken for something of the new one.
import { beforeEach, describe, expect, it } from 'vitest';
import type { LogDirectory, PartitionLog } from '../../../broker/log/contract.ts';
import { appendValues, readValues } from '../../support/batches.ts';
import { CrashFiles } from '../../support/crash-files.ts';
import { MemoryLog } from '../../support/memory-log.ts';

let memory: MemoryLog;
let log: LogDirectory;

function app(): PartitionLog {
  return log.partition('app', 0)!;
}

async function create(): Promise<void> {
  await log.createTopic({ name: 'app', partitions: 1, configs: { 'segment.bytes': '2000' } });
}

async function killAndOpen(): Promise<void> {
  memory.kill();
  log = await memory.open();
}

const values = Array.from({ length: 40 }, (_, index) => `value ${index} ${'x'.repeat(100)}`);

beforeEach(async () => {
  memory = new MemoryLog();
  log = await memory.open();
  await create();
  for (const value of values) await appendValues(app(), [value]);
  await app().deleteRecordsBefore(30);
  await log.maintain();
});

describe('a topic that is made again', () => {
  it('is empty and takes records after a kill', async () => {
    await log.deleteTopic('app');
    await create();
    await killAndOpen();
    expect(app()).toMatchObject({ logStartOffset: 0, logEndOffset: 0 });
    expect(await appendValues(app(), ['new'])).toBe(0);
  });

  it('has all its records after a kill', async () => {
    await log.deleteTopic('app');
    await create();
    await appendValues(app(), ['first', 'second']);
    await killAndOpen();
    expect(await readValues(app())).toEqual(['first', 'second']);
  });

  it('has all its records though a kill came in the middle of the deletion', async () => {
    // Whatever the deletion had done by then.
    const { files } = memory;
    const from = files.steps;
    await log.deleteTopic('app');
    const to = files.steps;
    for (let step = from; step <= to; step++) {
      memory.files = files.crash(step, { next: () => 0.999, bytes: (count) => Buffer.alloc(count) });
      log = await memory.open();
      if (log.topic('app') !== undefined) await log.deleteTopic('app');
      await create();
      await appendValues(app(), ['first', 'second']);
      await killAndOpen();
      expect(await readValues(app()), `after step ${step}`).toEqual(['first', 'second']);
    }
  });

  it('can be made when the disk had no room to end the deletion', async () => {
    memory.files.inject = ({ kind }) => (kind === 'rename' ? CrashFiles.error('ENOSPC') : undefined);
    await expect(log.deleteTopic('app')).rejects.toThrow();
    await expect(create()).rejects.toThrow();
    memory.files.inject = undefined;
    await create();
    await appendValues(app(), ['first', 'second']);
    await killAndOpen();
    expect(await readValues(app())).toEqual(['first', 'second']);
  });
});
