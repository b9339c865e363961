// Who may use the broker where a listener asks for it: users with passwords of the configuration. SCRAM credentials are derived from a password when it
// is first needed, with a fresh salt, and are never written anywhere.
import { createHmac } from 'node:crypto';
import type { Random } from '../../base/random.ts';
import {
  credentialOf,
  isSameSecret,
  leastScramIterations,
  saltPassword,
  type ScramCredential,
  scramKeyBytes,
  type ScramMechanism,
} from '../wire/sasl.ts';

const saltBytes = 24;

export class Users {
  private readonly passwords: ReadonlyMap<string, string>;
  private readonly random: Random;
  private readonly derived = new Map<string, Promise<ScramCredential>>();
  /** Salts of users that are not there: always the same, so that nobody learns who is. */
  private readonly disguise: Buffer;

  /** `passwords` by user. */
  constructor(passwords: Readonly<Record<string, string>>, random: Random) {
    this.passwords = new Map(Object.entries(passwords));
    this.random = random;
    this.disguise = random.bytes(32);
  }

  has(user: string): boolean {
    return this.passwords.has(user);
  }

  isPassword(user: string, password: string): boolean {
    const known = this.passwords.get(user);
    return known !== undefined && isSameSecret(password, known);
  }

  /** What a SCRAM exchange with `user` is checked against; for one that is not there something that no password fits. */
  scramCredential(mechanism: ScramMechanism, user: string): Promise<ScramCredential> {
    const password = this.passwords.get(user);
    if (password === undefined) return this.unknown(mechanism, user);
    const key = `${mechanism} ${user}`;
    let credential = this.derived.get(key);
    if (credential === undefined) {
      credential = derive(mechanism, password, this.random.bytes(saltBytes));
      this.derived.set(key, credential);
    }
    return credential;
  }

  private unknown(mechanism: ScramMechanism, user: string): Promise<ScramCredential> {
    const salt = createHmac('sha256', this.disguise).update(user).digest().subarray(0, saltBytes);
    const [storedKey, serverKey] = [
      this.random.bytes(scramKeyBytes[mechanism]),
      this.random.bytes(scramKeyBytes[mechanism]),
    ];
    return Promise.resolve({ salt, iterations: leastScramIterations, storedKey, serverKey });
  }
}

async function derive(mechanism: ScramMechanism, password: string, salt: Buffer): Promise<ScramCredential> {
  const salted = await saltPassword(mechanism, password, salt, leastScramIterations);
  return credentialOf(mechanism, salted, salt, leastScramIterations);
}
