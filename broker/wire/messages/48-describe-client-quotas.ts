// API 48, DescribeClientQuotas: the quotas of users, client ids and addresses (KIP-546). A match is 0 a name, 1 the default, 2 any name.
// Versions 0 to 1, flexible from 1. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// DescribeClientQuotasRequest => components[ entityType matchType match? ] strict
// DescribeClientQuotasResponse => throttleTimeMs errorCode errorMessage? entries[ entity[ entityType entityName? ]
//   values[ key value ] ]?
import { array, boolean, float64, int16, int32, int8, message, string, struct } from '../schema.ts';

export const describeClientQuotasRequest = message({
  name: 'DescribeClientQuotasRequest',
  key: 48,
  versions: [0, 1],
  flexible: 1,
  fields: {
    components: array(struct({ entityType: string(), matchType: int8(), match: string({ nullable: 0 }) })),
    strict: boolean(),
  },
});

export const describeClientQuotasResponse = message({
  name: 'DescribeClientQuotasResponse',
  key: 48,
  versions: [0, 1],
  flexible: 1,
  fields: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    errorMessage: string({ nullable: 0 }),
    entries: array(
      struct({
        entity: array(struct({ entityType: string(), entityName: string({ nullable: 0 }) })),
        values: array(struct({ key: string(), value: float64() })),
      }),
      { nullable: 0 },
    ),
  },
});
