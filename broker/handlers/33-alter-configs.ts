// AlterConfigs (key 33): sets all settings of a topic, or all that can be altered of the broker, anew: those that are not named go back to their defaults.
// Old tools; new ones change single settings (44).
//
// Versions: 0-2.
// Behaviour
// - Of the broker as in IncrementalAlterConfigs.
// Version notes: 1 throttle · 2 flexible
import type { RequestOf } from '../wire/apis.ts';
import { ErrorCode, KafkaError } from '../wire/errors.ts';
import { alterConfigsResponse } from '../wire/messages/33-alter-configs.ts';
import { handler } from './handler.ts';
import { type Alterable, alterResources } from './resources.ts';

type Resource = RequestOf<'AlterConfigs'>['resources'][number];

export const alterConfigs = handler({
  api: 'AlterConfigs',
  versions: [0, 2],
  async handle(request, context) {
    const responses = await alterResources(request, context, changesOf);
    return alterConfigsResponse.create({ responses });
  },
});

function changesOf(resource: Resource, target: Alterable): { name: string; value: string | null }[] {
  const values = new Map<string, string | null>(Object.keys(target.configs).map((name) => [name, null]));
  const named = new Set<string>();
  for (const { name, value } of resource.configs) {
    if (named.has(name)) throw new KafkaError(ErrorCode.INVALID_REQUEST, `Setting '${name}' is set twice`);
    if (value === null) throw new KafkaError(ErrorCode.INVALID_REQUEST, `Setting '${name}' has no value`);
    target.check(name, value);
    named.add(name);
    values.set(name, value);
  }
  return [...values].map(([name, value]) => ({ name, value }));
}
