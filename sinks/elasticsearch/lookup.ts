// Asks a store which ids it has, in all indices behind a name.
import { TailraceError } from '../../base/errors.ts';
import type { BulkStore } from './sender.ts';

/** Ids that are looked up in one request; the stores give back 10,000 documents at most. */
const idsAtOnce = 5000;

/** Makes what was stored before visible to searches; the status of the answer. */
export async function refresh(store: BulkStore, name: string, signal: AbortSignal): Promise<number> {
  const path = `/${encodeURIComponent(name)}/_refresh`;
  return (await store.request({ method: 'POST', path }, signal)).status;
}

/** The ids that are there, after a refresh. Throws TailraceError TLR_SINK, retriable. */
export async function findIds(
  store: BulkStore,
  name: string,
  ids: readonly string[],
  signal: AbortSignal,
): Promise<Set<string>> {
  const found = new Set<string>();
  for (let from = 0; from < ids.length; from += idsAtOnce) {
    const some = ids.slice(from, from + idsAtOnce);
    const query = { query: { ids: { values: some } }, _source: false, size: some.length, track_total_hits: false };
    const options = 'allow_partial_search_results=false&filter_path=hits.hits._id';
    const path = `/${encodeURIComponent(name)}/_search?${options}`;
    const body = Buffer.from(JSON.stringify(query));
    const answer = await store.request({ method: 'POST', path, body, kind: 'json' }, signal);
    if (answer.status !== 200) throw lookupProblem(store, name, answer.status, answer.body);
    // `filter_path` leaves an empty object where nothing was found.
    const { hits } = answer.body as { hits?: { hits?: { _id: string }[] } };
    for (const { _id } of hits?.hits ?? []) found.add(_id);
  }
  return found;
}

export function lookupProblem(store: BulkStore, name: string, status: number, body: unknown): TailraceError {
  const reason = body === undefined ? '' : ` ${JSON.stringify(body).slice(0, 300)}`;
  const message = `${store.name}: what may be in ${name} already cannot be looked up (status ${status}${reason}); the rights read and maintenance are needed for that`;
  return new TailraceError('TLR_SINK', message, { retriable: true });
}
