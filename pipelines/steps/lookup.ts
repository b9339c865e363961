// `lookup: { file: users.csv, by: user_id, add: [name, team] }`: fields from a table, found by the value of a field. The file is read when the configuration
// is loaded, beside which it stands: CSV with a line of column names (the first column is the key unless `key` names another), JSON with a list of
// objects or an object by key. A changed table counts as changed steps. A record whose value is not in the table stays as it is, unless `default` says more.
import { z } from 'zod';
import { messageOf } from '../../base/errors.ts';
import { splitCsv } from '../parsers/csv.ts';
import { defineStep } from './definition.ts';
import { copyValue, define, getField, isFields, setField } from './fields.ts';
import type { Fields } from './step.ts';

const settings = z.strictObject({
  file: z
    .string()
    .regex(/\.(?:csv|json)$/, 'must be the name of a .csv or .json file')
    .describe('a .csv or .json file, beside the configuration'),
  by: z.string().min(1).describe("the record's field that is looked up"),
  key: z.string().min(1).optional().describe("the table's column that it is looked up in; default is the first"),
  add: z.array(z.string().min(1)).min(1).optional().describe('the columns to take; default is all but the key'),
  into: z.string().min(1).optional().describe('a field that takes them instead of the top level'),
  default: z.record(z.string(), z.unknown()).optional().describe('fields for records whose value is not in the table'),
});

export const lookup = defineStep({
  name: 'lookup',
  summary: 'adds fields from a table in a CSV or JSON file',
  settings,
  files: ({ file }) => [file],
  compile({ file, by, key, add, into, default: otherwise }, context) {
    const bytes = context.file(['file'], file);
    if (bytes === undefined) return undefined;
    let table: ReadonlyMap<string, Fields>;
    try {
      table = readTable(bytes.toString('utf8'), file.endsWith('.json'), key);
    } catch (error) {
      context.fail(['file'], `${file}: ${messageOf(error)}`);
      return undefined;
    }
    const columns = new Set([...table.values()].flatMap((row) => Object.keys(row)));
    const missing = add?.find((name) => table.size > 0 && !columns.has(name));
    if (missing !== undefined)
      context.fail(
        ['add', add!.indexOf(missing)],
        `${file} has no column ${missing}; there are ${[...columns].join(', ')}`,
      );
    return {
      apply(event) {
        const { fields } = event;
        const value = getField(fields, by);
        const row = (value === undefined || value === null ? undefined : table.get(textOf(value))) ?? otherwise;
        if (row === undefined) return 'keep';
        for (const name of (row === otherwise ? undefined : add) ?? Object.keys(row)) {
          if (row[name] !== undefined)
            setField(fields, into === undefined ? name : `${into}.${name}`, copyValue(row[name]));
        }
        event.markChanged();
        return 'keep';
      },
    };
  },
});

/** Numbers in a record find what is written in the table. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Rows by key; the key is not in them. Throws Error saying what is wrong, with the line. */
function readTable(text: string, isJson: boolean, key: string | undefined): Map<string, Fields> {
  const content = text.replace(/^\uFEFF/, '');
  const rows = isJson ? jsonRows(JSON.parse(content) as unknown, key) : csvRows(content, key);
  const table = new Map<string, Fields>();
  for (const { name, row } of rows) {
    if (table.has(name)) throw new Error(`the key "${name}" stands there twice`);
    table.set(name, row);
  }
  return table;
}

interface Row {
  name: string;
  row: Fields;
}

function csvRows(text: string, key: string | undefined): Row[] {
  const lines = text.split(/\r?\n/);
  const head = splitCsv(lines[0] ?? '', ',') ?? [];
  const keyIndex = key === undefined ? 0 : head.indexOf(key);
  if (keyIndex < 0) throw new Error(`the first line names no column ${key}; there are ${head.join(', ')}`);
  return lines.flatMap((line, index): Row[] => {
    if (index === 0 || line === '') return [];
    const values = splitCsv(line, ',');
    if (values?.length !== head.length)
      throw new Error(
        `line ${index + 1} ${values === undefined ? 'has a quote that is not closed' : `has ${values.length} values, not ${head.length}`}`,
      );
    const row: Fields = {};
    for (const [column, name] of head.entries()) if (column !== keyIndex) define(row, name, values[column]);
    return [{ name: values[keyIndex]!, row }];
  });
}

function jsonRows(value: unknown, key: string | undefined): Row[] {
  if (Array.isArray(value)) {
    return value.map((item: unknown, index): Row => {
      if (!isFields(item)) throw new Error(`item ${index} is no object`);
      const { [key ?? Object.keys(item)[0] ?? '']: name, ...row } = item;
      if (name === undefined) throw new Error(`item ${index} has no ${key ?? 'key'}`);
      return { name: textOf(name), row };
    });
  }
  if (!isFields(value)) throw new Error('a table is a list of objects, or an object of them by key');
  return Object.entries(value).map(([name, row]) => ({ name, row: isFields(row) ? row : { value: row } }));
}
