// What a broker answers when it cannot do what it is asked for at this moment: the errors of Kafka that pass. It has done nothing, or, as Kafka allows for some of them,
// all of it; or it has done it and asks the client to wait, as for a quota.
import type { Random } from '../../../base/random.ts';
import { type ApiName, apis, type RequestOf, type ResponseOf } from '../../../broker/wire/apis.ts';
import { ErrorCode } from '../../../broker/wire/errors.ts';

const longestWaitMs = 3000;

const ofCoordinators = [
  ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
  ErrorCode.COORDINATOR_NOT_AVAILABLE,
  ErrorCode.NOT_COORDINATOR,
];
const ofPartitions = [ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.LEADER_NOT_AVAILABLE];
const ofAppends = [
  ErrorCode.NOT_LEADER_OR_FOLLOWER,
  ErrorCode.NOT_ENOUGH_REPLICAS,
  ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
];

/** The answer with an error, by request; those that are not here are not refused. */
const refusals: { [K in ApiName]?: (body: RequestOf<K>, draw: (codes: readonly number[]) => number) => ResponseOf<K> } =
  {
    Produce: ({ topicData }, draw) => {
      const errorCode = draw(ofAppends);
      const responses = topicData.map(({ name, topicId, partitionData }) => ({
        ...{ name, topicId },
        partitionResponses: partitionData.map(({ index }) => ({ index, errorCode, baseOffset: -1 })),
      }));
      return apis.Produce.response.create({ responses });
    },
    Fetch: ({ topics }, draw) => {
      const errorCode = draw(ofPartitions);
      const responses = topics.map(({ topic, topicId, partitions }) => ({
        ...{ topic, topicId },
        partitions: partitions.map(({ partition }) => ({ partitionIndex: partition, errorCode })),
      }));
      return apis.Fetch.response.create({ responses });
    },
    InitProducerId: (_body, draw) =>
      apis.InitProducerId.response.create({
        errorCode: draw([...ofCoordinators, ErrorCode.CONCURRENT_TRANSACTIONS]),
      }),
    EndTxn: (_body, draw) => apis.EndTxn.response.create({ errorCode: draw(ofCoordinators) }),
    TxnOffsetCommit: ({ topics }, draw) => {
      const errorCode = draw(ofCoordinators);
      return apis.TxnOffsetCommit.response.create({
        topics: topics.map(({ name, partitions }) => ({
          name,
          partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
        })),
      });
    },
    JoinGroup: (_body, draw) => apis.JoinGroup.response.create({ errorCode: draw(ofCoordinators) }),
    SyncGroup: (_body, draw) => apis.SyncGroup.response.create({ errorCode: draw(ofCoordinators) }),
    Heartbeat: (_body, draw) => apis.Heartbeat.response.create({ errorCode: draw(ofCoordinators) }),
    FindCoordinator: ({ coordinatorKeys }) =>
      apis.FindCoordinator.response.create({
        coordinators: coordinatorKeys.map((key) => ({ key, errorCode: ErrorCode.COORDINATOR_NOT_AVAILABLE })),
      }),
  };

/** An answer that does not help: an error, or a good one with a time to wait. */
export async function answerTo<K extends ApiName>(
  api: K,
  body: RequestOf<K>,
  handle: () => Promise<ResponseOf<K> | undefined>,
  random: Random,
): Promise<ResponseOf<K> | undefined> {
  const refuse = refusals[api];
  if (refuse === undefined || random.next() < 0.3) {
    const response = await handle();
    if (response !== undefined && 'throttleTimeMs' in response)
      Object.assign(response, { throttleTimeMs: Math.floor(random.next() * longestWaitMs) });
    return response;
  }
  let drawn = 0;
  const refusal = refuse(body, (codes) => (drawn = codes[Math.floor(random.next() * codes.length)]!));
  if (drawn === ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND) await handle();
  return refusal;
}
