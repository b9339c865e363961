// Fields by path. "user.name" is the field of that very name where there is one, else `name` inside the map `user`. Fields come from data, so
// only own properties count and nothing is ever written through a prototype.
import { ExactInteger } from '../exact-integer.ts';
import type { Fields } from './step.ts';

/** A map of fields: no list, and not one of our own kinds of value. */
export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof ExactInteger);
}

/** The map that holds the last name of the path, and that name; undefined when there is none. */
function resolve(fields: Fields, path: string): { holder: Fields; name: string } | undefined {
  if (Object.hasOwn(fields, path)) return { holder: fields, name: path };
  for (let dot = path.indexOf('.'); dot >= 0; dot = path.indexOf('.', dot + 1)) {
    const head = path.slice(0, dot);
    const inner = Object.hasOwn(fields, head) ? fields[head] : undefined;
    const found = isFields(inner) ? resolve(inner, path.slice(dot + 1)) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The value, or undefined when absent. */
export function getField(fields: Fields, path: string): unknown {
  const found = resolve(fields, path);
  return found?.holder[found.name];
}

/** Removes the field; whether it was there. */
export function removeField(fields: Fields, path: string): boolean {
  const found = resolve(fields, path);
  return found !== undefined && Reflect.deleteProperty(found.holder, found.name);
}

/** Sets the field, making the maps on the way; what stands in the way and is no map is replaced. */
export function setField(fields: Fields, path: string, value: unknown): void {
  const found = resolve(fields, path);
  if (found !== undefined) {
    define(found.holder, found.name, value);
    return;
  }
  const names = path.split('.');
  let holder = fields;
  for (const name of names.slice(0, -1)) {
    const inner = Object.hasOwn(holder, name) ? holder[name] : undefined;
    const next: Fields = isFields(inner) ? inner : {};
    if (next !== inner) define(holder, name, next);
    holder = next;
  }
  define(holder, names.at(-1)!, value);
}

/** A deep copy, for values that several records share: steps change fields in place. */
export function copyValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copyValue);
  if (!isFields(value)) return value;
  const result: Fields = {};
  for (const [name, inner] of Object.entries(value)) define(result, name, copyValue(inner));
  return result;
}

/** As `target[name] = value`, also for names such as "__proto__" that come from data. */
export function define(target: Fields, name: string, value: unknown): void {
  if (name === '__proto__')
    Object.defineProperty(target, name, { value, writable: true, enumerable: true, configurable: true });
  else target[name] = value;
}
