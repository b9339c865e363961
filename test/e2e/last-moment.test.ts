// SIGTERM in the last moments of a process that ends by itself: its work is done, and it says so by its exit code.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { endAll, freePort, run } from '../support/command.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-last-'));
});
afterEach(async () => {
  await endAll();
  rmSync(folder, { recursive: true, force: true });
});

// From Node's own last event on, until the process is gone.
const terminator = `
import { spawn } from 'node:child_process';
const script = 'n=0; while [ $n -lt 5000 ] && kill -TERM ' + process.pid + ' 2>/dev/null; do n=$((n+1)); done';
process.on('exit', () => void spawn('sh', ['-c', script], { detached: true, stdio: 'ignore' }));
`;

it('leaves the exit code as it is', async () => {
  writeFileSync(join(folder, 'terminator.mjs'), terminator);
  writeFileSync(join(folder, 'app.log'), 'line\n');
  const yaml = `broker: { listen: "127.0.0.1:${await freePort()}" }\nagents: { app: "tail://${folder}/app.log" }\n`;
  writeFileSync(join(folder, 'tailrace.yaml'), yaml);
  const env = { NODE_OPTIONS: `--import=${join(folder, 'terminator.mjs')}` };
  for (let count = 0; count < 3; count++) {
    const { code, signal, stderr } = await run(['up', '--once'], { cwd: folder, env });
    expect({ code, signal }, stderr).toEqual({ code: 0, signal: null });
  }
});
