// Jars of other people's servers for conformance tests: fetched by Maven once, as a pom.xml beside the tests says, and kept in the user's cache folder.
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { isInstalled, run } from './programs.ts';

/** Whether servers in Java can be run here. */
export function canRunJava(): boolean {
  return isInstalled('java', ['-version']) && isInstalled('mvn', ['--version']);
}

/** The folder with all jars that the pom asks for. The pom has a property `<name>.version`, which is part of the folder's name. */
export async function mavenJars(name: string, pom: string): Promise<string> {
  const pattern = new RegExp(`<${name}.version>(.*)</${name}.version>`);
  const version = pattern.exec(await readFile(pom, 'utf8'))?.[1] ?? 'unknown';
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'tailrace-tests');
  const folder = join(cache, `${name}-${version}`);
  if (existsSync(folder)) return folder;
  await mkdir(cache, { recursive: true });
  const fresh = await mkdtemp(join(cache, 'incoming-'));
  const copy = ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', '-DincludeScope=runtime'];
  const result = await run('mvn', [...copy, `-DoutputDirectory=${fresh}`], '', 280_000);
  if (result.code !== 0) throw new Error(`Maven could not fetch ${name}: ${result.stdout}${result.stderr}`);
  await rename(fresh, folder);
  return folder;
}
