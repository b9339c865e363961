// API 32, DescribeConfigs: settings of topics and brokers, with where each value comes from.
// Versions 1 to 4, flexible from 4. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// DescribeConfigsRequest => resources[ resourceType resourceName configurationKeys?[] ] includeSynonyms
//   includeDocumentation(3..)
// DescribeConfigsResponse => throttleTimeMs results[ errorCode errorMessage? resourceType resourceName configs[ name
//   value? readOnly configSource isSensitive synonyms[ name value? source ] configType(3..) documentation?(3..) ] ]
import { array, boolean, int16, int32, int8, message, string, struct } from '../schema.ts';

export const describeConfigsRequest = message({
  name: 'DescribeConfigsRequest',
  key: 32,
  versions: [1, 4],
  flexible: 4,
  fields: {
    resources: array(
      struct({ resourceType: int8(), resourceName: string(), configurationKeys: array(string(), { nullable: 1 }) }),
    ),
    includeSynonyms: boolean(),
    includeDocumentation: boolean({ since: 3 }),
  },
});

export const describeConfigsResponse = message({
  name: 'DescribeConfigsResponse',
  key: 32,
  versions: [1, 4],
  flexible: 4,
  fields: {
    throttleTimeMs: int32(),
    results: array(
      struct({
        errorCode: int16(),
        errorMessage: string({ nullable: 1 }),
        resourceType: int8(),
        resourceName: string(),
        configs: array(
          struct({
            name: string(),
            value: string({ nullable: 1 }),
            readOnly: boolean(),
            configSource: int8({ default: -1 }),
            isSensitive: boolean(),
            synonyms: array(struct({ name: string(), value: string({ nullable: 1 }), source: int8() })),
            configType: int8({ since: 3, ignorable: true }),
            documentation: string({ since: 3, nullable: 3, ignorable: true }),
          }),
        ),
      }),
    ),
  },
});
