// Administration against a scripted broker: requests whose answers are lost.
import { expect, it } from 'vitest';
import { apis } from '../../../broker/wire/apis.ts';
import { ErrorCode } from '../../../broker/wire/errors.ts';
import { ScriptedBroker, topicId } from './scripted-broker.ts';

/** A broker that gives one answer after the other to DeleteTopics. */
function answering(...errorCodes: number[]): ScriptedBroker {
  const broker = new ScriptedBroker();
  broker.script.DeleteTopics = ({ topics }) => {
    const errorCode = errorCodes[broker.bodies('DeleteTopics').length - 1] ?? ErrorCode.NONE;
    return apis.DeleteTopics.response.create({ responses: topics.map((topic) => ({ ...topic, errorCode })) });
  };
  return broker;
}

it('deletes the topic that was there at the beginning, however often it asks', async () => {
  const broker = answering(ErrorCode.REQUEST_TIMED_OUT, ErrorCode.UNKNOWN_TOPIC_ID);
  await broker.client('remote').admin().deleteTopic('t');
  expect(broker.bodies('DeleteTopics').flatMap(({ topics }) => topics)).toEqual([
    { name: null, topicId },
    { name: null, topicId },
  ]);
});

it('says so when there is no such topic', async () => {
  const broker = answering(ErrorCode.UNKNOWN_TOPIC_ID);
  await expect(broker.client('remote').admin().deleteTopic('t')).rejects.toMatchObject({
    errorName: 'UNKNOWN_TOPIC_OR_PARTITION',
    message: expect.stringContaining('topic t') as string,
  });
  expect(broker.bodies('DeleteTopics')).toHaveLength(1);
});
