// Listeners that ask who comes, over real sockets: SASL by each mechanism and TLS, with our own client and with bytes sent by hand.
import { createPrivateKey } from 'node:crypto';
import { connect as connectSecurely } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../../base/clock.ts';
import { type Logger, silentLogger } from '../../../base/logger.ts';
import { systemRandom } from '../../../base/random.ts';
import { createClient } from '../../../broker/client/client.ts';
import { type ConnectionSecurity, SocketTransport } from '../../../broker/client/socket-transport.ts';
import { apis } from '../../../broker/wire/apis.ts';
import { encodePlain, type SaslMechanism, ScramClient } from '../../../broker/wire/sasl.ts';
import { RawClient } from '../../support/raw-client.ts';
import { selfSigned } from '../../support/self-signed.ts';
import { freePort, startTestBroker, type TestBroker } from '../../support/test-broker.ts';
import { recordsOf } from '../client/bench.ts';

const password = 'a secret that must not show';
const mechanisms: readonly SaslMechanism[] = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'];
const written: string[] = [];
const write = (message: string, fields?: object) => void written.push(`${message} ${JSON.stringify(fields)}`);
const logger: Logger = { ...silentLogger, debug: write, info: write, warn: write, error: write, child: () => logger };

let server: TestBroker;
let ports: { sasl: number; tls: number; mutual: number; plain: number; expired: number; elsewhere: number };
const identity = selfSigned();
const stranger = selfSigned();
const expired = selfSigned({ isExpired: true });
const elsewhere = selfSigned({ names: 'DNS:elsewhere' });

beforeAll(async () => {
  ports = {
    ...{ sasl: await freePort(), tls: await freePort(), mutual: await freePort(), plain: await freePort() },
    ...{ expired: await freePort(), elsewhere: await freePort() },
  };
  const listen = (port: number) => ({ host: '127.0.0.1', port });
  server = await startTestBroker({
    logger,
    users: { shipper: password },
    settings: { 'sasl.server.max.receive.size': 1000 },
    listen: [
      { ...listen(ports.sasl), sasl: mechanisms, advertisedHost: 'logs.example', advertisedPort: 19092 },
      { ...listen(ports.tls), tls: identity, sasl: ['SCRAM-SHA-512'] },
      { ...listen(ports.mutual), tls: { ...identity, ca: identity.cert } },
      listen(ports.plain),
      { ...listen(ports.expired), tls: expired },
      { ...listen(ports.elsewhere), tls: elsewhere },
    ],
  });
});
afterAll(async () => {
  await server.close();
  expect(written.join('\n')).not.toContain(password);
});

function connect(port: number, security: ConnectionSecurity) {
  const bootstrap = [{ host: '127.0.0.1', port }];
  return new SocketTransport({ bootstrap, clientId: 'test', clock: systemClock, security }).connect(bootstrap[0]!);
}

const login = (mechanism: SaslMechanism, given = password, user = 'shipper') => ({
  sasl: { mechanism, user, password: given },
});
const metadata = apis.Metadata.request.create({ topics: [] });
const versions = apis.ApiVersions.request.create({ clientSoftwareName: 'raw', clientSoftwareVersion: '1' });

describe('a listener with SASL', () => {
  it.each(mechanisms)('lets in who knows the password, by %s', async (mechanism) => {
    const connection = await connect(ports.sasl, login(mechanism));
    await expect(connection.request('Metadata', metadata)).resolves.toMatchObject({ brokers: [{}] });
    await connection.close();
  });

  it.each(mechanisms)('turns away who does not, by %s', async (mechanism) => {
    for (const attempt of [login(mechanism, 'guess'), login(mechanism, password, 'somebody')]) {
      await expect(connect(ports.sasl, attempt)).rejects.toMatchObject({ code: 'TLR_DENIED', retriable: false });
    }
    expect(written.filter((line) => line.includes('Authentication failed')).slice(-2)).toEqual([
      'Authentication failed {"reason":"wrong password of user shipper"}',
      'Authentication failed {"reason":"unknown user"}',
    ]);
  });

  it('answers versions before, and closes on anything else', async () => {
    const raw = await RawClient.connect(ports.sasl);
    expect(await raw.request('ApiVersions', 3, versions)).toMatchObject({ errorCode: 0 });
    raw.request('Metadata', 9, metadata).catch(() => undefined);
    await raw.closed;
    expect(written.at(-1)).toContain('Metadata came before the client had authenticated');
  });

  it('takes small requests only before', async () => {
    const raw = await RawClient.connect(ports.sasl);
    raw.socket.write(Buffer.from([0, 0, 0x10, 0]));
    await raw.closed;
    expect(written.at(-1)).toContain('claims 4096 bytes; at most 1000 are taken');
    const connection = await connect(ports.sasl, login('PLAIN'));
    const topics = Array.from({ length: 100 }, (_, index) => ({ name: `a topic with a long name ${index}` }));
    const large = apis.Metadata.request.create({ topics, allowAutoTopicCreation: false });
    expect((await connection.request('Metadata', large)).topics).toHaveLength(100);
    await connection.close();
  });

  it('names what it offers to who asks for something else, and closes', async () => {
    const raw = await RawClient.connect(ports.sasl);
    const answer = await raw.request('SaslHandshake', 1, { mechanism: 'GSSAPI' });
    expect(answer).toEqual({ errorCode: 33, mechanisms: [...mechanisms] });
    await raw.closed;
    await expect(connect(ports.tls, { ...login('PLAIN'), tls: { ca: identity.cert } })).rejects.toThrow(
      'it does not offer PLAIN, but SCRAM-SHA-512',
    );
  });

  it('closes when steps come out of order', async () => {
    const early = await RawClient.connect(ports.sasl);
    early.request('SaslAuthenticate', 2, { authBytes: encodePlain('shipper', password) }).catch(() => undefined);
    await early.closed;
    const twice = await RawClient.connect(ports.sasl);
    await twice.request('SaslHandshake', 1, { mechanism: 'PLAIN' });
    twice.request('SaslHandshake', 1, { mechanism: 'PLAIN' }).catch(() => undefined);
    await twice.closed;
  });

  it('answers a failure once and closes', async () => {
    const raw = await RawClient.connect(ports.sasl);
    await raw.request('SaslHandshake', 1, { mechanism: 'PLAIN' });
    const failed = raw.prepare('SaslAuthenticate', 1, { authBytes: encodePlain('shipper', 'guess') });
    const behind = raw.prepare('Metadata', 9, metadata);
    raw.socket.write(Buffer.concat([failed.bytes, behind.bytes]));
    expect(await failed.answer).toMatchObject({ errorCode: 58 });
    await raw.closed;
    await expect(behind.answer).rejects.toThrow('connection closed');
  });

  it('takes bare tokens after SaslHandshake version 0', async () => {
    const raw = await RawClient.connect(ports.sasl);
    expect(await raw.request('SaslHandshake', 0, { mechanism: 'SCRAM-SHA-256' })).toMatchObject({ errorCode: 0 });
    const scram = new ScramClient('SCRAM-SHA-256', 'shipper', password, 'nonce');
    const final = await raw.token(await scram.final(await raw.token(scram.first())));
    expect(scram.isProvenBy(final)).toBe(true);
    expect(await raw.request('Metadata', 9, metadata)).toMatchObject({ brokers: [{}] });
    raw.close();
    const wrong = await RawClient.connect(ports.sasl);
    await wrong.request('SaslHandshake', 0, { mechanism: 'PLAIN' });
    wrong.token(encodePlain('shipper', 'guess')).catch(() => undefined);
    await wrong.closed;
  });

  it('answers steps that come after the end, or to a listener that asks nobody, with ILLEGAL_SASL_STATE', async () => {
    const raw = await RawClient.connect(ports.plain);
    expect(await raw.request('SaslHandshake', 1, { mechanism: 'PLAIN' })).toEqual({ errorCode: 34, mechanisms: [] });
    expect(await raw.request('SaslAuthenticate', 2, { authBytes: Buffer.alloc(0) })).toMatchObject({ errorCode: 34 });
    raw.close();
    await expect(connect(ports.plain, login('PLAIN'))).rejects.toThrow('asks for no user');
  });

  it('sends its clients to the address that it advertises, and those of other listeners elsewhere', async () => {
    const connection = await connect(ports.sasl, login('PLAIN'));
    const { brokers } = await connection.request('Metadata', metadata);
    expect(brokers).toMatchObject([{ host: 'logs.example', port: 19092 }]);
    await connection.close();
    const other = await connect(ports.plain, {});
    expect((await other.request('Metadata', metadata)).brokers).toMatchObject([
      { host: '127.0.0.1', port: ports.plain },
    ]);
    await other.close();
  });
});

describe('a listener with TLS', () => {
  const trusting = { tls: { ca: identity.cert } };

  it('takes records and hands them out, with SASL on top', async () => {
    const bootstrap = [{ host: '127.0.0.1', port: ports.tls }];
    const security = { ...trusting, ...login('SCRAM-SHA-512') };
    const transport = new SocketTransport({ bootstrap, clientId: 'test', clock: systemClock, security });
    const client = createClient({
      ...{ transport, clientId: 'test', clock: systemClock, random: systemRandom, logger: silentLogger },
    });
    await client.admin().createTopic({ name: 'secured', partitions: 1 });
    const value = Buffer.alloc(900_000, 'x');
    const producer = client.producer();
    await producer.send([{ topic: 'secured', partition: 0, value }]);
    await producer.close();
    const consumer = client.consumer({});
    await consumer.assign([{ topic: 'secured', partition: 0, offset: 0 }]);
    const lengths = async () => recordsOf(await consumer.poll()).map((record) => record.value.length);
    await expect.poll(lengths, { timeout: 10_000 }).toEqual([900_000]);
    await client.close();
  });

  it('is refused by a client that does not trust it, and by one that speaks in the clear', async () => {
    const distrusting = { tls: { ca: stranger.cert }, ...login('SCRAM-SHA-512') };
    await expect(connect(ports.tls, distrusting)).rejects.toMatchObject({ code: 'TLR_DENIED', retriable: false });
    await expect(connect(ports.tls, {})).rejects.toMatchObject({ code: 'TLR_UNREACHABLE' });
    await expect.poll(() => written.join('\n')).toContain('no TLS handshake: the client hung up; does it trust');
    await expect.poll(() => written.join('\n')).toContain('no TLS handshake: what came is not TLS');
    await expect(connect(ports.plain, { tls: { ca: identity.cert } })).rejects.toMatchObject({
      code: 'TLR_UNREACHABLE',
    });
    await expect.poll(() => written.join('\n')).toContain('TLS came to a listener that does not speak it');
  });

  it('asks for a certificate where it has a ca, and takes no other than one of that', async () => {
    const known = await connect(ports.mutual, { tls: { ca: identity.cert, ...identity } });
    await expect(known.request('Metadata', metadata)).resolves.toMatchObject({ brokers: [{}] });
    await known.close();
    const unknown = { tls: { ca: identity.cert, cert: stranger.cert, key: stranger.key } };
    for (const security of [trusting, unknown]) await expect(connect(ports.mutual, security)).rejects.toThrow();
  });

  it('forgets a connection that ends in the middle of the handshake', async () => {
    const before = server.broker.connections;
    const socket = await RawClient.connect(ports.tls);
    await expect.poll(() => server.broker.connections).toBe(before + 1);
    socket.socket.write(Buffer.from([0x16, 0x03, 0x01]));
    socket.close();
    await expect.poll(() => server.broker.connections).toBe(before);
    const shaken = connectSecurely({ host: '127.0.0.1', port: ports.mutual, ca: identity.cert, ...identity });
    await new Promise((resolve) => shaken.once('secureConnect', resolve));
    await expect.poll(() => server.broker.connections).toBe(before + 1);
    shaken.destroy();
    await expect.poll(() => server.broker.connections).toBe(before);
  });
});

it('refuses a certificate that is none, at start, and listens nowhere then', async () => {
  const port = await freePort();
  const listen = [{ host: '127.0.0.1', port, tls: { cert: 'none', key: 'none' } }];
  await expect(startTestBroker({ listen })).rejects.toMatchObject({ code: 'TLR_CONFIG' });
});

it('warns of a certificate that has expired, at its start and when it is shown later', async () => {
  const ofPort = (port: number) => written.filter((line) => line.includes(`listener 127.0.0.1:${port} has expired on`));
  expect(ofPort(ports.expired)).toHaveLength(1);
  const port = await freePort();
  const own = await startTestBroker({ logger, listen: [{ host: '127.0.0.1', port, tls: identity }] });
  expect(ofPort(port)).toEqual([]);
  own.broker.renewCertificates([expired])();
  expect(ofPort(port)).toHaveLength(1);
  await own.close();
});

it.each([
  ['of another certificate', { cert: identity.cert, key: stranger.key }, 'tls.key is not the key of the certificate'],
  ['in the place of a certificate', { cert: identity.key, key: identity.key }, 'tls.cert holds no certificate in PEM'],
  ['that is none', { cert: identity.cert, key: 'none' }, 'tls.key holds no private key'],
  ['that is locked', { cert: identity.cert, key: locked(identity.key) }, 'tls.key is locked by a passphrase'],
])('says in words what is wrong with a key %s', async (_what, tls, words) => {
  const listen = [{ host: '127.0.0.1', port: await freePort(), tls }];
  await expect(startTestBroker({ listen })).rejects.toThrow(words);
});

function locked(key: string): string {
  const form = { format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase: 'a' } as const;
  return createPrivateKey(key).export(form).toString();
}

describe('who is turned away', () => {
  const trusting = { tls: { ca: identity.cert } };
  it.each<[string, keyof typeof ports, ConnectionSecurity, string, string]>([
    ['a wrong authority', 'tls', { tls: { ca: stranger.cert } }, 'TLR_DENIED', 'nobody whom we trust has signed'],
    ['an old certificate', 'expired', { tls: { ca: expired.cert } }, 'TLR_DENIED', 'its certificate has expired'],
    ['another name', 'elsewhere', { tls: { ca: elsewhere.cert } }, 'TLR_DENIED', 'for other names (DNS:elsewhere)'],
    ['no certificate', 'mutual', trusting, 'TLR_DENIED', 'it asks for a certificate: name ours as tls.cert'],
    ['a strange one', 'mutual', { tls: { ...trusting.tls, ...stranger } }, 'TLR_UNREACHABLE', 'does it trust whoever'],
    ['no TLS', 'tls', {}, 'TLR_UNREACHABLE', 'closed the connection before it answered: does its listener speak TLS?'],
    ['TLS nobody speaks', 'plain', trusting, 'TLR_UNREACHABLE', 'in the TLS handshake: does its listener speak TLS?'],
    ['no user', 'sasl', {}, 'TLR_UNREACHABLE', 'does its listener ask for a user (sasl)?'],
    ['a user nobody asks for', 'plain', login('PLAIN'), 'TLR_DENIED', 'its listener asks for no user: leave sasl out'],
  ])('for %s is told so, and where', async (_what, port, security, code, words) => {
    const attempt = async () => (await connect(ports[port], security)).request('Metadata', metadata);
    const error: unknown = await attempt().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code });
    expect(String(error)).toContain(`127.0.0.1:${ports[port]}`);
    expect(String(error)).toContain(words);
  });
});

it('shows a renewed certificate to who connects from then on, and keeps the connections it has', async () => {
  const port = await freePort();
  const own = await startTestBroker({ logger, listen: [{ host: '127.0.0.1', port, tls: identity }] });
  const trusting = (ca: string) => connect(port, { tls: { ca } });
  try {
    const early = await trusting(identity.cert);
    expect(() => own.broker.renewCertificates([{ cert: stranger.cert, key: identity.key }])).toThrow(
      expect.objectContaining({ code: 'TLR_CONFIG', message: expect.stringContaining(`:${port}`) as string }),
    );
    expect(own.broker.renewCertificates([identity])()).toEqual([]);
    const renew = own.broker.renewCertificates([stranger]);
    await (await trusting(identity.cert)).close();
    expect(renew()).toEqual([`127.0.0.1:${port}`]);
    await (await trusting(stranger.cert)).close();
    await expect(trusting(identity.cert)).rejects.toMatchObject({ code: 'TLR_DENIED' });
    await expect(early.request('Metadata', metadata)).resolves.toMatchObject({ brokers: [{}] });
    await early.close();
  } finally {
    await own.close();
  }
});
