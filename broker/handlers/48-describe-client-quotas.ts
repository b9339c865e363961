// DescribeClientQuotas (key 48): there are no quotas; tools take the answer for "none".
//
// Versions: 0-1.
// Version notes: 1 flexible
import { describeClientQuotasResponse } from '../wire/messages/48-describe-client-quotas.ts';
import { handler } from './handler.ts';

export const describeClientQuotas = handler({
  api: 'DescribeClientQuotas',
  versions: [0, 1],
  handle: () => describeClientQuotasResponse.create({ errorMessage: null, entries: [] }),
});
