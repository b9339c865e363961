// What HDFS says when it refuses, and what that asks for. WebHDFS answers errors as
//   { "RemoteException": { "exception": "StandbyException", "javaClassName": "…", "message": "…" } }
// with a status that says little (a standby and a missing permission are both 403), so the name of the exception decides.
import { TailraceError } from '../../base/errors.ts';

/**
 * - elsewhere: this node cannot, another one may, at once (standby, unreachable).
 * - later: the same node may in a while (safe mode, starting up, a DataNode that is gone).
 * - missing: there is nothing of this name.
 * - refused: somebody has to change something first.
 */
export type Remedy = 'elsewhere' | 'later' | 'missing' | 'refused';

const remedies: Record<string, Remedy> = {
  StandbyException: 'elsewhere',
  ObserverRetryOnActiveException: 'elsewhere',
  RetriableException: 'later',
  SafeModeException: 'later',
  ServerNotActiveException: 'later',
  FileNotFoundException: 'missing',
  AccessControlException: 'refused',
  SecurityException: 'refused',
  InvalidToken: 'refused',
  AuthenticationException: 'refused',
  AuthorizationException: 'refused',
  FileAlreadyExistsException: 'refused',
  ParentNotDirectoryException: 'refused',
  InvalidPathException: 'refused',
  PathComponentTooLongException: 'refused',
  QuotaExceededException: 'refused',
  DSQuotaExceededException: 'refused',
  NSQuotaExceededException: 'refused',
  IllegalArgumentException: 'refused',
  UnsupportedOperationException: 'refused',
};

export class HdfsFailure extends TailraceError {
  readonly remedy: Remedy;

  constructor(remedy: Remedy, message: string, cause?: unknown) {
    super('TLR_SINK', message, { cause, retriable: remedy === 'elsewhere' || remedy === 'later' });
    this.remedy = remedy;
  }
}

interface RemoteException {
  exception: string;
  message: string;
}

/** The exception in the body of an answer; undefined when there is none. */
function remoteException(body: string): RemoteException | undefined {
  try {
    const parsed = JSON.parse(body) as { RemoteException?: { exception?: unknown; message?: unknown } };
    const { exception, message } = parsed.RemoteException ?? {};
    if (typeof exception !== 'string') return undefined;
    return { exception, message: typeof message === 'string' ? firstLine(message) : '' };
  } catch {
    return undefined;
  }
}

/** Java puts stack traces behind the first line. */
function firstLine(text: string): string {
  return text.split('\n', 1)[0]!.trim().slice(0, 400);
}

function remedyOfStatus(status: number): Remedy {
  if (status === 404) return 'refused'; // HDFS's own 404 has an exception: this server has no WebHDFS there.
  return status >= 400 && status < 500 && status !== 408 && status !== 429 ? 'refused' : 'later';
}

/** The failure that an answer other than the expected one stands for. `what` says who was asked for what. */
export function failureOf(what: string, status: number, body: string): HdfsFailure {
  const remote = remoteException(body);
  if (remote !== undefined) {
    // An operator state inside RetriableException: the NameNode of an HA pair says safe mode that way.
    const remedy = remedies[remote.exception] ?? 'later';
    return new HdfsFailure(remedy, `${what}: ${remote.exception}: ${remote.message}`);
  }
  if (body.includes('Hadoop IPC port')) {
    return new HdfsFailure('refused', `${what}: this is the RPC port; WebHDFS is on the web port (9870)`);
  }
  if (status === 401) {
    const advice = 'for Kerberos go through a gateway with `auth`, or give a `delegation_token`';
    return new HdfsFailure('refused', `${what}: it asks for authentication (401); ${advice}`);
  }
  const said = firstLine(body.replace(/<[^>]*>/gu, ' ').replace(/\s+/gu, ' '));
  return new HdfsFailure(remedyOfStatus(status), `${what}: HTTP ${status}${said === '' ? '' : ` ${said}`}`);
}

/** What a connection failed with, also where several addresses were tried. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0]);
  if (!(error instanceof Error)) return String(error);
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (error.message === '') return code;
  return code === '' || error.message.includes(code) ? error.message : `${error.message} (${code})`;
}
