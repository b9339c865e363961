// API 36, SaslAuthenticate: one step of the SASL exchange.
// Versions 0 to 2, flexible from 2. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// SaslAuthenticateRequest => authBytes
// SaslAuthenticateResponse => errorCode errorMessage? authBytes sessionLifetimeMs(1..)
import { bytes, int16, int64, message, string } from '../schema.ts';

export const saslAuthenticateRequest = message({
  name: 'SaslAuthenticateRequest',
  key: 36,
  versions: [0, 2],
  flexible: 2,
  fields: { authBytes: bytes() },
});

export const saslAuthenticateResponse = message({
  name: 'SaslAuthenticateResponse',
  key: 36,
  versions: [0, 2],
  flexible: 2,
  fields: {
    errorCode: int16(),
    errorMessage: string({ nullable: 0 }),
    authBytes: bytes(),
    sessionLifetimeMs: int64({ since: 1, ignorable: true }),
  },
});
