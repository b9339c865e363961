// HDFS over HTTP: the calls of WebHDFS (Hadoop's "WebHDFS REST API") that the sink needs, against NameNodes, HttpFS or a gateway. Metadata calls go through
// name-nodes.ts and are made again until they are answered; create() is one attempt, since each attempt needs a name of its own.
//
// CREATE has two steps: the NameNode is asked without data and names a DataNode (307 with Location), which takes the data. HttpFS takes it itself
// (data=true).
import type { HdfsAddress } from './address.ts';
import { failureOf, HdfsFailure, reasonOf } from './failure.ts';
import type { HttpAnswer, HttpCaller, HttpRequest } from './http.ts';
import type { NameNodes } from './name-nodes.ts';

export interface HdfsStatus {
  kind: 'file' | 'directory' | 'other';
  name: string;
  length: number;
}

export interface WebHdfsOptions {
  address: HdfsAddress;
  nameNodes: NameNodes;
  http: HttpCaller;
  /** `user.name`, for clusters without authentication. */
  user: string | undefined;
  delegationToken: string | undefined;
  /** For a gateway: the value of the header `authorization`. */
  authorization: string | undefined;
  signal: AbortSignal;
}

type Parameters = Readonly<Record<string, string>>;
type Body = AsyncIterable<Uint8Array>;

interface Call {
  method: HttpRequest['method'];
  path: string;
  op: string;
  parameters?: Parameters;
}

/** What the caller of create() may tell the NameNode. */
export interface CreateOptions {
  replication?: number | undefined;
  blockSizeBytes?: number | undefined;
  /** Hosts of DataNodes that have just failed. */
  excluded?: Iterable<string>;
}

/** A step two that failed names the DataNode. */
export class DataNodeFailure extends HdfsFailure {
  readonly host: string;

  constructor(host: string, message: string, cause?: unknown) {
    super('later', message, cause);
    this.host = host;
  }
}

export class WebHdfs {
  private readonly options: WebHdfsOptions;

  constructor(options: WebHdfsOptions) {
    this.options = options;
  }

  /** Asks every node at most once: whether anybody is there. */
  async reach(): Promise<void> {
    await this.options.nameNodes.ask(
      (origin) => this.once(origin, { method: 'GET', path: '/', op: 'GETFILESTATUS' }),
      false,
    );
  }

  /** Undefined when there is nothing. */
  async status(path: string): Promise<HdfsStatus | undefined> {
    const answer = await this.ask<{ FileStatus: unknown }>({ method: 'GET', path, op: 'GETFILESTATUS' });
    return answer === undefined ? undefined : readStatus(answer.FileStatus);
  }

  /** What is in the folder; nothing when it is not there. */
  async list(folder: string): Promise<HdfsStatus[]> {
    const answer = await this.ask<{ FileStatuses: { FileStatus: unknown[] } }>({
      method: 'GET',
      path: folder,
      op: 'LISTSTATUS',
    });
    return answer === undefined ? [] : answer.FileStatuses.FileStatus.map(readStatus);
  }

  /** Makes the folder and its parents; no error when it is there. */
  async makeDirectory(path: string): Promise<void> {
    const answer = await this.ask<{ boolean: boolean }>({ method: 'PUT', path, op: 'MKDIRS' });
    if (answer?.boolean !== true) throw new HdfsFailure('later', `HDFS did not make the folder ${path}`);
  }

  /** Never replaces. False when there is nothing at `from`, something at `to`, or no folder for it: which of these it does not say. */
  async rename(from: string, to: string): Promise<boolean> {
    const parameters = { destination: to };
    const answer = await this.ask<{ boolean: boolean }>({ method: 'PUT', path: from, op: 'RENAME', parameters });
    return answer?.boolean === true;
  }

  /** No error when it is not there. A file that is being written may be removed as well: its writer fails then. */
  async remove(path: string, patient = true): Promise<void> {
    await this.ask({ method: 'DELETE', path, op: 'DELETE', parameters: { recursive: 'false' } }, patient);
  }

  /** HDFS's own checksum of a file, with its kind; undefined when there is no file, or the server does not make any. */
  async checksum(path: string): Promise<string | undefined> {
    try {
      const answer = await this.ask<{ FileChecksum?: { algorithm: string; bytes: string } | null }>({
        method: 'GET',
        path,
        op: 'GETFILECHECKSUM',
      });
      const sum = answer?.FileChecksum;
      return sum ? `${sum.algorithm}:${sum.bytes}` : undefined;
    } catch (error) {
      if (error instanceof HdfsFailure && error.remedy === 'refused') return undefined;
      throw error;
    }
  }

  /**
   * Writes a new file, whole: when this resolves it is complete and closed. One attempt; when it fails there may be a file of this name, open or cut short, which
   * HDFS closes by itself one day. Throws HdfsFailure; DataNodeFailure when the NameNode was willing.
   */
  async create(path: string, length: number, body: () => Body, options: CreateOptions = {}): Promise<void> {
    const { isDirect } = this.options.address;
    const excluded = [...(options.excluded ?? [])].join(',');
    const parameters: Parameters = {
      overwrite: 'false',
      ...(options.replication === undefined ? {} : { replication: String(options.replication) }),
      ...(options.blockSizeBytes === undefined ? {} : { blocksize: String(options.blockSizeBytes) }),
      ...(isDirect ? { data: 'true' } : {}),
      ...(isDirect || excluded === '' ? {} : { excludedatanodes: excluded }),
    };
    const call: Call = { method: 'PUT', path, op: 'CREATE', parameters };
    const target = await this.options.nameNodes.ask(
      (origin) => (isDirect ? Promise.resolve(this.urlOf(origin, call)) : this.stepOne(origin, call)),
      false,
    );
    await this.stepTwo(target, path, length, body());
  }

  private async stepOne(origin: string, call: Call): Promise<string> {
    const answer = await this.request(this.urlOf(origin, call), call.method);
    const location = answer.location ?? locationIn(answer.body);
    if (location !== undefined && answer.status < 400) return new URL(location, origin).href;
    throw failureOf(describe(origin, call), answer.status, answer.body);
  }

  private async stepTwo(url: string, path: string, length: number, body: Body): Promise<void> {
    const { host, hostname } = new URL(url);
    const what = `${host}: writing ${path}`;
    let answer: HttpAnswer;
    try {
      const headers = { 'content-type': 'application/octet-stream', 'content-length': String(length) };
      answer = await this.request(url, 'PUT', headers, body);
    } catch (error) {
      if (!(error instanceof HdfsFailure) || error.remedy !== 'elsewhere') throw error;
      throw new DataNodeFailure(hostname, `${what}: ${reasonOf(error.cause)}`, error.cause);
    }
    if (answer.status === 201 || answer.status === 200) return;
    const failure = failureOf(what, answer.status, answer.body);
    if (failure.remedy === 'refused') throw failure;
    throw new DataNodeFailure(hostname, failure.message, failure);
  }

  /** Undefined when HDFS says that there is nothing of this name. */
  private async ask<T>(call: Call, patient = true): Promise<T | undefined> {
    try {
      return JSON.parse(await this.options.nameNodes.ask((origin) => this.once(origin, call), patient)) as T;
    } catch (error) {
      if (error instanceof HdfsFailure && error.remedy === 'missing') return undefined;
      if (!(error instanceof SyntaxError)) throw error;
      throw new HdfsFailure('refused', `${call.op} of ${call.path}: the answer is not that of WebHDFS`, error);
    }
  }

  /** The body of the answer, from the DataNode when the NameNode sends us there. */
  private async once(origin: string, call: Call): Promise<string> {
    let answer = await this.request(this.urlOf(origin, call), call.method);
    if (answer.status === 307 && answer.location !== undefined) {
      answer = await this.request(new URL(answer.location, origin).href, call.method);
    }
    if (answer.status === 200 || answer.status === 201) return answer.body;
    throw failureOf(describe(origin, call), answer.status, answer.body);
  }

  /** Throws HdfsFailure 'elsewhere' when there is no answer. */
  private async request(
    url: string,
    method: Call['method'],
    headers: Parameters = {},
    body?: Body,
  ): Promise<HttpAnswer> {
    const { http, signal, authorization, address } = this.options;
    const { origin, pathname } = new URL(url);
    const isOurs = address.origins.some((known) => new URL(known).origin === origin);
    const authorized = authorization !== undefined && isOurs ? { ...headers, authorization } : headers;
    try {
      return await http.call(url, { method, headers: authorized, body });
    } catch (error) {
      signal.throwIfAborted();
      throw new HdfsFailure('elsewhere', `${origin}${pathname}: ${reasonOf(error)}`, error);
    }
  }

  private urlOf(origin: string, { path, op, parameters = {} }: Call): string {
    const { user, delegationToken } = this.options;
    const query = new URLSearchParams({
      op,
      ...(delegationToken === undefined ? {} : { delegation: delegationToken }),
      ...(user === undefined ? {} : { 'user.name': user }),
      ...parameters,
    });
    // A blank as in paths, not as in forms: everybody reads that.
    return `${origin}/webhdfs/v1${encodePath(path)}?${query.toString().replaceAll('+', '%20')}`;
  }
}

function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

function describe(origin: string, { op, path }: Call): string {
  return `${new URL(origin).host}: ${op} of ${path}`;
}

/** Servers that were told not to redirect say it in the body. */
function locationIn(body: string): string | undefined {
  if (!body.startsWith('{')) return undefined;
  try {
    const { Location } = JSON.parse(body) as { Location?: unknown };
    return typeof Location === 'string' ? Location : undefined;
  } catch {
    return undefined;
  }
}

function readStatus(status: unknown): HdfsStatus {
  const { type, pathSuffix, length } = status as { type?: unknown; pathSuffix?: unknown; length?: unknown };
  const kind = type === 'FILE' ? 'file' : type === 'DIRECTORY' ? 'directory' : 'other';
  return { kind, name: String(pathSuffix), length: Number(length) };
}
