import { describe, expect, it } from 'vitest';
import {
  credentialOf,
  decodePlain,
  encodePlain,
  saltPassword,
  ScramClient,
  type ScramMechanism,
  ScramServer,
  scramUserOf,
} from '../../../broker/wire/sasl.ts';

/** The exchange of RFC 7677, section 3. */
const rfc = {
  nonce: 'rOprNGfwEbeRWgbNEkqO',
  first: 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO',
  serverNonce: '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0',
  salt: Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'),
  serverFirst: 'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
  final: 'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
  serverFinal: 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
};

async function serverFor(mechanism: ScramMechanism, password: string, clientFirst: Buffer, salt: Buffer) {
  const credential = credentialOf(mechanism, await saltPassword(mechanism, password, salt, 4096), salt, 4096);
  return new ScramServer(mechanism, credential, scramUserOf(clientFirst)!, rfc.serverNonce);
}

describe('SCRAM', () => {
  it('says, as a client, what RFC 7677 has a client say', async () => {
    const client = new ScramClient('SCRAM-SHA-256', 'user', 'pencil', rfc.nonce);
    expect(client.first().toString()).toBe(rfc.first);
    expect((await client.final(Buffer.from(rfc.serverFirst))).toString()).toBe(rfc.final);
    expect(client.isProvenBy(Buffer.from(rfc.serverFinal))).toBe(true);
    expect(client.isProvenBy(Buffer.from('v=AAAA'))).toBe(false);
  });

  it('says, as a server, what RFC 7677 has a server say', async () => {
    const server = await serverFor('SCRAM-SHA-256', 'pencil', Buffer.from(rfc.first), rfc.salt);
    expect(server.first().toString()).toBe(rfc.serverFirst);
    expect(server.final(Buffer.from(rfc.final))?.toString()).toBe(rfc.serverFinal);
  });

  it.each(['SCRAM-SHA-256', 'SCRAM-SHA-512'] as const)(
    '%s lets in who knows the password and nobody else',
    async (mechanism) => {
      const user = 'a=b,c';
      for (const [given, isRight] of [
        ['right', true],
        ['wrong', false],
      ] as const) {
        const client = new ScramClient(mechanism, user, given, 'nonce');
        expect(scramUserOf(client.first())?.user).toBe(user);
        const server = await serverFor(mechanism, 'right', client.first(), Buffer.from('salt'));
        const final = server.final(await client.final(server.first()));
        expect(final !== undefined && client.isProvenBy(final)).toBe(isRight);
      }
    },
  );

  it.each([
    ['another nonce', 'r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096'],
    ['no nonce of its own', `r=${rfc.nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`],
    ['too few iterations', `r=${rfc.nonce}x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=100`],
    ['an error', 'e=unknown-user'],
    ['nothing', ''],
  ])('refuses, as a client, a server that sends %s', async (_what, message) => {
    const client = new ScramClient('SCRAM-SHA-256', 'user', 'pencil', rfc.nonce);
    await expect(client.final(Buffer.from(message))).rejects.toMatchObject({ code: 'TLR_PROTOCOL' });
  });

  it.each(['', 'n,,', 'y,,n=user,r=x', 'p=tls-unique,,n=user,r=x', 'n,,n=us=er,r=x', 'n,,r=x', 'n,,n=user'])(
    'refuses, as a server, the first message %j',
    (message) => expect(scramUserOf(Buffer.from(message))).toBeUndefined(),
  );

  it('refuses a last message that was cut short, has another nonce or no proof', async () => {
    const server = await serverFor('SCRAM-SHA-256', 'pencil', Buffer.from(rfc.first), rfc.salt);
    for (const message of ['', rfc.final.slice(0, -10), rfc.final.replace('biws', 'eSws'), 'c=biws,r=x,p=AAAA', 'p=']) {
      expect(server.final(Buffer.from(message))).toBeUndefined();
    }
  });
});

describe('PLAIN', () => {
  it('reads what it wrote', () => {
    expect(decodePlain(encodePlain('user', 'päss'))).toEqual({ authorizationId: '', user: 'user', password: 'päss' });
  });

  it.each(['', 'user', '\0user', '\0user\0', '\0\0password', '\0user\0password\0more'])('refuses %j', (message) => {
    expect(decodePlain(Buffer.from(message))).toBeUndefined();
  });
});
