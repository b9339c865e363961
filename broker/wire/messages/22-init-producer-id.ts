// API 22, InitProducerId: gives a producer its id and epoch, fencing earlier owners of the transactional id and ending their transactions.
// Versions 0 to 5, flexible from 2. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// InitProducerIdRequest => transactionalId? transactionTimeoutMs producerId(3..) producerEpoch(3..)
// InitProducerIdResponse => throttleTimeMs errorCode producerId producerEpoch
import { int16, int32, int64, message, string } from '../schema.ts';

export const initProducerIdRequest = message({
  name: 'InitProducerIdRequest',
  key: 22,
  versions: [0, 5],
  flexible: 2,
  fields: {
    transactionalId: string({ nullable: 0 }),
    transactionTimeoutMs: int32(),
    producerId: int64({ since: 3, default: -1 }),
    producerEpoch: int16({ since: 3, default: -1 }),
  },
});

export const initProducerIdResponse = message({
  name: 'InitProducerIdResponse',
  key: 22,
  versions: [0, 5],
  flexible: 2,
  fields: { throttleTimeMs: int32(), errorCode: int16(), producerId: int64({ default: -1 }), producerEpoch: int16() },
});
