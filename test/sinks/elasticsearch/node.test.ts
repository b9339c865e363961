// A node that does not answer well: what that costs, and what its errors keep to themselves.
import { inspect } from 'node:util';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { ElasticNode } from '../../../sinks/elasticsearch/node.ts';
import { BulkStore, type Reaction } from '../../support/bulk-store.ts';

const document = JSON.stringify({ text: 'x'.repeat(1000) });
/** As large as bulks are. */
const body = Buffer.from(`{"create":{"_index":"app","_id":"1"}}\n${document}\n`.repeat(3600));
const authorization = 'ApiKey Z2VoZWlt';

let store: BulkStore;
let node: ElasticNode;
beforeEach(async () => {
  store = await BulkStore.start();
  node = new ElasticNode(store.url, { authorization, ca: undefined }, 9);
});
afterEach(async () => {
  await node.close();
  await store.stop();
});

it.each<[string, Reaction]>([
  ['half an answer', 'half'],
  ['a closed connection', 'reset'],
  ['503', { status: 503 }],
  ['413', { status: 413, body: { error: { type: 'too_large', reason: 'too large' } } }],
])('%s costs no more than sending, and tells no secret', async (_what, reaction) => {
  const send = () =>
    node.request({ method: 'POST', path: '/_bulk', body, kind: 'ndjson' }, new AbortController().signal);
  expect(await send()).toMatchObject({ status: 200 });
  store.react = () => reaction;
  const before = process.cpuUsage();
  const outcome: unknown = await send().catch((error: unknown) => error);
  const { user, system } = process.cpuUsage(before);
  // Copying the body by the byte, as the client does by itself to look for secrets, takes seconds and hundreds of megabytes.
  expect(user + system).toBeLessThan(700_000);
  expect(inspect(outcome, { depth: null, maxArrayLength: 10, maxStringLength: 2000 })).not.toContain('Z2VoZWlt');
});

it('hands on what a proxy answers in its place', async () => {
  const page = '<html>Please log in</html>';
  store.react = () => ({ status: 200, body: page });
  const answer = await node.request(
    { method: 'POST', path: '/_bulk', body, kind: 'ndjson' },
    new AbortController().signal,
  );
  expect(answer).toMatchObject({ status: 200, body: page });
});
