// vitest's global set-up for suites that run the real command: dist/ is built again when a source is newer than it.
import { execFileSync } from 'node:child_process';
import { existsSync, globSync, statSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..', '..');

export function setup(): void {
  const built = join(root, 'dist', 'cli', 'entry.js');
  const builtMs = existsSync(built) ? statSync(built).mtimeMs : 0;
  const sources = globSync(['{base,agents,broker,sinks,pipelines,cli}/**/*.ts', 'rolldown.config.js'], { cwd: root });
  if (sources.every((path) => statSync(join(root, path)).mtimeMs <= builtMs)) return;
  execFileSync('npm', ['run', 'build'], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
}
