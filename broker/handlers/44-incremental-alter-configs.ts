// IncrementalAlterConfigs (key 44): changes some settings of topics and leaves the others (KIP-339).
//
// Versions: 0-1.
// Behaviour
// - SET, DELETE (back to the default), APPEND and SUBTRACT (lists only: cleanup.policy). All changes of a resource are made together or none.
// - Settings of the broker stand in its configuration and cannot be changed by request: INVALID_REQUEST.
// Version notes: 1 flexible
import { topicSettings, checkSetting } from '../log/settings.ts';
import type { RequestOf } from '../wire/apis.ts';
import { ErrorCode, KafkaError } from '../wire/errors.ts';
import { incrementalAlterConfigsResponse } from '../wire/messages/44-incremental-alter-configs.ts';
import { handler, type HandlerContext } from './handler.ts';
import { alterResources, findAlterableTopic } from './resources.ts';

type Resource = RequestOf<'IncrementalAlterConfigs'>['resources'][number];

const operation = { set: 0, delete: 1, append: 2, subtract: 3 } as const;

export const incrementalAlterConfigs = handler({
  api: 'IncrementalAlterConfigs',
  versions: [0, 1],
  async handle(request, context) {
    const responses = await alterResources(request, context, (resource) => changesOf(resource, context));
    return incrementalAlterConfigsResponse.create({ responses });
  },
});

function changesOf(resource: Resource, context: HandlerContext): { name: string; value: string | null }[] {
  const topic = findAlterableTopic(resource, context);
  const values = new Map<string, string | null>();
  for (const { name, configOperation, value } of resource.configs) {
    const setting = topicSettings.find((known) => known.name === name);
    if (values.has(name)) throw new KafkaError(ErrorCode.INVALID_REQUEST, `Setting '${name}' is changed twice`);
    if (configOperation === operation.delete) {
      if (setting === undefined) throw new KafkaError(ErrorCode.INVALID_CONFIG, `There is no topic setting '${name}'`);
      values.set(name, null);
      continue;
    }
    if (value === null) throw new KafkaError(ErrorCode.INVALID_REQUEST, `Setting '${name}' has no value`);
    let changed = value;
    if (configOperation !== operation.set) {
      if (setting?.type !== 'list') throw new KafkaError(ErrorCode.INVALID_CONFIG, `Setting '${name}' is not a list`);
      const current = listOf(topic.configs[name] ?? setting.default);
      const given = listOf(value);
      const kept = current.filter((word) => !given.includes(word));
      changed = [...kept, ...(configOperation === operation.append ? given : [])].join(',');
    }
    checkSetting(name, changed);
    values.set(name, changed);
  }
  return [...values].map(([name, value]) => ({ name, value }));
}

function listOf(text: string): string[] {
  return text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
}
