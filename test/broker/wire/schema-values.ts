// Values of a message for the property tests, derived from its own schema: whatever a version can carry, and defaults for what it cannot.
import fc from 'fast-check';
import type { Field, Fields, PrimitiveKind } from '../../../broker/wire/schema.ts';

const maxElements = 3;

/** Arbitrary values of a struct with these fields, as `version` can carry them. */
export function structValues(fields: Fields, version: number): fc.Arbitrary<Record<string, unknown>> {
  const members = Object.entries(fields)
    .filter(([, field]) => hasField(field, version))
    .map(([name, field]) => [name, fieldValues(field, version)] as const);
  return fc.record(Object.fromEntries(members));
}

function hasField(field: Field<unknown>, version: number): boolean {
  const { since = 0, until = Infinity } = field.options;
  return version >= since && version <= until;
}

function fieldValues(field: Field<unknown>, version: number): fc.Arbitrary<unknown> {
  const { shape } = field;
  const values =
    shape.kind === 'array'
      ? fc.array(fieldValues(shape.element, version), { maxLength: maxElements })
      : shape.kind === 'struct'
        ? structValues(shape.fields, version)
        : primitiveValues(shape.kind);
  return version >= (field.options.nullable ?? Infinity) ? fc.option(values, { nil: null, freq: 5 }) : values;
}

const anyBytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array));

function primitiveValues(kind: PrimitiveKind): fc.Arbitrary<unknown> {
  switch (kind) {
    case 'boolean':
      return fc.boolean();
    case 'int8':
      return fc.integer({ min: -128, max: 127 });
    case 'int16':
      return fc.integer({ min: -32768, max: 32767 });
    case 'uint16':
      return fc.integer({ min: 0, max: 65535 });
    case 'int32':
      return fc.integer();
    case 'int64':
      return fc.maxSafeInteger();
    case 'float64':
      return fc.double({ noNaN: true });
    case 'bigint64':
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    case 'uuid':
      return fc.uint8Array({ minLength: 16, maxLength: 16 }).map((array) => Buffer.from(array));
    case 'string':
      return fc.string({ unit: 'grapheme', maxLength: 20 });
    case 'bytes':
      return anyBytes;
    case 'records':
      // Beyond the size from which bytes are linked rather than copied.
      return fc.oneof(
        anyBytes,
        fc.integer({ min: 0, max: 3000 }).map((length) => Buffer.alloc(length, length)),
      );
    case 'recordChunks':
      return fc.oneof(
        fc.constant([]),
        fc.integer({ min: 1, max: 3000 }).map((length) => [Buffer.alloc(length, length)]),
      );
  }
}
