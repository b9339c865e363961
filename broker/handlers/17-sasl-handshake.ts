// SaslHandshake (key 17): chooses the SASL mechanism. The server takes it itself on a connection that has to authenticate (broker/server/authenticator.ts);
// what comes here came too late, or to a listener without SASL.
//
// Versions: 0-1; 1 is followed by SaslAuthenticate (KIP-152), 0 by bare tokens. Clients take a greater one for something else (KAFKA-9577).
import { ErrorCode } from '../wire/errors.ts';
import { saslHandshakeResponse } from '../wire/messages/17-sasl-handshake.ts';
import { handler } from './handler.ts';

export const saslHandshake = handler({
  api: 'SaslHandshake',
  versions: [0, 1],
  handle: () => saslHandshakeResponse.create({ errorCode: ErrorCode.ILLEGAL_SASL_STATE }),
});
