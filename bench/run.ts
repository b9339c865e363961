// `npm run bench [NAME]`: how fast, beside a limit of the same machine in the same run; prints ratios. Never a test: machines are noisy.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setup } from '../test/support/build.ts';
import { broker } from './broker.ts';
import { bulk } from './bulk.ts';
import { durability } from './durability.ts';
import { elasticsearch } from './elasticsearch.ts';
import { http } from './http.ts';
import { mainJob } from './main-job.ts';
import { scaling } from './scaling.ts';
import { steps } from './steps.ts';

type Bench = (folder: string) => Promise<void>;

const parts: Record<string, Bench> = {
  'main-job': mainJob,
  durability,
  steps,
  bulk,
  http,
  elasticsearch,
  broker,
  scaling,
};
/** Names for several of them. */
const groups: Record<string, readonly string[]> = { pipelines: ['steps', 'bulk', 'http', 'elasticsearch'] };

const asked = process.argv.slice(2);
for (const name of (asked.length > 0 ? asked : ['main-job', 'durability', 'pipelines']).flatMap(
  (each) => groups[each] ?? [each],
)) {
  const bench = parts[name];
  if (bench === undefined) {
    console.error(
      `there is no bench ${name}; there are: ${[...Object.keys(groups), ...Object.keys(parts)].join(', ')}`,
    );
    process.exit(2);
  }
  setup();
  const folder = mkdtempSync(join(process.env['BENCH_DIR'] ?? tmpdir(), 'tailrace-bench-'));
  try {
    await bench(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
