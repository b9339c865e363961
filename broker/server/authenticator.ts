// SASL on one connection, the broker's side: until it is done the connection may ask for versions and take these steps, and nothing else.
//
//   SaslHandshake v1, then SaslAuthenticate requests (KIP-152); after SaslHandshake v0 bare tokens instead: int32 size, then the mechanism's bytes.
//   PLAIN takes one message, SCRAM two. A connection that fails is answered once, late, and closed: it has one try.
import type { Random } from '../../base/random.ts';
import type { RequestOf, ResponseOf } from '../wire/apis.ts';
import type { Users } from '../handlers/users.ts';
import { ErrorCode } from '../wire/errors.ts';
import { saslHandshakeResponse } from '../wire/messages/17-sasl-handshake.ts';
import { decodePlain, type SaslMechanism, type ScramMechanism, ScramServer, scramUserOf } from '../wire/sasl.ts';

/** What a step of an exchange brought: bytes for the client, or the reason why it is refused. */
export type SaslStep = { readonly token: Buffer } | { readonly refusal: string };

const nonceBytes = 24;

export class Authenticator {
  private readonly mechanisms: readonly SaslMechanism[];
  private readonly users: Users;
  private readonly random: Random;
  private mechanism: SaslMechanism | undefined;
  private scram: { server: ScramServer; user: string } | undefined;
  private takesTokens = false;
  /** Set when the exchange has ended well. */
  user: string | undefined;

  constructor(mechanisms: readonly SaslMechanism[], users: Users, random: Random) {
    this.mechanisms = mechanisms;
    this.users = users;
    this.random = random;
  }

  get isDone(): boolean {
    return this.user !== undefined;
  }

  /** Whether the next frame is a bare token and no request. */
  get expectsToken(): boolean {
    return this.takesTokens && !this.isDone;
  }

  /** Whether the mechanism has been agreed on. */
  get isUnderWay(): boolean {
    return this.mechanism !== undefined;
  }

  /** Agrees on a mechanism; the connection is to be closed after any error code but 0. */
  handshake(request: RequestOf<'SaslHandshake'>, version: number): ResponseOf<'SaslHandshake'> {
    this.mechanism = this.mechanisms.find((mechanism) => mechanism === request.mechanism);
    this.takesTokens = version === 0;
    const errorCode = this.mechanism === undefined ? ErrorCode.UNSUPPORTED_SASL_MECHANISM : ErrorCode.NONE;
    return saslHandshakeResponse.create({ errorCode, mechanisms: [...this.mechanisms] });
  }

  /** Takes the client's next message; `isDone` when that was the last one. */
  async step(message: Buffer): Promise<SaslStep> {
    const { mechanism } = this;
    if (mechanism === undefined) return { refusal: 'no mechanism has been agreed on' };
    if (mechanism === 'PLAIN') return this.plain(message);
    return this.scram === undefined ? this.scramFirst(mechanism, message) : this.scramFinal(message);
  }

  private plain(message: Buffer): SaslStep {
    const said = decodePlain(message);
    if (said === undefined) return { refusal: 'no PLAIN message' };
    const { authorizationId, user, password } = said;
    if (authorizationId !== '' && authorizationId !== user) return { refusal: 'one user may not act as another' };
    if (!this.users.isPassword(user, password)) return { refusal: this.wrongPassword(user) };
    this.user = user;
    return { token: Buffer.alloc(0) };
  }

  private async scramFirst(mechanism: ScramMechanism, message: Buffer): Promise<SaslStep> {
    const said = scramUserOf(message);
    if (said === undefined) return { refusal: `no first ${mechanism} message` };
    const credential = await this.users.scramCredential(mechanism, said.user);
    const nonce = this.random.bytes(nonceBytes).toString('base64url');
    this.scram = { server: new ScramServer(mechanism, credential, said, nonce), user: said.user };
    return { token: this.scram.server.first() };
  }

  private scramFinal(message: Buffer): SaslStep {
    const { server, user } = this.scram!;
    const token = server.final(message);
    if (token === undefined) return { refusal: this.wrongPassword(user) };
    this.user = user;
    return { token };
  }

  /** Names only users that are there: what else is typed in the place of a name may be a password. */
  private wrongPassword(user: string): string {
    return this.users.has(user) ? `wrong password of user ${user}` : 'unknown user';
  }
}
