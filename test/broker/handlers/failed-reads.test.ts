// A read of the log that fails: the client is told KAFKA_STORAGE_ERROR, and the log of the broker says where and why, once in a while.
import { afterEach, expect, it } from 'vitest';
import { type Clock, systemClock } from '../../../base/clock.ts';
import type { Files } from '../../../base/files.ts';
import { nodeFiles } from '../../../base/node-files.ts';
import { ErrorCode } from '../../../broker/wire/errors.ts';
import { ask } from '../../support/in-process.ts';
import { recordingLogger } from '../../support/recording-logger.ts';
import { startTestBroker, type TestBroker } from '../../support/test-broker.ts';
import { batchOf } from '../../support/text-batches.ts';

let server: TestBroker | undefined;
afterEach(() => server?.close());

it('names the folder, the offset and the cause, once a minute', async () => {
  let isBroken = false;
  const files: Files = Object.assign(Object.create(nodeFiles) as Files, {
    open: async (...given: Parameters<Files['open']>) => {
      const file = await nodeFiles.open(...given);
      const read: typeof file.read = (...asked) =>
        isBroken ? Promise.reject(new Error('EIO: i/o error, read')) : file.read(...asked);
      return Object.assign(Object.create(file) as typeof file, { read });
    },
  });
  let passedMs = 0;
  const clock: Clock = { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + passedMs };
  const logger = recordingLogger();
  server = await startTestBroker({ socket: false, files, clock, logger });
  const asked = { name: 'app', numPartitions: 1, replicationFactor: 1 };
  const { topicId } = (await ask(server.broker, 'CreateTopics', { topics: [asked] })).topics[0]!;
  const partitionData = [{ index: 0, records: batchOf(['a', 'b']) }];
  await ask(server.broker, 'Produce', { acks: -1, topicData: [{ topicId, partitionData }] }, 13, false);
  await server.restart();
  isBroken = true;
  const fetch = async () => {
    const topics = [{ topicId, partitions: [{ partition: 0, fetchOffset: 1, partitionMaxBytes: 1000 }] }];
    const answer = await ask(server!.broker, 'Fetch', { topics, maxWaitMs: 0 });
    expect(answer.responses[0]!.partitions[0]!.errorCode).toBe(ErrorCode.KAFKA_STORAGE_ERROR);
  };
  const told = () => logger.lines.filter(({ message }) => message.includes('a read failed'));
  for (let count = 0; count < 3; count++) await fetch();
  expect(told()).toHaveLength(1);
  expect(told()[0]!.message).toContain(`topic app, partition 0 in ${server.dataDirectory}/app-0`);
  expect(told()[0]).toMatchObject({ level: 'error', fields: { topic: 'app', partition: 0, offset: 1 } });
  expect(told()[0]!.fields['error']).toContain('EIO: i/o error');
  passedMs = 61_000;
  await fetch();
  expect(told()).toHaveLength(2);
  expect(told()[1]!.fields).toMatchObject({ failedSince: 2 });
  isBroken = false;
});
