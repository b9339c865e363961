import { describe, expect, it } from 'vitest';
import { planFromObject } from '../../../pipelines/load.ts';
import { renderDiagnostics } from '../../../pipelines/diagnostics.ts';
import { definitions, load, runLine, TestEvent } from '../../support/planning.ts';

const users = 'id,name,team\n1,Ann,"red, blue"\n2,Bob,\n';

function withTable(settings: string, tables: Record<string, string>) {
  const text = `topics: { t: {} }\nsinks: { s: stdout }\npipelines: { p: { from: t, to: s, steps: [ { parse: json }, { lookup: ${settings} } ] } }\n`;
  return load({ 'conf/a.yaml': text, ...tables });
}

async function lookup(settings: string, tables: Record<string, string>, line: string): Promise<string> {
  const { plan, problems } = await withTable(settings, tables);
  if (plan === undefined) throw new Error(renderDiagnostics(problems));
  return runLine(plan.pipelines[0]!.steps, new TestEvent(line));
}

describe('lookup', () => {
  it.each([
    ['{ file: u.csv, by: user }', '{"user":1}', '{"user":1,"name":"Ann","team":"red, blue"}'],
    ['{ file: u.csv, by: user }', '{"user":"2"}', '{"user":"2","name":"Bob","team":""}'],
    ['{ file: u.csv, by: user, add: [team] }', '{"user":1}', '{"user":1,"team":"red, blue"}'],
    ['{ file: u.csv, by: user, into: who }', '{"user":1}', '{"user":1,"who":{"name":"Ann","team":"red, blue"}}'],
    ['{ file: u.csv, by: n.x, key: name, add: [id] }', '{"n":{"x":"Bob"}}', '{"n":{"x":"Bob"},"id":"2"}'],
    ['{ file: u.csv, by: user }', '{ "user": 3 }', '{ "user": 3 }'],
    ['{ file: u.csv, by: user }', '{}', '{}'],
    ['{ file: u.csv, by: user, add: [team], default: { known: false } }', '{"user":3}', '{"user":3,"known":false}'],
  ])('%s of CSV on %s', async (settings, line, expected) => {
    expect(await lookup(settings, { 'conf/u.csv': users }, line)).toBe(expected);
  });

  it.each([
    ['{"a":{"x":{"y":1}},"b":{"x":2}}', '{"k":"a"}', '{"k":"a","x":{"y":1}}'],
    ['{"a":"plain"}', '{"k":"a"}', '{"k":"a","value":"plain"}'],
    ['[{"id":7,"x":1},{"id":8,"x":2}]', '{"k":8}', '{"k":8,"x":2}'],
  ])('of JSON: %s', async (table, line, expected) => {
    expect(await lookup('{ file: t.json, by: k }', { 'conf/t.json': table }, line)).toBe(expected);
  });

  it.each([
    ['{ file: none.csv, by: k }', 'cannot read conf/none.csv: ENOENT'],
    ['{ file: u.csv, by: k, add: [nam] }', 'u.csv has no column nam; there are name, team'],
    ['{ file: u.csv, by: k, key: uid }', 'the first line names no column uid; there are id, name, team'],
    ['{ file: bad.csv, by: k }', 'line 3 has 1 values, not 2'],
    ['{ file: open.csv, by: k }', 'line 2 has a quote that is not closed'],
    ['{ file: twice.csv, by: k }', 'the key "1" stands there twice'],
    ['{ file: bad.json, by: k }', 'a table is a list of objects'],
    ['{ file: no.json, by: k }', 'no.json: '],
    ['{ file: u.txt, by: k }', 'must be the name of a .csv or .json file'],
  ])('%s is refused', async (settings, message) => {
    const tables = {
      ...{ 'conf/u.csv': users, 'conf/bad.csv': 'a,b\n1,2\n3\n', 'conf/open.csv': 'a,b\n1,"2\n' },
      ...{ 'conf/twice.csv': 'a,b\n1,2\n1,3\n', 'conf/bad.json': '5', 'conf/no.json': '{' },
    };
    await expect(lookup(settings, tables, '{}')).rejects.toThrow(message);
  });

  it('is another step when its table is another', async () => {
    const fingerprint = async (table: string) =>
      (await withTable('{ file: u.csv, by: user }', { 'conf/u.csv': table })).plan?.pipelines[0]?.stepsFingerprint;
    expect(await fingerprint(users)).toBe(await fingerprint(users));
    expect(await fingerprint(users)).not.toBe(await fingerprint(`${users}3,Cy,x\n`));
  });

  it('needs a configuration file to stand beside', () => {
    const steps = [{ lookup: { file: 'u.csv', by: 'x' } }];
    const config = { topics: { t: {} }, sinks: { s: 'stdout' }, pipelines: { p: { from: 't', to: 's', steps } } };
    expect(renderDiagnostics(planFromObject(config, definitions).problems)).toContain(
      'files can only be named in a configuration file',
    );
  });
});
