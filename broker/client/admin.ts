// Administration: topics, their settings, offsets in the log, and groups. Each call asks anew; nothing is cached but the connections.
import { TailraceError } from '../../base/errors.ts';
import { type ApiName, apis } from '../wire/apis.ts';
import { ErrorCode, KafkaError } from '../wire/errors.ts';
import type {
  Admin,
  BrokerConfigs,
  CommittedOffset,
  Connection,
  GroupDescription,
  TopicMetadata,
  TopicPartition,
  TopicPartitionOffset,
} from './contract.ts';
import { decodeAssignment } from './group-assignor.ts';
import { commitGroupOffsets, fetchGroupOffsets } from './group-offsets.ts';
import { listOffsets, type OffsetSpec } from './list-offsets.ts';
import { type Cluster, settleMs } from './metadata.ts';
import { replicationOf } from './replication.ts';
import { isRetriable, retry } from './retry.ts';

/** ConfigResource types of Kafka. */
const topicResource = 2;
const brokerResource = 4;
const operationSet = 0;
const operationDelete = 1;
/** ConfigSource: 5 is the built-in default, 4 the broker's file, 1 the topic's own. */
const topicConfigSource = 1;
const requestTimeoutMs = 30_000;

const unknownName: number = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION;

export class KafkaAdmin implements Admin {
  private readonly cluster: Cluster;

  constructor(cluster: Cluster) {
    this.cluster = cluster;
  }

  topics(names?: readonly string[]): Promise<TopicMetadata[]> {
    return this.patiently(() => this.cluster.refresh(names));
  }

  async createTopic(
    topic: { name: string; partitions?: number; replicationFactor?: number; configs?: Record<string, string> },
    options: { ifMissing?: boolean } = {},
  ): Promise<void> {
    const { name, partitions = -1 } = topic;
    // Whoever may not make topics can still use those that are there.
    if (options.ifMissing === true && (await this.topics([name])).length > 0) return;
    const { replicationFactor, configs } = await this.replication(topic.replicationFactor, topic.configs ?? {});
    const body = apis.CreateTopics.request.create({
      topics: [
        {
          name,
          numPartitions: partitions,
          replicationFactor,
          configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
        },
      ],
      timeoutMs: requestTimeoutMs,
    });
    await this.patiently(async () => {
      const connection = await this.cluster.controller();
      const [answer] = (await connection.request('CreateTopics', body)).topics;
      const isThere = answer?.errorCode === ErrorCode.TOPIC_ALREADY_EXISTS && options.ifMissing === true;
      if (!isThere) check(answer, `topic ${name}`);
    });
    await this.patiently(() => this.untilLed(name));
  }

  async brokers(): Promise<readonly number[]> {
    return this.patiently(() => this.cluster.brokerIds());
  }

  newestVersion(api: ApiName): Promise<number | undefined> {
    return this.patiently(async () => {
      const connection = await this.cluster.any();
      try {
        return connection.versionOf(api);
      } catch (error) {
        if (error instanceof TailraceError && error.code === 'TLR_PROTOCOL') return undefined;
        throw error;
      }
    });
  }

  /** By its id, where brokers know ids: a request that was repeated, and the first of which comes late, deletes no later topic of that name. */
  async deleteTopic(name: string): Promise<void> {
    const [known] = await this.topics([name]);
    await this.patiently(async (attempt) => {
      const connection = await this.cluster.controller();
      const topic = known === undefined ? { name } : { name: null, topicId: known.topicId };
      const body = apis.DeleteTopics.request.create({
        ...(connection.versionOf('DeleteTopics') >= 6 ? { topics: [topic] } : { topicNames: [name] }),
        timeoutMs: requestTimeoutMs,
      });
      const [answer] = (await connection.request('DeleteTopics', body)).responses;
      const isUnknown = answer?.errorCode === ErrorCode.UNKNOWN_TOPIC_ID || answer?.errorCode === unknownName;
      // The answer to an earlier attempt was lost.
      if (isUnknown && attempt > 1) return;
      if (isUnknown) throw new KafkaError(unknownName, `topic ${name}`);
      check(answer, `topic ${name}`);
    });
    this.cluster.forgetTopic(name);
  }

  async describeConfigs(
    topic: string,
  ): Promise<Record<string, { value: string | null; isDefault: boolean; isSensitive: boolean }>> {
    return this.configsOf(topicResource, topic, `topic ${topic}`, () => this.cluster.any());
  }

  brokerConfigs(nodeId: number): Promise<BrokerConfigs> {
    return this.configsOf(brokerResource, String(nodeId), `broker ${nodeId}`, () => this.cluster.node(nodeId));
  }

  async alterConfigs(topic: string, changes: Record<string, string | null>): Promise<void> {
    const body = apis.IncrementalAlterConfigs.request.create({
      resources: [
        {
          resourceType: topicResource,
          resourceName: topic,
          configs: Object.entries(changes).map(([name, value]) => ({
            name,
            value,
            configOperation: value === null ? operationDelete : operationSet,
          })),
        },
      ],
    });
    await this.patiently(async () => {
      const connection = await this.cluster.controller();
      const [answer] = (await connection.request('IncrementalAlterConfigs', body)).responses;
      check(answer, `topic ${topic}`);
    });
  }

  async offsets(topic: string, at: OffsetSpec, options: { withinMs?: number } = {}): Promise<Map<number, number>> {
    const found = await this.patiently(async () => {
      const [metadata] = await this.cluster.refresh([topic]);
      if (metadata === undefined) throw new KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, `topic ${topic}`);
      return metadata.partitions.map(({ partition }) => ({ topic, partition }));
    });
    return (await listOffsets(this.cluster, found, at, options.withinMs)).get(topic) ?? new Map<number, number>();
  }

  async listGroups(): Promise<{ groupId: string; protocolType: string; state: string }[]> {
    const answers = await this.patiently(async () => {
      const connections = await this.cluster.everyNode();
      return Promise.all(
        connections.map(async (connection) => {
          const answer = await connection.request('ListGroups', apis.ListGroups.request.create());
          if (answer.errorCode !== 0) throw new KafkaError(answer.errorCode, 'list of groups');
          return answer.groups;
        }),
      );
    });
    // Kafka tells states in the list since 2.6.
    const groups = answers.flat().map(async ({ groupId, protocolType, groupState }) => ({
      ...{ groupId, protocolType },
      state: groupState || (await this.describeGroup(groupId)).state,
    }));
    return (await Promise.all(groups)).sort((left, right) => (left.groupId < right.groupId ? -1 : 1));
  }

  async describeGroup(groupId: string): Promise<GroupDescription> {
    const body = apis.DescribeGroups.request.create({ groups: [groupId] });
    return this.cluster.withCoordinator('group', groupId, async (connection) => {
      const [answer] = (await connection.request('DescribeGroups', body)).groups;
      // From version 6 a group that is not there is an error; before, it is dead. One answer for both.
      if (answer?.errorCode === ErrorCode.GROUP_ID_NOT_FOUND || answer?.groupState === 'Dead') {
        const gone = { groupId, state: 'Dead', protocolType: answer.protocolType, members: [] };
        return (await describeConsumerGroup(connection, groupId)) ?? gone;
      }
      const group = check(answer, `group ${groupId}`);
      return {
        groupId,
        state: group.groupState,
        protocolType: group.protocolType,
        members: group.members.map((member) => ({
          memberId: member.memberId,
          instanceId: member.groupInstanceId ?? undefined,
          clientId: member.clientId,
          clientHost: member.clientHost,
          assignment:
            group.protocolType === 'consumer' ? decodeAssignment(member.memberAssignment) : new Map<string, number[]>(),
        })),
      };
    });
  }

  async deleteGroup(groupId: string): Promise<void> {
    const body = apis.DeleteGroups.request.create({ groupsNames: [groupId] });
    await this.cluster.withCoordinator('group', groupId, async (connection) => {
      const [answer] = (await connection.request('DeleteGroups', body)).results;
      check(answer, `group ${groupId}`);
    });
  }

  groupOffsets(
    groupId: string,
    options: { stable?: boolean; partitions?: readonly TopicPartition[] } = {},
  ): Promise<Map<string, Map<number, CommittedOffset>>> {
    return fetchGroupOffsets(this.cluster, groupId, options.partitions, { stable: options.stable ?? false });
  }

  commitGroupOffsets(groupId: string, offsets: readonly TopicPartitionOffset[]): Promise<void> {
    const nobody = { groupId, generation: -1, memberId: '', instanceId: undefined };
    return commitGroupOffsets(this.cluster, nobody, offsets);
  }

  private async configsOf(
    resourceType: number,
    resourceName: string,
    what: string,
    connect: () => Promise<Connection>,
  ): Promise<Record<string, { value: string | null; isDefault: boolean; isSensitive: boolean }>> {
    const body = apis.DescribeConfigs.request.create({
      resources: [{ resourceType, resourceName, configurationKeys: null }],
    });
    const answer = await this.patiently(async () => {
      const connection = await connect();
      const [result] = (await connection.request('DescribeConfigs', body)).results;
      return check(result, what);
    });
    return Object.fromEntries(
      answer.configs.map(({ name, value, configSource, isSensitive }) => [
        name,
        { value, isDefault: configSource !== topicConfigSource, isSensitive },
      ]),
    );
  }

  /** See replication.ts. Where settings of brokers may not be read, the cluster decides. */
  private async replication(
    asked: number | undefined,
    configs: Record<string, string>,
  ): Promise<{ replicationFactor: number; configs: Record<string, string> }> {
    if (asked !== undefined) return { replicationFactor: asked, configs };
    const ids = this.cluster.dependencies.transport.inProcess ? [] : await this.brokers();
    if (ids.length < 2) return { replicationFactor: -1, configs };
    try {
      return replicationOf(ids.length, await this.brokerConfigs(ids[0]!), configs);
    } catch (error) {
      if (!(error instanceof KafkaError) || error.errorCode !== ErrorCode.CLUSTER_AUTHORIZATION_FAILED) throw error;
      return { replicationFactor: -1, configs };
    }
  }

  /** Repeats what says that it may pass, but not the absence of a topic: that is an answer. */
  private patiently<T>(action: (attempt: number) => Promise<T>): Promise<T> {
    return retry(this.cluster.dependencies, action, {
      withinMs: settleMs,
      retriable: (error) => isRetriable(error) && !(error instanceof KafkaError && error.errorCode === unknownName),
    });
  }

  /** A new topic can be used when every partition has a leader that this client knows. */
  private async untilLed(name: string): Promise<void> {
    const [topic] = await this.cluster.refresh([name]);
    const isLed =
      topic !== undefined && topic.partitions.length > 0 && topic.partitions.every(({ leader }) => leader >= 0);
    if (!isLed) throw new KafkaError(ErrorCode.LEADER_NOT_AVAILABLE, `topic ${name}`);
  }
}

function check<T extends { errorCode: number; errorMessage?: string | null }>(answer: T | undefined, what: string): T {
  if (answer === undefined) throw new TailraceError('TLR_PROTOCOL', `${what}: the answer does not speak of it`);
  if (answer.errorCode === 0) return answer;
  throw new KafkaError(answer.errorCode, answer.errorMessage ? `${what} (${answer.errorMessage})` : what);
}

/** A group of the new protocol (KIP-848), which DescribeGroups does not know; undefined where there is none, or the broker has no such groups. */
async function describeConsumerGroup(connection: Connection, groupId: string): Promise<GroupDescription | undefined> {
  if (connection.feature('group.version') < 1) return undefined;
  const body = apis.ConsumerGroupDescribe.request.create({ groupIds: [groupId] });
  const [answer] = (await connection.request('ConsumerGroupDescribe', body)).groups;
  if (answer?.errorCode === ErrorCode.GROUP_ID_NOT_FOUND) return undefined;
  const group = check(answer, `group ${groupId}`);
  return {
    groupId,
    state: group.groupState,
    protocolType: 'consumer',
    members: group.members.map(({ memberId, instanceId, clientId, clientHost, assignment }) => ({
      memberId,
      instanceId: instanceId ?? undefined,
      clientId,
      clientHost,
      assignment: new Map(assignment.topicPartitions.map(({ topicName, partitions }) => [topicName, partitions])),
    })),
  };
}
