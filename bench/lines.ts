// The lines that benches are made of: all different, about 150 bytes long.
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';

const twoDigits = (value: number) => String(value % 60).padStart(2, '0');

/** As nginx and Apache write them. */
export const accessLine = (index: number) =>
  `10.${index % 256}.${(index >> 8) % 256}.7 - - [22/Nov/2026:10:${twoDigits(Math.floor(index / 60))}:${twoDigits(index)} +0000] ` +
  `"GET /api/v1/items/${index} HTTP/1.1" ${index % 11 === 0 ? 404 : 200} ${index % 9973} "-" "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) bench"`;

/** As services write them: one in ten says debug. */
export const jsonLine = (index: number) =>
  JSON.stringify({
    time: `2026-11-22T10:00:${twoDigits(index)}.123Z`,
    level: index % 10 === 0 ? 'debug' : 'info',
    service: `service-${index % 7}`,
    message: `request ${index} was handled`,
    user: { id: index, name: `user-${index % 1000}` },
    took_ms: index % 997,
  });

/** A file of `count` lines, synced. Returns its size in bytes. */
export function writeLines(path: string, count: number, line: (index: number) => string): number {
  const file = openSync(path, 'w');
  let bytes = 0;
  let text = '';
  for (let index = 0; index < count; index++) {
    text += line(index) + '\n';
    if (text.length < 1 << 20 && index < count - 1) continue;
    bytes += writeSync(file, text);
    text = '';
  }
  fsyncSync(file);
  closeSync(file);
  return bytes;
}
