// The metadata log: what was changed is there again, a torn end is cut, damage is told.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type MetadataChange, MetadataLog, MetadataState } from '../../../broker/log/metadata-log.ts';
import { CrashFiles } from '../../support/crash-files.ts';

const path = '/data/tailrace-metadata.log';

async function newFiles(): Promise<CrashFiles> {
  const files = new CrashFiles();
  await files.makeDirectory('/data');
  return files;
}

/** Changes that make sense in their order. */
const changes = fc
  .array(fc.record({ what: fc.nat(6), topic: fc.nat(3), number: fc.nat(100) }), { maxLength: 40 })
  .map((steps) => {
    const state = new MetadataState();
    const made: MetadataChange[] = [];
    const add = (change: MetadataChange) => {
      state.apply(change);
      made.push(change);
    };
    for (const [index, { what, topic, number }] of steps.entries()) {
      const name = `topic-${topic}`;
      const topicId = [...state.topics.values()].find((one) => one.name === name)?.topicId;
      if (topicId === undefined) {
        add({ kind: 'topic', name, topicId: `id${index}`, partitions: 1 + number, configs: {} });
      } else if (what === 0) add({ kind: 'delete', topicId });
      else if (what === 1) add({ kind: 'partitions', topicId, partitions: 200 + index });
      else if (what === 2) add({ kind: 'configs', topicId, configs: { 'retention.ms': String(number) } });
      else if (what === 3) add({ kind: 'producer-ids', next: index * 1000 });
      else if (what === 4) for (const id of [...state.deleting.keys()]) add({ kind: 'removed', topicId: id });
      else if (what === 5) {
        add({
          kind: 'broker-configs',
          broker: number < 50 ? '' : '1',
          configs: { 'log.retention.ms': String(number) },
        });
      } else add({ kind: 'leader-epoch', leaderEpoch: index });
    }
    return made;
  });

function stateOf(made: readonly MetadataChange[]): MetadataState {
  const state = new MetadataState();
  for (const change of made) state.apply(change);
  return state;
}

describe('the metadata log', () => {
  it('gives the same state when it is opened again, and when it is written anew', async () => {
    await fc.assert(
      fc.asyncProperty(changes, async (made) => {
        const files = await newFiles();
        const log = await MetadataLog.open(files, '/data');
        for (const change of made) await log.append(change);
        await log.close();
        const again = await MetadataLog.open(files, '/data');
        expect(again.state).toEqual(stateOf(made));
        expect(stateOf(again.state.changes())).toEqual(again.state);
      }),
      { numRuns: 50 },
    );
  });

  it('keeps the whole changes before a cut at any byte', async () => {
    const files = await newFiles();
    const log = await MetadataLog.open(files, '/data');
    const ends: number[] = [(await files.stat(path))!.sizeBytes];
    for (let next = 1; next <= 3; next++) {
      await log.append({ kind: 'producer-ids', next });
      ends.push((await files.stat(path))!.sizeBytes);
    }
    const whole = await files.readFile(path);
    for (let size = ends[0]!; size <= whole.length; size++) {
      const cut = await newFiles();
      await (await cut.open(path, 'create')).write([whole.subarray(0, size)], 0);
      const again = await MetadataLog.open(cut, '/data');
      const last = ends.findLastIndex((end) => end <= size);
      expect(again.state.nextProducerId).toBe(last);
      expect(again.cutBytes).toBe(size - ends[last]!);
      await again.append({ kind: 'producer-ids', next: 77 });
      expect((await MetadataLog.open(cut, '/data')).state.nextProducerId).toBe(77);
    }
  });

  it('is refused when a change in the middle is damaged, or a newer version wrote it', async () => {
    const files = await newFiles();
    const log = await MetadataLog.open(files, '/data');
    for (let next = 1; next <= 3; next++) await log.append({ kind: 'producer-ids', next });
    const file = await files.open(path, 'write');
    await file.write([Buffer.from('!')], 30);
    await expect(MetadataLog.open(files, '/data')).rejects.toMatchObject({ code: 'TLR_CORRUPT' });
    await file.write([Buffer.from('2')], 7);
    await expect(MetadataLog.open(files, '/data')).rejects.toMatchObject({ code: 'TLR_DATA_VERSION' });
  });

  it('survives a full disk and stops at a failed sync', async () => {
    const files = await newFiles();
    const log = await MetadataLog.open(files, '/data');
    await log.append({ kind: 'producer-ids', next: 1 });
    files.inject = ({ kind }) => (kind === 'write' ? CrashFiles.error('ENOSPC') : undefined);
    await expect(log.append({ kind: 'producer-ids', next: 2 })).rejects.toMatchObject({ code: 'TLR_DISK_FULL' });
    files.inject = undefined;
    await log.append({ kind: 'producer-ids', next: 3 });
    expect((await MetadataLog.open(files, '/data')).state.nextProducerId).toBe(3);
    files.inject = ({ kind }) => (kind === 'sync' ? CrashFiles.error('EIO') : undefined);
    await expect(log.append({ kind: 'producer-ids', next: 4 })).rejects.toMatchObject({ code: 'TLR_DISK_FAILED' });
    files.inject = undefined;
    await expect(log.append({ kind: 'producer-ids', next: 5 })).rejects.toMatchObject({ code: 'TLR_DISK_FAILED' });
  });

  it('knows one topic of a name: the last, whatever became of the one before', async () => {
    const topic = (topicId: string): MetadataChange => ({
      kind: 'topic',
      name: 'app',
      topicId,
      partitions: 1,
      configs: {},
    });
    const files = await newFiles();
    const log = await MetadataLog.open(files, '/data');
    for (const topicId of ['first', 'second']) await log.append(topic(topicId));
    for (const { state } of [log, await MetadataLog.open(files, '/data')]) {
      expect([...state.topics.keys()]).toEqual(['second']);
      expect([...state.deleting]).toEqual([['first', 'app']]);
      const again = new MetadataState();
      for (const change of state.changes()) again.apply(change);
      expect([...again.topics.keys()]).toEqual(['second']);
    }
  });
});
