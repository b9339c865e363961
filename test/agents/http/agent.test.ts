// The http agent on a real broker: what it takes and refuses, keys, group commit, and the truth about what was in the air when the log failed.
import { request as httpsRequest } from 'node:https';
import { connect, type Socket } from 'node:net';
import { deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { httpAgent } from '../../../agents/http/agent.ts';
import { Intake } from '../../../agents/http/intake.ts';
import { seededRandom } from '../../../base/random.ts';
import { selfSigned } from '../../support/self-signed.ts';
import { HttpBench } from '../support/http-bench.ts';

let bench: HttpBench;
beforeEach(async () => {
  bench = await HttpBench.open();
});
afterEach(async () => {
  await bench.close();
});

const values = async (topic?: string) => (await bench.records(topic)).map(({ value }) => value);

/** What a raw connection gets back, to its end. */
function conversation(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    socket.on('data', (chunk) => (answer += chunk.toString('latin1')));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(answer));
  });
}

describe('POST /ingest', () => {
  it('stores NDJSON, JSON arrays and plain lines, byte for byte', async () => {
    const agent = await bench.start({ topics: ['audit'] });
    const first = await bench.post('/ingest/app', '{"a": 1}\n{"b":2}\n');
    expect(first.status).toBe(200);
    expect(await first.json()).toEqual({ topic: 'app', accepted: 2, guarantee: 'at least once' });
    expect((await bench.post('/ingest/audit', '[{"c":3}, 4]', { 'content-type': 'application/json' })).status).toBe(
      200,
    );
    expect((await bench.post('/ingest', 'plain\n\ntext', { 'content-type': 'text/plain' })).status).toBe(200);
    expect(await values()).toEqual(['{"a": 1}', '{"b":2}', 'plain', '', 'text']);
    expect(await values('audit')).toEqual(['{"c":3}', '4']);
    expect(agent.ledger()).toMatchObject({ committedLines: { app: 5, audit: 2 }, totalLines: { app: 5, audit: 2 } });
  });

  it('undoes gzip, deflate in both kinds, and zstd; refuses what is cut off or unknown', async () => {
    await bench.start();
    const body = Buffer.from('{"packed":true}\n');
    const encodings: [string, Buffer][] = [
      ['gzip', gzipSync(body)],
      ['deflate', deflateSync(body)],
      ['deflate', deflateRawSync(body)],
      ['zstd', zstdCompressSync(body)],
    ];
    for (const [encoding, packed] of encodings) {
      expect((await bench.post('/ingest', packed, { 'content-encoding': encoding })).status, encoding).toBe(200);
      const cut = await bench.post('/ingest', packed.subarray(0, -3), { 'content-encoding': encoding });
      expect(cut.status, `${encoding} cut off`).toBe(400);
    }
    expect((await bench.post('/ingest', body, { 'content-encoding': 'br' })).status).toBe(415);
    expect((await bench.post('/ingest', body, { 'content-encoding': 'gzip' })).status).toBe(400);
    expect(await values()).toHaveLength(4);
  });

  it('names the broken line and stores nothing of that request', async () => {
    await bench.start();
    const answer = await bench.post('/ingest', '{"a":1}\n{"b":2}\n{"c":\n');
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ line: 3 });
    expect(bench.transactions).toBe(0);
  });

  it('refuses topics, types, sizes and methods that are not meant', async () => {
    await bench.start({ max_body: '1KiB', max_decompressed: '4KiB', max_pending: '5KiB' });
    expect((await bench.post('/ingest/other', '1')).status).toBe(404);
    expect((await bench.post('/ingest', '1', { 'content-type': 'image/png' })).status).toBe(415);
    expect((await bench.post('/ingest', `"${'x'.repeat(2_000)}"`)).status).toBe(413);
    const bomb = gzipSync(Buffer.alloc(1_000_000, 'x'));
    expect((await bench.post('/ingest', bomb.subarray(0, 1_000), { 'content-encoding': 'gzip' })).status).toBe(413);
    expect((await fetch(`http://127.0.0.1:${bench.port}/ingest/app`)).status).toBe(404);
    expect((await bench.post('/ingest', '1')).status).toBe(200);
  });

  it('answers 429 and when to come back while too much is under way, and takes the same later', async () => {
    await bench.start({ max_pending: '20KiB', max_body: '20KiB', max_decompressed: '20KiB' });
    const gate = Promise.withResolvers<boolean>();
    const reached = Promise.withResolvers<boolean>();
    bench.onCommit = async (transaction) => {
      reached.resolve(true);
      await gate.promise;
      await transaction.commit();
    };
    const post = (letter: string) => bench.post('/ingest', `"${letter.repeat(12_000)}"`);
    const first = post('a');
    await reached.promise;
    const refused = await post('b');
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
    expect(await refused.json()).toMatchObject({ status: 429, error: expect.stringContaining('under way') as string });
    gate.resolve(true);
    expect((await first).status).toBe(200);
    expect((await post('b')).status).toBe(200);
    expect((await values()).map((value) => value[1])).toEqual(['a', 'b']);
  });

  it('refuses a record that the topic cannot hold, by its line', async () => {
    await bench.start();
    const answer = await bench.post('/ingest', `1\n"${'x'.repeat(1_100_000)}"\n`);
    expect(answer.status).toBe(413);
    expect(await answer.json()).toMatchObject({ line: 2 });
  });
});

describe('who may write', () => {
  it('needs the token or the password', async () => {
    await bench.start({ auth: { bearer: 'secret-token', basic: { user: 'me', password: 'a:b' } } });
    const status = async (authorization: string) => (await bench.post('/ingest', '1', { authorization })).status;
    const refused = await bench.post('/ingest', '1');
    expect(refused.status).toBe(401);
    expect(refused.headers.get('www-authenticate')).toContain('Bearer');
    expect(await status('Bearer secret-toke')).toBe(401);
    expect(await status(`Bearer me:a:b`)).toBe(401);
    expect(await status('Bearer secret-token')).toBe(200);
    expect(await status(`basic ${Buffer.from('me:a:b').toString('base64')}`)).toBe(200);
    expect(await status(`Basic ${Buffer.from('me:a').toString('base64')}`)).toBe(401);
  });

  it('a listener that others reach is refused without auth', () => {
    const parse = (settings: Record<string, unknown>) => () => httpAgent.settings.parse(settings);
    expect(parse({ listen: '0.0.0.0:8080' })).toThrow(/insecure: true/);
    expect(parse({ listen: '0.0.0.0:8080', insecure: true })).not.toThrow();
    expect(parse({ listen: '0.0.0.0:8080', auth: { bearer: 'x' } })).not.toThrow();
    expect(parse({ listen: '[::1]:8080' })).not.toThrow();
    expect(parse({ listen: '127.0.0.1' })).toThrow(/host:port/);
    expect(httpAgent.fromUrl('http://127.0.0.1:8080')).toEqual({ listen: '127.0.0.1:8080' });
    expect(httpAgent.fromUrl('https://127.0.0.1:8080')).toBeUndefined();
  });

  it('speaks TLS', async () => {
    await bench.start({ tls: selfSigned() });
    const status = await new Promise((resolve, reject) => {
      const options = { method: 'POST', rejectUnauthorized: false, headers: { 'content-type': 'text/plain' } };
      httpsRequest(`https://127.0.0.1:${bench.port}/ingest`, options, ({ statusCode }) => resolve(statusCode))
        .on('error', reject)
        .end('over TLS\n');
    });
    expect(status).toBe(200);
    expect(await values()).toEqual(['over TLS']);
  });
});

describe('clients that are slow or go away', () => {
  it('get 408 when headers or body are not there in time', async () => {
    await bench.start({ timeout: '300ms' });
    const head = 'POST /ingest HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 100\r\n';
    for (const sent of [head.slice(0, 40), `${head}\r\nhalf a li`]) {
      const socket = connect(bench.port, '127.0.0.1');
      socket.write(sent);
      expect(await conversation(socket)).toMatch(/^HTTP\/1\.1 408 /);
    }
    expect(bench.transactions).toBe(0);
  });

  it('leave nothing behind when they end in the middle', async () => {
    await bench.start({ max_pending: '20KiB', max_body: '20KiB', max_decompressed: '20KiB' });
    for (let round = 0; round < 5; round++) {
      const socket = connect(bench.port, '127.0.0.1');
      const ended = conversation(socket);
      const head = 'POST /ingest HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 15000\r\n\r\n';
      socket.end(head + 'x\n'.repeat(5_000));
      await ended;
    }
    expect((await bench.post('/ingest', 'y\n'.repeat(9_000), { 'content-type': 'text/plain' })).status).toBe(200);
    expect(new Set(await values())).toEqual(new Set(['y']));
  });
});

describe('stopping', () => {
  it('answers what comes over connections that are open, and stores it', async () => {
    const agent = await bench.start();
    const gate = Promise.withResolvers<boolean>();
    const reached = Promise.withResolvers<boolean>();
    bench.onCommit = async (transaction) => {
      reached.resolve(true);
      await gate.promise;
      await transaction.commit();
    };
    const socket = connect(bench.port, '127.0.0.1');
    const answers = conversation(socket);
    const request = (body: string) =>
      socket.write(`POST /ingest HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 1\r\n\r\n${body}`);
    request('1');
    await reached.promise;
    const stopped = agent.stop(5_000);
    await expect.poll(() => fetch(`http://127.0.0.1:${bench.port}/`).catch(() => 'refused')).toBe('refused');
    request('2');
    gate.resolve(true);
    await stopped;
    expect((await answers).match(/HTTP\/1\.1 \d+|connection: [a-z-]+/gi)).toEqual([
      ...['HTTP/1.1 200', 'Connection: keep-alive', 'HTTP/1.1 200', 'Connection: close'],
    ]);
    expect(await values()).toEqual(['1', '2']);
  });
});

describe('Idempotency-Key', () => {
  it('stores a repeat once, also after a restart, and refuses another body', async () => {
    await bench.start();
    const post = (body: string, key = 'k1') => bench.post('/ingest', body, { 'idempotency-key': key });
    const first = await post('1\n2\n');
    const answer = await first.json();
    expect(answer).toEqual({ topic: 'app', accepted: 2, guarantee: 'exactly once' });
    await bench.stop();
    await bench.start();
    const again = await post('1\n2\n');
    expect(again.headers.get('idempotency-replayed')).toBe('true');
    expect(await again.json()).toEqual(answer);
    expect((await post('1\n3\n')).status).toBe(422);
    expect((await post('1\n3\n', 'k2')).status).toBe(200);
    expect(await values()).toEqual(['1', '2', '1', '3']);
    expect(bench.agent!.ledger().totalLines).toEqual({ app: 4 });
  });

  it('answers 409 while the first request is under way', async () => {
    await bench.start();
    const gate = Promise.withResolvers<boolean>();
    const reached = Promise.withResolvers<boolean>();
    bench.onCommit = async (transaction) => {
      reached.resolve(true);
      await gate.promise;
      await transaction.commit();
    };
    const first = bench.post('/ingest', '1', { 'idempotency-key': 'k' });
    await reached.promise;
    const second = await bench.post('/ingest', '1', { 'idempotency-key': 'k' });
    expect(second.status).toBe(409);
    expect(second.headers.get('retry-after')).toBe('1');
    gate.resolve(true);
    expect((await first).status).toBe(200);
    expect(await values()).toEqual(['1']);
  });

  it('is forgotten when its time is over', async () => {
    await bench.start({ keep_keys: '1ms' });
    for (const body of ['1', '2', '3']) {
      expect((await bench.post('/ingest', body, { 'idempotency-key': 'k' })).status).toBe(200);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    expect(await values()).toEqual(['1', '2', '3']);
  });
});

describe('the log', () => {
  it('takes requests that arrive together in one transaction', async () => {
    await bench.start();
    const gate = Promise.withResolvers<boolean>();
    bench.onCommit = async (transaction) => {
      await gate.promise;
      await transaction.commit();
    };
    const submitted = vi.spyOn(Intake.prototype, 'submit');
    const requests = Array.from({ length: 21 }, (_none, index) => bench.post('/ingest', String(index)));
    await vi.waitFor(() => expect(submitted).toHaveBeenCalledTimes(21), 20_000);
    submitted.mockRestore();
    gate.resolve(true);
    const statuses = (await Promise.all(requests)).map(({ status }) => status);
    expect(new Set(statuses)).toEqual(new Set([200]));
    // That of the first, which others found under way, and theirs.
    expect(bench.transactions).toBeLessThanOrEqual(2);
    expect((await values()).map(Number).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 21 }, (_n, index) => index),
    );
  });

  it.each(['before', 'after'])('tells the truth when it fails %s the decision', async (when) => {
    await bench.start();
    bench.onCommit = async (transaction) => {
      bench.onCommit = undefined;
      if (when === 'after') await transaction.commit();
      else await transaction.abort();
      throw new Error('the connection broke');
    };
    const answer = await bench.post('/ingest', '1\n2\n');
    expect(answer.status).toBe(when === 'after' ? 200 : 503);
    if (when === 'before') expect(answer.headers.get('retry-after')).toBe('5');
    expect(await values()).toEqual(when === 'after' ? ['1', '2'] : []);
    expect((await bench.post('/ingest', '3')).status).toBe(200);
    expect(bench.agent!.ledger().totalLines).toEqual({ app: when === 'after' ? 3 : 1 });
    expect(bench.agent!.ledger().committedLines).toEqual({ app: when === 'after' ? 3 : 1 });
  });

  it.each([1, 2])('keeps each acknowledged line once while it keeps failing (seed %i)', async (seed) => {
    const random = seededRandom(seed);
    await bench.start();
    bench.onCommit = async (transaction) => {
      const fate = random.next();
      if (fate < 0.1) await transaction.abort();
      else await transaction.commit();
      if (fate < 0.2) throw new Error('the connection broke');
    };
    const client = async (name: number) => {
      for (let number = 0; number < 6; number++) {
        const lines = Array.from(
          { length: 1 + Math.floor(random.next() * 5) },
          (_none, at) => `"${name}-${number}-${at}"`,
        );
        const keyed = random.next() < 0.5;
        for (;;) {
          const headers: Record<string, string> = keyed ? { 'idempotency-key': `${name}-${number}` } : {};
          const { status } = await bench.post('/ingest', lines.join('\n'), headers);
          if (status === 200) break;
          expect([409, 503]).toContain(status);
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
        sent.push(...lines);
      }
    };
    const sent: string[] = [];
    await Promise.all(Array.from({ length: 6 }, (_none, name) => client(name)));
    bench.onCommit = undefined;
    expect((await values()).sort()).toEqual(sent.sort());
    expect(bench.agent!.ledger().totalLines).toEqual({ app: sent.length });
  });
});

describe('_bulk', () => {
  it('answers what shippers ask first, and takes documents with their ids', async () => {
    await bench.start({ topics: ['audit'] });
    const get = async (path: string, method = 'GET') => fetch(`http://127.0.0.1:${bench.port}${path}`, { method });
    const about = await get('/');
    expect(about.headers.get('x-elastic-product')).toBe('Elasticsearch');
    expect(await about.json()).toMatchObject({ tagline: 'You Know, for Search', version: { number: '8.19.0' } });
    for (const path of ['/', '/app', '/_index_template/logs', '/_license'])
      expect((await get(path, 'HEAD')).status).toBe(200);
    for (const path of ['/_license', '/_xpack', '/_cluster/health', '/_nodes/http', '/_ilm/policy/x'])
      expect((await get(path)).status, path).toBe(200);
    const put = { method: 'PUT', body: '{}', headers: { 'content-type': 'application/json' } };
    expect((await fetch(`http://127.0.0.1:${bench.port}/_index_template/logs`, put)).status).toBe(200);
    expect((await get('/_search')).status).toBe(404);
    const body =
      '{"create":{"_index":"audit","_id":"id-1"}}\n{"a":1}\n{"update":{"_id":"2"}}\n{}\n{"index":{}}\n{"b":2}\n';
    const answer = await bench.post('/some-index/_bulk', body, {
      'content-type': 'application/vnd.elasticsearch+x-ndjson; compatible-with=9',
    });
    expect(await answer.json()).toMatchObject({
      errors: true,
      items: [{ create: { status: 201 } }, { update: { status: 400 } }, { index: { status: 201 } }],
    });
    expect(await bench.records('audit')).toEqual([{ key: 'id-1', value: '{"a":1}', partition: 0 }]);
    expect(await values()).toEqual(['{"b":2}']);
  });

  it('serves Elastic’s own client, as if it were the store', async () => {
    await bench.start();
    const { Client } = await import('@elastic/elasticsearch');
    const client = new Client({ node: `http://127.0.0.1:${bench.port}` });
    expect((await client.info()).version.number).toBe('8.19.0');
    const documents = Array.from({ length: 500 }, (_none, number) => ({ number }));
    const outcome = await client.helpers.bulk({
      datasource: documents,
      onDocument: ({ number }) => ({ create: { _index: 'logs', _id: `n${number}` } }),
    });
    expect(outcome).toMatchObject({ total: 500, successful: 500, failed: 0 });
    await client.close();
    const records = await bench.records();
    expect(records.map(({ value }) => value)).toEqual(documents.map((document) => JSON.stringify(document)));
    expect(records[7]!.key).toBe('n7');
  });
});
