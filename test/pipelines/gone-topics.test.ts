import { expect, it } from 'vitest';
import { idOfName } from '../../broker/client/metadata.ts';
import { emptyAccount, encodeAccount } from '../../pipelines/account.ts';
import { GoneTopics } from '../../pipelines/gone-topics.ts';
import { recordingLogger, type LoggedLine } from '../support/recording-logger.ts';

const topicId = Buffer.alloc(16, 7);
const committed = (metadata: string) => ({ topic: 'app', topicId, partition: 0, offset: 5, metadata });

it.each([
  ['the topic itself', encodeAccount(emptyAccount(), topicId), false],
  ['one that was deleted', encodeAccount(emptyAccount(), Buffer.alloc(16, 8)), true],
  ['the topic, before the cluster had ids for topics', encodeAccount(emptyAccount(), idOfName('app')), false],
  ['whatever has the name, in an account that does not say', '{"v":1,"in":5}', false],
  ['whatever has the name, committed by a tool', '', false],
])('an offset of %s', (_, metadata, isVoid) => {
  const log: LoggedLine[] = [];
  expect(new GoneTopics('out.files', recordingLogger(log)).voids(committed(metadata))).toBe(isVoid);
  expect(log).toHaveLength(isVoid ? 1 : 0);
});
