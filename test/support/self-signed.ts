// A key and a certificate that nobody but the test trusts, made by openssl: for 127.0.0.1, or for other names, or one that has expired.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export function selfSigned({ names = 'IP:127.0.0.1', isExpired = false } = {}): { key: string; cert: string } {
  const folder = mkdtempSync(join(tmpdir(), 'tailrace-tls-'));
  const openssl = (...args: string[]) => spawnSync('openssl', args, { cwd: folder });
  try {
    const request = ['req', '-newkey', 'rsa:2048', '-nodes', '-keyout', 'key.pem', '-subj', '/CN=localhost'];
    if (!isExpired) openssl(...request, '-x509', '-out', 'cert.pem', '-addext', `subjectAltName=${names}`);
    else {
      writeFileSync(join(folder, 'ca.cnf'), authority(names));
      writeFileSync(join(folder, 'index.txt'), '');
      writeFileSync(join(folder, 'serial'), '01');
      openssl(...request, '-new', '-out', 'request.pem');
      const dates = ['-startdate', '20200101000000Z', '-enddate', '20210101000000Z'];
      const files = ['-config', 'ca.cnf', '-keyfile', 'key.pem', '-in', 'request.pem', '-out', 'cert.pem'];
      openssl('ca', '-selfsign', '-batch', '-notext', ...files, ...dates);
    }
    return { key: readFileSync(join(folder, 'key.pem'), 'utf8'), cert: readFileSync(join(folder, 'cert.pem'), 'utf8') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** `openssl ca` alone takes dates that are over. */
function authority(names: string): string {
  return `[ca]
default_ca=here
[here]
database=index.txt
serial=serial
new_certs_dir=.
default_md=sha256
policy=any
x509_extensions=extensions
[any]
commonName=supplied
[extensions]
subjectAltName=${names}
`;
}
