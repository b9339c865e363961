// Hands a request to its handler: the same for sockets and for this process.
import { TailraceError } from '../../base/errors.ts';
import type { ApiName, RequestOf, ResponseOf } from '../wire/apis.ts';
import type { HandlerContext, HandlerTable } from './handler.ts';

/** Whether `version` of `api` is served. */
export function isServed(handlers: HandlerTable, api: ApiName, version: number): boolean {
  const versions = handlers[api]?.versions;
  return versions !== undefined && version >= versions[0] && version <= versions[1];
}

/**
 * Starts the request now: what must happen in the order of the requests has happened when this returns. Rejects with TLR_PROTOCOL for what
 * is not served, and with what the handler threw.
 */
export function dispatch<K extends ApiName>(
  handlers: HandlerTable,
  api: K,
  request: RequestOf<K>,
  context: HandlerContext,
): Promise<ResponseOf<K> | undefined> {
  const handler = handlers[api];
  if (handler === undefined || !isServed(handlers, api, context.version)) {
    return Promise.reject(new TailraceError('TLR_PROTOCOL', `${api} version ${context.version} is not served`));
  }
  try {
    return Promise.resolve(handler.handle(request, context));
  } catch (error) {
    return Promise.reject(error instanceof Error ? error : new Error(String(error)));
  }
}
