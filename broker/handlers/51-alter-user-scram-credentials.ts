// AlterUserScramCredentials (key 51): gives users SCRAM credentials, or takes them away. See users.ts.
//
// Versions: 0.
// Behaviour
// - A user that is named twice, be it for two mechanisms, is DUPLICATE_RESOURCE, as in Kafka; one of the configuration UNACCEPTABLE_CREDENTIAL.
import { ErrorCode } from '../wire/errors.ts';
import { alterUserScramCredentialsResponse } from '../wire/messages/51-alter-user-scram-credentials.ts';
import { handler } from './handler.ts';

export const alterUserScramCredentials = handler({
  api: 'AlterUserScramCredentials',
  versions: [0, 0],
  async handle(request, { broker }) {
    const outcome = await broker.users.alter(request);
    const results = [...outcome].map(([user, error]) => ({
      ...{ user, errorCode: error?.errorCode ?? ErrorCode.NONE, errorMessage: error?.message ?? null },
    }));
    return alterUserScramCredentialsResponse.create({ results });
  },
});
