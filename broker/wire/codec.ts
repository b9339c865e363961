// Compiles the fields of a schema (schema.ts) for one version into closures that read and write, and into a function that fills
// in defaults. Nothing is decided per value that can be decided per version.
//
// Encodings: flexible versions use compact lengths, and every struct ends with a section of tagged fields; unknown tags are skipped. A
// nullable struct is preceded by an int8, -1 for null and 1 otherwise; as a tagged field by 0 or 1.
import { TailraceError } from '../../base/errors.ts';
import type { Reader } from './reader.ts';
import type { Field, Fields, PrimitiveKind } from './schema.ts';
import { Writer } from './writer.ts';

type Values = Record<string, unknown>;
type ReadValue = (reader: Reader) => unknown;
type WriteValue = (writer: Writer, value: unknown) => void;

interface Codec {
  read: ReadValue;
  write: WriteValue;
}

export interface StructCodec {
  read: (reader: Reader) => Values;
  write: (writer: Writer, value: Values) => void;
}

const zeroUuid = Buffer.alloc(16);
const emptyBytes = Buffer.alloc(0);

interface CompiledField {
  readonly name: string;
  readonly codec: Codec;
  readonly tag: number;
  readonly makeDefault: () => unknown;
  readonly isDefault: (value: unknown) => boolean;
}

/** Codec of a struct with these fields in `version`. */
export function compileStruct(fields: Fields, version: number, flexible: boolean): StructCodec {
  const names = Object.keys(fields);
  const plain: CompiledField[] = [];
  const tagged: CompiledField[] = [];
  const absent: [name: string, makeDefault: () => unknown][] = [];
  const refused: [name: string, isDefault: (value: unknown) => boolean][] = [];
  for (const name of names) {
    const field = fields[name]!;
    const makeDefault = defaultOf(field);
    const isDefault = defaultTest(field);
    const { since = 0, until = Infinity, tag, tagSince = 0, ignorable = false } = field.options;
    if (version < since || version > until) {
      absent.push([name, makeDefault]);
      if (!ignorable) refused.push([name, isDefault]);
      continue;
    }
    const compiled = { name, codec: compileField(field, version, flexible), tag: tag ?? -1, makeDefault, isDefault };
    if (tag !== undefined && flexible && version >= tagSince) tagged.push(compiled);
    else plain.push(compiled);
  }
  tagged.sort((left, right) => left.tag - right.tag);
  return {
    read: structReader(plain, tagged, absent, flexible),
    write: structWriter(plain, tagged, refused, flexible),
  };
}

function structReader(
  plain: readonly CompiledField[],
  tagged: readonly CompiledField[],
  absent: readonly [name: string, makeDefault: () => unknown][],
  flexible: boolean,
): (reader: Reader) => Values {
  const byTag = new Map(tagged.map((field) => [field.tag, field]));
  return (reader) => {
    const value: Values = {};
    for (const field of plain) value[field.name] = field.codec.read(reader);
    for (const field of tagged) value[field.name] = field.makeDefault();
    for (const [name, makeDefault] of absent) value[name] = makeDefault();
    if (flexible) {
      reader.taggedFields((tag, bytes) => {
        const field = byTag.get(tag);
        if (field === undefined) return;
        value[field.name] = field.codec.read(bytes);
        if (bytes.remaining !== 0) throw bytes.malformed(`tagged field '${field.name}' is longer than its value`);
      });
    }
    return value;
  };
}

function structWriter(
  plain: readonly CompiledField[],
  tagged: readonly CompiledField[],
  refused: readonly [name: string, isDefault: (value: unknown) => boolean][],
  flexible: boolean,
): (writer: Writer, value: Values) => void {
  return (writer, value) => {
    for (const [name, isDefault] of refused) {
      if (!isDefault(value[name])) {
        throw new TailraceError('TLR_PROTOCOL', `'${name}' cannot be sent in this version, but has a value`);
      }
    }
    for (const field of plain) field.codec.write(writer, value[field.name]);
    if (!flexible) return;
    const present = tagged.filter((field) => !field.isDefault(value[field.name]));
    writer.unsignedVarint(present.length);
    for (const field of present) {
      const content = new Writer(128);
      field.codec.write(content, value[field.name]);
      writer.unsignedVarint(field.tag);
      writer.unsignedVarint(content.sizeBytes);
      for (const chunk of content.chunks()) writer.raw(chunk);
    }
  };
}

function compileField(field: Field<unknown>, version: number, flexible: boolean): Codec {
  const { nullable = Infinity, tag } = field.options;
  const isNullable = version >= nullable;
  const { shape } = field;
  if (shape.kind === 'array') return arrayCodec(compileField(shape.element, version, flexible), isNullable, flexible);
  if (shape.kind === 'struct') {
    return structCodec(compileStruct(shape.fields, version, flexible), isNullable, tag !== undefined);
  }
  return primitiveCodec(shape.kind, isNullable, flexible);
}

function structCodec(struct: StructCodec, isNullable: boolean, isTagged: boolean): Codec {
  if (!isNullable) return { read: struct.read, write: (writer, value) => struct.write(writer, value as Values) };
  const absent = isTagged ? 0 : -1;
  return {
    read: (reader) => (reader.int8() <= absent ? null : struct.read(reader)),
    write(writer, value) {
      writer.int8(value === null ? absent : 1);
      if (value !== null) struct.write(writer, value as Values);
    },
  };
}

function arrayCodec(element: Codec, isNullable: boolean, flexible: boolean): Codec {
  return {
    read(reader) {
      const count = flexible ? reader.compactLength() : reader.length();
      if (count < 0) return nullOr(reader, isNullable);
      const values = new Array<unknown>(count);
      for (let index = 0; index < count; index++) values[index] = element.read(reader);
      return values;
    },
    write(writer, value) {
      const values = present(value, isNullable) as readonly unknown[] | null;
      const count = values === null ? -1 : values.length;
      if (flexible) writer.compactLength(count);
      else writer.length(count);
      if (values !== null) for (const item of values) element.write(writer, item);
    },
  };
}

function primitiveCodec(kind: PrimitiveKind, isNullable: boolean, flexible: boolean): Codec {
  switch (kind) {
    case 'boolean':
      return { read: (reader) => reader.boolean(), write: (writer, value) => writer.boolean(value as boolean) };
    case 'int8':
      return { read: (reader) => reader.int8(), write: (writer, value) => writer.int8(value as number) };
    case 'int16':
      return { read: (reader) => reader.int16(), write: (writer, value) => writer.int16(value as number) };
    case 'uint16':
      return { read: (reader) => reader.uint16(), write: (writer, value) => writer.uint16(value as number) };
    case 'int32':
      return { read: (reader) => reader.int32(), write: (writer, value) => writer.int32(value as number) };
    case 'int64':
      return { read: (reader) => reader.int64(), write: (writer, value) => writer.int64(value as number) };
    case 'float64':
      return { read: (reader) => reader.float64(), write: (writer, value) => writer.float64(value as number) };
    case 'bigint64':
      return { read: (reader) => reader.bigint64(), write: (writer, value) => writer.bigint64(value as bigint) };
    case 'uuid':
      return { read: (reader) => reader.uuid(), write: (writer, value) => writer.uuid(value as Buffer) };
    case 'string':
      return stringCodec(isNullable, flexible);
    case 'bytes':
    case 'records':
      return bytesCodec(isNullable, flexible);
    case 'recordChunks':
      return chunksCodec(flexible);
  }
}

function stringCodec(isNullable: boolean, flexible: boolean): Codec {
  return {
    read(reader) {
      const length = flexible ? reader.compactLength() : reader.shortLength();
      return length < 0 ? nullOr(reader, isNullable) : reader.utf8(length);
    },
    write(writer, value) {
      const text = present(value, isNullable) as string | null;
      if (flexible) writer.compactString(text);
      else writer.string(text);
    },
  };
}

function bytesCodec(isNullable: boolean, flexible: boolean): Codec {
  return {
    read(reader) {
      const length = flexible ? reader.compactLength() : reader.length();
      return length < 0 ? nullOr(reader, isNullable) : reader.raw(length);
    },
    write(writer, value) {
      const content = present(value, isNullable) as Buffer | null;
      const length = content === null ? -1 : content.length;
      if (flexible) writer.compactLength(length);
      else writer.length(length);
      if (content !== null) writer.raw(content);
    },
  };
}

function chunksCodec(flexible: boolean): Codec {
  return {
    read(reader) {
      const length = flexible ? reader.compactLength() : reader.length();
      return length <= 0 ? [] : [reader.raw(length)];
    },
    write(writer, value) {
      const chunks = value as readonly Buffer[];
      let length = 0;
      for (const chunk of chunks) length += chunk.length;
      if (flexible) writer.compactLength(length);
      else writer.length(length);
      for (const chunk of chunks) writer.raw(chunk);
    },
  };
}

function nullOr(reader: Reader, isNullable: boolean): null {
  if (isNullable) return null;
  throw reader.malformed('null where a value must be');
}

function present(value: unknown, isNullable: boolean): unknown {
  if (value === null && !isNullable) throw new TailraceError('TLR_PROTOCOL', 'null where this version needs a value');
  return value;
}

/** A function that makes the default value of a field, anew for what can change. */
function defaultOf(field: Field<unknown>): () => unknown {
  const { shape, options } = field;
  const given = options.default;
  if (shape.kind === 'array') return given === null ? () => null : () => [];
  if (shape.kind === 'struct') {
    if (given === null) return () => null;
    const complete = compileDefaults(shape.fields);
    return () => complete(undefined);
  }
  if (shape.kind === 'recordChunks') return () => [];
  const value = given === undefined ? primitiveDefault(shape.kind) : given;
  return () => value;
}

function primitiveDefault(kind: PrimitiveKind): unknown {
  switch (kind) {
    case 'boolean':
      return false;
    case 'string':
      return '';
    case 'bigint64':
      return 0n;
    case 'uuid':
      return zeroUuid;
    case 'bytes':
      return emptyBytes;
    case 'records':
      return null;
    default:
      return 0;
  }
}

/** A function that tells whether a value is what a reader would give for a field that is not there. */
function defaultTest(field: Field<unknown>): (value: unknown) => boolean {
  const { shape, options } = field;
  if (options.default === null) return (value) => value === null;
  if (shape.kind === 'struct') {
    const tests = Object.entries(shape.fields).map(([name, inner]) => [name, defaultTest(inner)] as const);
    return (value) => value !== null && tests.every(([name, test]) => test((value as Values)[name]));
  }
  if (shape.kind === 'array' || shape.kind === 'recordChunks') {
    return (value) => value !== null && (value as readonly unknown[]).length === 0;
  }
  const expected = defaultOf(field)();
  if (Buffer.isBuffer(expected)) return (value) => value !== null && expected.equals(value as Buffer);
  return (value) => value === expected;
}

/** A function that completes a partial struct with defaults, deeply. */
export function compileDefaults(fields: Fields): (draft: unknown) => Values {
  const completions = Object.entries(fields).map(
    ([name, field]) => [name, completionOf(field), defaultOf(field)] as const,
  );
  return (draft) => {
    const given = (draft ?? {}) as Values;
    const value: Values = {};
    for (const [name, complete, makeDefault] of completions) {
      const part = given[name];
      value[name] = part === undefined ? makeDefault() : complete(part);
    }
    return value;
  };
}

function completionOf(field: Field<unknown>): (draft: unknown) => unknown {
  const { shape } = field;
  if (shape.kind === 'struct') {
    const complete = compileDefaults(shape.fields);
    return (draft) => (draft === null ? null : complete(draft));
  }
  if (shape.kind === 'array' && (shape.element.shape.kind === 'struct' || shape.element.shape.kind === 'array')) {
    const complete = completionOf(shape.element);
    return (draft) => (draft === null ? null : (draft as readonly unknown[]).map(complete));
  }
  return (draft) => draft;
}
