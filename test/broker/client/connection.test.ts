// The socket connection against a server that misbehaves as told: cut frames, silence, strange versions, answers nobody asked for.
import { createServer, type Server, type Socket } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { type Clock, systemClock } from '../../../base/clock.ts';
import type { Connection } from '../../../broker/client/contract.ts';
import { FrameReader } from '../../../broker/client/frame-reader.ts';
import { parseBootstrap, SocketTransport } from '../../../broker/client/socket-transport.ts';
import { type ApiName, apis, type ResponseOf } from '../../../broker/wire/apis.ts';
import { decodeRequestHeader, encodeResponse, type RequestHeader } from '../../../broker/wire/frame.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { freePort } from '../../support/test-broker.ts';

type Answer = (header: RequestHeader, socket: Socket) => Buffer | undefined;

function answerOf<K extends ApiName>(
  api: K,
  header: RequestHeader,
  body: ResponseOf<K>,
  version = header.version,
): Buffer {
  return Buffer.concat(encodeResponse(api, version, header.correlationId, body));
}

const allVersions = (header: RequestHeader) =>
  answerOf(
    'ApiVersions',
    header,
    apis.ApiVersions.response.create({
      apiKeys: Object.values(apis).map(({ key, versions }) => ({
        apiKey: key,
        minVersion: versions[0],
        maxVersion: versions[1],
      })),
      finalizedFeatures: [{ name: 'transaction.version', maxVersionLevel: 2, minVersionLevel: 2 }],
    }),
  );

let stop: (() => Promise<void>) | undefined;
afterEach(async () => {
  await stop?.();
  stop = undefined;
});

async function listen(answer: Answer): Promise<number> {
  const port = await freePort();
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    const reader = new FrameReader(1 << 20, (frame) => {
      const bytes = answer(decodeRequestHeader(frame).header, socket);
      if (bytes !== undefined) socket.write(bytes);
    });
    socket.on('data', (chunk: Buffer) => reader.push(chunk));
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  stop = () => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(() => resolve()));
  };
  return port;
}

function connect(port: number, clock: Clock = systemClock): Promise<Connection> {
  const transport = new SocketTransport({ bootstrap: [{ host: '127.0.0.1', port }], clientId: 'test', clock });
  return transport.connect(transport.bootstrap[0]!);
}

async function connectTo(answer: Answer): Promise<Connection> {
  return connect(await listen(answer));
}

const metadata = apis.Metadata.request.create({ topics: [] });

describe('a connection', () => {
  it('learns versions and features, and uses the greatest in common', async () => {
    const connection = await connectTo((header) => (header.api === 'ApiVersions' ? allVersions(header) : undefined));
    expect(connection.versionOf('Produce')).toBe(apis.Produce.versions[1]);
    expect(connection.versionOf('Produce', 11)).toBe(11);
    expect(connection.feature('transaction.version')).toBe(2);
    expect(connection.feature('group.version')).toBe(0);
    await connection.close();
  });

  it('falls back when the broker knows only old versions, and says which API they do not share', async () => {
    const asked: number[] = [];
    const connection = await connectTo((header) => {
      asked.push(header.version);
      const apiKeys = [
        { apiKey: 18, minVersion: 0, maxVersion: 2 },
        { apiKey: 0, minVersion: 0, maxVersion: 1 },
      ];
      const isKnown = header.version <= 2;
      const body = apis.ApiVersions.response.create({ errorCode: isKnown ? 0 : 35, apiKeys });
      return answerOf('ApiVersions', header, body, isKnown ? header.version : 0);
    });
    expect(asked).toEqual([apis.ApiVersions.versions[1], 2]);
    expect(() => connection.versionOf('Produce')).toThrow(/no version of Produce in common: the broker has 0 to 1/);
    expect(() => connection.versionOf('Fetch')).toThrow(/does not offer Fetch/);
    await connection.close();
  });

  it('matches answers to requests', async () => {
    const held: Buffer[] = [];
    const connection = await connectTo((header, socket) => {
      if (header.api === 'ApiVersions') return allVersions(header);
      held.push(answerOf('Metadata', header, apis.Metadata.response.create({ clusterId: `${held.length}` })));
      if (held.length === 3) for (const bytes of held.reverse()) socket.write(bytes);
      return undefined;
    });
    const answers = await Promise.all([0, 1, 2].map(() => connection.request('Metadata', metadata)));
    expect(answers.map(({ clusterId }) => clusterId)).toEqual(['0', '1', '2']);
    await connection.close();
  });

  it('holds back what the broker does not want yet, in its order, and gives it that much longer', async () => {
    const clock = new ManualClock();
    let seen = 0;
    const port = await listen((header) => {
      if (header.api === 'ApiVersions') return allVersions(header);
      if (header.api !== 'Metadata') return undefined;
      const throttleTimeMs = ++seen === 1 ? 400 : 0;
      return answerOf('Metadata', header, apis.Metadata.response.create({ throttleTimeMs }));
    });
    const connection = await connect(port, clock);
    await connection.request('Metadata', metadata);
    const [second, third] = [0, 1].map(() => connection.request('Metadata', metadata, { timeoutMs: 100 }));
    // What goes over another connection arrives after all that was sent before.
    const other = await connect(port);
    await other.request('Metadata', metadata);
    expect(seen).toBe(2);
    clock.pass(399);
    await other.request('Metadata', metadata);
    expect(seen).toBe(3);
    clock.pass(1);
    await Promise.all([second, third]);
    expect(seen).toBe(5);
    const lost = connection.request('Metadata', metadata);
    await connection.close();
    await expect(lost).rejects.toMatchObject({ code: 'TLR_CLOSED' });
    await other.close();
  });

  it('ends when an answer does not come in time: that request times out, the others are of unknown outcome', async () => {
    const connection = await connectTo((header) => (header.api === 'ApiVersions' ? allVersions(header) : undefined));
    const slow = connection.request('Metadata', metadata, { timeoutMs: 20 });
    const behind = connection.request('Metadata', metadata);
    await Promise.all([
      expect(slow).rejects.toMatchObject({ code: 'TLR_TIMEOUT', retriable: true }),
      expect(behind).rejects.toMatchObject({ code: 'TLR_UNREACHABLE', retriable: true }),
    ]);
    expect(connection.open).toBe(false);
    await expect(connection.request('Metadata', metadata)).rejects.toMatchObject({ code: 'TLR_UNREACHABLE' });
  });

  it('tells those who wait when the broker hangs up', async () => {
    const connection = await connectTo((header, socket) => {
      if (header.api === 'ApiVersions') return allVersions(header);
      socket.destroy();
      return undefined;
    });
    await expect(connection.request('Metadata', metadata)).rejects.toMatchObject({ code: 'TLR_UNREACHABLE' });
  });

  it.each([
    ['something that is not Kafka', Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n')],
    ['an answer nobody asked for', Buffer.from('000000040badcafe', 'hex')],
  ])('refuses %s', async (_, bytes) => {
    const connection = await connectTo((header) => (header.api === 'ApiVersions' ? allVersions(header) : bytes));
    await expect(connection.request('Metadata', metadata)).rejects.toMatchObject({ code: 'TLR_PROTOCOL' });
    expect(connection.open).toBe(false);
  });

  it('refuses an answer that cannot be read', async () => {
    const connection = await connectTo((header) =>
      header.api === 'ApiVersions'
        ? allVersions(header)
        : Buffer.concat([Buffer.from([0, 0, 0, 6]), int32(header.correlationId), Buffer.from([0, 9])]),
    );
    await expect(connection.request('Metadata', metadata)).rejects.toMatchObject({ code: 'TLR_PROTOCOL' });
  });

  it('says so when nothing listens', async () => {
    const port = await freePort();
    const transport = new SocketTransport({ bootstrap: [], clientId: 'test', clock: systemClock });
    await expect(transport.connect({ host: '127.0.0.1', port })).rejects.toThrow(
      `127.0.0.1:${port}: nothing listens there`,
    );
  });
});

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

describe('FrameReader', () => {
  it('finds the frames however the stream is cut', () => {
    const frames = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 });
    fc.assert(
      fc.property(
        frames,
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 20 }),
        (bodies, cuts) => {
          const stream = Buffer.concat(bodies.flatMap((body) => [int32(body.length), Buffer.from(body)]));
          const found: Buffer[] = [];
          const reader = new FrameReader(40, (frame) => found.push(Buffer.from(frame)));
          let position = 0;
          for (let index = 0; position < stream.length; index++) {
            const size = cuts[index % cuts.length]!;
            reader.push(stream.subarray(position, position + size));
            position += size;
          }
          expect(found).toEqual(bodies.map((body) => Buffer.from(body)));
        },
      ),
    );
  });

  it('refuses sizes that cannot be, before it takes memory', () => {
    const reader = new FrameReader(100, () => undefined);
    expect(() => reader.push(int32(101))).toThrow(/an answer of 101 bytes/);
    expect(() => new FrameReader(100, () => undefined).push(int32(-1))).toThrow(/-1 bytes/);
  });
});

describe('parseBootstrap', () => {
  it('reads lists of addresses', () => {
    expect(parseBootstrap('k1:9093, k2,[::1]:19092')).toEqual([
      { host: 'k1', port: 9093 },
      { host: 'k2', port: 9092 },
      { host: '::1', port: 19092 },
    ]);
  });

  it.each(['', 'k1:0', 'k1:99999', 'http://k1:9092', 'k1:port'])('refuses %j', (text) => {
    expect(() => parseBootstrap(text)).toThrow(/HOST:PORT/);
  });
});
