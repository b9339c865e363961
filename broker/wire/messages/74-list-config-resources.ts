// API 74, ListConfigResources: the names of what has settings (KIP-1142); in version 0 of client metrics only.
// Versions 0 to 1, flexible. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// ListConfigResourcesRequest => resourceTypes(1..)[]
// ListConfigResourcesResponse => throttleTimeMs errorCode configResources[ resourceName resourceType(1..) ]
import { array, int16, int32, int8, message, string, struct } from '../schema.ts';

export const listConfigResourcesRequest = message({
  name: 'ListConfigResourcesRequest',
  key: 74,
  versions: [0, 1],
  flexible: 0,
  fields: { resourceTypes: array(int8(), { since: 1 }) },
});

export const listConfigResourcesResponse = message({
  name: 'ListConfigResourcesResponse',
  key: 74,
  versions: [0, 1],
  flexible: 0,
  fields: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    configResources: array(
      struct({ resourceName: string(), resourceType: int8({ since: 1, ignorable: true, default: 16 }) }),
    ),
  },
});
