// Users whom requests have given SCRAM credentials: kept through restarts, beside those of the configuration, and described as Kafka does.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemRandom } from '../../../base/random.ts';
import { ErrorCode } from '../../../broker/wire/errors.ts';
import { type SaslMechanism, saltPassword, ScramClient, type ScramMechanism } from '../../../broker/wire/sasl.ts';
import { apis } from '../../../broker/wire/apis.ts';
import { ask } from '../../support/in-process.ts';
import { RawClient } from '../../support/raw-client.ts';
import { freePort, startTestBroker, type TestBroker } from '../../support/test-broker.ts';

let server: TestBroker;
let port: number;

beforeAll(async () => {
  port = await freePort();
  const sasl: SaslMechanism[] = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'];
  server = await startTestBroker({ users: { yaml: 'secret' }, listen: [{ host: '127.0.0.1', port, sasl }] });
});
afterAll(() => server.close());

const numbers: Record<ScramMechanism, number> = { 'SCRAM-SHA-256': 1, 'SCRAM-SHA-512': 2 };

async function upsertion(name: string, password: string, mechanism: ScramMechanism, iterations = 4096) {
  const salt = systemRandom.bytes(16);
  const saltedPassword = await saltPassword(mechanism, password, salt, iterations);
  return { name, mechanism: numbers[mechanism], iterations, salt, saltedPassword };
}

async function alter(changes: object): Promise<[user: string, errorCode: number][]> {
  const { results } = await ask(server.broker, 'AlterUserScramCredentials', changes);
  return results.map(({ user, errorCode }) => [user, errorCode]);
}

async function describe(...names: string[]) {
  const users = names.length === 0 ? null : names.map((name) => ({ name }));
  const { results } = await ask(server.broker, 'DescribeUserScramCredentials', { users });
  return results.map(({ user, errorCode, credentialInfos }) => [user, errorCode, credentialInfos]);
}

/** Whether the listener lets the user in. */
async function authenticates(user: string, password: string, mechanism: ScramMechanism): Promise<boolean> {
  const client = await RawClient.connect(port);
  try {
    await client.request('SaslHandshake', 1, apis.SaslHandshake.request.create({ mechanism }));
    const scram = new ScramClient(mechanism, user, password, systemRandom.bytes(16).toString('hex'));
    const send = (authBytes: Buffer) =>
      client.request('SaslAuthenticate', 2, apis.SaslAuthenticate.request.create({ authBytes }));
    const first = await send(scram.first());
    const last = await send(await scram.final(first.authBytes));
    return last.errorCode === ErrorCode.NONE && scram.isProvenBy(last.authBytes);
  } finally {
    client.close();
  }
}

test('a user that a request has made can authenticate, also after a restart, until a request removes it', async () => {
  const upsertions = [await upsertion('alice', 'wonder', 'SCRAM-SHA-512', 8192)];
  expect(await alter({ upsertions })).toEqual([['alice', 0]]);
  expect(await authenticates('alice', 'wonder', 'SCRAM-SHA-512')).toBe(true);
  expect(await authenticates('alice', 'wrong', 'SCRAM-SHA-512')).toBe(false);
  expect(await authenticates('alice', 'wonder', 'SCRAM-SHA-256')).toBe(false);
  await server.restart();
  expect(await authenticates('alice', 'wonder', 'SCRAM-SHA-512')).toBe(true);
  expect(await describe('alice')).toEqual([['alice', 0, [{ mechanism: 2, iterations: 8192 }]]]);
  expect(await alter({ upsertions: [await upsertion('alice', 'other', 'SCRAM-SHA-512')] })).toEqual([['alice', 0]]);
  expect(await authenticates('alice', 'wonder', 'SCRAM-SHA-512')).toBe(false);
  expect(await authenticates('alice', 'other', 'SCRAM-SHA-512')).toBe(true);
  expect(await alter({ deletions: [{ name: 'alice', mechanism: 2 }] })).toEqual([['alice', 0]]);
  expect(await authenticates('alice', 'other', 'SCRAM-SHA-512')).toBe(false);
  await server.restart();
  expect(await describe('alice')).toEqual([['alice', ErrorCode.RESOURCE_NOT_FOUND, []]]);
});

test('a user of the configuration is described, and is what the configuration says', async () => {
  const both = [
    { mechanism: 1, iterations: 4096 },
    { mechanism: 2, iterations: 4096 },
  ];
  expect(await describe()).toEqual([['yaml', 0, both]]);
  const upsertions = [await upsertion('yaml', 'stolen', 'SCRAM-SHA-256')];
  expect(await alter({ upsertions })).toEqual([['yaml', ErrorCode.UNACCEPTABLE_CREDENTIAL]]);
  const deletions = [{ name: 'yaml', mechanism: 1 }];
  expect(await alter({ deletions })).toEqual([['yaml', ErrorCode.UNACCEPTABLE_CREDENTIAL]]);
  expect(await authenticates('yaml', 'secret', 'SCRAM-SHA-256')).toBe(true);
});

test('a change that is refused does not hold those of others, and a user is changed once in a request', async () => {
  const [first, second] = await Promise.all([
    upsertion('bob', 'b', 'SCRAM-SHA-256'),
    upsertion('carol', 'c', 'SCRAM-SHA-256'),
  ]);
  const upsertions = [first, second, { ...first, mechanism: 2, iterations: 100 }];
  expect(await alter({ upsertions })).toEqual([
    ['bob', ErrorCode.DUPLICATE_RESOURCE],
    ['carol', 0],
  ]);
  expect(await describe('bob', 'carol', 'carol')).toEqual([
    ['bob', ErrorCode.RESOURCE_NOT_FOUND, []],
    ['carol', ErrorCode.DUPLICATE_RESOURCE, []],
  ]);
  expect((await describe()).map(([user]) => user)).toEqual(['carol', 'yaml']);
});
