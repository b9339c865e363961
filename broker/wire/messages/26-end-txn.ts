// API 26, EndTxn: commits or aborts a transaction; from version 5 it answers with the next epoch (KIP-890).
// Versions 0 to 5, flexible from 3. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// EndTxnRequest => transactionalId producerId producerEpoch committed
// EndTxnResponse => throttleTimeMs errorCode producerId(5..) producerEpoch(5..)
import { boolean, int16, int32, int64, message, string } from '../schema.ts';

export const endTxnRequest = message({
  name: 'EndTxnRequest',
  key: 26,
  versions: [0, 5],
  flexible: 3,
  fields: { transactionalId: string(), producerId: int64(), producerEpoch: int16(), committed: boolean() },
});

export const endTxnResponse = message({
  name: 'EndTxnResponse',
  key: 26,
  versions: [0, 5],
  flexible: 3,
  fields: {
    throttleTimeMs: int32(),
    errorCode: int16(),
    producerId: int64({ since: 5, ignorable: true, default: -1 }),
    producerEpoch: int16({ since: 5, ignorable: true, default: -1 }),
  },
});
