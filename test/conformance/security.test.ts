// TLS and SASL between strangers: kcat and Kafka's own tools against our broker, our client against Apache Kafka. Skipped where one of these is missing.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../base/clock.ts';
import { SocketTransport } from '../../broker/client/socket-transport.ts';
import { apis } from '../../broker/wire/apis.ts';
import type { SaslMechanism } from '../../broker/wire/sasl.ts';
import { isInstalled, run } from '../support/programs.ts';
import { canRunRealKafka, type RealKafka, startRealKafka } from '../support/real-kafka.ts';
import { selfSigned } from '../support/self-signed.ts';
import { freePort, startTestBroker, type TestBroker } from '../support/test-broker.ts';

const [user, password] = ['shipper', 'open-sesame'];
const mechanisms: readonly SaslMechanism[] = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'];
const identity = selfSigned();
const lines = Array.from({ length: 200 }, (_, index) => `line ${index}`);

let folder: string;
let ca: string;
let port: number;
let server: TestBroker;
let kafka: RealKafka | undefined;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tailrace-security-'));
  ca = join(folder, 'ca.pem');
  await writeFile(ca, identity.cert);
  port = await freePort();
  const address = { host: '127.0.0.1', port: await freePort() };
  server = await startTestBroker({
    users: { [user]: password },
    listen: [address, { host: '127.0.0.1', port, tls: identity, sasl: mechanisms }],
  });
  const secured = { port: await freePort(), user, password, ...identity };
  if (canRunRealKafka()) kafka = await startRealKafka({ secured });
  securedPort = secured.port;
}, 120_000);
let securedPort: number;
afterAll(async () => {
  await server.close();
  await kafka?.stop();
  await rm(folder, { recursive: true, force: true });
});

describe.skipIf(!isInstalled('kcat', ['-V']))('kcat', () => {
  const kcat = (mechanism: string, secret: string, args: string[], input = '') => {
    const sasl = [`sasl.mechanisms=${mechanism}`, `sasl.username=${user}`, `sasl.password=${secret}`];
    const options = ['security.protocol=SASL_SSL', `ssl.ca.location=${ca}`, ...sasl].flatMap((option) => [
      '-X',
      option,
    ]);
    return run('kcat', ['-b', `127.0.0.1:${port}`, ...options, ...args], input, 20_000);
  };

  test.each(mechanisms)('writes and reads with %s', async (mechanism) => {
    const produced = await kcat(mechanism, password, ['-P', '-t', mechanism], lines.join('\n'));
    expect(produced, produced.stderr).toMatchObject({ code: 0 });
    const read = await kcat(mechanism, password, ['-C', '-t', mechanism, '-o', 'beginning', '-e', '-q']);
    expect(read.stdout.trimEnd().split('\n')).toEqual(lines);
  });

  test('is told that its password is wrong', async () => {
    const { code, stderr } = await kcat('SCRAM-SHA-512', 'guess', ['-L', '-m', '3']);
    expect(code).not.toBe(0);
    expect(stderr).toContain('Authentication failed');
  });
});

describe.skipIf(!canRunRealKafka())("Kafka's console tools", () => {
  async function tool(name: string, args: string[], secret: string, input = '') {
    const properties = join(folder, 'client.properties');
    const module = 'org.apache.kafka.common.security.scram.ScramLoginModule';
    await writeFile(
      properties,
      `security.protocol=SASL_SSL
sasl.mechanism=SCRAM-SHA-256
sasl.jaas.config=${module} required username="${user}" password="${secret}";
ssl.truststore.type=PEM
ssl.truststore.location=${ca}
`,
    );
    const java = ['-Xshare:auto', '-XX:TieredStopAtLevel=1', '-cp', kafka!.classPath];
    const server = ['--bootstrap-server', `127.0.0.1:${port}`, '--command-config', properties];
    return run('java', [...java, `org.apache.kafka.tools.${name}`, ...server, ...args], input, 40_000);
  }

  test('write over TLS with SCRAM', async () => {
    const result = await tool('ConsoleProducer', ['--topic', 'java'], password, lines.join('\n'));
    expect(result, result.stderr).toMatchObject({ code: 0 });
    expect((await server.broker.log.partition('java', 0)!.read(0, 1 << 20, 'read_committed')).highWatermark).toBe(200);
  });

  test('say that the password is wrong', async () => {
    const result = await tool('TopicCommand', ['--list'], 'guess');
    expect(result.code).not.toBe(0);
    expect(result.stderr + result.stdout).toContain('SaslAuthenticationException');
  });
});

describe.skipIf(!canRunRealKafka())('our client at Apache Kafka', () => {
  const connect = (mechanism: SaslMechanism, given: string) => {
    const security = { tls: { ca: identity.cert }, sasl: { mechanism, user, password: given } };
    const transport = new SocketTransport({ bootstrap: [], clientId: 'test', clock: systemClock, security });
    return transport.connect({ host: '127.0.0.1', port: securedPort });
  };

  test.each(['PLAIN', 'SCRAM-SHA-512'] as const)('is let in with %s', async (mechanism) => {
    const connection = await connect(mechanism, password);
    const { brokers } = await connection.request('Metadata', apis.Metadata.request.create({ topics: [] }));
    expect(brokers).toMatchObject([{ port: securedPort }]);
    await connection.close();
    await expect(connect(mechanism, 'guess')).rejects.toMatchObject({ code: 'TLR_DENIED' });
  });

  test('hears which mechanisms there are', async () => {
    await expect(connect('SCRAM-SHA-256', password)).rejects.toThrow('it does not offer SCRAM-SHA-256, but');
  });
});
