// Reads LZ4 frames (lz4_Frame_format.md), the form that batches have since KIP-57:
//
//    0 magic uint32 LE 0x184d2204
//    4 flags: bits 7-6 version 01 · 5 blocks are independent · 4 block checksums · 3 content size · 2 content checksum · 0 dictionary
//    5 bits 6-4: a block holds at most 2^(8 + 2n) bytes, n = 4 to 7
//    6 content size uint64 LE, when there · dictionary uint32, when there · second byte of the XXH32 of flags to here
//   then blocks: length uint32 LE (highest bit: not compressed), as many bytes, XXH32 of them when there; a length of 0 ends them
//   then XXH32 of the whole content, when there. What follows is ignored, as Kafka does.
import { blockKernel, type BlockKernel } from './block-kernel.ts';

const magic = 0x184d2204;
const flagsPosition = 4;
const uncompressedBit = 0x8000_0000;

interface Frame {
  independentBlocks: boolean;
  blockChecksums: boolean;
  contentBytes: number | undefined;
  contentChecksum: boolean;
  maxBlockBytes: number;
  /** Where the header's checksum stands; the blocks begin behind it. */
  headerEnd: number;
  /** The content has at most so many bytes, as the lengths of the blocks say. */
  boundBytes: number;
}

/** The content of a frame, a view that holds until the next batch is undone. Throws Error for what is damaged or has more than `maxBytes`. */
export function readLz4Frame(input: Buffer, maxBytes: number): Buffer {
  const frame = readHeader(input);
  if (frame.boundBytes - frame.maxBlockBytes >= maxBytes) throw new Error(`more than ${maxBytes} bytes`);
  const kernel = blockKernel(input, frame.boundBytes);
  const { inputAt, outputAt, memory, xxh32 } = kernel;
  if (((xxh32(inputAt + flagsPosition, inputAt + frame.headerEnd) >>> 8) & 0xff) !== input[frame.headerEnd]) {
    throw new Error('the checksum of the frame does not match');
  }
  const [position, end] = readBlocks(kernel, input, frame);
  const bytes = end - outputAt;
  if (bytes > maxBytes) throw new Error(`${bytes} bytes after decompression, at most ${maxBytes} allowed`);
  if (frame.contentBytes !== undefined && frame.contentBytes !== bytes) {
    throw new Error(`${bytes} bytes instead of ${frame.contentBytes}`);
  }
  if (frame.contentChecksum) {
    if (input.length < position + 4) throw new Error('the frame is cut short');
    if (xxh32(outputAt, end) !== input.readInt32LE(position)) throw new Error('the checksum does not match');
  }
  return memory.subarray(outputAt, end);
}

function readHeader(input: Buffer): Frame {
  if (input.length < 7 || input.readUInt32LE(0) !== magic) throw new Error('not an LZ4 frame');
  const flags = input[flagsPosition]!;
  const sizeCode = (input[5]! >> 4) & 7;
  if (flags >> 6 !== 1 || sizeCode < 4) throw new Error('an LZ4 frame of an unknown form');
  if ((flags & 0x01) !== 0) throw new Error('an LZ4 frame that needs a dictionary');
  const hasContentBytes = (flags & 0x08) !== 0;
  const headerEnd = hasContentBytes ? 14 : 6;
  if (input.length <= headerEnd) throw new Error('the frame is cut short');
  const maxBlockBytes = 2 ** (8 + 2 * sizeCode);
  const blockChecksums = (flags & 0x10) !== 0;
  return {
    independentBlocks: (flags & 0x20) !== 0,
    blockChecksums,
    contentBytes: hasContentBytes ? Number(input.readBigUInt64LE(6)) : undefined,
    contentChecksum: (flags & 0x04) !== 0,
    maxBlockBytes,
    headerEnd,
    boundBytes: boundOf(input, headerEnd + 1, maxBlockBytes, blockChecksums ? 4 : 0),
  };
}

/** A block gives at most 255 times its bytes, and never more than the frame's block size: less than one block too high, for all but the last are full. */
function boundOf(input: Buffer, start: number, maxBlockBytes: number, checksumBytes: number): number {
  let bound = 0;
  for (let position = start; position + 4 <= input.length;) {
    const length = input.readUInt32LE(position);
    if (length === 0) return bound;
    const bytes = length % uncompressedBit;
    if (bytes > maxBlockBytes) throw new Error(`an LZ4 block of ${bytes} bytes`);
    bound += Math.min(length >= uncompressedBit ? bytes : bytes * 255, maxBlockBytes);
    position += 4 + bytes + checksumBytes;
  }
  throw new Error('an LZ4 frame without end mark');
}

/** Undoes the blocks, whose lengths are known to fit. Returns the position behind them in the input, and the end of the content in the memory. */
function readBlocks(kernel: BlockKernel, input: Buffer, frame: Frame): [position: number, end: number] {
  const { inputAt, outputAt, memory } = kernel;
  let position = frame.headerEnd + 1;
  let out = outputAt;
  for (;;) {
    const length = input.readUInt32LE(position);
    position += 4;
    if (length === 0) return [position, out];
    const bytes = length % uncompressedBit;
    const from = inputAt + position;
    if (length >= uncompressedBit) {
      memory.copyWithin(out, from, from + bytes);
      out += bytes;
    } else {
      const start = frame.independentBlocks ? out : outputAt;
      out = kernel.lz4(
        from,
        from + bytes,
        start,
        out,
        Math.min(out + frame.maxBlockBytes, outputAt + frame.boundBytes),
      );
      if (out === 0) throw new Error('a damaged LZ4 block');
    }
    position += bytes;
    if (frame.blockChecksums) {
      if (kernel.xxh32(from, from + bytes) !== input.readInt32LE(position)) {
        throw new Error('the checksum of an LZ4 block does not match');
      }
      position += 4;
    }
  }
}
