// Runs block-kernel.wat: blocks of LZ4 and Snappy undone, and the checksum of LZ4 frames. What goes in is copied in, what comes out lies in that memory until the
// next call. One memory serves the process; for a batch that does not fit, another is made and given back after it.
import { blockKernelCode } from './block-kernel-code.ts';
import { type KernelInstance, KernelModule, slackBytes } from './kernel-instance.ts';

/** Enough for a batch of the largest default size (max.message.bytes) whose records are four times as many bytes. What is never used takes no memory. */
const keptBytes = 6 * 1024 * 1024;

/** Addresses of the memory; a function that finds damage gives 0. */
interface Functions {
  /** The LZ4 block in [from, end) to `out`, not beyond `limit`; distances may reach back to `start`. Returns the end of what was written. */
  lz4: (...block: [from: number, end: number, start: number, out: number, limit: number]) => number;
  /** The elements of a Snappy block in [from, end) to `out`, not beyond `limit`. Returns the end of what was written. */
  snappy: (...block: [from: number, end: number, out: number, limit: number]) => number;
  /** XXH32 with the seed 0, as a signed number. */
  xxh32: (from: number, end: number) => number;
}

/** A memory with what is to be undone, and room for what comes out. */
export interface BlockKernel extends KernelInstance<Functions> {
  /** Where what was copied in begins. */
  inputAt: number;
  /** Where what comes out may begin. */
  outputAt: number;
}

const module = new KernelModule<Functions>(blockKernelCode);
let kept: KernelInstance<Functions> | undefined;

/** A kernel whose memory holds `input` and has room for so much output; both hold until the next call. */
export function blockKernel(input: Buffer, outputBytes: number): BlockKernel {
  const inputAt = slackBytes;
  const outputAt = inputAt + input.length + slackBytes;
  const bytes = outputAt + outputBytes + slackBytes;
  const functions = bytes <= keptBytes ? (kept ??= module.instance(keptBytes)) : module.instance(bytes);
  input.copy(functions.memory, inputAt);
  return { ...functions, inputAt, outputAt };
}
