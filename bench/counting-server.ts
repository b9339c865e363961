// A store that only counts, as cheaply as it can, so that it leaves the machine to what is measured: `node counting-server.ts PORT [DELAY_MS]`. It says it is Elasticsearch 9 and answers each bulk
// as one of which everything was stored. HTTP by hand over bare sockets; of a body it looks at the newlines alone.
//
//   GET /_counted   {"items":…,"bytes":…,"ms":…}: since the last time it was asked; `ms` from the first byte of a bulk to the last answer
import { createServer, type Socket } from 'node:net';

const newline = 0x0a;
const headEnd = Buffer.from('\r\n\r\n');
const item = '{"create":{"status":201}}';
const info = '{"name":"counting","version":{"number":"9.0.0"},"tagline":"You Know, for Search"}';
const most = 100_000;
/** Answers are beginnings of this one. */
const longestAnswer = Buffer.from(`{"errors":false,"items":[${Array.from({ length: most }, () => item).join()}`);
const firstItemEnd = longestAnswer.indexOf('}}') + 2;

/** How long a bulk takes, as in a store that has something to do. */
const delayMs = Number(process.argv[3] ?? 0);
let items = 0;
let bytes = 0;
let startedMs: number | undefined;
let answeredMs = 0;

function head(status: string, length: number): string {
  return `HTTP/1.1 ${status}\r\nx-elastic-product: Elasticsearch\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`;
}

function answerBulk(socket: Socket, count: number): void {
  if (delayMs > 0) setTimeout(() => tellStored(socket, count), delayMs);
  else tellStored(socket, count);
}

function tellStored(socket: Socket, count: number): void {
  const length = firstItemEnd + (count - 1) * (item.length + 1);
  socket.cork();
  socket.write(head('200 OK', length + 2));
  socket.write(longestAnswer.subarray(0, length));
  socket.write(']}');
  socket.uncork();
  items += count;
  answeredMs = performance.now();
}

function answerOther(socket: Socket, path: string): void {
  let body = '{}';
  if (path === '/') body = info;
  else if (path.startsWith('/_resolve/') && answeredMs > 0) body = '{"indices":[{"name":"counted"}]}';
  else if (path === '/_counted') {
    body = JSON.stringify({ items, bytes, ms: answeredMs - (startedMs ?? answeredMs) });
    items = bytes = 0;
    startedMs = undefined;
  }
  socket.write(head(body === '{}' ? '404 Not Found' : '200 OK', body.length) + body);
}

function serve(socket: Socket): void {
  let pending: Buffer | undefined;
  let left = 0;
  let lines = 0;
  const take = (chunk: Buffer, start: number): number => {
    const end = Math.min(chunk.length, start + left);
    for (let at = chunk.indexOf(newline, start); at >= 0 && at < end; at = chunk.indexOf(newline, at + 1)) lines++;
    bytes += end - start;
    left -= end - start;
    if (left === 0) answerBulk(socket, lines / 2);
    return end;
  };
  socket.on('data', (received: Buffer) => {
    const chunk = pending === undefined ? received : Buffer.concat([pending, received]);
    pending = undefined;
    for (let at = 0; at < chunk.length;) {
      if (left > 0) {
        at = take(chunk, at);
        continue;
      }
      const end = chunk.indexOf(headEnd, at);
      if (end < 0) {
        pending = chunk.subarray(at);
        return;
      }
      const text = chunk.toString('latin1', at, end);
      at = end + headEnd.length;
      left = Number(/\r\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? 0);
      lines = 0;
      if (left === 0) answerOther(socket, text.split(' ', 2)[1]!);
      else startedMs ??= performance.now();
    }
  });
  socket.on('error', () => socket.destroy());
}

createServer({ noDelay: true }, serve).listen(Number(process.argv[2]), '127.0.0.1', () => console.log('listening'));
