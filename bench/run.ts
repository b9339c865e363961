// `npm run bench [NAME]`: how fast, beside a limit of the same machine in the same run; prints ratios. Never a test: machines are noisy.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setup } from '../test/support/build.ts';
import { bulk } from './bulk.ts';
import { http } from './http.ts';
import { mainJob } from './main-job.ts';
import { steps } from './steps.ts';

const benches: Record<string, (folder: string) => Promise<void>> = { 'main-job': mainJob, steps, bulk, http };

const asked = process.argv.slice(2);
for (const name of asked.length > 0 ? asked : Object.keys(benches)) {
  const bench = benches[name];
  if (bench === undefined) {
    console.error(`there is no bench ${name}; there are: ${Object.keys(benches).join(', ')}`);
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
