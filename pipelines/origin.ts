// The header "o": where a record was first read from, kept on its way through further topics (pipelines into topics, dead letters), so that ids made
// of coordinates stay the same whatever the detour.
//   16 bytes topic id · unsigned varint partition · unsigned varint offset (up to 2^53) · unsigned varint ordinal

export const originHeader = 'o';

export interface Origin {
  topicId: Buffer;
  partition: number;
  offset: number;
  ordinal: number;
}

export function encodeOrigin(origin: Origin): Buffer {
  const bytes = Buffer.allocUnsafe(16 + 5 + 8 + 5);
  origin.topicId.copy(bytes, 0, 0, 16);
  let position = 16;
  for (const value of [origin.partition, origin.offset, origin.ordinal]) {
    let rest = value;
    for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes[position++] = (rest % 128) | 0x80;
    bytes[position++] = rest;
  }
  return bytes.subarray(0, position);
}

/** Undefined when the bytes are not an origin. */
export function decodeOrigin(bytes: Uint8Array): Origin | undefined {
  const values: number[] = [];
  let value = 0;
  let factor = 1;
  for (let position = 16; position < bytes.length; position++) {
    const byte = bytes[position]!;
    value += (byte & 0x7f) * factor;
    factor *= 128;
    if (byte > 0x7f) continue;
    values.push(value);
    value = 0;
    factor = 1;
  }
  const [partition, offset, ordinal] = values;
  if (partition === undefined || offset === undefined || ordinal === undefined || values.length !== 3 || factor !== 1)
    return undefined;
  return { topicId: Buffer.from(bytes.subarray(0, 16)), partition, offset, ordinal };
}
