// `--broker @FILE`: what Kafka's own tools and librdkafka's write into such files.
import { expect, it } from 'vitest';
import { nodeFiles } from '../../base/node-files.ts';
import { brokerAccess, parseProperties } from '../../cli/client-properties.ts';

function access(text: string) {
  return brokerAccess('@client.properties', {
    ...nodeFiles,
    readFile: (path) => Promise.resolve(Buffer.from(path === 'client.properties' ? text : `PEM of ${path}`)),
  });
}

it('reads the file of a Java client', async () => {
  const text = String.raw`
# for the console tools
bootstrap.servers=k1:9093,k2:9093
security.protocol = SASL_SSL
sasl.mechanism: SCRAM-SHA-512
sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required \
  username="shipper" \
  password="it's = secret";
ssl.truststore.type=PEM
ssl.truststore.location=/etc/ca.pem
client.id=whoever`;
  expect(await access(text)).toEqual({
    bootstrap: [
      { host: 'k1', port: 9093 },
      { host: 'k2', port: 9093 },
    ],
    security: {
      tls: { ca: 'PEM of /etc/ca.pem', cert: undefined, key: undefined },
      sasl: { mechanism: 'SCRAM-SHA-512', user: 'shipper', password: "it's = secret" },
    },
  });
});

it('reads the file of librdkafka', async () => {
  const text = `metadata.broker.list=k1
security.protocol=sasl_ssl
sasl.mechanisms=PLAIN
sasl.username=me
sasl.password=p:w
ssl.ca.location=ca.pem
ssl.certificate.location=cert.pem
ssl.key.location=key.pem
`;
  expect(await access(text)).toEqual({
    bootstrap: [{ host: 'k1', port: 9092 }],
    security: {
      tls: { ca: 'PEM of ca.pem', cert: 'PEM of cert.pem', key: 'PEM of key.pem' },
      sasl: { mechanism: 'PLAIN', user: 'me', password: 'p:w' },
    },
  });
});

it('reads addresses alone, and a certificate within the file', async () => {
  expect(await brokerAccess('k1,k2:1', nodeFiles)).toEqual({
    bootstrap: [
      { host: 'k1', port: 9092 },
      { host: 'k2', port: 1 },
    ],
    security: {},
  });
  const pem = String.raw`ssl.truststore.certificates=-----BEGIN CERTIFICATE-----\nAAAA`;
  const { security } = await access(`bootstrap.servers=k1\nsecurity.protocol=SSL\n${pem}`);
  expect(security.tls?.ca).toBe('-----BEGIN CERTIFICATE-----\nAAAA');
});

it.each([
  ['', 'bootstrap.servers is not set'],
  ['bootstrap.servers=k1\nsecurity.protocol=TLS', 'security.protocol cannot be TLS'],
  ['bootstrap.servers=k1\nsecurity.protocol=SASL_SSL\nsasl.mechanism=GSSAPI', 'is not one of PLAIN'],
  ['bootstrap.servers=k1\nsecurity.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN', 'are set'],
  ['bootstrap.servers=k1\nsecurity.protocol=SSL\nssl.truststore.location=x.jks', 'when ssl.truststore.type is PEM'],
])('says what is wrong with %j', async (text, message) => {
  await expect(access(text)).rejects.toThrow(message);
});

it('says which file is not there', async () => {
  await expect(brokerAccess('@nowhere.properties', nodeFiles)).rejects.toMatchObject({ code: 'TLR_USAGE' });
});

it('reads properties as Java writes them', () => {
  const text = '! comment\n a = 1\nb:2\nc 3\nd\\\n  e=4\r\nf=x\\\\y\ng=';
  expect(Object.fromEntries(parseProperties(text))).toEqual({ a: '1', b: '2', c: '3', de: '4', f: 'x\\y', g: '' });
});
