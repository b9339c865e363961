// DescribeUserScramCredentials (key 50): who can authenticate by SCRAM, and with how many iterations. See users.ts.
//
// Versions: 0.
// Behaviour
// - Null or no names ask for all. A name that is asked for twice is DUPLICATE_RESOURCE, one that is not there RESOURCE_NOT_FOUND.
import { ErrorCode } from '../wire/errors.ts';
import { describeUserScramCredentialsResponse } from '../wire/messages/50-describe-user-scram-credentials.ts';
import { handler } from './handler.ts';

export const describeUserScramCredentials = handler({
  api: 'DescribeUserScramCredentials',
  versions: [0, 0],
  handle({ users: asked }, { broker: { users } }) {
    const names = asked === null || asked.length === 0 ? users.names() : asked.map(({ name }) => name);
    const results = [...new Set(names)].map((user) => {
      const isTwice = names.indexOf(user) !== names.lastIndexOf(user);
      if (isTwice) return refused(user, ErrorCode.DUPLICATE_RESOURCE, 'is named twice');
      const credentialInfos = users.describe(user);
      if (credentialInfos.length === 0) return refused(user, ErrorCode.RESOURCE_NOT_FOUND, 'has no SCRAM credential');
      return { user, errorCode: ErrorCode.NONE, errorMessage: null, credentialInfos };
    });
    return describeUserScramCredentialsResponse.create({ errorMessage: null, results });
  },
});

function refused(user: string, errorCode: number, why: string) {
  return { user, errorCode, errorMessage: `User ${user} ${why}`, credentialInfos: [] };
}
