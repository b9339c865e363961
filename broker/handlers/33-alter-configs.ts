// AlterConfigs (key 33): sets all settings of a topic anew: those that are not named go back to their defaults. Old tools; new ones change single
// settings (44).
//
// Versions: 0-2.
// Behaviour
// - Settings of the broker stand in its configuration and cannot be changed by request: INVALID_REQUEST.
// Version notes: 1 throttle · 2 flexible
import { checkSetting } from '../log/settings.ts';
import type { RequestOf } from '../wire/apis.ts';
import { ErrorCode, KafkaError } from '../wire/errors.ts';
import { alterConfigsResponse } from '../wire/messages/33-alter-configs.ts';
import { handler, type HandlerContext } from './handler.ts';
import { alterResources, findAlterableTopic } from './resources.ts';

type Resource = RequestOf<'AlterConfigs'>['resources'][number];

export const alterConfigs = handler({
  api: 'AlterConfigs',
  versions: [0, 2],
  async handle(request, context) {
    const responses = await alterResources(request, context, (resource) => changesOf(resource, context));
    return alterConfigsResponse.create({ responses });
  },
});

function changesOf(resource: Resource, context: HandlerContext): { name: string; value: string | null }[] {
  const topic = findAlterableTopic(resource, context);
  const values = new Map<string, string | null>(Object.keys(topic.configs).map((name) => [name, null]));
  const named = new Set<string>();
  for (const { name, value } of resource.configs) {
    if (named.has(name)) throw new KafkaError(ErrorCode.INVALID_REQUEST, `Setting '${name}' is set twice`);
    if (value === null) throw new KafkaError(ErrorCode.INVALID_REQUEST, `Setting '${name}' has no value`);
    checkSetting(name, value);
    named.add(name);
    values.set(name, value);
  }
  return [...values].map(([name, value]) => ({ name, value }));
}
