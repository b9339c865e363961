// An HDFS in memory behind real HTTP: NameNodes that redirect, DataNodes that take data, with the semantics of the real one where they are awkward (RENAME says false
// with 200, and moves into a folder of that name; a cut CREATE leaves a short file; CREATE makes parents). Tests say per request what is to go wrong.
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename, dirname } from 'node:path/posix';
import { freePort } from './test-broker.ts';

export interface FakeRequest {
  /** "nn0", "dn1", … */
  node: string;
  method: string;
  op: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
}

/** What a test makes of a request: cut before or after it is done, no answer at all, one that comes by the byte, half the data taken, or another answer. */
export type Trouble =
  | 'drip'
  | 'cut'
  | 'cut-after'
  | 'hang'
  | 'half'
  | { status: number; exception: string; message?: string }
  | { status: number; text: string };

type Entry = { kind: 'directory' } | { kind: 'file'; data: Buffer };

interface Node {
  name: string;
  server: Server;
  port: number;
}

export class FakeHdfs {
  readonly entries = new Map<string, Entry>([['/', { kind: 'directory' }]]);
  readonly requests: FakeRequest[] = [];
  /** Asked for each request. */
  trouble: (request: FakeRequest) => Trouble | undefined | Promise<Trouble | undefined> = () => undefined;
  /** DataNodes in the order in which the NameNodes name them. */
  private readonly dataNodes: Node[] = [];
  private readonly nameNodes: Node[] = [];
  private turn = 0;

  static async start({ nameNodes = 1, dataNodes = 2 } = {}): Promise<FakeHdfs> {
    const hdfs = new FakeHdfs();
    for (let index = 0; index < nameNodes; index++) hdfs.nameNodes.push(await hdfs.listen(`nn${index}`));
    for (let index = 0; index < dataNodes; index++) hdfs.dataNodes.push(await hdfs.listen(`dn${index}`));
    return hdfs;
  }

  /** "127.0.0.1:21000,127.0.0.1:21001": all NameNodes. */
  get hosts(): string {
    return this.nameNodes.map(({ port }) => `127.0.0.1:${port}`).join(',');
  }

  /** Operations seen, as "nn0 RENAME". */
  get seen(): string[] {
    return this.requests.map(({ node, op }) => `${node} ${op}`);
  }

  /** Files by path, with what is in them. */
  files({ hidden = false } = {}): Map<string, Buffer> {
    const found = new Map<string, Buffer>();
    for (const [path, entry] of [...this.entries].sort(([first], [second]) => (first < second ? -1 : 1))) {
      if (entry.kind === 'file' && path.includes('/.') === hidden) found.set(path, entry.data);
    }
    return found;
  }

  write(path: string, data: string): void {
    this.makeParents(path);
    this.entries.set(path, { kind: 'file', data: Buffer.from(data) });
  }

  makeDirectory(path: string): void {
    this.makeParents(path);
    this.entries.set(path, { kind: 'directory' });
  }

  /** Ends a node: connections are refused from now on. The NameNodes go on naming a DataNode. */
  kill(name: string): Promise<void> {
    const node = [...this.nameNodes, ...this.dataNodes].find((candidate) => candidate.name === name)!;
    return end(node.server);
  }

  async stop(): Promise<void> {
    for (const { server } of [...this.nameNodes, ...this.dataNodes]) await end(server);
  }

  private async listen(name: string): Promise<Node> {
    const server = createServer((request, response) => {
      this.handle(name, request, response).catch((error: unknown) => {
        if (!response.headersSent) response.writeHead(500).end(String(error));
      });
    });
    const port = await freePort();
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
    return { name, server, port: (server.address() as AddressInfo).port };
  }

  private async handle(node: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://fake');
    const path = decodeURIComponent(url.pathname.replace(/^\/webhdfs\/v1/, '')) || '/';
    const { searchParams: query } = url;
    const { method = '', headers } = request;
    const seen: FakeRequest = { node, method, op: query.get('op') ?? '', path, query, headers };
    this.requests.push(seen);
    const trouble = await this.trouble(seen);
    if (trouble === 'hang') return;
    if (trouble === 'drip') {
      drip(request, response);
      return;
    }
    if (trouble === 'cut') return void request.socket.destroy();
    if (typeof trouble === 'object') {
      request.resume();
      if ('text' in trouble) response.writeHead(trouble.status).end(trouble.text);
      else refuse(response, trouble.status, trouble.exception, trouble.message ?? 'as the test says');
      return;
    }
    if (seen.op === 'CREATE') return this.create(seen, request, response, trouble);
    if (seen.op === 'GETFILECHECKSUM' && node.startsWith('nn')) {
      this.redirect(seen, response);
      return;
    }
    const answer = this.answer(seen);
    if (trouble === 'cut-after') return void request.socket.destroy();
    if (answer === undefined) refuse(response, 404, 'FileNotFoundException', `File does not exist: ${path}`);
    else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  }

  /** What the operation answers with, done; undefined when there is nothing of this name. */
  private answer({ op, path, query }: FakeRequest): object | undefined {
    const entry = this.entries.get(path);
    switch (op) {
      case 'GETFILESTATUS':
        return entry && { FileStatus: statusOf('', entry) };
      case 'LISTSTATUS': {
        if (entry === undefined) return undefined;
        const inside = [...this.entries].filter(([name]) => name !== '/' && dirname(name) === path);
        return { FileStatuses: { FileStatus: inside.map(([name, each]) => statusOf(basename(name), each)) } };
      }
      case 'GETFILECHECKSUM':
        if (entry?.kind !== 'file') return undefined;
        return {
          FileChecksum: {
            algorithm: 'fake',
            bytes: createHash('md5').update(entry.data).digest('hex'),
            length: 16,
          },
        };
      case 'MKDIRS':
        if (entry?.kind !== 'directory') this.makeDirectory(path);
        return { boolean: true };
      case 'DELETE':
        return { boolean: this.entries.delete(path) };
      case 'RENAME':
        return { boolean: this.rename(path, query.get('destination')!) };
      default:
        throw new Error(`the fake HDFS does not know ${op}`);
    }
  }

  private rename(from: string, to: string): boolean {
    const entry = this.entries.get(from);
    const target = this.entries.get(to)?.kind === 'directory' ? `${to}/${basename(from)}` : to;
    if (entry === undefined || this.entries.has(target)) return false;
    if (this.entries.get(dirname(target))?.kind !== 'directory') return false;
    this.entries.delete(from);
    this.entries.set(target, entry);
    return true;
  }

  private async create(
    seen: FakeRequest,
    request: IncomingMessage,
    response: ServerResponse,
    trouble: Trouble | undefined,
  ): Promise<void> {
    const { node, path, query } = seen;
    if (node.startsWith('nn') && query.get('data') !== 'true') {
      if (trouble === 'cut-after') return void request.socket.destroy();
      this.redirect(seen, response);
      return;
    }
    response.writeContinue(); // As DataNodes do, asked or not.
    if (this.entries.has(path)) {
      request.resume();
      refuse(response, 403, 'FileAlreadyExistsException', `${path} already exists`);
      return;
    }
    const chunks: Buffer[] = [];
    let taken = 0;
    const expected = Number(request.headers['content-length']);
    try {
      for await (const chunk of request as AsyncIterable<Buffer>) {
        chunks.push(chunk);
        taken += chunk.length;
        if (trouble === 'half' && taken >= expected / 2) request.socket.destroy();
      }
    } catch {
      trouble = 'half';
    }
    this.makeParents(path);
    const data = Buffer.concat(chunks);
    this.entries.set(path, { kind: 'file', data: trouble === 'half' ? data.subarray(0, taken / 2) : data });
    if (trouble !== undefined) request.socket.destroy();
    else response.writeHead(201).end();
  }

  private redirect({ path, query }: FakeRequest, response: ServerResponse): void {
    const { port } = this.dataNodes[this.turn++ % this.dataNodes.length]!;
    const sent = new URLSearchParams(query);
    sent.set('namenoderpcaddress', 'fake:8020');
    const encoded = path.split('/').map(encodeURIComponent).join('/');
    response.writeHead(307, { location: `http://127.0.0.1:${port}/webhdfs/v1${encoded}?${sent.toString()}` }).end();
  }

  private makeParents(path: string): void {
    for (let folder = dirname(path); !this.entries.has(folder); folder = dirname(folder))
      this.entries.set(folder, { kind: 'directory' });
  }
}

function statusOf(pathSuffix: string, entry: Entry): object {
  return entry.kind === 'file'
    ? { type: 'FILE', pathSuffix, length: entry.data.length }
    : { type: 'DIRECTORY', pathSuffix, length: 0 };
}

function refuse(response: ServerResponse, status: number, exception: string, message: string): void {
  const body = { RemoteException: { exception, javaClassName: `org.apache.hadoop.${exception}`, message } };
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

/** An answer without end. */
function drip(request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  response.writeHead(200, { 'content-type': 'application/json' });
  const timer = setInterval(() => response.write(' '), 10);
  response.on('close', () => clearInterval(timer));
}

function end(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
