// Transactions while the disk is full for a moment: the log takes back whole rounds of appends, and the process goes on. What must hold is the same as
// after a crash: of every transaction all is committed or nothing, and what was acknowledged stays.
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../../base/random.ts';
import { ErrorCode, KafkaError } from '../../../broker/wire/errors.ts';
import { readCommitted, readRecords } from '../../support/batches.ts';
import { CrashFiles } from '../../support/crash-files.ts';
import { fetchOffset, openWorld, TestProducer, type World } from '../../support/coordinators.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const topics = ['lines', 'positions'];
const turn = () => new Promise<void>(setImmediate);

/** One transaction of `number` in both topics and the group's offset, without waiting; whether it was acknowledged. */
async function transact(world: World, producer: TestProducer, number: number): Promise<boolean> {
  try {
    for (const topic of topics) producer.produce(topic, [String(number)]);
  } catch (error) {
    expect(error).toBeInstanceOf(KafkaError);
    world.transactions.doom(producer.transactionalId, producer.producerId, producer.producerEpoch);
  }
  const offsets = producer.sendOffset('group', 'lines', number);
  const ended = producer.end(true);
  const [sent, end] = await Promise.all([offsets, ended]);
  return sent === ErrorCode.NONE && end === ErrorCode.NONE;
}

async function committed({ log }: World, topic: string): Promise<number[]> {
  const partition = log.partition(topic, 0)!;
  const visible = new Set(await readCommitted(partition, 1000));
  const records = await readRecords(partition, 0, 'read_uncommitted');
  return records.filter(({ offset }) => visible.has(offset)).map(({ value }) => Number(value));
}

/** InitProducerId as a client does it: again and again until the coordinator is back. */
async function begin(world: World, clock: ManualClock): Promise<TestProducer> {
  for (;;) {
    const producer = new TestProducer(world, 'agent');
    const answer = producer.init();
    await turn();
    clock.pass(600);
    if ((await answer) === ErrorCode.NONE) return producer;
  }
}

describe('a full disk', () => {
  it.each(Array.from({ length: 25 }, (_, index) => index + 1))(
    'leaves every transaction whole, seed %i',
    async (seed) => {
      const random = seededRandom(seed);
      const files = new CrashFiles(random);
      const clock = new ManualClock();
      const world = await openWorld({ files, clock });
      for (const name of topics) await world.log.createTopic({ name, partitions: 1 });
      let producer = await begin(world, clock);
      expect(await transact(world, producer, 0)).toBe(true);
      let writesUntilFull = 3 + Math.floor(random.next() * 20);
      let refusals = 1 + Math.floor(random.next() * 4);
      files.inject = (call) => {
        if (call.kind !== 'write' || --writesUntilFull > 0 || refusals === 0) return undefined;
        refusals--;
        writesUntilFull = Math.floor(random.next() * 6);
        return CrashFiles.error('ENOSPC');
      };
      const acknowledged = [0];
      for (let number = 1; number <= 12; number++) {
        if (await transact(world, producer, number)) acknowledged.push(number);
        else producer = await begin(world, clock);
        clock.pass(600);
      }
      producer = await begin(world, clock);
      for (const topic of [...topics, '__consumer_offsets']) {
        const partition = world.log.partition(topic, 0)!;
        while (partition.lastStableOffset < partition.logEndOffset) {
          clock.pass(600);
          await turn();
        }
      }
      const [lines, positions] = [await committed(world, 'lines'), await committed(world, 'positions')];
      expect(lines).toEqual(positions);
      expect(lines).toEqual(expect.arrayContaining(acknowledged));
      expect(lines).toEqual([...new Set(lines)]);
      expect(await fetchOffset(world, 'group', 'lines')).toBe(lines.at(-1));
      await world.close();
    },
  );
});
