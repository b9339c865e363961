// The SASL mechanisms that clients and broker speak, as bytes: PLAIN (RFC 4616) and SCRAM (RFC 5802, 7677) as Kafka uses it, without
// channel binding. Who sends what, when and in which frame is up to the two sides.
//
//   PLAIN   client: authorization id (mostly empty) · NUL · user · NUL · password
//   SCRAM   client first   n,,n=USER,r=CLIENT NONCE            server first   r=BOTH NONCES,s=SALT,i=ITERATIONS
//           client final   c=biws,r=BOTH NONCES,p=PROOF        server final   v=SIGNATURE
//
// Salt, proof and signature are base64; in USER "=" is written =3D and "," =2C.
import { createHash, createHmac, pbkdf2, timingSafeEqual } from 'node:crypto';
import { promisify } from 'node:util';
import { TailraceError } from '../../base/errors.ts';

const stretch = promisify(pbkdf2);

/** Every mechanism, under the name that clients ask for. */
export const saslMechanisms = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const;
export type SaslMechanism = (typeof saslMechanisms)[number];
export type ScramMechanism = Exclude<SaslMechanism, 'PLAIN'>;

/** Length of the keys of a credential. */
export const scramKeyBytes: Readonly<Record<ScramMechanism, number>> = { 'SCRAM-SHA-256': 32, 'SCRAM-SHA-512': 64 };
/** Fewer iterations make guessing a password too cheap (RFC 7677, and Kafka's own bound). */
export const leastScramIterations = 4096;

/** What a server keeps of a password. */
export interface ScramCredential {
  readonly salt: Buffer;
  readonly iterations: number;
  readonly storedKey: Buffer;
  readonly serverKey: Buffer;
}

const channelBinding = 'biws'; // "n,,": none

function hashOf(mechanism: ScramMechanism): 'sha256' | 'sha512' {
  return mechanism === 'SCRAM-SHA-256' ? 'sha256' : 'sha512';
}

/** Whether two secrets are the same, in a time that does not tell where they differ. */
export function isSameSecret(left: string | Buffer, right: string | Buffer): boolean {
  const digest = (secret: string | Buffer) => createHash('sha256').update(secret).digest();
  return timingSafeEqual(digest(left), digest(right));
}

export function encodePlain(user: string, password: string): Buffer {
  return Buffer.from(`\0${user}\0${password}`);
}

/** Undefined when it is no PLAIN message. */
export function decodePlain(message: Buffer): { authorizationId: string; user: string; password: string } | undefined {
  const parts = message.toString('utf8').split('\0');
  const [authorizationId, user, password] = parts;
  if (parts.length !== 3 || authorizationId === undefined || !user || !password) return undefined;
  return { authorizationId, user, password };
}

/** PBKDF2 of the password, which takes milliseconds of a thread: RFC 5802's SaltedPassword. */
export function saltPassword(
  mechanism: ScramMechanism,
  password: string,
  salt: Buffer,
  iterations: number,
): Promise<Buffer> {
  return stretch(password, salt, iterations, scramKeyBytes[mechanism], hashOf(mechanism));
}

/** What a server keeps, of a password that was salted. */
export function credentialOf(
  mechanism: ScramMechanism,
  saltedPassword: Buffer,
  salt: Buffer,
  iterations: number,
): ScramCredential {
  const clientKey = hmac(mechanism, saltedPassword, 'Client Key');
  const storedKey = createHash(hashOf(mechanism)).update(clientKey).digest();
  return { salt, iterations, storedKey, serverKey: hmac(mechanism, saltedPassword, 'Server Key') };
}

function hmac(mechanism: ScramMechanism, key: Buffer, text: string): Buffer {
  return createHmac(hashOf(mechanism), key).update(text).digest();
}

function exclusiveOr(left: Buffer, right: Buffer): Buffer {
  return Buffer.from(left.map((byte, index) => byte ^ right[index]!));
}

/** The attributes of a SCRAM message by their letters; undefined when it is none. */
function attributesOf(message: string): Map<string, string> | undefined {
  const attributes = new Map<string, string>();
  for (const part of message.split(',')) {
    if (!/^[a-zA-Z]+=/.test(part)) return undefined;
    const equals = part.indexOf('=');
    attributes.set(part.slice(0, equals), part.slice(equals + 1));
  }
  return attributes;
}

/** The client's side of one SCRAM exchange. */
export class ScramClient {
  private readonly mechanism: ScramMechanism;
  private readonly password: string;
  private readonly nonce: string;
  private readonly firstBare: string;
  private signature: Buffer | undefined;

  /** `nonce`: printable, without commas, never used before. */
  constructor(mechanism: ScramMechanism, user: string, password: string, nonce: string) {
    this.mechanism = mechanism;
    this.password = password;
    this.nonce = nonce;
    this.firstBare = `n=${user.replaceAll('=', '=3D').replaceAll(',', '=2C')},r=${nonce}`;
  }

  first(): Buffer {
    return Buffer.from(`n,,${this.firstBare}`);
  }

  /** The answer to the server's first message. Throws TLR_PROTOCOL for one that is none, or that would make guessing the password cheap. */
  async final(serverFirst: Buffer): Promise<Buffer> {
    const text = serverFirst.toString('utf8');
    const attributes = attributesOf(text);
    const [nonce = '', salt = ''] = [attributes?.get('r'), attributes?.get('s')];
    const iterations = Number(attributes?.get('i'));
    if (!nonce.startsWith(this.nonce) || nonce === this.nonce || salt === '' || !(iterations >= leastScramIterations)) {
      throw new TailraceError('TLR_PROTOCOL', `the broker's first ${this.mechanism} message is not acceptable`);
    }
    const { mechanism } = this;
    const salted = await saltPassword(mechanism, this.password, Buffer.from(salt, 'base64'), iterations);
    const withoutProof = `c=${channelBinding},r=${nonce}`;
    const said = `${this.firstBare},${text},${withoutProof}`;
    const clientKey = hmac(mechanism, salted, 'Client Key');
    const storedKey = createHash(hashOf(mechanism)).update(clientKey).digest();
    const proof = exclusiveOr(clientKey, hmac(mechanism, storedKey, said));
    this.signature = hmac(mechanism, hmac(mechanism, salted, 'Server Key'), said);
    return Buffer.from(`${withoutProof},p=${proof.toString('base64')}`);
  }

  /** Whether the server has shown that it knows the password too. */
  isProvenBy(serverFinal: Buffer): boolean {
    const signature = Buffer.from(attributesOf(serverFinal.toString('utf8'))?.get('v') ?? '', 'base64');
    return this.signature !== undefined && isSameSecret(signature, this.signature);
  }
}

/** The user that a client's first message names; undefined when it is none, or wants channel binding or another identity. */
export function scramUserOf(clientFirst: Buffer): { user: string; nonce: string; bare: string } | undefined {
  const text = clientFirst.toString('utf8');
  const bare = /^n,(?:a=[^,]*)?,(n=.*)$/s.exec(text)?.[1];
  const attributes = bare === undefined ? undefined : attributesOf(bare);
  const [name, nonce] = [attributes?.get('n'), attributes?.get('r')];
  if (bare === undefined || !name || !nonce || /=(?!2C|3D)/.test(name)) return undefined;
  return { user: name.replaceAll('=2C', ',').replaceAll('=3D', '='), nonce, bare };
}

/** The server's side of one SCRAM exchange, once the user is known. */
export class ScramServer {
  private readonly mechanism: ScramMechanism;
  private readonly credential: ScramCredential;
  private readonly bare: string;
  private readonly nonce: string;
  /** Before 2.6.1 librdkafka puts its own nonce in front of both once more; the server's is in it all the same, so nothing can be replayed. */
  private readonly doubledNonce: string;
  private readonly serverFirst: string;

  /** `serverNonce`: printable, without commas, never used before. */
  constructor(
    mechanism: ScramMechanism,
    credential: ScramCredential,
    client: { nonce: string; bare: string },
    serverNonce: string,
  ) {
    this.mechanism = mechanism;
    this.credential = credential;
    this.bare = client.bare;
    this.nonce = client.nonce + serverNonce;
    this.doubledNonce = client.nonce + this.nonce;
    this.serverFirst = `r=${this.nonce},s=${credential.salt.toString('base64')},i=${credential.iterations}`;
  }

  first(): Buffer {
    return Buffer.from(this.serverFirst);
  }

  /** The last message, for a client that has proved to know the password; undefined for any other. */
  final(clientFinal: Buffer): Buffer | undefined {
    const { mechanism } = this;
    const { storedKey, serverKey } = this.credential;
    const text = clientFinal.toString('utf8');
    const attributes = attributesOf(text);
    const proof = Buffer.from(attributes?.get('p') ?? '', 'base64');
    const nonce = attributes?.get('r');
    const isAnswer = attributes?.get('c') === channelBinding && (nonce === this.nonce || nonce === this.doubledNonce);
    if (!isAnswer || proof.length !== storedKey.length) return undefined;
    const said = `${this.bare},${this.serverFirst},${text.slice(0, text.lastIndexOf(',p='))}`;
    const clientKey = exclusiveOr(proof, hmac(mechanism, storedKey, said));
    if (!isSameSecret(createHash(hashOf(mechanism)).update(clientKey).digest(), storedKey)) return undefined;
    return Buffer.from(`v=${hmac(mechanism, serverKey, said).toString('base64')}`);
  }
}
