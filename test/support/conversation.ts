// A conversation with a broker, noted down step by step, so that what a real Kafka said can be set against what ours did.
import { type ApiName, apis, type RequestOf, type ResponseOf } from '../../broker/wire/apis.ts';
import type { Draft } from '../../broker/wire/schema.ts';
import type { RawClient } from './raw-client.ts';
import { batchOf, valuesOf } from './text-batches.ts';

/** What one broker said: step by step, with what no two brokers share left out. */
export class Conversation {
  readonly said: [step: string, answer: unknown][] = [];
  private readonly client: RawClient;

  constructor(client: RawClient) {
    this.client = client;
  }

  /** Asks, again while a coordinator is loading or a decision is being carried out, and notes what `see` makes of the answer. */
  async ask<K extends ApiName>(
    step: string,
    api: K,
    version: number,
    draft: Draft<RequestOf<K>>,
    see: (answer: ResponseOf<K>) => unknown,
  ): Promise<ResponseOf<K>> {
    for (let attempt = 0; ; attempt++) {
      const answer = await this.client.request(api, version, apis[api].request.create(draft));
      const seen = see(answer);
      if (attempt < 100 && /^(14|15|16|51)$/.test(String(seen))) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        continue;
      }
      this.said.push([`${step}: ${api} ${version}`, seen]);
      return answer;
    }
  }

  init(step: string, transactionalId: string, version = 4, own: object = {}) {
    const draft = { transactionalId, transactionTimeoutMs: 60_000, ...own };
    return this.ask(step, 'InitProducerId', version, draft, ({ errorCode, producerEpoch }) =>
      errorCode === 0 ? `epoch ${producerEpoch}` : errorCode,
    );
  }

  add(step: string, transactionalId: string, producer: Identity) {
    const draft = {
      ...{ v3AndBelowTransactionalId: transactionalId, v3AndBelowTopics: [{ name: 'flow', partitions: [0] }] },
      ...{ v3AndBelowProducerId: producer.producerId, v3AndBelowProducerEpoch: producer.producerEpoch },
    };
    return this.ask(
      step,
      'AddPartitionsToTxn',
      3,
      draft,
      (answer) => answer.resultsByTopicV3AndBelow[0]?.resultsByPartition[0]?.partitionErrorCode,
    );
  }

  produce(step: string, version: number, transactionalId: string, producer: Identity, value: string, baseSequence = 0) {
    const { producerId, producerEpoch } = producer;
    const identity = { producerId, producerEpoch, baseSequence, isTransactional: true };
    // Of now: Kafka begins a segment when times are far apart, and reads from one segment at a time.
    const records = batchOf([value], identity, Date.now());
    const topicData = [{ name: 'flow', partitionData: [{ index: 0, records }] }];
    return this.ask(step, 'Produce', version, { transactionalId, acks: -1, timeoutMs: 5000, topicData }, (answer) => {
      return answer.responses[0]?.partitionResponses[0]?.errorCode;
    });
  }

  end(step: string, version: number, transactionalId: string, producer: Identity, committed: boolean) {
    const { producerId, producerEpoch } = producer;
    const draft = { transactionalId, producerId, producerEpoch, committed };
    return this.ask(step, 'EndTxn', version, draft, (answer) => {
      if (answer.errorCode !== 0) return answer.errorCode;
      return version < 5 ? 'ended' : `next epoch ${answer.producerEpoch}, same id ${answer.producerId === producerId}`;
    });
  }

  offsets(step: string, version: number, transactionalId: string, producer: Identity, committedOffset: number) {
    const { producerId, producerEpoch } = producer;
    const partitions = [{ partitionIndex: 0, committedOffset, committedMetadata: '' }];
    const draft = {
      transactionalId,
      groupId: 'flow-group',
      producerId,
      producerEpoch,
      topics: [{ name: 'flow', partitions }],
    };
    return this.ask(step, 'TxnOffsetCommit', version, draft, (answer) => answer.topics[0]?.partitions[0]?.errorCode);
  }

  /** What read_committed readers see, once the marker of what was decided is there. */
  async committed(step: string, count: number): Promise<void> {
    const partitions = [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1 << 20 }];
    const draft = {
      maxWaitMs: 50,
      minBytes: 1,
      maxBytes: 1 << 20,
      isolationLevel: 1,
      topics: [{ topic: 'flow', partitions }],
    };
    for (let attempt = 0; attempt < 100; attempt++) {
      const answer = await this.client.request('Fetch', 11, apis.Fetch.request.create(draft));
      const partition = answer.responses[0]!.partitions[0]!;
      if (partition.lastStableOffset < partition.highWatermark || partition.highWatermark < count) continue;
      const aborted = partition.abortedTransactions?.map(({ firstOffset }) => firstOffset);
      this.said.push([step, { values: valuesOf(partition.records), aborted, end: partition.highWatermark }]);
      return;
    }
    this.said.push([step, 'never']);
  }
}

export interface Identity {
  producerId: number;
  producerEpoch: number;
}
