// IncrementalAlterConfigs (key 44): changes some settings of topics or of the broker and leaves the others (KIP-339).
//
// Versions: 0-1.
// Behaviour
// - SET, DELETE (back to the default), APPEND and SUBTRACT (lists only: cleanup.policy). All changes of a resource are made together or none.
// - Settings of this broker, or of all brokers, which is the broker without name: those that `tailrace` acts on at once (broker/config.ts); what stands
//   above and below them is Kafka's order (KIP-226). Others are INVALID_REQUEST, also those that Kafka takes and that would do nothing here.
// Version notes: 1 flexible
import type { RequestOf } from '../wire/apis.ts';
import { ErrorCode, KafkaError } from '../wire/errors.ts';
import { incrementalAlterConfigsResponse } from '../wire/messages/44-incremental-alter-configs.ts';
import { handler } from './handler.ts';
import { type Alterable, alterResources } from './resources.ts';

type Resource = RequestOf<'IncrementalAlterConfigs'>['resources'][number];

const operation = { set: 0, delete: 1, append: 2, subtract: 3 } as const;

export const incrementalAlterConfigs = handler({
  api: 'IncrementalAlterConfigs',
  versions: [0, 1],
  async handle(request, context) {
    const responses = await alterResources(request, context, changesOf);
    return incrementalAlterConfigsResponse.create({ responses });
  },
});

function changesOf(resource: Resource, target: Alterable): { name: string; value: string | null }[] {
  const values = new Map<string, string | null>();
  for (const { name, configOperation, value } of resource.configs) {
    if (values.has(name)) throw new KafkaError(ErrorCode.INVALID_REQUEST, `Setting '${name}' is changed twice`);
    let changed = configOperation === operation.delete ? null : value;
    if (changed === null && configOperation !== operation.delete) {
      throw new KafkaError(ErrorCode.INVALID_REQUEST, `Setting '${name}' has no value`);
    }
    if (changed !== null && configOperation !== operation.set) {
      const byDefault = target.listDefault(name);
      if (byDefault === undefined) throw new KafkaError(ErrorCode.INVALID_CONFIG, `Setting '${name}' is not a list`);
      const given = listOf(changed);
      const kept = listOf(target.configs[name] ?? byDefault).filter((word) => !given.includes(word));
      changed = [...kept, ...(configOperation === operation.append ? given : [])].join(',');
    }
    target.check(name, changed);
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
