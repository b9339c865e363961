// Kafka's own definitions of its messages: the files common/message/*.json inside its jars (JSON with comments). Read for conformance tests.
import { readFile } from 'node:fs/promises';
import { inflateRawSync } from 'node:zlib';

export interface KafkaField {
  readonly name: string;
  /** 'int32', 'string', the name of a struct, or one of them behind '[]'. */
  readonly type: string;
  /** As taggedVersions where it is left out. */
  readonly versions?: string;
  readonly nullableVersions?: string;
  readonly taggedVersions?: string;
  readonly tag?: number;
  readonly ignorable?: boolean;
  readonly default?: string | number | boolean;
  /** Of a struct that is not in the message's commonStructs. */
  readonly fields?: readonly KafkaField[];
}

export interface KafkaMessage {
  readonly apiKey?: number;
  readonly type: 'request' | 'response' | 'data' | 'coordinator-key' | 'coordinator-value';
  readonly name: string;
  readonly listeners?: readonly string[];
  readonly validVersions: string;
  readonly latestVersionUnstable?: boolean;
  readonly flexibleVersions?: string;
  readonly fields: readonly KafkaField[];
  readonly commonStructs?: readonly { readonly name: string; readonly fields: readonly KafkaField[] }[];
}

/** Every message that the jars define, by name. */
export async function kafkaMessages(jars: readonly string[]): Promise<Map<string, KafkaMessage>> {
  const messages = new Map<string, KafkaMessage>();
  for (const jar of jars) {
    for (const text of filesIn(await readFile(jar), /^common\/message\/.*\.json$/)) {
      const message = JSON.parse(text.replace(/^\s*\/\/.*$/gm, '')) as KafkaMessage;
      messages.set(message.name, message);
    }
  }
  return messages;
}

/** The texts of the files of a zip whose names fit, found by its central directory (APPNOTE 4.3.12). */
function* filesIn(zip: Buffer, names: RegExp): Generator<string> {
  const end = zip.lastIndexOf('PK\x05\x06', undefined, 'latin1');
  let entry = zip.readUInt32LE(end + 16);
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    const [method, sizeBytes] = [zip.readUInt16LE(entry + 10), zip.readUInt32LE(entry + 20)];
    const nameBytes = zip.readUInt16LE(entry + 28);
    if (names.test(zip.toString('utf8', entry + 46, entry + 46 + nameBytes))) {
      const head = zip.readUInt32LE(entry + 42);
      const start = head + 30 + zip.readUInt16LE(head + 26) + zip.readUInt16LE(head + 28);
      const content = zip.subarray(start, start + sizeBytes);
      yield (method === 0 ? content : inflateRawSync(content)).toString('utf8');
    }
    entry += 46 + nameBytes + zip.readUInt16LE(entry + 30) + zip.readUInt16LE(entry + 32);
  }
}

/** First and last of "3-13", "4+", "0" or "none"; beyond every version for "none". */
export function versionRange(text: string | undefined): readonly [number, number] {
  const [, first, plus, last] = /^(\d+)(\+)?(?:-(\d+))?$/.exec(text ?? 'none') ?? [];
  if (first === undefined) return [Infinity, Infinity];
  return [Number(first), plus === undefined ? Number(last ?? first) : Infinity];
}
