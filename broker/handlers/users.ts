// Who may use the broker where a listener asks for it: users with passwords of the configuration, and users whom requests have given SCRAM credentials
// (KIP-554), which the metadata log keeps. Of a password SCRAM credentials are derived when it is first needed, with a fresh salt, and never written
// anywhere. A user of the configuration is what the configuration says: requests do not change it.
import { createHmac } from 'node:crypto';
import type { Random } from '../../base/random.ts';
import type { LogDirectory } from '../log/contract.ts';
import type { CredentialChanges, StoredCredential } from '../log/metadata-log.ts';
import type { RequestOf } from '../wire/apis.ts';
import { ErrorCode, KafkaError } from '../wire/errors.ts';
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
/** More iterations would let clients keep the broker busy (Kafka's own bound). */
const greatestScramIterations = 16384;
/** Kafka's numbers of the mechanisms. */
const mechanisms: ReadonlyMap<number, ScramMechanism> = new Map([
  [1, 'SCRAM-SHA-256'],
  [2, 'SCRAM-SHA-512'],
]);

type Store = Pick<LogDirectory, 'credentials' | 'alterCredentials'>;
type Alterations = RequestOf<'AlterUserScramCredentials'>;
type Upsertion = Alterations['upsertions'][number];

export class Users {
  private readonly passwords: ReadonlyMap<string, string>;
  private readonly random: Random;
  private readonly store: Store;
  private readonly derived = new Map<string, Promise<ScramCredential>>();
  /** Salts of users that are not there: always the same, so that nobody learns who is. */
  private readonly disguise: Buffer;

  /** `passwords` by user. */
  constructor(passwords: Readonly<Record<string, string>>, random: Random, store: Store) {
    this.passwords = new Map(Object.entries(passwords));
    this.random = random;
    this.store = store;
    this.disguise = random.bytes(32);
  }

  has(user: string): boolean {
    return this.passwords.has(user) || this.stored(user).length > 0;
  }

  isPassword(user: string, password: string): boolean {
    const known = this.passwords.get(user);
    return known !== undefined && isSameSecret(password, known);
  }

  /** What a SCRAM exchange with `user` is checked against; for one that is not there something that no password fits. */
  scramCredential(mechanism: ScramMechanism, user: string): Promise<ScramCredential> {
    const password = this.passwords.get(user);
    if (password === undefined) {
      const stored = this.stored(user).find((credential) => credential.mechanism === mechanism);
      return Promise.resolve(stored === undefined ? this.unknown(mechanism, user) : readStored(stored));
    }
    const key = `${mechanism} ${user}`;
    let credential = this.derived.get(key);
    if (credential === undefined) {
      credential = derive(mechanism, password, this.random.bytes(saltBytes));
      this.derived.set(key, credential);
    }
    return credential;
  }

  /** Everybody who can authenticate. */
  names(): string[] {
    return [...new Set([...this.passwords.keys(), ...this.store.credentials().map(({ user }) => user)])].sort();
  }

  /** The SCRAM mechanisms of a user, by Kafka's numbers. */
  describe(user: string): { mechanism: number; iterations: number }[] {
    const stored = new Map(this.stored(user).map(({ mechanism, iterations }) => [mechanism, iterations]));
    return [...mechanisms].flatMap(([mechanism, name]) => {
      const iterations = this.passwords.has(user) ? leastScramIterations : stored.get(name);
      return iterations === undefined ? [] : [{ mechanism, iterations }];
    });
  }

  /** Makes the changes; one that is refused does not hold others. The error of each user that is named, undefined where the change is durable. */
  async alter({ deletions, upsertions }: Alterations): Promise<Map<string, KafkaError | undefined>> {
    const outcome = new Map<string, KafkaError | undefined>();
    const changes: CredentialChanges = { set: [], removed: [] };
    const consider = (user: string, mechanism: number, change: (name: ScramMechanism) => void) => {
      if (outcome.get(user) !== undefined) return;
      try {
        if (outcome.has(user)) throw new KafkaError(ErrorCode.DUPLICATE_RESOURCE, `User ${user} is named twice`);
        outcome.set(user, undefined);
        change(this.checkAlterable(user, mechanism));
      } catch (error) {
        if (!(error instanceof KafkaError)) throw error;
        outcome.set(user, error);
      }
    };
    for (const { name: user, mechanism } of deletions) {
      consider(user, mechanism, (name) => {
        if (!this.stored(user).some((credential) => credential.mechanism === name)) {
          throw new KafkaError(ErrorCode.RESOURCE_NOT_FOUND, `User ${user} has no ${name} credential to delete`);
        }
        changes.removed.push({ user, mechanism: name });
      });
    }
    for (const upsertion of upsertions) {
      consider(upsertion.name, upsertion.mechanism, (name) => changes.set.push(storedOf(name, upsertion)));
    }
    const isAccepted = ({ user }: { user: string }) => outcome.get(user) === undefined;
    const [set, removed] = [changes.set.filter(isAccepted), changes.removed.filter(isAccepted)];
    if (set.length + removed.length > 0) await this.store.alterCredentials({ set, removed });
    return outcome;
  }

  private stored(user: string): StoredCredential[] {
    return this.store.credentials().filter((credential) => credential.user === user);
  }

  private checkAlterable(user: string, mechanism: number): ScramMechanism {
    if (user === '') throw new KafkaError(ErrorCode.UNACCEPTABLE_CREDENTIAL, 'Username must not be empty');
    const name = mechanisms.get(mechanism);
    if (name === undefined) throw new KafkaError(ErrorCode.UNSUPPORTED_SASL_MECHANISM, 'Unknown SCRAM mechanism');
    if (this.passwords.has(user)) {
      const words = `User ${user} stands in the configuration of the broker: change the password there`;
      throw new KafkaError(ErrorCode.UNACCEPTABLE_CREDENTIAL, words);
    }
    return name;
  }

  private unknown(mechanism: ScramMechanism, user: string): ScramCredential {
    const salt = createHmac('sha256', this.disguise).update(user).digest().subarray(0, saltBytes);
    const [storedKey, serverKey] = [
      this.random.bytes(scramKeyBytes[mechanism]),
      this.random.bytes(scramKeyBytes[mechanism]),
    ];
    return { salt, iterations: leastScramIterations, storedKey, serverKey };
  }
}

async function derive(mechanism: ScramMechanism, password: string, salt: Buffer): Promise<ScramCredential> {
  const salted = await saltPassword(mechanism, password, salt, leastScramIterations);
  return credentialOf(mechanism, salted, salt, leastScramIterations);
}

/** Throws KafkaError UNACCEPTABLE_CREDENTIAL for what is too easy to guess, or too much work. */
function storedOf(mechanism: ScramMechanism, { name: user, iterations, salt, saltedPassword }: Upsertion) {
  if (iterations < leastScramIterations || iterations > greatestScramIterations) {
    const words = `${iterations} iterations; ${leastScramIterations} to ${greatestScramIterations} are possible`;
    throw new KafkaError(ErrorCode.UNACCEPTABLE_CREDENTIAL, words);
  }
  const { storedKey, serverKey } = credentialOf(mechanism, saltedPassword, salt, iterations);
  const [saltText, storedText, serverText] = [salt, storedKey, serverKey].map((bytes) => bytes.toString('base64'));
  return { user, mechanism, iterations, salt: saltText!, storedKey: storedText!, serverKey: serverText! };
}

function readStored({ iterations, salt, storedKey, serverKey }: StoredCredential): ScramCredential {
  const bytes = (text: string) => Buffer.from(text, 'base64');
  return { salt: bytes(salt), iterations, storedKey: bytes(storedKey), serverKey: bytes(serverKey) };
}
