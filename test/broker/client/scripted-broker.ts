// A broker that answers what a test tells it to: for what no real broker does on command (lost answers, moved leaders, old versions). Unscripted
// requests get the plainest good answer.
import { TailraceError } from '../../../base/errors.ts';
import { systemClock } from '../../../base/clock.ts';
import { silentLogger } from '../../../base/logger.ts';
import { seededRandom } from '../../../base/random.ts';
import { createClient } from '../../../broker/client/client.ts';
import type { KafkaClient, RequestHandler, Transport } from '../../../broker/client/contract.ts';
import { InProcessTransport } from '../../../broker/client/in-process-transport.ts';
import { type ApiName, apis, type RequestOf, type ResponseOf } from '../../../broker/wire/apis.ts';
import { ErrorCode } from '../../../broker/wire/errors.ts';
import { readBatchHeader } from '../../../broker/wire/record-batch.ts';

export interface SeenRequest {
  api: ApiName;
  version: number;
  body: RequestOf<ApiName>;
}

type Answer<K extends ApiName> = (body: RequestOf<K>, version: number) => ResponseOf<K> | Promise<ResponseOf<K>>;
type Script = { [K in ApiName]?: Answer<K> };

export const topicId = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex');

export class ScriptedBroker implements RequestHandler {
  readonly seen: SeenRequest[] = [];
  script: Script = {};
  transactionVersion = 2;
  partitions = 1;

  /** The newest versions it knows, where that is not ours. */
  newest: Partial<Record<ApiName, number>> = {};

  versions(): ReadonlyMap<ApiName, readonly [number, number]> {
    return new Map(
      (Object.keys(apis) as ApiName[]).map((api) => {
        const [oldest, newest] = apis[api].versions;
        return [api, [oldest, this.newest[api] ?? newest]];
      }),
    );
  }

  features(): ReadonlyMap<string, number> {
    return new Map([['transaction.version', this.transactionVersion]]);
  }

  async handle<K extends ApiName>(api: K, version: number, body: RequestOf<K>): Promise<ResponseOf<K>> {
    this.seen.push({ api, version, body });
    const scripted: Answer<K> | undefined = this.script[api];
    return scripted === undefined ? (this.plain(api, body) as ResponseOf<K>) : await scripted(body, version);
  }

  /** Names of the requests so far, without those about where things are. */
  calls(): ApiName[] {
    return this.seen.map(({ api }) => api).filter((api) => api !== 'Metadata' && api !== 'FindCoordinator');
  }

  bodies<K extends ApiName>(api: K): RequestOf<K>[] {
    return this.seen.filter((request) => request.api === api).map(({ body }) => body as RequestOf<K>);
  }

  /** A client that takes this broker for one of its own process, or for a remote one. */
  client(place: 'in process' | 'remote'): KafkaClient {
    const local = new InProcessTransport(this, 'test');
    const remote: Transport = {
      bootstrap: local.bootstrap,
      inProcess: false,
      connect: () => local.connect(),
    };
    return createClient({
      transport: place === 'remote' ? remote : local,
      clientId: 'test',
      clock: systemClock,
      random: seededRandom(1),
      logger: silentLogger,
    });
  }

  private plain(api: ApiName, body: RequestOf<ApiName>): ResponseOf<ApiName> {
    switch (api) {
      case 'Metadata':
        return this.metadata(body as RequestOf<'Metadata'>);
      case 'FindCoordinator':
        return apis.FindCoordinator.response.create({ coordinators: [{ nodeId: 1, host: 'only', port: 1 }] });
      case 'InitProducerId':
        return apis.InitProducerId.response.create({ producerId: 7, producerEpoch: 0 });
      case 'EndTxn': {
        const { producerId, producerEpoch } = body as RequestOf<'EndTxn'>;
        return apis.EndTxn.response.create({ producerId, producerEpoch: producerEpoch + 1 });
      }
      case 'Produce':
        return produced(body as RequestOf<'Produce'>);
      case 'AddPartitionsToTxn':
      case 'AddOffsetsToTxn':
      case 'TxnOffsetCommit':
        return apis[api].response.create({});
      default:
        throw new Error(`${api} is not scripted`);
    }
  }

  private metadata({ topics }: RequestOf<'Metadata'>): ResponseOf<'Metadata'> {
    return apis.Metadata.response.create({
      brokers: [{ nodeId: 1, host: 'only', port: 1 }],
      controllerId: 1,
      topics: (topics ?? []).map(({ name }) => ({
        name,
        topicId,
        partitions: Array.from({ length: this.partitions }, (_, partitionIndex) => ({ partitionIndex, leaderId: 1 })),
      })),
    });
  }
}

/** The answer to a Produce of one batch. */
export function produced(
  { topicData }: RequestOf<'Produce'>,
  errorCode: number = ErrorCode.NONE,
): ResponseOf<'Produce'> {
  const { name, topicId: id, partitionData } = topicData[0]!;
  const { index } = partitionData[0]!;
  return apis.Produce.response.create({
    responses: [{ name, topicId: id, partitionResponses: [{ index, errorCode }] }],
  });
}

/** Sequence, count, producer id and epoch of the batch in a Produce. */
export function batchOf({ topicData }: RequestOf<'Produce'>): { sequence: number; count: number; epoch: number } {
  const header = readBatchHeader(topicData[0]!.partitionData[0]!.records!, 0);
  return { sequence: header.baseSequence, count: header.recordCount, epoch: header.producerEpoch };
}

export function lostAnswer(): never {
  throw new TailraceError('TLR_UNREACHABLE', 'the connection broke', { retriable: true });
}
