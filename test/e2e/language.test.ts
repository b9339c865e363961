// The verbs that look at a configuration without running it: test and graph, with their exit codes.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { endAll, run } from '../support/command.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-language-'));
});
afterEach(async () => {
  await endAll();
  rmSync(folder, { recursive: true, force: true });
});

const tailrace = (...args: string[]) => run(args, { cwd: folder });
const write = (name: string, text: string) => writeFileSync(join(folder, name), text);

const pipelines = `topics: { app: {} }
sinks: { out: stdout }
pipelines: { web: { from: app, to: out, steps: [ { parse: json }, { lookup: { file: users.csv, by: user } }, { drop: level == "debug" } ] } }
`;

describe('tailrace test', () => {
  it('passes, fails and refuses, each with its exit code', async () => {
    write('users.csv', 'id,name\n7,Ann\n');
    write('tailrace.yaml', pipelines);
    write('good.yaml', `tests:\n  - { pipeline: web, in: { user: 7 }, out: { name: Ann } }\n`);
    write('bad.yaml', `tests:\n  - { pipeline: web, in: { user: 7 }, out: { name: Bob } }\n`);
    const good = await tailrace('test', 'tailrace.yaml', 'good.yaml');
    expect([good.code, good.stdout]).toEqual([0, '1 of 1 test passed\n']);
    const bad = await tailrace('test', 'tailrace.yaml', 'bad.yaml');
    expect(bad.code).toBe(1);
    expect(bad.stdout).toContain('FAILED web 1 (bad.yaml:2:5)\n  name  expected "Bob"\n             got "Ann"\n');
    const json = await tailrace('test', 'tailrace.yaml', 'bad.yaml', '--json');
    expect(JSON.parse(json.stdout)).toMatchObject({ passed: false, tests: [{ differences: [{ what: 'name' }] }] });
    const none = await tailrace('test');
    expect([none.code, none.stderr]).toEqual([2, expect.stringContaining('there are no tests in tailrace.yaml')]);
    write('users.csv', 'id,name\n7\n');
    const broken = await tailrace('test', 'tailrace.yaml', 'good.yaml');
    expect([broken.code, broken.stderr]).toEqual([2, expect.stringContaining('line 2 has 1 values, not 2')]);
  });
});

describe('tailrace graph', () => {
  it('draws for both programs', async () => {
    write('users.csv', 'id,name\n');
    write('tailrace.yaml', pipelines);
    expect(await tailrace('graph')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^flowchart LR\n/) as string,
    });
    expect(await tailrace('graph', '--format', 'dot')).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^digraph/) as string,
    });
    expect((await tailrace('graph', '--format', 'svg')).code).toBe(2);
    write('tailrace.yaml', 'pipelines: 5\n');
    expect((await tailrace('graph')).code).toBe(2);
  });
});
