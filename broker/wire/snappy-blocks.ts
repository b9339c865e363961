// Reads what Kafka's clients write as Snappy, in either of two forms:
//   xerial's snappy-java: 82 'S' 'N' 'A' 'P' 'P' 'Y' 00 · int32 version 1 · int32 compatible 1 · blocks: int32 length and so many bytes, a raw block
//   librdkafka and others: one raw block without any framing
// A raw block (format_description.txt) begins with the length of its content as a varint, which is checked before room is made for it.
import { blockKernel } from './block-kernel.ts';

/** What a stream of snappy-java begins with, before the two numbers. */
export const xerialMagic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
/** Bytes before the first block of such a stream. */
export const xerialHeaderBytes = 16;

const outputOfOneByte = 64;

interface Block {
  /** Where its elements, behind the length, stand in the input. */
  start: number;
  end: number;
  contentBytes: number;
}

/** The content of a batch's records, a view that holds until the next batch is undone. Throws Error for what is damaged or has more than `maxBytes`. */
export function readSnappy(input: Buffer, maxBytes: number): Buffer {
  const blocks = isXerial(input) ? framedBlocks(input) : [blockAt(input, 0, input.length)];
  const contentBytes = blocks.reduce((sum, block) => sum + block.contentBytes, 0);
  if (contentBytes > maxBytes) {
    throw new Error(`${contentBytes} bytes after decompression, at most ${maxBytes} allowed`);
  }
  // What says that it is more than its bytes could ever give is damaged; no memory is made for it.
  if (contentBytes > input.length * outputOfOneByte) throw new Error('a snappy block whose length is wrong');
  const { inputAt, outputAt, memory, snappy } = blockKernel(input, contentBytes);
  let out = outputAt;
  for (const { start, end, contentBytes: bytes } of blocks) {
    if (snappy(inputAt + start, inputAt + end, out, out + bytes) !== out + bytes)
      throw new Error('a damaged snappy block');
    out += bytes;
  }
  return memory.subarray(outputAt, out);
}

function isXerial(input: Buffer): boolean {
  return input.length >= xerialHeaderBytes && input.subarray(0, xerialMagic.length).equals(xerialMagic);
}

function framedBlocks(input: Buffer): Block[] {
  const blocks: Block[] = [];
  let position = xerialHeaderBytes;
  while (position < input.length) {
    if (position + 4 > input.length) throw new Error('snappy block cut short');
    const length = input.readInt32BE(position);
    position += 4;
    if (length < 0 || length > input.length - position) throw new Error(`snappy block of ${length} bytes`);
    blocks.push(blockAt(input, position, position + length));
    position += length;
  }
  return blocks;
}

function blockAt(input: Buffer, start: number, end: number): Block {
  let contentBytes = 0;
  for (let index = 0; index < 5 && start + index < end; index++) {
    const byte = input[start + index]!;
    contentBytes += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) return { start: start + index + 1, end, contentBytes };
  }
  throw new Error('snappy block without length');
}
