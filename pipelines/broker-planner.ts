// The part `broker` of a configuration: the embedded one with its listeners and users, or the address of another and how it is reached. What
// would let strangers in, or show passwords to them, is refused unless it is written.
import { type Address, isLoopback, parseAddress, parseBootstrap } from '../base/address.ts';
import type { SaslMechanism } from '../broker/wire/sasl.ts';
import type { BrokerPlan, ListenPlan } from './plan.ts';
import type { Reporter } from './reporter.ts';
import type { BrokerConfig, Config, ListenConfig } from './schema.ts';

const defaultListen = '127.0.0.1:9092';

/** Undefined after reporting what is wrong. */
export function planBroker(broker: Config['broker'], reporter: Reporter): BrokerPlan | undefined {
  if (typeof broker === 'string') return planExternal(broker, {}, ['broker'], reporter);
  if (broker?.url !== undefined) return planExternal(broker.url, broker, ['broker', 'url'], reporter);
  for (const key of ['tls', 'sasl'] as const) {
    if (broker?.[key] === undefined) continue;
    reporter.error(
      ['broker', key],
      `${key} beside url is for a broker elsewhere; a listener has its own, under listen`,
    );
  }
  const written = broker?.listen ?? defaultListen;
  const isList = Array.isArray(written);
  const listen = (isList ? written : [written]).flatMap((item, index) => {
    const path = ['broker', 'listen', ...(isList ? [index] : [])];
    return planListener(typeof item === 'string' ? { address: item } : item, path, broker ?? {}, reporter) ?? [];
  });
  return { kind: 'embedded', listen, users: broker?.users ?? {}, settings: texts(broker?.settings) };
}

/** Settings as Kafka writes them. */
export function texts(settings: Readonly<Record<string, string | number | boolean>> = {}): Record<string, string> {
  return Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, String(value)]));
}

function planExternal(
  url: string,
  { tls, sasl, ...embedded }: BrokerConfig,
  path: readonly string[],
  reporter: Reporter,
): BrokerPlan | undefined {
  for (const key of ['listen', 'users', 'settings', 'insecure'] as const) {
    if (embedded[key] !== undefined)
      reporter.error(['broker', key], `${key} is for the broker of this process: leave out url or ${key}`);
  }
  const bootstrap = parseBootstrap(url);
  if (bootstrap === undefined) {
    reporter.error([...path], 'a broker elsewhere is written kafka://host:port,host:port');
    return undefined;
  }
  return {
    kind: 'external',
    bootstrap,
    tls: tls === true ? {} : tls === false ? undefined : tls,
    sasl: sasl === undefined ? undefined : { ...sasl, mechanism: mechanismOf(sasl.mechanism) },
  };
}

function planListener(
  config: Exclude<ListenConfig, string>,
  path: readonly (string | number)[],
  { users = {}, insecure, listen }: BrokerConfig,
  reporter: Reporter,
): ListenPlan | undefined {
  const { address: written, advertise, tls, sasl = [] } = config;
  const at = (key: string) => [...path, ...(Object.keys(config).length > 1 || advertise !== undefined ? [key] : [])];
  const address = addressAt(written, at('address'), reporter);
  const advertised = advertise === undefined ? undefined : addressAt(advertise, at('advertise'), reporter);
  if (address === undefined) return undefined;
  if (sasl.length > 0 && Object.keys(users).length === 0) {
    reporter.error(at('sasl'), 'nobody could come in: name users and their passwords under broker: users');
  }
  if (!isLoopback(address.host) && insecure !== true) {
    const asksWho = sasl.length > 0 || tls?.ca !== undefined;
    if (!asksWho) {
      const message = `everybody who reaches ${address.host} could read and write: listen on 127.0.0.1, set sasl, or say insecure: true beside it`;
      reporter.error(at('address'), message);
    } else if (tls === undefined && sasl.includes('plain')) {
      const message = `passwords would cross the network as they are: set tls, leave plain out, or say insecure: true`;
      reporter.error(at('sasl'), message);
    }
  }
  const place = listen === undefined ? undefined : reporter.place(path);
  return { ...address, advertised, place, tls, sasl: sasl.map(mechanismOf) };
}

function addressAt(text: string, path: readonly (string | number)[], reporter: Reporter): Address | undefined {
  const address = parseAddress(text);
  if (address === undefined) reporter.error([...path], 'an address is written host:port, as 127.0.0.1:9092');
  return address;
}

function mechanismOf(name: 'plain' | 'scram-sha-256' | 'scram-sha-512'): SaslMechanism {
  return name === 'plain' ? 'PLAIN' : name === 'scram-sha-256' ? 'SCRAM-SHA-256' : 'SCRAM-SHA-512';
}
