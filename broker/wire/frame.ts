// Frames on the socket: int32 size, then a header and a body. A frame is handed in and out without its size unless said otherwise.
//   request header v1   apiKey int16 · apiVersion int16 · correlationId int32 · clientId nullable STRING (never compact)
//   request header v2   the same, then tagged fields: when the API's version is flexible
//   response header v0  correlationId int32                     v1: the same, then tagged fields: when flexible
// ApiVersions is answered with header v0 always, so that a client that does not know our versions can read it (KIP-511).
import { TailraceError } from '../../base/errors.ts';
import { apiNameOf, apis, type ApiName, type RequestOf, type ResponseOf } from './apis.ts';
import { Reader } from './reader.ts';
import { Writer } from './writer.ts';

export interface RequestHeader {
  apiKey: number;
  /** Undefined when the key is none of ours. */
  api: ApiName | undefined;
  version: number;
  correlationId: number;
  /** Empty when the client sent null. */
  clientId: string;
}

/** A request whose header was read; the body begins at the reader's position if `isReadable`. */
export interface RequestFrame {
  header: RequestHeader;
  /** Whether API and version are known here, so that the body can be read. */
  isReadable: boolean;
  reader: Reader;
}

/**
 * Reads the header of a request. An ApiVersions request of a version that we do not know gives a frame with its header alone: it must be
 * answered in version 0. Throws TLR_PROTOCOL.
 */
export function decodeRequestHeader(frame: Buffer): RequestFrame {
  const reader = new Reader(frame);
  const apiKey = reader.int16();
  const version = reader.int16();
  const correlationId = reader.int32();
  const api = apiNameOf(apiKey);
  const isReadable = api !== undefined && isKnownVersion(api, version);
  const clientId = readClientId(reader);
  if (isReadable && apis[api].request.isFlexible(version)) reader.taggedFields();
  return { header: { apiKey, api, version, correlationId, clientId }, isReadable, reader };
}

/**
 * Reads the body of a readable request. Bytes behind it are ignored, as Kafka does: librdkafka up to 2.16 leaves three behind a Metadata request
 * for all topics. Throws TLR_PROTOCOL.
 */
export function decodeRequestBody<K extends ApiName>(api: K, version: number, reader: Reader): RequestOf<K> {
  return apis[api].request.read(reader, version);
}

/** A whole request, size included, as chunks that are to be sent one after the other. */
export function encodeRequest<K extends ApiName>(
  api: K,
  version: number,
  correlationId: number,
  clientId: string | null,
  body: RequestOf<K>,
): Buffer[] {
  const { key, request } = apis[api];
  const writer = new Writer();
  writer.int32(0);
  writer.int16(key);
  writer.int16(version);
  writer.int32(correlationId);
  writer.string(clientId);
  if (request.isFlexible(version)) writer.unsignedVarint(0);
  request.write(writer, version, body);
  return sized(writer);
}

/** A whole response, size included, as chunks that are to be sent one after the other. */
export function encodeResponse<K extends ApiName>(
  api: K,
  version: number,
  correlationId: number,
  body: ResponseOf<K>,
): Buffer[] {
  const { response } = apis[api];
  const writer = new Writer();
  writer.int32(0);
  writer.int32(correlationId);
  if (hasFlexibleResponseHeader(api, version)) writer.unsignedVarint(0);
  response.write(writer, version, body);
  return sized(writer);
}

/** The number that tells which request a response answers. Throws TLR_PROTOCOL. */
export function correlationIdOf(frame: Buffer): number {
  return new Reader(frame).int32();
}

/**
 * Reads a response. An ApiVersions response of version 0 with UNSUPPORTED_VERSION is read as such whatever version was asked for. Throws
 * TLR_PROTOCOL.
 */
export function decodeResponse<K extends ApiName>(
  api: K,
  version: number,
  frame: Buffer,
): { correlationId: number; body: ResponseOf<K> } {
  const reader = new Reader(frame);
  const correlationId = reader.int32();
  if (hasFlexibleResponseHeader(api, version)) reader.taggedFields();
  const bodyVersion = api === 'ApiVersions' && isUnsupportedVersionAnswer(reader) ? 0 : version;
  const body = apis[api].response.read(reader, bodyVersion);
  checkEnd(reader, `${api} response version ${version}`);
  return { correlationId, body };
}

function isUnsupportedVersionAnswer(reader: Reader): boolean {
  const ahead = new Reader(reader.buffer, reader.position, reader.end);
  return ahead.remaining >= 2 && ahead.int16() === 35;
}

function hasFlexibleResponseHeader(api: ApiName, version: number): boolean {
  return api !== 'ApiVersions' && apis[api].response.isFlexible(version);
}

function isKnownVersion(api: ApiName, version: number): boolean {
  const [first, last] = apis[api].versions;
  return version >= first && version <= last;
}

function readClientId(reader: Reader): string {
  const length = reader.shortLength();
  return length < 0 ? '' : reader.utf8(length);
}

function checkEnd(reader: Reader, what: string): void {
  if (reader.remaining > 0) {
    throw new TailraceError('TLR_PROTOCOL', `${what}: ${reader.remaining} bytes are left over`);
  }
}

/** Fills in the size that was left open at the start of the first chunk. */
function sized(writer: Writer): Buffer[] {
  const sizeBytes = writer.sizeBytes;
  const chunks = writer.chunks();
  chunks[0]!.writeInt32BE(sizeBytes - 4, 0);
  return chunks;
}
