// CreateAcls (key 30): there are no access rules (acls.ts).
//
// Versions: 1-3.
// Version notes: 2 flexible · 3 user-defined resource types (KIP-373)
import { createAclsResponse } from '../wire/messages/30-create-acls.ts';
import { withoutAuthorizer } from './acls.ts';
import { handler } from './handler.ts';

export const createAcls = handler({
  api: 'CreateAcls',
  versions: [1, 3],
  handle: ({ creations }) => createAclsResponse.create({ results: creations.map(() => withoutAuthorizer) }),
});
