// Every YAML under examples/ loads (test/e2e/examples.test.ts runs them), and docs/tailrace.schema.json is what the code says
// (`npx vitest run test/pipelines/examples.test.ts -u`).
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { format } from 'prettier';
import { describe, expect, it } from 'vitest';
import { renderDiagnostics } from '../../pipelines/diagnostics.ts';
import { configJsonSchema } from '../../pipelines/json-schema.ts';
import { loadPlan } from '../../pipelines/load.ts';
import { compile, definitions, planOf, runLine, TestEvent } from '../support/planning.ts';

const folder = new URL('../../examples/', import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith('.yaml'));

describe('examples', () => {
  it.each(files)('%s loads without problems, and so does its full form', async (name) => {
    const path = new URL(name, folder).pathname;
    const env = { SHIPPER_PASSWORD: 'secret' };
    const { plan, problems, expand } = await loadPlan([path], { ...definitions, env, readFile });
    expect(renderDiagnostics(problems)).toBe('');
    expect([...plan!.pipelines, ...plan!.agents].length).toBeGreaterThan(0);
    expect((await planOf(expand(), env)).pipelines.map(({ stepsFingerprint }) => stepsFingerprint)).toEqual(
      plan?.pipelines.map(({ stepsFingerprint }) => stepsFingerprint),
    );
  });

  it('services.yaml does what it says with a line of each kind', async () => {
    const path = new URL('services.yaml', folder).pathname;
    const { plan } = await loadPlan([path], { ...definitions, env: {}, readFile });
    const [services, worker] = plan!.pipelines.map(
      ({ steps }) =>
        (line: string) =>
          runLine(steps, new TestEvent(line)),
    );
    expect(services!('{"level":"debug"}')).toBe('dropped');
    expect(services!('{"level":"info","msg":"to a@b.cc","svc":"x","time":"2026-11-22T10:00:00Z"}')).toBe(
      '{"level":"info","time":"2026-11-22T10:00:00Z","text":"to [email]","service":"x","file":"/var/log/x"}',
    );
    expect(services!('level=warn msg="slow one"')).toBe('{"level":"warn","text":"slow one","file":"/var/log/x"}');
    expect(services!('plain words')).toBe('{"message":"plain words","file":"/var/log/x"}');
    expect(worker!('2026-11-22 10:00:00,123 INFO [main] org.example.Job: took 15ms all fine')).toBe('dropped');
    expect(worker!('2026-11-22 10:00:00,123 INFO [main] org.example.Job: took 1500ms too slow')).toBe(
      '{"time":"2026-11-22 10:00:00,123","level":"INFO","thread":"main","class":"org.example.Job","took_ms":1500,"text":"too slow"}',
    );
  });

  it('a step list of the README style works', async () => {
    const steps = await compile('- parse: json\n- drop: level == "debug"\n- redact: [ email, credit_card ]');
    expect(runLine(steps, new TestEvent('{"level":"debug"}'))).toBe('dropped');
  });
});

describe('the JSON Schema', () => {
  it('in docs/ is up to date', async () => {
    const text = await format(JSON.stringify(configJsonSchema(definitions)), { parser: 'json', printWidth: 120 });
    await expect(text).toMatchFileSnapshot('../../docs/tailrace.schema.json');
  });

  it('knows every step, agent and sink with its settings', () => {
    const text = JSON.stringify(configJsonSchema(definitions));
    for (const name of [
      'nginx_combined',
      'credit_card',
      '"const":"tail"',
      '"const":"file"',
      'max_line',
      'roll',
      'on_error',
    ])
      expect(text).toContain(name);
  });
});
