// API 51, AlterUserScramCredentials: lets users authenticate by SCRAM, or no longer (KIP-554). The client salts the password; the password itself
// never leaves it. Mechanisms: 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
// Version 0, flexible. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// AlterUserScramCredentialsRequest => deletions[ name mechanism ] upsertions[ name mechanism iterations salt
//   saltedPassword ]
// AlterUserScramCredentialsResponse => throttleTimeMs results[ user errorCode errorMessage? ]
import { array, bytes, int16, int32, int8, message, string, struct } from '../schema.ts';

export const alterUserScramCredentialsRequest = message({
  name: 'AlterUserScramCredentialsRequest',
  key: 51,
  versions: [0, 0],
  flexible: 0,
  fields: {
    deletions: array(struct({ name: string(), mechanism: int8() })),
    upsertions: array(
      struct({ name: string(), mechanism: int8(), iterations: int32(), salt: bytes(), saltedPassword: bytes() }),
    ),
  },
});

export const alterUserScramCredentialsResponse = message({
  name: 'AlterUserScramCredentialsResponse',
  key: 51,
  versions: [0, 0],
  flexible: 0,
  fields: {
    throttleTimeMs: int32(),
    results: array(struct({ user: string(), errorCode: int16(), errorMessage: string({ nullable: 0 }) })),
  },
});
