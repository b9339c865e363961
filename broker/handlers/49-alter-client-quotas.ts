// AlterClientQuotas (key 49): there are no quotas, and none can be set: INVALID_REQUEST says so for each entry, rather than keeping what would not act.
//
// Versions: 0-1.
// Version notes: 1 flexible
import { ErrorCode } from '../wire/errors.ts';
import { alterClientQuotasResponse } from '../wire/messages/49-alter-client-quotas.ts';
import { handler } from './handler.ts';

const refusal = { errorCode: ErrorCode.INVALID_REQUEST, errorMessage: 'This broker has no quotas' };

export const alterClientQuotas = handler({
  api: 'AlterClientQuotas',
  versions: [0, 1],
  handle: ({ entries }) =>
    alterClientQuotasResponse.create({ entries: entries.map(({ entity }) => ({ entity, ...refusal })) }),
});
