// What an answer to a bulk request means: pure functions from status and body to a verdict. The HTTP status alone is never trusted: a bulk of which
// every item failed is answered with 200. A verdict is about one item or the whole request:
//
//   stored, already-there   done
//   refused    for good: mapping conflicts, documents that cannot be; to the dead letters with the store's reason
//   retry      passing: 429, 5xx, no room in a queue; sent again, later and less at a time
//   blocked    nothing is wrong with the record: somebody must change a permission, a block, a template; the edge pauses with an alarm and tries again
//   misfit     the target cannot be used as it is (a data stream); the edge pauses until the configuration is changed
//   split      the request is too large
import { AllCreated } from './answer.ts';
import type { BulkOperation } from './bulk.ts';

export type Verdict =
  | { kind: 'stored' }
  | { kind: 'already-there' }
  | { kind: 'refused'; reason: string }
  | { kind: 'retry'; reason: string }
  | { kind: 'blocked'; reason: string }
  | { kind: 'misfit'; reason: string };

export type RequestVerdict =
  | { kind: 'items'; items: readonly Verdict[] }
  | { kind: 'all-stored' }
  | { kind: 'split'; reason: string }
  | Exclude<Verdict, { kind: 'stored' | 'already-there' | 'refused' }>;

const stored: Verdict = { kind: 'stored' };
const alreadyThere: Verdict = { kind: 'already-there' };
const maxReasonCharacters = 600;
const quotedCharacters = 120;

/** Types that say something about the index or the cluster, not about the document. */
const blockedTypes = new Set([
  'cluster_block_exception',
  'index_closed_exception',
  'index_not_found_exception',
  'security_exception',
]);
/** The same, where the store gives only a general type: full clusters, missing pipelines, aliases without a write index. */
const generalTypes = new Set(['illegal_argument_exception', 'validation_exception']);
/** From the beginning of the reason on, for what comes later in it may be the words of the document. */
const blockedReason =
  /^(validation failed: \d+: )?this action would add \[\d+\]|^pipeline with id \[|^no write index is defined|^index \[.*\] matches multiple/iu;
const misfitReason = /^only write ops with an op_type of create are allowed in data streams/iu;

interface StoreError {
  type: string;
  reason: string;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Errors are objects with type and reason (and causes), from old servers and proxies also plain texts. */
function readError(error: unknown): StoreError {
  if (!isRecord(error)) return { type: '', reason: typeof error === 'string' ? error : '' };
  const type = typeof error['type'] === 'string' ? error['type'] : '';
  const reason = typeof error['reason'] === 'string' ? error['reason'] : '';
  const cause = error['caused_by'] === undefined ? undefined : readError(error['caused_by']);
  const more = cause === undefined || cause.reason === '' || reason.includes(cause.reason) ? '' : `: ${cause.reason}`;
  return { type, reason: `${reason}${more}` };
}

function textOf({ type, reason }: StoreError, status: number): string {
  const text = [type, reason]
    .filter((part) => part !== '')
    .join(': ')
    .replace(/\s+/g, ' ');
  const short = text.length > maxReasonCharacters ? `${text.slice(0, maxReasonCharacters).toWellFormed()}…` : text;
  return short === '' ? `status ${status}` : short;
}

/** Of an answer that is no JSON: pages of proxies and log-ins. */
function quoted(body: string): string {
  const text = body.replace(/\s+/g, ' ').trim();
  const begin = text.length > quotedCharacters ? `${text.slice(0, quotedCharacters).toWellFormed()}…` : text;
  if (begin === '') return 'empty';
  const kind = /^<(!doctype html|html)/i.test(begin) ? 'a web page, as of a proxy or a log-in' : 'no JSON';
  return `${kind}: ${JSON.stringify(begin)}`;
}

/** The verdict on one item, from its status and error. */
export function verdictOfItem(status: number, error: unknown, operation: BulkOperation): Verdict {
  if (status >= 200 && status < 300 && error === undefined) return stored;
  if (status === 409 && operation === 'create') return alreadyThere;
  const read = readError(error);
  const reason = textOf(read, status);
  if (status === 429 && read.type === 'cluster_block_exception') return { kind: 'blocked', reason };
  if (status === 429 || status === 408 || status >= 500 || status < 400) return { kind: 'retry', reason };
  if (status === 401 || status === 403 || blockedTypes.has(read.type)) return { kind: 'blocked', reason };
  if (generalTypes.has(read.type) && misfitReason.test(read.reason)) return { kind: 'misfit', reason };
  if (generalTypes.has(read.type) && blockedReason.test(read.reason)) return { kind: 'blocked', reason };
  return { kind: 'refused', reason };
}

/** The verdict on an answer to a bulk of `count` items. */
export function verdictOfAnswer(
  status: number,
  body: unknown,
  count: number,
  operation: BulkOperation,
): RequestVerdict {
  if (status === 200) return verdictOfItems(body, count, operation);
  const error = isRecord(body) ? readError(body['error']) : { type: '', reason: '' };
  const reason = typeof body === 'string' && body !== '' ? `status ${status}, ${quoted(body)}` : textOf(error, status);
  if (status === 413) return { kind: 'split', reason };
  if (status === 408 || status === 429 || status >= 500 || status < 400) return { kind: 'retry', reason };
  return { kind: 'blocked', reason };
}

function verdictOfItems(body: unknown, count: number, operation: BulkOperation): RequestVerdict {
  if (body instanceof AllCreated && body.count === count) return { kind: 'all-stored' };
  const items = isRecord(body) ? body['items'] : undefined;
  if (!isRecord(body) || !Array.isArray(items) || items.length !== count) {
    if (typeof body === 'string') return { kind: 'retry', reason: `the answer to a bulk was ${quoted(body)}` };
    const counted = body instanceof AllCreated ? body.count : Array.isArray(items) ? items.length : undefined;
    const had = counted === undefined ? 'no items' : `${counted} of ${count} items`;
    return { kind: 'retry', reason: `the answer to a bulk had ${had}` };
  }
  if (body['errors'] === false) return { kind: 'all-stored' };
  return { kind: 'items', items: items.map((item: unknown) => verdictOfEntry(item, operation)) };
}

function verdictOfEntry(entry: unknown, operation: BulkOperation): Verdict {
  const result = isRecord(entry) ? Object.values(entry)[0] : undefined;
  if (!isRecord(result) || typeof result['status'] !== 'number')
    return { kind: 'retry', reason: 'the answer to a bulk had an item without status' };
  return verdictOfItem(result['status'], result['error'], operation);
}
