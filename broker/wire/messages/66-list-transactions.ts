// API 66, ListTransactions: transactional ids, filtered.
// Versions 0 to 2, all of them flexible. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// ListTransactionsRequest => stateFilters[] producerIdFilters[] durationFilter(1..)
//   transactionalIdPattern?(2..)
// ListTransactionsResponse => throttleTimeMs errorCode unknownStateFilters[] transactionStates[ transactionalId
//   producerId transactionState ]
import { array, int16, int32, int64, message, string, struct } from '../schema.ts';

export const listTransactionsRequest = message({
  name: 'ListTransactionsRequest',
  key: 66,
  versions: [0, 2],
  flexible: 0,
  fields: {
    stateFilters: array(string()),
    producerIdFilters: array(int64()),
    durationFilter: int64({ since: 1, default: -1 }),
    transactionalIdPattern: string({ since: 2, nullable: 2, default: null }),
  },
});

export const listTransactionsResponse = message({
  name: 'ListTransactionsResponse',
  key: 66,
  versions: [0, 2],
  flexible: 0,
  fields: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    unknownStateFilters: array(string()),
    transactionStates: array(
      struct({
        transactionalId: string(),
        producerId: int64(),
        transactionState: string(),
      }),
    ),
  },
});
