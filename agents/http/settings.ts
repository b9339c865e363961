// What can be said about an http agent in the YAML, and what a URL such as `http://127.0.0.1:8080` stands for.
import { z } from 'zod';
import { isLoopback, parseAddress } from '../../base/address.ts';
import { asDurationMs, asSizeBytes } from '../../base/unit-settings.ts';

const size = (defaultText: string) => z.string().default(defaultText).transform(asSizeBytes('16MiB'));
const duration = (defaultText: string) => z.string().default(defaultText).transform(asDurationMs('30s'));

const topicName = z
  .string()
  .regex(/^(?!\.{1,2}$)[A-Za-z0-9._-]{1,249}$/, 'a topic has a name of letters, digits, dots, dashes and underscores');

const basic = z.strictObject({ user: z.string().min(1), password: z.string().min(1) });

export const httpSettings = z
  .strictObject({
    listen: z
      .string()
      .refine((text) => parseAddress(text) !== undefined, 'an address is written host:port, as 127.0.0.1:8080')
      .describe('Address to listen on, host:port'),
    topics: z
      .array(topicName)
      .default([])
      .describe('Topics that may be written to beside `to`: POST /ingest/TOPIC, or _bulk with that index'),
    auth: z
      .strictObject({
        bearer: z.string().min(1).optional().describe('Clients send Authorization: Bearer with this token'),
        basic: basic.optional().describe('Clients send user and password'),
      })
      .refine(({ bearer, basic: both }) => bearer !== undefined || both !== undefined, 'auth needs bearer or basic')
      .optional()
      .describe('Who may write: whoever has the token, or user and password; both may be given'),
    tls: z
      .strictObject({
        cert: z.string().min(1).describe('Certificate chain: a PEM file, or the PEM text itself'),
        key: z.string().min(1).describe('Its private key: a PEM file, or the PEM text itself'),
      })
      .optional()
      .describe('Speaks HTTPS'),
    insecure: z.boolean().default(false).describe('Allows to listen on other than loopback addresses without auth'),
    max_body: size('16MiB').describe('Largest body as it is sent; above it the answer is 413'),
    max_decompressed: size('32MiB').describe('Largest body after gzip, deflate or zstd were undone'),
    max_pending: size('128MiB').describe(
      'All bodies that are being received or made durable; above it the answer is 429 with Retry-After',
    ),
    max_connections: z.int().min(1).default(1000).describe('Further connections are closed at once'),
    timeout: duration('30s').describe('A request that is not here by then, headers and body, is answered 408'),
    keep_keys: duration('24h').describe('How long an Idempotency-Key is remembered'),
  })
  .superRefine(({ listen, auth, insecure, max_body, max_decompressed, max_pending }, context) => {
    const host = parseAddress(listen)?.host;
    if (host !== undefined && !isLoopback(host) && auth === undefined && !insecure) {
      const message = `everybody who reaches ${host} could write: set auth, listen on 127.0.0.1, or say insecure: true`;
      context.addIssue({ code: 'custom', path: ['listen'], message });
    }
    if (max_pending >= Math.max(max_body, max_decompressed)) return;
    const message = 'max_pending must not be below max_body and max_decompressed, or no such body could be taken';
    context.addIssue({ code: 'custom', path: ['max_pending'], message });
  });

export type HttpSettings = z.infer<typeof httpSettings>;

/** `http://127.0.0.1:8080`. */
export function httpSettingsFromUrl(url: string): Record<string, unknown> | undefined {
  const address = /^http:\/\/([^/\s@]+)\/?$/.exec(url)?.[1];
  return address === undefined ? undefined : { listen: address };
}
