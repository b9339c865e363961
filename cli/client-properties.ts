// `--broker @FILE`: addresses, TLS and SASL from a properties file as Kafka's own tools (--command-config) and librdkafka's (kcat -F) take it, so that
// a password stands in no command line. Settings that say nothing of these are passed over.
import { TailraceError } from '../base/errors.ts';
import type { Files } from '../base/files.ts';
import { readPem } from '../base/pem.ts';
import type { SaslLogin } from '../broker/client/sasl-login.ts';
import { type ConnectionSecurity, parseBootstrap } from '../broker/client/socket-transport.ts';
import { saslMechanisms } from '../broker/wire/sasl.ts';

export interface BrokerAccess {
  bootstrap: readonly { host: string; port: number }[];
  security: ConnectionSecurity;
}

/** What `--broker` says: HOST:PORT[,HOST:PORT…], or @FILE. Throws TLR_USAGE or TLR_CONFIG. */
export async function brokerAccess(option: string, files: Files): Promise<BrokerAccess> {
  if (!option.startsWith('@')) return { bootstrap: parseBootstrap(option), security: {} };
  const path = option.slice(1);
  const content = await files.readFile(path).catch((cause: unknown) => {
    throw new TailraceError('TLR_USAGE', `--broker ${option}: the file cannot be read`, { cause });
  });
  const properties = parseProperties(content.toString('utf8'));
  const servers = first(properties, 'bootstrap.servers', 'metadata.broker.list');
  if (servers === undefined) throw new TailraceError('TLR_CONFIG', `${path}: bootstrap.servers is not set`);
  const protocol = (properties.get('security.protocol') ?? 'PLAINTEXT').toUpperCase();
  if (!['PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL'].includes(protocol)) {
    throw new TailraceError('TLR_CONFIG', `${path}: security.protocol cannot be ${protocol}`);
  }
  return {
    bootstrap: parseBootstrap(servers),
    security: {
      ...(protocol.endsWith('SSL') ? { tls: await tlsOf(properties, path, files) } : {}),
      ...(protocol.startsWith('SASL') ? { sasl: loginOf(properties, path) } : {}),
    },
  };
}

/** Java's form: `name=value` or `name: value`, # and ! for comments, a backslash before the end of a line to go on with the next. */
export function parseProperties(text: string): Map<string, string> {
  const properties = new Map<string, string>();
  for (const line of text
    .replaceAll('\r\n', '\n')
    .replace(/\\\n[ \t]*/g, '')
    .split('\n')) {
    const [, name, value] = /^\s*([^\s#!=:][^\s=:]*)\s*[=:\s]\s*(.*)$/.exec(line) ?? [];
    if (name !== undefined) properties.set(name, value!.replaceAll('\\n', '\n').replace(/\\(.)/g, '$1'));
  }
  return properties;
}

function first(properties: ReadonlyMap<string, string>, ...names: readonly string[]): string | undefined {
  return names.map((name) => properties.get(name)).find((value) => value !== undefined && value !== '');
}

async function tlsOf(properties: ReadonlyMap<string, string>, path: string, files: Files) {
  for (const store of ['ssl.truststore', 'ssl.keystore']) {
    if (!properties.has(`${store}.location`) || properties.get(`${store}.type`)?.toUpperCase() === 'PEM') continue;
    const message = `${path}: ${store}.location is read when ${store}.type is PEM; others are to be converted`;
    throw new TailraceError('TLR_CONFIG', message);
  }
  const keystore = properties.get('ssl.keystore.location');
  const pem = (...names: string[]) => readPem(files, first(properties, ...names) ?? keystore, `${path}: ${names[0]}`);
  return {
    ca: await readPem(
      files,
      first(properties, 'ssl.ca.location', 'ssl.truststore.location', 'ssl.truststore.certificates'),
      `${path}: ssl.truststore.location`,
    ),
    cert: await pem('ssl.certificate.location', 'ssl.keystore.certificate.chain'),
    key: await pem('ssl.key.location', 'ssl.keystore.key'),
  };
}

function loginOf(properties: ReadonlyMap<string, string>, path: string): SaslLogin {
  const asked = first(properties, 'sasl.mechanism', 'sasl.mechanisms') ?? 'GSSAPI';
  const mechanism = saslMechanisms.find((known) => known === asked);
  if (mechanism === undefined) {
    throw new TailraceError(
      'TLR_CONFIG',
      `${path}: sasl.mechanism ${asked} is not one of ${saslMechanisms.join(', ')}`,
    );
  }
  const jaas = properties.get('sasl.jaas.config') ?? '';
  const said = (name: string) =>
    new RegExp(`\\b${name}\\s*=\\s*(?:"([^"]*)"|'([^']*)'|([^\\s;]+))`).exec(jaas)?.slice(1);
  const user = properties.get('sasl.username') ?? said('username')?.find((text) => text);
  const password = properties.get('sasl.password') ?? said('password')?.find((text) => text);
  if (user === undefined || password === undefined) {
    throw new TailraceError(
      'TLR_CONFIG',
      `${path}: neither sasl.jaas.config nor sasl.username and sasl.password are set`,
    );
  }
  return { mechanism, user, password };
}
