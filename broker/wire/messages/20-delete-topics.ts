// API 20, DeleteTopics: deletes topics, from version 6 by name or id.
// Versions 1 to 6, flexible from 4. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// DeleteTopicsRequest => topics(6..)[ name? topicId ] topicNames(..5)[] timeoutMs
// DeleteTopicsResponse => throttleTimeMs responses[ name? topicId(6..) errorCode errorMessage?(5..) ]
import { array, int16, int32, message, string, struct, uuid } from '../schema.ts';

export const deleteTopicsRequest = message({
  name: 'DeleteTopicsRequest',
  key: 20,
  versions: [1, 6],
  flexible: 4,
  fields: {
    topics: array(struct({ name: string({ nullable: 6, default: null }), topicId: uuid() }), { since: 6 }),
    topicNames: array(string(), { until: 5, ignorable: true }),
    timeoutMs: int32(),
  },
});

export const deleteTopicsResponse = message({
  name: 'DeleteTopicsResponse',
  key: 20,
  versions: [1, 6],
  flexible: 4,
  fields: {
    throttleTimeMs: int32(),
    responses: array(
      struct({
        name: string({ nullable: 6 }),
        topicId: uuid({ since: 6, ignorable: true }),
        errorCode: int16(),
        errorMessage: string({ since: 5, nullable: 5, ignorable: true, default: null }),
      }),
    ),
  },
});
