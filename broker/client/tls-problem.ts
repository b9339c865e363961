// What a failure of TLS means, in words, where trying again is of no use: certificates that are not trusted, on either side. Names are OpenSSL's and Node's own.
import { TailraceError } from '../../base/errors.ts';

interface TlsFailure extends Error {
  readonly code?: string | undefined;
  /** The certificate that names others than the host. */
  readonly cert?: { readonly subjectaltname?: string };
}

const untrusted =
  'nobody whom we trust has signed its certificate: name who did as tls.ca (ssl.truststore.location in a properties file)';

const meanings: readonly (readonly [RegExp, string | ((error: TlsFailure) => string)])[] = [
  [/^CERT_HAS_EXPIRED$/, 'its certificate has expired'],
  [/^CERT_NOT_YET_VALID$/, 'its certificate is not valid yet: compare the clocks'],
  [/SELF_SIGNED|^UNABLE_TO_/, untrusted],
  [
    /ALTNAME_INVALID/,
    ({ cert, message }) =>
      `its certificate is for other names (${cert?.subjectaltname ?? message}) than the one we reach it by`,
  ],
  [/ALERT_CERTIFICATE_REQUIRED/, 'it asks for a certificate: name ours as tls.cert and tls.key'],
  [/ALERT.*(CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED)/, 'it does not take our certificate (tls.cert)'],
  [/WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG/, 'its listener does not speak TLS'],
  [/CERT|^ERR_TLS/, ({ message }) => message],
];

/** Undefined when the failure may pass by itself. */
export function tlsProblem(error: TlsFailure, address: string): TailraceError | undefined {
  const [, meaning] = meanings.find(([pattern]) => pattern.test(error.code ?? '')) ?? [];
  if (meaning === undefined) return undefined;
  const what = typeof meaning === 'string' ? meaning : meaning(error);
  return new TailraceError('TLR_DENIED', `${address}: TLS: ${what}`, { cause: error });
}
