// Network addresses as people write them: "host:port", "[::1]:9092".

export interface Address {
  host: string;
  port: number;
}

/** Undefined when it is not HOST:PORT. Port 0 lets the system choose. */
export function parseAddress(text: string): Address | undefined {
  const [, bracketed, plain, digits] = /^(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/@[\]]+)):(\d{1,5})$/.exec(text.trim()) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  return host === undefined || port > 65535 ? undefined : { host, port };
}

/** The brokers of `kafka://host:port,host:port`; the port is 9092 where it is left out. Undefined when it is no such URL. */
export function parseBootstrap(url: string): Address[] | undefined {
  const list = /^kafka:\/\/([^/\s]+)\/?$/.exec(url)?.[1];
  if (list === undefined) return undefined;
  const addresses = list.split(',').map((item) => parseAddress(/:\d+$/.test(item) ? item : `${item}:9092`));
  return addresses.every((address) => address !== undefined) ? addresses : undefined;
}

/** Whether only this machine can reach a listener on this host. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host);
}
