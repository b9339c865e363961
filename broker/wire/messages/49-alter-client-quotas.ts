// API 49, AlterClientQuotas: sets and removes quotas of users, client ids and addresses (KIP-546). A name that is null is the default.
// Versions 0 to 1, flexible from 1. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// AlterClientQuotasRequest => entries[ entity[ entityType entityName? ] ops[ key value remove ] ] validateOnly
// AlterClientQuotasResponse => throttleTimeMs entries[ errorCode errorMessage? entity[ entityType entityName? ] ]
import { array, boolean, float64, int16, int32, message, string, struct } from '../schema.ts';

export const alterClientQuotasRequest = message({
  name: 'AlterClientQuotasRequest',
  key: 49,
  versions: [0, 1],
  flexible: 1,
  fields: {
    entries: array(
      struct({
        entity: array(struct({ entityType: string(), entityName: string({ nullable: 0 }) })),
        ops: array(struct({ key: string(), value: float64(), remove: boolean() })),
      }),
    ),
    validateOnly: boolean(),
  },
});

export const alterClientQuotasResponse = message({
  name: 'AlterClientQuotasResponse',
  key: 49,
  versions: [0, 1],
  flexible: 1,
  fields: {
    throttleTimeMs: int32(),
    entries: array(
      struct({
        errorCode: int16(),
        errorMessage: string({ nullable: 0 }),
        entity: array(struct({ entityType: string(), entityName: string({ nullable: 0 }) })),
      }),
    ),
  },
});
