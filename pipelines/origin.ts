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

/** Pieces that one split may make of a record. */
export const piecesMax = 0xffff;

/**
 * The ordinal of the `number`th piece (from 1) of a record that is itself piece `ordinal`, or 0 when it is none: digits to the base 65536, so that pieces
 * of pieces never share one. Throws RangeError when they do not fit
 * any more: three splittings one after the other always do.
 */
export function pieceOrdinal(ordinal: number, number: number): number {
  const result = ordinal * (piecesMax + 1) + number;
  if (result > Number.MAX_SAFE_INTEGER) throw new RangeError('it was split too often');
  return result;
}

/** The ordinal, below an origin's own, of what a pipeline made of the record: 0 when it did not split it. */
export function ordinalBelow(originOrdinal: number, ordinal: number): number {
  let factor = 1;
  while (factor <= ordinal) factor *= piecesMax + 1;
  const result = originOrdinal * factor + ordinal;
  if (result > Number.MAX_SAFE_INTEGER) throw new RangeError('it was split too often');
  return result;
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

/** Adds the header to those of a record; where it came with one, that stays, and says which piece of it this is. */
export function addOrigin(headers: { key: string; value: Buffer | null }[], here: Origin): void {
  const index = headers.findIndex(({ key }) => key === originHeader);
  if (index < 0) {
    headers.push({ key: originHeader, value: encodeOrigin(here) });
    return;
  }
  const first = here.ordinal === 0 ? undefined : decodeOrigin(headers[index]!.value ?? Buffer.alloc(0));
  if (first === undefined) return;
  const ordinal = ordinalBelow(first.ordinal, here.ordinal);
  headers[index] = { key: originHeader, value: encodeOrigin({ ...first, ordinal }) };
}

/** The origin in the headers of a record. */
export function originIn(headers: readonly { key: string; value: Buffer | null }[]): Origin | undefined {
  return decodeOrigin(headers.find(({ key }) => key === originHeader)?.value ?? Buffer.alloc(0));
}

/** The origin that a record read `here` has in the topic it goes to. */
export function originAfter(headers: { key: string; value: Buffer | null }[], here: Origin): Origin | undefined {
  addOrigin(headers, here);
  return originIn(headers);
}
