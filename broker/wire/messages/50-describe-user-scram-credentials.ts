// API 50, DescribeUserScramCredentials: which users can authenticate by SCRAM, and how (KIP-554). Mechanisms: 1 SCRAM-SHA-256, 2 SCRAM-SHA-512.
// Version 0, flexible. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// DescribeUserScramCredentialsRequest => users[ name ]?
// DescribeUserScramCredentialsResponse => throttleTimeMs errorCode errorMessage? results[ user errorCode errorMessage?
//   credentialInfos[ mechanism iterations ] ]
import { array, int16, int32, int8, message, string, struct } from '../schema.ts';

export const describeUserScramCredentialsRequest = message({
  name: 'DescribeUserScramCredentialsRequest',
  key: 50,
  versions: [0, 0],
  flexible: 0,
  fields: { users: array(struct({ name: string() }), { nullable: 0 }) },
});

export const describeUserScramCredentialsResponse = message({
  name: 'DescribeUserScramCredentialsResponse',
  key: 50,
  versions: [0, 0],
  flexible: 0,
  fields: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullable: 0 }),
    results: array(
      struct({
        user: string(),
        errorCode: int16(),
        errorMessage: string({ nullable: 0 }),
        credentialInfos: array(struct({ mechanism: int8(), iterations: int32() })),
      }),
    ),
  },
});
