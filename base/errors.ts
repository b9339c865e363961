// The one error class of the product and the table of its codes. A code is stable: people search for it.

/** Every code, with what the reader of the message can do about it (shown under the message by the command). */
export const errorHints = {
  TLR_INTERNAL: 'This is a defect in Tailrace: please report it with the message.',
  TLR_USAGE: 'Run the command with --help.',
  TLR_CONFIG: 'Mend the configuration and start again; nothing was changed.',
  TLR_RESTART: 'Stop Tailrace and start it again with the new configuration, or undo that part of the change.',
  TLR_NOT_FOUND: 'Check the name.',
  TLR_LOCKED: 'Stop the other process, or use another data directory.',
  TLR_DATA_VERSION: 'Use the newer Tailrace for this data directory; it was left untouched.',
  TLR_DISK_FULL: 'Free some space; intake goes on by itself when there is room again.',
  TLR_DISK_FAILED:
    'The disk refused a write or a sync. Check it before starting again; nothing unsynced was acknowledged.',
  TLR_CORRUPT: 'Data on disk changed after it was written. Nothing was cut; restore the file from a backup.',
  TLR_UNREADABLE: 'Check the path and its permissions.',
  TLR_UNREACHABLE: 'Check that the address is right and the server is up.',
  TLR_LISTEN:
    'Give another address (for the broker: broker: { listen: "127.0.0.1:19092" }), or end the process that has this one (ss -ltnp names it).',
  TLR_DENIED: 'Check user, password and mechanism, and the certificates, on both sides.',
  TLR_TIMEOUT: 'Try again; if it stays, look at the log of the other side.',
  TLR_PROTOCOL: 'The other side does not speak Kafka as expected; check address and version.',
  TLR_KAFKA: 'See the Kafka error named in the message.',
  TLR_FENCED: 'Another process took over with the same identity; this one stopped writing.',
  TLR_SINK: 'See the message; the edge goes on by itself when the cause is gone.',
  TLR_CLOSED: 'It was being shut down.',
} as const;

export type ErrorCode = keyof typeof errorHints;

/** An expected failure with a stable code; `cause` holds what led to it. */
export class TailraceError extends Error {
  readonly code: ErrorCode;
  /** Whether the same call may succeed later without anybody changing anything. */
  readonly retriable: boolean;

  constructor(code: ErrorCode, message: string, options: { cause?: unknown; retriable?: boolean } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'TailraceError';
    this.code = code;
    this.retriable = options.retriable ?? false;
  }

  get hint(): string {
    return errorHints[this.code];
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Throws an internal error with `message` unless `condition` holds. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new TailraceError('TLR_INTERNAL', message);
}
