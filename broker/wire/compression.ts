// The five codecs of record batches, both ways, with a limit on what may come out; zstd, gzip and lz4 also in the thread pool. What each looks like
// inside a batch:
//   gzip    RFC 1952        zstd   RFC 8878 (KIP-110)        snappy   snappy-blocks.ts        lz4   lz4-frame.ts
// Native packages, which compress snappy and lz4, are loaded when a codec is first used.
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { constants, gunzipSync, gzip, gzipSync, zstdCompress, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type * as lz4Package from 'lz4-napi';
import type * as snappyPackage from 'snappy';
import { messageOf } from '../../base/errors.ts';
import { ErrorCode, KafkaError } from './errors.ts';
import { readLz4Frame } from './lz4-frame.ts';
import { readSnappy, xerialHeaderBytes, xerialMagic } from './snappy-blocks.ts';

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
  const output = decompressBriefly(compression, input, maxBytes);
  return compression === 'lz4' || compression === 'snappy' ? Buffer.from(output) : output;
}

/** As decompress, but what comes out may hold only until the next call: for those who look at it and go on. */
export function decompressBriefly(compression: Compression, input: Buffer, maxBytes: number): Buffer {
  try {
    switch (compression) {
      case 'none':
        return input;
      case 'gzip':
        return gunzipSync(input, { maxOutputLength: maxBytes, chunkSize: outputChunkBytes(input) });
      case 'snappy':
        return readSnappy(input, maxBytes);
      case 'lz4':
        return readLz4Frame(input, maxBytes);
      case 'zstd':
        return zstdDecompressSync(input, { maxOutputLength: maxBytes, chunkSize: outputChunkBytes(input) });
    }
  } catch (error) {
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
