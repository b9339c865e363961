// DescribeAcls (key 29): there are no access rules; tools take the answer for "none" (acls.ts).
//
// Versions: 1-3.
// Version notes: 2 flexible · 3 user-defined resource types (KIP-373)
import { describeAclsResponse } from '../wire/messages/29-describe-acls.ts';
import { withoutAuthorizer } from './acls.ts';
import { handler } from './handler.ts';

export const describeAcls = handler({
  api: 'DescribeAcls',
  versions: [1, 3],
  handle: () => describeAclsResponse.create(withoutAuthorizer),
});
