// From the plan of a broker to what its listeners, or the client of another broker, need: reads the files with keys and certificates.
import type { Files } from '../base/files.ts';
import { readPem } from '../base/pem.ts';
import type { BrokerOptions } from '../broker/broker.ts';
import type { BrokerPlan, ListenPlan } from '../pipelines/plan.ts';
import type { BrokerAccess } from './client-properties.ts';

/** Throws TLR_CONFIG when a file cannot be read. */
export async function listenersOf(
  { listen }: Extract<BrokerPlan, { kind: 'embedded' }>,
  files: Files,
): Promise<NonNullable<BrokerOptions['listen']>> {
  const read = async ({ cert, key, ca }: NonNullable<ListenPlan['tls']>, place: string | undefined) => {
    const setting = `${place === undefined ? '' : `${place}: `}broker.listen.tls`;
    return {
      cert: await readPem(files, cert, `${setting}.cert`),
      key: await readPem(files, key, `${setting}.key`),
      ca: await readPem(files, ca, `${setting}.ca`),
    };
  };
  return Promise.all(
    listen.map(async ({ host, port, place, advertised, tls, sasl }) => ({
      ...{ host, port, place, sasl },
      ...(advertised === undefined ? {} : { advertisedHost: advertised.host, advertisedPort: advertised.port }),
      ...(tls === undefined ? {} : { tls: await read(tls, place) }),
    })),
  );
}

/** Throws TLR_CONFIG when a file cannot be read. */
export async function accessOf(
  { bootstrap, tls, sasl }: Extract<BrokerPlan, { kind: 'external' }>,
  files: Files,
): Promise<BrokerAccess> {
  const read = async ({ cert, key, ca }: NonNullable<typeof tls>) => ({
    cert: await readPem(files, cert, 'broker.tls.cert'),
    key: await readPem(files, key, 'broker.tls.key'),
    ca: await readPem(files, ca, 'broker.tls.ca'),
  });
  const security = { ...(tls === undefined ? {} : { tls: await read(tls) }), ...(sasl === undefined ? {} : { sasl }) };
  return { bootstrap, security };
}
