// Receives the body of a request, undoes its compression, and keeps to the limits: on the bytes that were sent, on those they become, and on all
// bodies together. Nothing is kept of a body that is not taken.
import type { IncomingMessage } from 'node:http';
import type { Readable, Transform } from 'node:stream';
import { createGunzip, createInflate, createInflateRaw, createZstdDecompress } from 'node:zlib';
import { formatBytes } from '../../base/units.ts';
import { HttpProblem } from './problem.ts';

/** Bodies of at most this size are received into memory that is used again: new memory for each costs page faults and collections. */
const pooledBytes = 2 * 1024 * 1024;
const spareLimit = 8;

/** The memory that all bodies share. */
export class Room {
  limitBytes: number;
  private usedBytes = 0;
  private readonly spare: Buffer[] = [];

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  hold(): Hold {
    let heldBytes = 0;
    let memory: Buffer | undefined;
    return {
      memoryFor: (bytes) => {
        if (bytes > pooledBytes || memory !== undefined) return Buffer.allocUnsafeSlow(bytes);
        const spare = this.spare.pop();
        memory = spare !== undefined && spare.length >= bytes ? spare : Buffer.allocUnsafeSlow(bytes);
        return memory.subarray(0, bytes);
      },
      take: (bytes) => {
        if (this.usedBytes + bytes > this.limitBytes)
          throw new HttpProblem(429, 'too many bytes are under way; nothing of this request was stored', {
            retryAfterSeconds: 1,
          });
        this.usedBytes += bytes;
        heldBytes += bytes;
      },
      release: () => {
        this.usedBytes -= heldBytes;
        heldBytes = 0;
        if (memory !== undefined && this.spare.length < spareLimit) this.spare.push(memory);
        memory = undefined;
      },
    };
  }
}

/** What one request has of the room, until it is answered. */
export interface Hold {
  /** Throws HttpProblem 429 when there is no room. */
  take(bytes: number): void;
  /** Where a body of that size can be put; it is somebody else's after release(). */
  memoryFor(bytes: number): Buffer;
  release(): void;
}

export interface BodyLimits {
  sentBytes: number;
  decompressedBytes: number;
}

/** Throws HttpProblem 415 for an encoding that is not known. */
function decoderFor(encoding: string): ((first: number, second: number) => Transform) | undefined {
  switch (encoding.trim().toLowerCase()) {
    case '':
    case 'identity':
      return undefined;
    case 'gzip':
    case 'x-gzip':
      return () => createGunzip();
    case 'deflate':
      // Meant to be zlib's format (RFC 9110), but some send the bare one: zlib's two bytes are a multiple of 31.
      return (first, second) =>
        (first & 0x0f) === 8 && ((first << 8) | second) % 31 === 0 ? createInflate() : createInflateRaw();
    case 'zstd':
      return () => createZstdDecompress();
    default:
      throw new HttpProblem(415, `Content-Encoding ${encoding} is not known here: send gzip, deflate, zstd or none`);
  }
}

function tooLarge(limitBytes: number, what: string): HttpProblem {
  return new HttpProblem(413, `the body ${what} more than ${formatBytes(limitBytes)}; send it in smaller pieces`);
}

/** The body as the client meant it. Throws HttpProblem 400, 413, 415 or 429; 400 also when the client went away. */
export async function readBody(
  request: Readable & Pick<IncomingMessage, 'headers'>,
  limits: BodyLimits,
  hold: Hold,
): Promise<Buffer> {
  const decoder = decoderFor(request.headers['content-encoding'] ?? '');
  const announcedBytes = Number(request.headers['content-length'] ?? 0);
  if (announcedBytes > limits.sentBytes) throw tooLarge(limits.sentBytes, 'has');
  const sent = await collect(request, limits.sentBytes, 'has', hold, announcedBytes);
  if (decoder === undefined) return sent;
  if (sent.length === 0) return sent;
  const decompressor = decoder(sent[0]!, sent[1] ?? 0);
  decompressor.end(sent);
  try {
    return await collect(decompressor, limits.decompressedBytes, 'decompresses to', hold);
  } finally {
    decompressor.destroy();
  }
}

/** `announcedBytes`: how many it will be; 0 when that is not known. */
function collect(source: Readable, limitBytes: number, what: string, hold: Hold, announcedBytes = 0): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let whole: Buffer | undefined;
    let bytes = 0;
    const end = (problem: Error | undefined) => {
      source.off('data', onData);
      if (problem !== undefined) reject(problem);
      else if (whole !== undefined) resolve(whole.subarray(0, bytes));
      else resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, bytes));
    };
    const onData = (chunk: Buffer) => {
      bytes += chunk.length;
      try {
        if (bytes > limitBytes) throw tooLarge(limitBytes, what);
        hold.take(chunk.length);
        if (bytes < announcedBytes || whole !== undefined) {
          // Not before something has come: who only announces gets nothing.
          whole ??= hold.memoryFor(announcedBytes);
          chunk.copy(whole, bytes - chunk.length);
        } else chunks.push(chunk);
      } catch (error) {
        chunks.length = 0;
        source.pause();
        end(error as Error);
      }
    };
    source.on('data', onData);
    source.once('end', () => end(undefined));
    // Not once: an error that comes when the body is given up already must not end the process.
    source.on('error', (error) =>
      end(new HttpProblem(400, `the body cannot be read: ${error.message}; nothing of this request was stored`)),
    );
    source.once('close', () =>
      end(new HttpProblem(400, 'the body ended too early; nothing of this request was stored')),
    );
  });
}
