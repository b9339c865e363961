// Where an HDFS is: the forms people write, and what they stand for.
//   webhdfs://nn1:9870,nn2:9870   NameNodes of one cluster (hdfs:// is the same)         http, default port 9870
//   swebhdfs://nn1,nn2            the same over TLS                                      https, default port 9871
//   httpfs://host:14000           HttpFS, which passes data on by itself                 http, default port 14000
//   http(s)://host:port[/prefix]  a gateway that speaks WebHDFS under a prefix (Knox), or HttpFS behind TLS
// A user may stand before the first host (webhdfs://logs@nn1), and in a sink's shorthand the path of the files behind the last.
import { TailraceError } from '../../base/errors.ts';

export interface HdfsAddress {
  /** Everything before /webhdfs/v1, such as "http://nn1:9870". */
  origins: readonly string[];
  /** Data goes to the server itself instead of to a DataNode that it names. */
  isDirect: boolean;
  user: string | undefined;
}

const schemes: Record<string, { protocol: 'http' | 'https'; port: number; isDirect: boolean }> = {
  hdfs: { protocol: 'http', port: 9870, isDirect: false },
  webhdfs: { protocol: 'http', port: 9870, isDirect: false },
  swebhdfs: { protocol: 'https', port: 9871, isDirect: false },
  httpfs: { protocol: 'http', port: 14000, isDirect: true },
};

/** Ports of Hadoop's own protocol, which people copy from fs.defaultFS. */
const callPorts = ['8020', '9000'];
const hostPattern = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/;

function fail(url: string, problem: string): never {
  throw new TailraceError('TLR_CONFIG', `"${url}" ${problem}`);
}

/** Throws TailraceError TLR_CONFIG with what is wrong. */
export function readAddress(url: string): HdfsAddress {
  const [, scheme = '', rest = ''] = /^([a-z]+):\/\/(.*)$/su.exec(url) ?? [];
  if (scheme === 'http' || scheme === 'https') return readGateway(url);
  const known = schemes[scheme];
  if (known === undefined) {
    fail(url, 'is not the address of an HDFS; write webhdfs://namenode:9870, or swebhdfs, httpfs, http, https');
  }
  if (rest.includes('/')) fail(url, 'has a path; put that into `path`');
  const at = rest.lastIndexOf('@');
  const user = at < 0 ? undefined : rest.slice(0, at);
  if (user?.includes(':')) fail(url, 'has a password, which HDFS does not know; for a gateway use `auth`');
  const origins = rest
    .slice(at + 1)
    .split(',')
    .map((host) => {
      const [, name, port = String(known.port)] = hostPattern.exec(host.trim()) ?? [];
      if (name === undefined || Number(port) > 65535) fail(url, `names no host in "${host}"`);
      if (callPorts.includes(port)) {
        fail(url, `names port ${port}, which is that of RPC; WebHDFS is on the NameNode's web port, ${known.port}`);
      }
      return `${known.protocol}://${name}:${port}`;
    });
  return { origins, isDirect: known.isDirect, user };
}

function readGateway(url: string): HdfsAddress {
  if (!URL.canParse(url)) fail(url, 'is not a URL');
  const { origin, pathname, search, hash, username, password } = new URL(url);
  if (username !== '' || password !== '') fail(url.replace(/\/\/.*@/u, '//***@'), 'has a user; use `auth`');
  if (search !== '' || hash !== '') fail(url, 'has more than host, port and prefix');
  const prefix = pathname.replace(/\/+$/u, '').replace(/\/webhdfs\/v1$/u, '');
  return { origins: [origin + prefix], isDirect: false, user: undefined };
}

/** The settings that webhdfs://user@nn1,nn2/path stands for; undefined when the URL is of another kind. */
export function settingsOfUrl(url: string): { url: string; path?: string } | undefined {
  const [, scheme = '', hosts = '', path] = /^([a-z]+):\/\/([^/]*)(\/.*)?$/su.exec(url) ?? [];
  if (schemes[scheme] === undefined) return undefined;
  return { url: `${scheme}://${hosts}`, ...(path === undefined ? {} : { path }) };
}
