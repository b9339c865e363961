// Messages as data: one object describes a request, response or stored record in all its versions and gives reader, writer, defaults
// and TypeScript type. The order of the keys is the order on the wire; names are those of Kafka's message definitions. How a
// field is encoded in a version follows from the options:
//   since, until     versions that have the field; in others a reader gives the default and a writer refuses another value …
//   ignorable        … unless the field may be lost silently
//   nullable         first version in which null is allowed (the type gets `| null`)
//   tag, tagSince    from version tagSince on an optional tagged field, written only when it is not the default
//   default          0, false, '', empty, [] or a struct of defaults unless given
import { assert, TailraceError } from '../../base/errors.ts';
import { compileDefaults, compileStruct, type StructCodec } from './codec.ts';
import type { Reader } from './reader.ts';
import type { Writer } from './writer.ts';

export type PrimitiveKind =
  | 'boolean'
  | 'int8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'int64'
  | 'float64'
  | 'bigint64'
  | 'uuid'
  | 'string'
  | 'bytes'
  | 'records'
  | 'recordChunks';

export type Shape =
  | { readonly kind: PrimitiveKind }
  | { readonly kind: 'array'; readonly element: Field<unknown> }
  | { readonly kind: 'struct'; readonly fields: Fields };

export interface FieldOptions {
  since?: number;
  until?: number;
  nullable?: number;
  ignorable?: boolean;
  tag?: number;
  tagSince?: number;
}

/** A field of a message: how it looks and in which versions. `T` is what it holds. */
export interface Field<T> {
  readonly shape: Shape;
  readonly options: FieldOptions & { readonly default?: unknown };
  /** Never there; carries the type. */
  readonly holds?: T;
}

export type Fields = Readonly<Record<string, Field<unknown>>>;
type Held<F> = F extends Field<infer T> ? T : never;
export type ValueOf<F extends Fields> = { -readonly [K in keyof F]: Held<F[K]> };
type Nullable<T, O> = O extends { nullable: number } ? T | null : T;
type Options<T> = FieldOptions & { default?: T | null };

/** A value of which everything may be left out, deeply; what is left out (or undefined) gets Kafka's default. */
export type Draft<T> = T extends Uint8Array
  ? T
  : T extends readonly (infer E)[]
    ? readonly Draft<E>[]
    : T extends object
      ? { readonly [K in keyof T]?: Draft<T[K]> | undefined }
      : T;

function primitive<T>(kind: PrimitiveKind) {
  return <const O extends Options<T>>(options?: O): Field<Nullable<T, O>> => ({
    shape: { kind },
    options: options ?? {},
  });
}

export const boolean = primitive<boolean>('boolean');
export const int8 = primitive<number>('int8');
export const int16 = primitive<number>('int16');
export const uint16 = primitive<number>('uint16');
export const int32 = primitive<number>('int32');
/** A JS number; reading one beyond ±2^53 throws TLR_PROTOCOL. */
export const int64 = primitive<number>('int64');
export const float64 = primitive<number>('float64');
/** All 64 bits, for what is no number to count with, such as a hash. */
export const bigint64 = primitive<bigint>('bigint64');
/** 16 bytes; all zero by default. */
export const uuid = primitive<Buffer>('uuid');
export const string = primitive<string>('string');
/** A view of what was read. */
export const bytes = primitive<Buffer>('bytes');
/** Record batches as one view; null by default, as in Kafka. */
export const records = primitive<Buffer>('records');
/**
 * Record batches as the log hands them out: slices that leave one after the other without being copied. On the wire the same as `records`;
 * none is an empty byte field, because librdkafka takes null for a defect. Read back as no or one slice.
 */
export const recordChunks = primitive<readonly Buffer[]>('recordChunks');

export function array<T, const O extends Options<readonly []>>(
  element: Field<T>,
  options?: O,
): Field<Nullable<T[], O>> {
  return { shape: { kind: 'array', element }, options: options ?? {} };
}

export function struct<F extends Fields, const O extends Options<never>>(
  fields: F,
  options?: O,
): Field<Nullable<ValueOf<F>, O>> {
  return { shape: { kind: 'struct', fields }, options: options ?? {} };
}

/** A message in all its versions. */
export interface Message<T> {
  readonly name: string;
  /** The API key, or for records of the coordinators' topics the number of the kind; -1 when there is none. */
  readonly key: number;
  /** First and last version that can be read and written. */
  readonly versions: readonly [number, number];
  /** First version in the flexible encoding; undefined when there is none. */
  readonly flexible: number | undefined;
  readonly fields: Fields;
  isFlexible(version: number): boolean;
  /** Reads one from the reader's position. Throws TLR_PROTOCOL for anything that is not such a message. */
  read(reader: Reader, version: number): T;
  /** Appends `value`. Throws TLR_PROTOCOL when it holds something that this version cannot carry. */
  write(writer: Writer, version: number, value: T): void;
  /** A whole value from what is given and Kafka's defaults; each element of an array of structs may be partial too. */
  create(draft?: Draft<T>): T;
}

export type Infer<M> = M extends Message<infer T> ? T : never;

export interface MessageDefinition<F extends Fields> {
  name: string;
  key?: number;
  versions: readonly [number, number];
  flexible?: number;
  fields: F;
}

/** Defines a message; codecs are compiled when a version is first used. */
export function message<const F extends Fields>(definition: MessageDefinition<F>): Message<ValueOf<F>> {
  return new SchemaMessage<ValueOf<F>>(definition);
}

class SchemaMessage<T> implements Message<T> {
  readonly name: string;
  readonly key: number;
  readonly versions: readonly [number, number];
  readonly flexible: number | undefined;
  readonly fields: Fields;
  private readonly codecs: (StructCodec | undefined)[] = [];
  private complete: ((draft: unknown) => unknown) | undefined;

  constructor(definition: MessageDefinition<Fields>) {
    this.name = definition.name;
    this.key = definition.key ?? -1;
    this.versions = definition.versions;
    this.flexible = definition.flexible;
    this.fields = definition.fields;
  }

  isFlexible(version: number): boolean {
    return this.flexible !== undefined && version >= this.flexible;
  }

  read(reader: Reader, version: number): T {
    try {
      return this.codec(version).read(reader) as T;
    } catch (error) {
      throw this.located(error, version);
    }
  }

  write(writer: Writer, version: number, value: T): void {
    try {
      this.codec(version).write(writer, value as Record<string, unknown>);
    } catch (error) {
      throw this.located(error, version);
    }
  }

  create(draft?: Draft<T>): T {
    this.complete ??= compileDefaults(this.fields);
    return this.complete(draft) as T;
  }

  private codec(version: number): StructCodec {
    const known = this.codecs[version];
    if (known !== undefined) return known;
    const [first, last] = this.versions;
    if (!(version >= first && version <= last)) {
      throw new TailraceError('TLR_PROTOCOL', `there are only versions ${first} to ${last}`);
    }
    assert(Number.isInteger(version), `version ${version} is not an integer`);
    return (this.codecs[version] = compileStruct(this.fields, version, this.isFlexible(version)));
  }

  private located(error: unknown, version: number): unknown {
    if (!(error instanceof TailraceError)) return error;
    return new TailraceError(error.code, `${this.name} version ${version}: ${error.message}`, { cause: error.cause });
  }
}
