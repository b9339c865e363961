// Asks a broker in process, as agents and pipelines do, with as little of each request as a test cares about.
import type { Broker } from '../../broker/broker.ts';
import { type ApiName, apis, type RequestOf, type ResponseOf } from '../../broker/wire/apis.ts';
import type { Draft } from '../../broker/wire/schema.ts';

/** The answer of the latest version, or of `version`; with `inProcess` false as if it had come from a socket, so that nothing is taken on trust. */
export async function ask<K extends ApiName>(
  broker: Broker,
  api: K,
  draft: Draft<RequestOf<K>>,
  version = broker.versions().get(api)![1],
  inProcess = true,
): Promise<ResponseOf<K>> {
  const sender = { clientId: 'test', clientHost: '/127.0.0.1', inProcess };
  const response = await broker.handle(api, version, apis[api].request.create(draft), sender);
  if (response === undefined) throw new Error(`${api} was not answered`);
  return response;
}
