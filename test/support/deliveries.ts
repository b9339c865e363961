// Batches for sinks, made of text lines: what the runner would hand over.
import type { Coordinates, Delivery, DeliveryBatch } from '../../sinks/sink.ts';

export interface TestRecord {
  offset: number;
  text: string;
  timestampMs?: number;
  key?: string;
  fields?: Record<string, unknown>;
}

export const testPartition: Coordinates = { topic: 'logs', topicId: Buffer.alloc(16, 7), partition: 0 };

export function deliveryBatch(records: readonly TestRecord[], coordinates: Coordinates = testPartition): DeliveryBatch {
  const lines = records.map((record) => Buffer.from(record.text));
  return {
    coordinates,
    count: records.length,
    sizeBytes: lines.reduce((sum, line) => sum + line.length, 0),
    forEach(visit: (delivery: Delivery) => unknown, from = 0) {
      for (const [index, record] of records.entries()) {
        if (index < from) continue;
        const line = lines[index]!;
        const going = visit({
          offset: record.offset,
          ordinal: 0,
          timestampMs: record.timestampMs ?? 0,
          buffer: line,
          start: 0,
          end: line.length,
          untouched: true,
          key: () => (record.key === undefined ? null : Buffer.from(record.key)),
          field: (path) => record.fields?.[path],
        });
        if (going === false) return;
      }
    },
  };
}
