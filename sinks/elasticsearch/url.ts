// Addresses of stores as people write them:
//   elasticsearch://[user:password@]host[:9200][,host…]/index   opensearch://…      over plain HTTP
//   elasticsearch+https://…   opensearch+https://…              over TLS
//   http(s)://[user:password@]host[:port]/index
// A store's scheme without an index is understood, for what is missing to be said by the settings. The index is the last part of the path and may have places to fill in (index-name.ts), which is why it is not decoded.

const pattern = /^(elasticsearch|opensearch|http|https)(\+https?)?:\/\/(?:([^/@]*)@)?([^/?#@]+)(\/[^?#]*)?$/u;
const storePort = 9200;

/** The settings that a URL stands for; undefined when it is not one of a store. */
export function settingsOfUrl(url: string): Record<string, unknown> | undefined {
  const [, scheme, over, login, hosts, path = ''] = pattern.exec(url) ?? [];
  if (scheme === undefined || hosts === undefined) return undefined;
  const isPlainScheme = scheme === 'http' || scheme === 'https';
  if (isPlainScheme && over !== undefined) return undefined;
  const slash = path.lastIndexOf('/');
  const index = path.slice(slash + 1);
  // An address of http alone may be anybody's.
  if (index === '' && isPlainScheme) return undefined;
  const protocol = isPlainScheme ? scheme : (over ?? '+http').slice(1);
  const prefix = path.slice(0, Math.max(slash, 0));
  const urls = hosts.split(',').map((host) => {
    const needsPort = !isPlainScheme && !/:\d+$/.test(host);
    return `${protocol}://${host}${needsPort ? `:${storePort}` : ''}${prefix}`;
  });
  return { urls, index, ...(login === undefined ? {} : { auth: { basic: basicOf(login) } }) };
}

function basicOf(login: string): { user: string; password: string } {
  const colon = login.indexOf(':');
  const decode = (text: string) => {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  };
  return colon < 0
    ? { user: decode(login), password: '' }
    : { user: decode(login.slice(0, colon)), password: decode(login.slice(colon + 1)) };
}

/** What is wrong with the address of a node; undefined when nothing is. */
export function storeUrlProblem(text: string): string | undefined {
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol))
    return `"${withoutLogin(text)}" is not an address such as https://es1:9200`;
  if (url.username !== '' || url.password !== '')
    return 'user and password belong under auth, as basic: { user, password }';
  if (url.search !== '' || url.hash !== '')
    return `"${withoutLogin(text)}" has more than an address; the index stands under index`;
  return undefined;
}

function withoutLogin(text: string): string {
  return text.replace(/\/\/[^/@]*@/, '//');
}
