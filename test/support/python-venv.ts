// A Python environment with third-party clients, kept in the temporary folder between runs.
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Path of a python that can import `module`, from a virtual environment with `packages`; undefined where that cannot be had. */
export function pythonWith(module: string, packages: readonly string[]): string | undefined {
  const directory = join(tmpdir(), `tailrace-python-${module}`);
  const python = join(directory, 'bin', 'python');
  const works = () => spawnSync(python, ['-c', `import ${module}`], { stdio: 'ignore' }).status === 0;
  if (works()) return python;
  if (spawnSync('python3', ['-m', 'venv', directory], { stdio: 'ignore' }).status !== 0) return undefined;
  spawnSync(join(directory, 'bin', 'pip'), ['install', '--quiet', ...packages], { stdio: 'ignore', timeout: 240_000 });
  return works() ? python : undefined;
}
