// The five codecs of record batches, both ways, with a limit on what may come out; zstd, gzip and lz4 also in the thread pool. What each looks like
// inside a batch:
//   gzip    RFC 1952                        lz4   LZ4 frame, independent blocks (KIP-57)        zstd   RFC 8878 (KIP-110)
//   snappy  the framing of xerial's snappy-java: 82 'S' 'N' 'A' 'P' 'P' 'Y' 00, int32 version 1, int32 compatible 1, then blocks
//           of int32 length and that many bytes of raw snappy; librdkafka and others write one raw block without any framing.
// Native packages are loaded when a codec is first used.
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { constants, gunzipSync, gzip, gzipSync, zstdCompress, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type * as lz4Package from 'lz4-napi';
import type * as snappyPackage from 'snappy';
import { messageOf } from '../../base/errors.ts';
import { ErrorCode, KafkaError } from './errors.ts';

/** By the number in a batch's attributes. */
export const compressionNames = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;
export type Compression = (typeof compressionNames)[number];

const require = createRequire(import.meta.url);
let snappyModule: typeof snappyPackage | undefined;
let lz4Module: typeof lz4Package | undefined;
const snappy = () => (snappyModule ??= require('snappy') as typeof snappyPackage);
const lz4 = () => (lz4Module ??= require('lz4-napi') as typeof lz4Package);

const gzipAside = promisify(gzip);
const zstdAside = promisify(zstdCompress);

const zstdParams = { [constants.ZSTD_c_compressionLevel]: 1 };
/** What comes out beside the main thread is collected in pieces of this size: one is enough for a batch of a megabyte of log lines. */
const compressedChunkBytes = 128 * 1024;

const xerialMagic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const xerialHeaderBytes = 16;
const xerialBlockBytes = 32 * 1024;

/** Compresses the records of a batch. 'none' gives the input itself. */
export function compress(compression: Compression, input: Buffer): Buffer {
  switch (compression) {
    case 'none':
      return input;
    case 'gzip':
      return gzipSync(input);
    case 'snappy':
      return compressXerial(input);
    case 'lz4':
      return lz4().compressFrameSync(input);
    case 'zstd':
      return zstdCompressSync(input, { params: zstdParams });
  }
}

/** As compress, in the thread pool where the codec can. `input` must not change before the promise is settled. */
export async function compressAside(compression: Compression, input: Buffer): Promise<Buffer> {
  const chunkSize = Math.min(compressedChunkBytes, Math.max(input.length, 1024));
  switch (compression) {
    case 'gzip':
      return gzipAside(input, { chunkSize });
    case 'lz4':
      return lz4().compressFrame(input);
    case 'zstd':
      return zstdAside(input, { chunkSize, params: zstdParams });
    default:
      return compress(compression, input);
  }
}

/** Undoes compress. Throws KafkaError CORRUPT_MESSAGE for damaged input and for output of more than `maxBytes`. */
export function decompress(compression: Compression, input: Buffer, maxBytes: number): Buffer {
  try {
    switch (compression) {
      case 'none':
        return input;
      case 'gzip':
        return gunzipSync(input, { maxOutputLength: maxBytes, chunkSize: outputChunkBytes(input) });
      case 'snappy':
        return decompressSnappy(input, maxBytes);
      case 'lz4':
        checkLimit(lz4OutputBound(input), maxBytes);
        return lz4().decompressFrameSync(input);
      case 'zstd':
        return zstdDecompressSync(input, { maxOutputLength: maxBytes, chunkSize: outputChunkBytes(input) });
    }
  } catch (error) {
    if (error instanceof KafkaError) throw error;
    throw new KafkaError(ErrorCode.CORRUPT_MESSAGE, `${compression} data: ${messageOf(error)}`, { cause: error });
  }
}

/** Log lines shrink to a quarter or less: with the default of 16 KiB most of the time would go into joining pieces. */
function outputChunkBytes(input: Buffer): number {
  return Math.min(Math.max(input.length * 4, 16 * 1024), 1024 * 1024);
}

function compressXerial(input: Buffer): Buffer {
  const header = Buffer.alloc(xerialHeaderBytes);
  xerialMagic.copy(header);
  header.writeInt32BE(1, 8);
  header.writeInt32BE(1, 12);
  const parts: Buffer[] = [header];
  for (let start = 0; start < input.length; start += xerialBlockBytes) {
    const block = snappy().compressSync(input.subarray(start, start + xerialBlockBytes));
    const length = Buffer.allocUnsafe(4);
    length.writeInt32BE(block.length);
    parts.push(length, block);
  }
  return Buffer.concat(parts);
}

function decompressSnappy(input: Buffer, maxBytes: number): Buffer {
  if (input.length < xerialHeaderBytes || !input.subarray(0, 8).equals(xerialMagic)) {
    return decompressSnappyBlock(input, maxBytes);
  }
  const parts: Buffer[] = [];
  let remaining = maxBytes;
  let position = xerialHeaderBytes;
  while (position < input.length) {
    if (position + 4 > input.length) throw new KafkaError(ErrorCode.CORRUPT_MESSAGE, 'snappy block cut short');
    const length = input.readInt32BE(position);
    position += 4;
    if (length < 0 || length > input.length - position) {
      throw new KafkaError(ErrorCode.CORRUPT_MESSAGE, `snappy block of ${length} bytes`);
    }
    const part = decompressSnappyBlock(input.subarray(position, position + length), remaining);
    remaining -= part.length;
    parts.push(part);
    position += length;
  }
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}

/** A raw block begins with the length of its content as a varint, which is checked before anything is allocated. */
function decompressSnappyBlock(block: Buffer, maxBytes: number): Buffer {
  let length = 0;
  for (let index = 0; index < 5; index++) {
    const byte = block[index];
    if (byte === undefined) break;
    length += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) {
      checkLimit(length, maxBytes);
      return snappy().uncompressSync(block, { asBuffer: true }) as Buffer;
    }
  }
  throw new KafkaError(ErrorCode.CORRUPT_MESSAGE, 'snappy block without length');
}

/**
 * The most that an LZ4 frame can hold, from the sizes of its blocks alone: a block gives at most 255 times its bytes and never more than
 * the frame's block size. All blocks but the last are full, so that the bound is less than one block too high.
 */
function lz4OutputBound(frame: Buffer): number {
  if (frame.length < 7 || frame.readUInt32LE(0) !== 0x184d2204) {
    throw new KafkaError(ErrorCode.CORRUPT_MESSAGE, 'not an LZ4 frame');
  }
  const flags = frame[4]!;
  const maxBlockBytes = 2 ** (8 + 2 * ((frame[5]! >> 4) & 7));
  const checksumBytes = flags & 0x10 ? 4 : 0;
  let position = 7 + (flags & 0x08 ? 8 : 0) + (flags & 0x01 ? 4 : 0);
  let bound = 0;
  while (position + 4 <= frame.length) {
    const size = frame.readUInt32LE(position);
    if (size === 0) return bound;
    const blockBytes = size & 0x7fffffff;
    bound += Math.min(size >= 0x80000000 ? blockBytes : blockBytes * 255, maxBlockBytes);
    position += 4 + blockBytes + checksumBytes;
  }
  throw new KafkaError(ErrorCode.CORRUPT_MESSAGE, 'LZ4 frame without end mark');
}

function checkLimit(bytes: number, maxBytes: number): void {
  if (bytes > maxBytes) {
    throw new KafkaError(ErrorCode.CORRUPT_MESSAGE, `${bytes} bytes after decompression, at most ${maxBytes} allowed`);
  }
}
