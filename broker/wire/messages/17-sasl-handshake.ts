// API 17, SaslHandshake: chooses the SASL mechanism.
// Versions 0 to 1, none of them flexible. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// SaslHandshakeRequest => mechanism
// SaslHandshakeResponse => errorCode mechanisms[]
import { array, int16, message, string } from '../schema.ts';

export const saslHandshakeRequest = message({
  name: 'SaslHandshakeRequest',
  key: 17,
  versions: [0, 1],
  fields: { mechanism: string() },
});

export const saslHandshakeResponse = message({
  name: 'SaslHandshakeResponse',
  key: 17,
  versions: [0, 1],
  fields: { errorCode: int16(), mechanisms: array(string()) },
});
