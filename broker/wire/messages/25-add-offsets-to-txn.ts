// API 25, AddOffsetsToTxn: enters a group's offsets into a transaction.
// Versions 0 to 4, flexible from 3. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// AddOffsetsToTxnRequest => transactionalId producerId producerEpoch groupId
// AddOffsetsToTxnResponse => throttleTimeMs errorCode
import { int16, int32, int64, message, string } from '../schema.ts';

export const addOffsetsToTxnRequest = message({
  name: 'AddOffsetsToTxnRequest',
  key: 25,
  versions: [0, 4],
  flexible: 3,
  fields: { transactionalId: string(), producerId: int64(), producerEpoch: int16(), groupId: string() },
});

export const addOffsetsToTxnResponse = message({
  name: 'AddOffsetsToTxnResponse',
  key: 25,
  versions: [0, 4],
  flexible: 3,
  fields: { throttleTimeMs: int32(), errorCode: int16() },
});
