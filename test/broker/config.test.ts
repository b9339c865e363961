// Broker settings: defaults, types, and clear refusals.
import { expect, test } from 'vitest';
import { BrokerSettings, checkAlteration } from '../../broker/config.ts';

test('defaults are there, given values are typed', () => {
  const settings = new BrokerSettings({
    'num.partitions': '4',
    'auto.create.topics.enable': 'false',
    'log.retention.ms': -1,
  });
  expect(settings.number('num.partitions')).toBe(4);
  expect(settings.boolean('auto.create.topics.enable')).toBe(false);
  expect(settings.number('socket.request.max.bytes')).toBe(104857600);
  expect(settings.chain('num.partitions')).toEqual([
    { value: '4', origin: 'configuration' },
    { value: '1', origin: 'default' },
  ]);
  expect(settings.chain('node.id')).toEqual([{ value: '1', origin: 'default' }]);
});

test('only what was set becomes a default of topics, under the name topics use', () => {
  expect(new BrokerSettings().topicDefaults()).toEqual({});
  expect(new BrokerSettings({ 'log.retention.ms': 1000, 'message.max.bytes': 5 }).topicDefaults()).toEqual({
    'retention.ms': '1000',
    'max.message.bytes': '5',
  });
});

test('an unknown setting is refused with the one that was meant', () => {
  expect(() => new BrokerSettings({ 'num.partition': 4 })).toThrow("did you mean 'num.partitions'?");
  expect(() => new BrokerSettings({ 'completely.other': 4 })).toThrow("There is no broker setting 'completely.other'.");
});

test('all problems come at once, each with what would be right', () => {
  const given = { 'num.partitions': 'many', 'delete.topic.enable': 'yes', 'min.insync.replicas': 2, 'node.id': -1 };
  expect(() => new BrokerSettings(given)).toThrow(
    [
      "Broker setting 'num.partitions' is 'many', but must be a whole number of at least 1.",
      "Broker setting 'delete.topic.enable' is 'yes', but must be true or false.",
      "Broker setting 'min.insync.replicas' is always 1 here: One node keeps one copy.",
      "Broker setting 'node.id' is '-1', but must be a whole number of at least 0.",
    ].join('\n'),
  );
});

test('what gives a default of topics accepts what topics accept, and refuses the rest', () => {
  const settings = new BrokerSettings({
    'log.cleaner.min.cleanable.ratio': 0.2,
    'log.message.timestamp.before.max.ms': '9223372036854775807',
    'log.cleanup.policy': 'compact,delete',
  });
  expect(settings.topicDefaults()).toEqual({
    'min.cleanable.dirty.ratio': '0.2',
    'message.timestamp.before.max.ms': '9223372036854775807',
    'cleanup.policy': 'compact,delete',
  });
  const given = { 'log.cleanup.policy': 'shred', 'log.segment.bytes': 5 };
  expect(() => new BrokerSettings(given)).toThrow(/'log.cleanup.policy'.*shred.*\n.*'log.segment.bytes'/);
});

test('what was altered for this broker comes before what was for all, the configuration and the default', () => {
  const settings = new BrokerSettings({ 'node.id': 7, 'max.connections': 30 });
  settings.alter(new Map([['', { 'max.connections': '20' }]]));
  expect(settings.number('max.connections')).toBe(20);
  const own = { 'max.connections': '10', 'log.retention.ms': '5' };
  const layers = [
    ['', { 'max.connections': '20' }],
    ['7', own],
    ['8', { 'max.connections': '1' }],
  ] as const;
  settings.alter(new Map<string, Record<string, string>>(layers));
  expect(settings.chain('max.connections')).toEqual([
    { value: '10', origin: 'broker' },
    { value: '20', origin: 'cluster' },
    { value: '30', origin: 'configuration' },
    { value: '2147483647', origin: 'default' },
  ]);
  expect(settings.overruled()).toEqual([{ name: 'max.connections', configured: '30', altered: '10' }]);
  expect(settings.topicDefaults()).toEqual({ 'retention.ms': '5' });
  settings.alter(new Map());
  expect(settings.number('max.connections')).toBe(30);
  expect(settings.topicDefaults()).toEqual({});
});

test('what another version has accepted and this one does not is passed over', () => {
  const settings = new BrokerSettings();
  settings.alter(
    new Map([['', { 'max.connections': '0', 'no.such': '1', 'num.partitions': '9', 'log.roll.ms': '9' }]]),
  );
  expect(settings.number('max.connections')).toBe(2147483647);
  expect(settings.number('num.partitions')).toBe(1);
  expect(settings.topicDefaults()).toEqual({ 'segment.ms': '9' });
});

test.each([
  ['num.partitions', '9', 'Cannot update these configs dynamically: [num.partitions]'],
  ['min.insync.replicas', '1', 'Cannot update these configs dynamically: [min.insync.replicas]'],
  ['log.cleaner.threads', '2', "There is no broker setting 'log.cleaner.threads'."],
  ['log.retention.ms', 'soon', "Broker setting 'log.retention.ms'"],
  ['max.connections', '0', 'at least 1'],
])('a request that sets %s to %s is refused', (name, value, words) => {
  expect(() => checkAlteration(name, value)).toThrow(words);
  expect(() => checkAlteration(name, null)).not.toThrow();
});
