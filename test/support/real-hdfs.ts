// A real HDFS on loopback in a temporary folder, for conformance tests: one NameNode and some DataNodes, each a process of its own, so that each can be killed and
// started again; and HttpFS in front of them where a test asks for it. Its jars come from Maven once (maven-jars.ts).
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { mavenJars } from './maven-jars.ts';
import { run } from './programs.ts';
import { freePort } from './test-broker.ts';

const pom = join(import.meta.dirname, 'hdfs', 'pom.xml');
const readyTimeoutMs = 120_000;
/** What Hadoop reaches into, closed since Java 17. */
const opened = [
  ...['java.lang', 'java.io', 'java.math', 'java.net', 'java.text', 'java.util', 'java.util.concurrent'],
  ...['java.util.zip', 'sun.security.util', 'sun.security.x509'],
];

export interface RealHdfsStatus {
  name: string;
  type: 'FILE' | 'DIRECTORY';
  length: number;
}

export class RealHdfs {
  readonly webPort: number;
  private readonly folder: string;
  private readonly jars: string;
  private readonly callPort: number;
  /** Arguments of each DataNode: ports and folder stay when it is started again. */
  private readonly dataNodes: string[][] = [];
  private readonly processes = new Map<string, ChildProcess>();

  private constructor(folder: string, jars: string, ports: { web: number; call: number }) {
    this.folder = folder;
    this.jars = jars;
    this.webPort = ports.web;
    this.callPort = ports.call;
  }

  /** Resolves when all nodes are there and the NameNode takes writes. */
  static async start({ dataNodes = 2 } = {}): Promise<RealHdfs> {
    const jars = await mavenJars('hdfs', pom);
    const folder = await mkdtemp(join(tmpdir(), 'tailrace-real-hdfs-'));
    const hdfs = new RealHdfs(folder, jars, { web: await freePort(), call: await freePort() });
    try {
      await hdfs.configure(dataNodes);
      await hdfs.startNameNode();
      for (let index = 0; index < dataNodes; index++) hdfs.startDataNode(index);
      await hdfs.ready(dataNodes);
      return hdfs;
    } catch (error) {
      const log = await readFile(join(folder, 'namenode.log'), 'utf8').catch(() => '');
      await hdfs.stop();
      throw new Error(`HDFS did not start: ${log.slice(-3000)}`, { cause: error });
    }
  }

  async startNameNode(): Promise<void> {
    this.launch('namenode', 'org.apache.hadoop.hdfs.server.namenode.NameNode', []);
    await this.until(async () => (await this.bean('NameNodeInfo')) !== undefined);
  }

  startDataNode(index: number): void {
    this.launch(
      `datanode${index}`,
      'org.apache.hadoop.hdfs.server.datanode.DataNode',
      this.dataNodes[index]!.flatMap((setting) => ['-D', setting]),
    );
  }

  /** Starts HttpFS in front of it; resolves with its port when it answers. */
  async startHttpFs(): Promise<number> {
    const port = await freePort();
    const conf = join(this.folder, 'conf');
    const settings = {
      'httpfs.http.hostname': '127.0.0.1',
      'httpfs.http.port': String(port),
      'httpfs.hadoop.config.dir': conf,
    };
    await writeFile(join(conf, 'httpfs-site.xml'), xml(settings));
    await writeFile(join(conf, 'httpfs-signature.secret'), randomBytes(16).toString('hex'));
    this.launch(
      'httpfs',
      'org.apache.hadoop.fs.http.server.HttpFSServerWebServer',
      [],
      [
        `-Dhttpfs.home.dir=${this.folder}`,
        `-Dhttpfs.config.dir=${conf}`,
        `-Dhttpfs.log.dir=${this.folder}`,
        `-Dhttpfs.temp.dir=${this.folder}`,
      ],
    );
    const url = `http://127.0.0.1:${port}/webhdfs/v1/?op=GETFILESTATUS&user.name=test`;
    await this.until(async () => (await fetch(url).catch(() => undefined))?.ok === true);
    return port;
  }

  /** With SIGKILL. */
  async kill(name: string): Promise<void> {
    const child = this.processes.get(name)!;
    this.processes.delete(name);
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  /** Resolves when so many DataNodes are live and safe mode is over. */
  async ready(dataNodes: number): Promise<void> {
    await this.until(async () => {
      const state = await this.bean('FSNamesystemState');
      const info = await this.bean('NameNodeInfo');
      return state?.NumLiveDataNodes === dataNodes && info?.Safemode === '';
    });
  }

  /** Index of the DataNode that a new file's data is sent to, known from the redirect. */
  indexOf(location: string): number {
    const { port } = new URL(location);
    return this.dataNodes.findIndex((settings) => settings.includes(`dfs.datanode.http.address=127.0.0.1:${port}`));
  }

  async list(folder: string): Promise<RealHdfsStatus[]> {
    const answer = await fetch(this.url(folder, 'LISTSTATUS'));
    if (answer.status === 404) return [];
    const { FileStatuses } = (await answer.json()) as {
      FileStatuses: { FileStatus: { pathSuffix: string; type: 'FILE' | 'DIRECTORY'; length: number }[] };
    };
    return FileStatuses.FileStatus.map(({ pathSuffix, type, length }) => ({ name: pathSuffix, type, length }));
  }

  /** Every file below, by path. */
  async files(folder: string): Promise<Map<string, Buffer>> {
    const found = new Map<string, Buffer>();
    for (const { name, type } of await this.list(folder)) {
      const path = `${folder}/${name}`;
      if (type === 'FILE') found.set(path, await this.read(path));
      else for (const [below, bytes] of await this.files(path)) found.set(below, bytes);
    }
    return found;
  }

  /** A DataNode that still holds its connection to a NameNode that was restarted answers once with EOFException: it is asked again. */
  async read(path: string): Promise<Buffer> {
    for (let attempt = 1; ; attempt++) {
      const answer = await fetch(this.url(path, 'OPEN'));
      if (answer.ok) return Buffer.from(await answer.arrayBuffer());
      const reason = await answer.text();
      if (attempt === 5 || !reason.includes('EOFException'))
        throw new Error(`${path}: HTTP ${answer.status} ${reason}`);
    }
  }

  /** As somebody else who may write there. */
  async remove(path: string): Promise<void> {
    await fetch(this.url(path, 'DELETE'), { method: 'DELETE' });
  }

  async rename(from: string, to: string): Promise<void> {
    await fetch(`${this.url(from, 'RENAME')}&destination=${encodeURIComponent(to)}`, { method: 'PUT' });
  }

  async stop(): Promise<void> {
    for (const name of [...this.processes.keys()]) await this.kill(name);
    await rm(this.folder, { recursive: true, force: true });
  }

  private url(path: string, op: string): string {
    const encoded = path.split('/').map(encodeURIComponent).join('/');
    return `http://127.0.0.1:${this.webPort}/webhdfs/v1${encoded}?op=${op}`;
  }

  private async configure(dataNodes: number): Promise<void> {
    const conf = join(this.folder, 'conf');
    // The web servers insist on these folders, which are not in the jars.
    for (const name of ['hdfs', 'datanode', 'static']) await mkdir(join(conf, 'webapps', name), { recursive: true });
    await writeFile(join(conf, 'log4j.properties'), loggingProperties);
    await writeFile(
      join(conf, 'core-site.xml'),
      xml({
        'fs.defaultFS': `hdfs://127.0.0.1:${this.callPort}`,
        'hadoop.tmp.dir': join(this.folder, 'tmp'),
        // HttpFS acts for its users.
        [`hadoop.proxyuser.${userInfo().username}.hosts`]: '*',
        [`hadoop.proxyuser.${userInfo().username}.groups`]: '*',
      }),
    );
    await writeFile(join(conf, 'hdfs-site.xml'), xml(this.settings(dataNodes)));
    for (let index = 0; index < dataNodes; index++) {
      this.dataNodes.push([
        `dfs.datanode.data.dir=${join(this.folder, `data${index}`)}`,
        `dfs.datanode.address=127.0.0.1:${await freePort()}`,
        `dfs.datanode.http.address=127.0.0.1:${await freePort()}`,
        `dfs.datanode.ipc.address=127.0.0.1:${await freePort()}`,
      ]);
    }
    const format = ['org.apache.hadoop.hdfs.server.namenode.NameNode', '-format', '-force', '-nonInteractive'];
    const result = await run('java', [...this.java(), ...format]);
    if (result.code !== 0) throw new Error(`the NameNode was not formatted: ${result.stdout}${result.stderr}`);
  }

  private settings(dataNodes: number): Record<string, string> {
    return {
      'dfs.namenode.rpc-address': `127.0.0.1:${this.callPort}`,
      'dfs.namenode.http-address': `127.0.0.1:${this.webPort}`,
      'dfs.namenode.name.dir': join(this.folder, 'name'),
      'dfs.replication': String(Math.min(dataNodes, 2)),
      'dfs.permissions.enabled': 'false',
      'dfs.namenode.datanode.registration.ip-hostname-check': 'false',
      'dfs.datanode.hostname': '127.0.0.1',
      // A lost DataNode counts as dead after 2 × 1 s + 10 × 1 s instead of ten minutes.
      'dfs.heartbeat.interval': '1',
      'dfs.namenode.heartbeat.recheck-interval': '1000',
      'dfs.namenode.safemode.extension': '0',
      'dfs.namenode.safemode.min.datanodes': String(dataNodes),
      'dfs.client.block.write.replace-datanode-on-failure.best-effort': 'true',
    };
  }

  private java(): string[] {
    return [
      ...['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xshare:auto'],
      ...opened.map((name) => `--add-opens=java.base/${name}=ALL-UNNAMED`),
      ...['-cp', `${join(this.folder, 'conf')}:${join(this.jars, '*')}`],
    ];
  }

  private launch(name: string, main: string, args: readonly string[], properties: readonly string[] = []): void {
    const child = spawn('java', [...this.java(), ...properties, main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    const log = createWriteStream(join(this.folder, `${name}.log`), { flags: 'a' });
    log.on('error', () => undefined);
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    child.once('close', () => log.end());
    this.processes.set(name, child);
  }

  private async bean(name: string): Promise<Record<string, unknown> | undefined> {
    const url = `http://127.0.0.1:${this.webPort}/jmx?qry=Hadoop:service=NameNode,name=${name}`;
    const answer = await fetch(url).catch(() => undefined);
    if (answer?.ok !== true) return undefined;
    return ((await answer.json()) as { beans: Record<string, unknown>[] }).beans[0];
  }

  private async until(condition: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + readyTimeoutMs;
    while (!(await condition())) {
      for (const [name, { exitCode }] of this.processes) {
        if (exitCode !== null) throw new Error(`${name} ended with ${exitCode}`);
      }
      if (performance.now() > deadline) throw new Error('not ready in time');
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

function xml(settings: Readonly<Record<string, string>>): string {
  const properties = Object.entries(settings).map(
    ([name, value]) => `<property><name>${name}</name><value>${value}</value></property>`,
  );
  return `<configuration>${properties.join('')}</configuration>`;
}

const loggingProperties = `log4j.rootLogger=INFO,c
log4j.appender.c=org.apache.log4j.ConsoleAppender
log4j.appender.c.layout=org.apache.log4j.PatternLayout
log4j.appender.c.layout.ConversionPattern=%d{ISO8601} %p %c{2}: %m%n
`;
