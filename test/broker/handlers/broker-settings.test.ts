// Settings of the broker by request: what is shown, what can be altered, that it acts at once, and that it is there after a restart.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { apis } from '../../../broker/wire/apis.ts';
import { ErrorCode } from '../../../broker/wire/errors.ts';
import { ask } from '../../support/in-process.ts';
import { RawClient } from '../../support/raw-client.ts';
import { startTestBroker, type TestBroker } from '../../support/test-broker.ts';
import { batchOf } from '../../support/text-batches.ts';

let server: TestBroker;

beforeAll(async () => {
  server = await startTestBroker({ settings: { 'num.partitions': 3, 'log.retention.ms': 5000 } });
  await ask(server.broker, 'CreateTopics', { topics: [{ name: 'lines', numPartitions: 1, replicationFactor: 1 }] });
});
afterAll(() => server.close());

const operations = { set: 0, delete: 1, append: 2, subtract: 3 };

async function alter(
  resourceName: string,
  operation: keyof typeof operations,
  name: string,
  value: string | null = null,
) {
  const configs = [{ name, configOperation: operations[operation], value }];
  const resources = [{ resourceType: 4, resourceName, configs }];
  return (await ask(server.broker, 'IncrementalAlterConfigs', { resources })).responses[0]!.errorCode;
}

async function describeAll(resourceType: number, resourceName: string) {
  const resources = [{ resourceType, resourceName, configurationKeys: null }];
  const { results } = await ask(server.broker, 'DescribeConfigs', { resources, includeSynonyms: true });
  return results[0]!;
}

/** The values of a setting with Kafka's numbers of where they stand, the one that counts first. */
async function chain(name: string, resourceName = '1', resourceType = 4) {
  const found = (await describeAll(resourceType, resourceName)).configs.find((config) => config.name === name);
  return found?.synonyms.map(({ value, source }) => `${source}: ${value}`);
}

test('are shown with where they come from, and which of them can be altered', async () => {
  const shown = new Map((await describeAll(4, '1')).configs.map((config) => [config.name, config]));
  expect(shown.get('num.partitions')).toMatchObject({ value: '3', configSource: 4, readOnly: true, configType: 3 });
  expect(shown.get('auto.create.topics.enable')).toMatchObject({ value: 'true', configSource: 5, configType: 1 });
  expect(shown.get('message.max.bytes')).toMatchObject({ configSource: 5, readOnly: false });
  expect((await describeAll(4, '9')).errorCode).toBe(ErrorCode.INVALID_REQUEST);
  expect((await describeAll(4, '')).configs).toEqual([]);
});

test('this broker’s own stand before those of all brokers, the configuration and the default, in topics too', async () => {
  expect(await alter('', 'set', 'log.retention.ms', '1000')).toBe(0);
  expect(await alter('1', 'set', 'log.retention.ms', '2000')).toBe(0);
  const all = ['2: 2000', '3: 1000', '4: 5000', '5: 604800000'];
  expect(await chain('log.retention.ms')).toEqual(all);
  expect(await chain('retention.ms', 'lines', 2)).toEqual(all);
  expect(await chain('log.retention.ms', '')).toEqual(['3: 1000']);
  await server.restart();
  expect(await chain('log.retention.ms')).toEqual(all);
  expect(await alter('1', 'delete', 'log.retention.ms')).toBe(0);
  expect(await alter('1', 'delete', 'log.retention.ms')).toBe(0);
  expect(await chain('log.retention.ms')).toEqual(all.slice(1));
  expect(await alter('', 'delete', 'log.retention.ms')).toBe(0);
  expect(await chain('log.retention.ms')).toEqual(all.slice(2));
});

test('lists are added to and taken from', async () => {
  expect(await alter('', 'append', 'log.cleanup.policy', 'compact')).toBe(0);
  expect(await chain('log.cleanup.policy', '')).toEqual(['3: delete,compact']);
  expect(await alter('', 'subtract', 'log.cleanup.policy', 'compact')).toBe(0);
  expect(await chain('log.cleanup.policy', '')).toEqual(['3: delete']);
  expect(await alter('', 'append', 'log.retention.ms', '1')).toBe(ErrorCode.INVALID_CONFIG);
});

test.each([
  ['1', 'num.partitions', '9'],
  ['', 'node.id', '2'],
  ['1', 'log.cleaner.threads', '2'],
  ['1', 'log.retention.ms', 'soon'],
  ['1', 'log.retention.ms', null],
  ['1', 'compression.type', 'none'],
  ['7', 'log.retention.ms', '1'],
])('of broker %j %s=%s is refused', async (broker, name, value) => {
  const before = await chain(name);
  expect(await alter(broker, 'set', name, value)).toBe(ErrorCode.INVALID_REQUEST);
  expect(await chain(name)).toEqual(before);
});

test('AlterConfigs sets what it names and takes the rest away', async () => {
  const replace = async (values: Record<string, string>, validateOnly = false) => {
    const configs = Object.entries(values).map(([name, value]) => ({ name, value }));
    const resources = [{ resourceType: 4, resourceName: '1', configs }];
    return (await ask(server.broker, 'AlterConfigs', { resources, validateOnly })).responses[0]!.errorCode;
  };
  expect(await replace({ 'log.retention.bytes': '1', 'log.roll.ms': '7' })).toBe(0);
  expect(await replace({ 'log.retention.bytes': '2' }, true)).toBe(0);
  expect(await chain('log.roll.ms')).toEqual(['2: 7', '5: 604800000']);
  expect(await replace({ 'log.retention.bytes': '2' })).toBe(0);
  expect(await chain('log.roll.ms')).toEqual(['5: 604800000']);
  expect(await chain('log.retention.bytes')).toEqual(['2: 2', '5: -1']);
  expect(await replace({ 'log.roll.ms': '7', 'node.id': '4' })).toBe(ErrorCode.INVALID_REQUEST);
  expect(await replace({})).toBe(0);
  expect(await chain('log.retention.bytes')).toEqual(['5: -1']);
});

describe('act at once', () => {
  const produce = async (name: string) => {
    const topicData = [{ name, partitionData: [{ index: 0, records: batchOf(['x'.repeat(2000)]) }] }];
    const answer = await ask(server.broker, 'Produce', { acks: -1, topicData }, 12);
    return answer.responses[0]!.partitionResponses[0]!.errorCode;
  };

  test('on topics that do not say otherwise', async () => {
    const own = [{ name: 'max.message.bytes', value: '5000' }];
    const topics = [{ name: 'own', numPartitions: 1, replicationFactor: 1, configs: own }];
    await ask(server.broker, 'CreateTopics', { topics });
    expect(await produce('lines')).toBe(0);
    await alter('', 'set', 'message.max.bytes', '1000');
    expect(await produce('lines')).toBe(ErrorCode.MESSAGE_TOO_LARGE);
    expect(await produce('own')).toBe(0);
    await server.restart();
    expect(await produce('lines')).toBe(ErrorCode.MESSAGE_TOO_LARGE);
    await alter('', 'delete', 'message.max.bytes');
    expect(await produce('lines')).toBe(0);
  });

  test('on connections that come then', async () => {
    const first = await RawClient.connect(server.port);
    await alter('1', 'set', 'max.connections.per.ip', '1');
    const second = await RawClient.connect(server.port);
    await second.closed;
    await alter('1', 'delete', 'max.connections.per.ip');
    const third = await RawClient.connect(server.port);
    for (const client of [first, third]) {
      expect((await client.request('ApiVersions', 0, apis.ApiVersions.request.create())).errorCode).toBe(0);
      client.close();
    }
  });
});
