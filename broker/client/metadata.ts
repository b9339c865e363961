// The cluster as a client sees it: brokers, topics with their leaders, coordinators, and the connections to them. What is cached is thrown away
// when an answer shows that it was wrong (NOT_LEADER_OR_FOLLOWER, NOT_COORDINATOR, a lost connection) and fetched anew with the next question.
//
// Connections are kept by lane: requests on one socket are answered in order, so a long-polling fetch or a join must not share one with
// a heartbeat or a produce. In process a connection is a light object and lanes cost nothing.
import { createHash } from 'node:crypto';
import { TailraceError } from '../../base/errors.ts';
import { apis, type ResponseOf } from '../wire/apis.ts';
import { ErrorCode, KafkaError } from '../wire/errors.ts';
import type { ClientDependencies, Connection, TopicMetadata } from './contract.ts';
import { isRetriable, retry, type RetryOptions } from './retry.ts';

export type CoordinatorKind = 'group' | 'transaction';
interface Address {
  host: string;
  port: number;
}

/** How long a question that hinges on other brokers' progress (an election, a new topic) is repeated. */
export const settleMs = 30_000;

export class Cluster {
  readonly dependencies: ClientDependencies;
  private readonly connections = new Map<string, Promise<Connection>>();
  private readonly coordinators = new Map<string, Address>();
  private readonly topicsByName = new Map<string, TopicMetadata>();
  private brokers = new Map<number, Address>();
  private controllerId = -1;
  private closed = false;

  constructor(dependencies: ClientDependencies) {
    this.dependencies = dependencies;
  }

  /** A connection to any broker that answers. Throws TLR_UNREACHABLE (retriable) when none does. */
  async any(lane = 'main'): Promise<Connection> {
    const failures: string[] = [];
    const seen = new Set<string>();
    for (const address of [...this.brokers.values(), ...this.dependencies.transport.bootstrap]) {
      const name = `${address.host}:${address.port}`;
      if (seen.has(name)) continue;
      seen.add(name);
      try {
        return await this.connect(address, lane);
      } catch (error) {
        if (!isRetriable(error)) throw error;
        failures.push(error instanceof Error ? error.message : name);
      }
    }
    throw new TailraceError('TLR_UNREACHABLE', `no broker can be reached: ${failures.join('; ')}`, { retriable: true });
  }

  /** A connection to the broker with this id. */
  async node(nodeId: number, lane = 'main'): Promise<Connection> {
    let address = this.brokers.get(nodeId);
    if (address === undefined) {
      await this.refresh([]);
      address = this.brokers.get(nodeId);
      if (address === undefined) throw new KafkaError(ErrorCode.LEADER_NOT_AVAILABLE, `broker ${nodeId}`);
    }
    try {
      return await this.connect(address, lane);
    } catch (error) {
      this.brokers.delete(nodeId);
      throw error;
    }
  }

  /** All brokers that are known after asking, one connection each. */
  async everyNode(): Promise<Connection[]> {
    await this.refresh([]);
    return Promise.all([...this.brokers.keys()].map((nodeId) => this.node(nodeId)));
  }

  /** Ids of the brokers that are there, asked for anew. */
  async brokerIds(): Promise<number[]> {
    await this.refresh([]);
    return [...this.brokers.keys()].sort((left, right) => left - right);
  }

  /** The broker that takes changes of topics. */
  async controller(): Promise<Connection> {
    await this.refresh([]);
    return this.brokers.has(this.controllerId) ? this.node(this.controllerId) : this.any();
  }

  /** The topic as it was last seen, asked for when it is not known. Throws KafkaError UNKNOWN_TOPIC_OR_PARTITION when there is none. */
  async topic(name: string): Promise<TopicMetadata> {
    const known = this.topicsByName.get(name);
    if (known !== undefined) return known;
    await this.refresh([name]);
    const topic = this.topicsByName.get(name);
    if (topic === undefined) throw new KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `topic ${name}`);
    return topic;
  }

  /** The topic as it was last seen, without asking. */
  knownTopic(name: string): TopicMetadata | undefined {
    return this.topicsByName.get(name);
  }

  /** The broker id that leads the partition. Throws KafkaError (retriable) when there is none at the moment. */
  async leaderOf(topicName: string, partition: number): Promise<number> {
    const what = `topic ${topicName}, partition ${partition}`;
    const found = (await this.topic(topicName)).partitions.find((each) => each.partition === partition);
    if (found === undefined) {
      this.forgetTopic(topicName);
      throw new KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, what);
    }
    if (found.leader < 0) {
      this.forgetTopic(topicName);
      throw new KafkaError(ErrorCode.LEADER_NOT_AVAILABLE, what);
    }
    return found.leader;
  }

  async leader(topicName: string, partition: number, lane = 'main'): Promise<Connection> {
    const nodeId = await this.leaderOf(topicName, partition);
    try {
      return await this.node(nodeId, lane);
    } catch (error) {
      this.forgetTopic(topicName);
      throw error;
    }
  }

  forgetTopic(name: string): void {
    this.topicsByName.delete(name);
  }

  /** Asks for these topics, or for all (undefined); an empty list asks for the brokers alone. Answers what there is. */
  async refresh(names: readonly string[] | undefined): Promise<TopicMetadata[]> {
    const connection = await this.any();
    const body = apis.Metadata.request.create({
      topics: names === undefined ? null : names.map((name) => ({ name })),
      allowAutoTopicCreation: false,
    });
    const response = await connection.request('Metadata', body);
    if (response.brokers.length > 0) {
      this.brokers = new Map(response.brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]));
    }
    this.controllerId = response.controllerId;
    for (const name of names ?? this.topicsByName.keys()) this.topicsByName.delete(name);
    const found = topicsOf(response);
    for (const topic of found) this.topicsByName.set(topic.name, topic);
    return found;
  }

  /** Runs `action` on the coordinator of `key`, repeated while it moves, loads or is away. */
  async withCoordinator<T>(
    kind: CoordinatorKind,
    key: string,
    action: (connection: Connection) => Promise<T>,
    options: RetryOptions & { lane?: string } = {},
  ): Promise<T> {
    const attempt = async () => {
      try {
        return await action(await this.coordinator(kind, key, options.lane));
      } catch (error) {
        const gone = !(error instanceof KafkaError) || coordinatorMoved.has(error.errorCode);
        if (gone) this.coordinators.delete(`${kind} ${key}`);
        throw error;
      }
    };
    return retry(this.dependencies, attempt, { withinMs: settleMs, ...options });
  }

  async close(): Promise<void> {
    this.closed = true;
    const all = [...this.connections.values()];
    this.connections.clear();
    await Promise.all(all.map((pending) => pending.then((connection) => connection.close()).catch(() => undefined)));
  }

  /** Closes the connections of one lane: a consumer's own, when it ends. */
  async closeLane(lane: string): Promise<void> {
    for (const [key, pending] of this.connections) {
      if (!key.startsWith(`${lane}@`)) continue;
      this.connections.delete(key);
      await pending.then((connection) => connection.close()).catch(() => undefined);
    }
  }

  private async coordinator(kind: CoordinatorKind, key: string, lane = 'coordinator'): Promise<Connection> {
    const name = `${kind} ${key}`;
    let address = this.coordinators.get(name);
    if (address === undefined) {
      address = await this.findCoordinator(kind, key);
      this.coordinators.set(name, address);
    }
    return this.connect(address, lane);
  }

  private async findCoordinator(kind: CoordinatorKind, key: string): Promise<Address> {
    const connection = await this.any();
    const keyType = kind === 'group' ? 0 : 1;
    const batched = connection.versionOf('FindCoordinator') >= 4;
    const draft = batched ? { keyType, coordinatorKeys: [key] } : { keyType, key };
    const response = await connection.request('FindCoordinator', apis.FindCoordinator.request.create(draft));
    const found = batched ? response.coordinators[0] : response;
    if (found === undefined)
      throw new TailraceError('TLR_PROTOCOL', 'FindCoordinator was answered without a coordinator');
    if (found.errorCode !== 0) throw new KafkaError(found.errorCode, `coordinator of ${kind} ${key}`);
    return { host: found.host, port: found.port };
  }

  private async connect(address: Address, lane: string): Promise<Connection> {
    if (this.closed) throw new TailraceError('TLR_CLOSED', 'the Kafka client was closed');
    const key = `${lane}@${address.host}:${address.port}`;
    const known = this.connections.get(key);
    if (known !== undefined) {
      const connection = await known;
      if (connection.open) return connection;
      if (this.connections.get(key) === known) this.connections.delete(key);
      return this.connect(address, lane);
    }
    const pending = this.dependencies.transport.connect(address);
    this.connections.set(key, pending);
    try {
      return await pending;
    } catch (error) {
      if (this.connections.get(key) === pending) this.connections.delete(key);
      throw error;
    }
  }
}

const coordinatorMoved: ReadonlySet<number> = new Set([
  ErrorCode.NOT_COORDINATOR,
  ErrorCode.COORDINATOR_NOT_AVAILABLE,
  ErrorCode.BROKER_NOT_AVAILABLE,
]);

function topicsOf(response: ResponseOf<'Metadata'>): TopicMetadata[] {
  return response.topics
    .filter((topic) => topic.errorCode === 0 && topic.name !== null)
    .map((topic) => ({
      name: topic.name ?? '',
      topicId: topic.topicId.equals(noTopicId) ? idOfName(topic.name ?? '') : topic.topicId,
      isInternal: topic.isInternal,
      partitions: topic.partitions
        .map((partition) => ({
          partition: partition.partitionIndex,
          leader: partition.leaderId,
          leaderEpoch: partition.leaderEpoch,
          replicas: partition.replicaNodes,
          inSyncReplicas: partition.isrNodes,
        }))
        .sort((left, right) => left.partition - right.partition),
    }));
}

const noTopicId = Buffer.alloc(16);

/**
 * Before Kafka 2.8 topics have no ids (KIP-516). Places of records are told apart by them, so there the name stands for one: a topic that is made anew under the same
 * name is not recognised as another then.
 */
export function idOfName(name: string): Buffer {
  return createHash('sha256').update(name).digest().subarray(0, 16);
}
