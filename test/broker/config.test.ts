// Broker settings: defaults, types, and clear refusals.
import { expect, test } from 'vitest';
import { BrokerSettings } from '../../broker/config.ts';

test('defaults are there, given values are typed', () => {
  const settings = new BrokerSettings({
    'num.partitions': '4',
    'auto.create.topics.enable': 'false',
    'log.retention.ms': -1,
  });
  expect(settings.number('num.partitions')).toBe(4);
  expect(settings.boolean('auto.create.topics.enable')).toBe(false);
  expect(settings.number('socket.request.max.bytes')).toBe(104857600);
  expect(settings.isDefault('num.partitions')).toBe(false);
  expect(settings.isDefault('node.id')).toBe(true);
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
