// Who the client is to a broker that asks (SASL, KIP-152): the exchange on a connection that has just been made.
import { TailraceError } from '../../base/errors.ts';
import type { Random } from '../../base/random.ts';
import { apis } from '../wire/apis.ts';
import { ErrorCode } from '../wire/errors.ts';
import { encodePlain, type SaslMechanism, ScramClient } from '../wire/sasl.ts';
import type { Connection } from './contract.ts';

export interface SaslLogin {
  readonly mechanism: SaslMechanism;
  readonly user: string;
  readonly password: string;
}

/** Throws TLR_DENIED when the broker refuses, or cannot show (SCRAM) that it knows the password itself. */
export async function authenticate(
  connection: Connection,
  login: SaslLogin,
  { address, random }: { address: string; random: Random },
): Promise<void> {
  const { mechanism, user, password } = login;
  const handshake = apis.SaslHandshake.request.create({ mechanism });
  const { errorCode, mechanisms } = await connection.request('SaslHandshake', handshake);
  if (errorCode === ErrorCode.UNSUPPORTED_SASL_MECHANISM) {
    throw denied(address, `it does not offer ${mechanism}, but ${mechanisms.join(', ') || 'nothing'}`);
  }
  if (errorCode !== ErrorCode.NONE) throw denied(address, 'its listener asks for no user: leave sasl out');
  const send = async (authBytes: Buffer) => {
    const request = apis.SaslAuthenticate.request.create({ authBytes });
    const response = await connection.request('SaslAuthenticate', request);
    if (response.errorCode !== ErrorCode.NONE) throw denied(address, `user ${user}: wrong user or password`);
    return response.authBytes;
  };
  if (mechanism === 'PLAIN') {
    await send(encodePlain(user, password));
    return;
  }
  const scram = new ScramClient(mechanism, user, password, random.bytes(24).toString('base64url'));
  const final = await send(await scram.final(await send(scram.first())));
  if (!scram.isProvenBy(final)) throw denied(address, 'it did not show that it knows the password');
}

function denied(address: string, why: string): TailraceError {
  return new TailraceError('TLR_DENIED', `${address} does not let us in: ${why}`);
}
