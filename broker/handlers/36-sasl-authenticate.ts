// SaslAuthenticate (key 36): one step of the SASL exchange. The server takes it itself on a connection that has to authenticate
// (broker/server/authenticator.ts); what comes here came too late, or to a listener without SASL.
//
// Versions: 0-2.
// Version notes: 1 session lifetime (KIP-368; 0 here: it never ends) · 2 flexible
import { ErrorCode } from '../wire/errors.ts';
import { saslAuthenticateResponse } from '../wire/messages/36-sasl-authenticate.ts';
import { handler } from './handler.ts';

export const saslAuthenticate = handler({
  api: 'SaslAuthenticate',
  versions: [0, 2],
  handle: () =>
    saslAuthenticateResponse.create({
      errorCode: ErrorCode.ILLEGAL_SASL_STATE,
      errorMessage: 'SaslAuthenticate came where nothing was to be authenticated',
    }),
});
