// Every client, every feature of features.ts, against our broker; with CONFORMANCE=all against a real Kafka too, as control, and what came of it is written
// to docs/clients.md. A client that is not on the machine is skipped by name.
import { afterAll, describe, expect, test } from 'vitest';
import { canRunTools, JavaTools } from '../../support/java-tools.ts';
import { checks, featureNames } from './features.ts';
import { openGoClients } from './go.ts';
import { openConsole, openVerifiable } from './java.ts';
import { openKafkajs } from './kafkajs.ts';
import { openKcat } from './kcat.ts';
import { openPlatformatic } from './platformatic.ts';
import { openConfluent, openKafkaPython } from './python.ts';
import { brokerNames, recorded, useBrokers } from './brokers.ts';

const java = canRunTools() ? await JavaTools.open() : undefined;
const go = await openGoClients();
const clients = Object.entries({
  kcat: await openKcat(),
  'confluent-kafka': await openConfluent(),
  'kafka-python': await openKafkaPython(),
  kafkajs: openKafkajs(),
  '@platformatic/kafka': openPlatformatic(),
  ...go.clients,
  'Java console tools': java && (await openConsole(java)),
  'Java verifiable clients': java && (await openVerifiable(java)),
});
const brokers = useBrokers();
afterAll(() => java?.close());
afterAll(() => go.close());

describe.concurrent.for(clients)('%s', ([client, driver]) => {
  const has = featureNames.filter((feature) => driver?.[feature] !== undefined);
  const cells = has.flatMap((feature) => brokerNames.map((broker) => ({ feature, broker })));
  if (driver === undefined) test.skip('is not on this machine');
  test.concurrent.for(cells)('$feature on $broker', ({ feature, broker }) => {
    const cell = { table: 'clients', client, version: driver!.version, feature, broker } as const;
    const place = { bootstrap: brokers.bootstrap(broker), name: `${client.replaceAll(/\W/g, '-')}-${feature}` };
    const fails = driver!.fails?.[feature];
    const trial = recorded(cell, () => checks[feature](driver!, place, brokers.client(broker)), fails?.why);
    return fails === undefined ? trial : expect(trial).rejects.toThrow(fails.throws);
  });
});
