// Compression of output files, as a stream on the thread pool. A frame (gzip member, zstd frame) that was ended stands for itself: frames one
// after the other are one valid file, which is what lets appended files and reopened ones go on.
import type { Transform } from 'node:stream';
import { constants, createGzip, createZstdCompress } from 'node:zlib';

export type Compression = 'none' | 'gzip' | 'zstd';

/** What a file name says about its compression. */
export function compressionOf(path: string): Compression {
  if (path.endsWith('.gz')) return 'gzip';
  return path.endsWith('.zst') ? 'zstd' : 'none';
}

/** One frame in the making. Calls never overlap. */
export interface Compressor {
  /** Takes the bytes (they may be reused when it resolves) and gives what is ready: possibly nothing. */
  write(bytes: Uint8Array): Promise<Buffer[]>;
  /** Ends the frame and gives the rest. */
  end(): Promise<Buffer[]>;
  /** Gives the frame up. */
  destroy(): void;
}

class StreamCompressor implements Compressor {
  private readonly stream: Transform;
  private outputs: Buffer[] = [];
  private failed: ((error: Error) => void) | undefined;

  constructor(stream: Transform) {
    this.stream = stream;
    stream.on('data', (bytes: Buffer) => this.outputs.push(bytes));
    stream.on('error', (error) => this.failed?.(error));
  }

  write(bytes: Uint8Array): Promise<Buffer[]> {
    return this.run((resolve) => {
      this.stream.write(bytes, (error) => {
        if (!error) resolve();
      });
    });
  }

  end(): Promise<Buffer[]> {
    return this.run((resolve) => {
      this.stream.once('end', resolve);
      this.stream.end();
    });
  }

  destroy(): void {
    this.stream.destroy();
  }

  private run(start: (resolve: () => void) => void): Promise<Buffer[]> {
    return new Promise((resolve, reject) => {
      this.failed = reject;
      start(() => {
        const ready = this.outputs;
        this.outputs = [];
        resolve(ready);
      });
    });
  }
}

/** Starts a frame. The level is each format's own default: gzip 6, zstd 3. */
export function createCompressor(compression: 'gzip' | 'zstd'): Compressor {
  if (compression === 'gzip') return new StreamCompressor(createGzip({ chunkSize: 128 * 1024 }));
  const params = { [constants.ZSTD_c_checksumFlag]: 1 };
  return new StreamCompressor(createZstdCompress({ chunkSize: 128 * 1024, params }));
}
