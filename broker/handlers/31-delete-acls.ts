// DeleteAcls (key 31): there are no access rules (acls.ts).
//
// Versions: 1-3.
// Version notes: 2 flexible · 3 user-defined resource types (KIP-373)
import { deleteAclsResponse } from '../wire/messages/31-delete-acls.ts';
import { withoutAuthorizer } from './acls.ts';
import { handler } from './handler.ts';

export const deleteAcls = handler({
  api: 'DeleteAcls',
  versions: [1, 3],
  handle: ({ filters }) => deleteAclsResponse.create({ filterResults: filters.map(() => withoutAuthorizer) }),
});
