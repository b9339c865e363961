// How `tailrace reload` and the process that runs on a data directory talk: through files in `<data>/reload/`.
//   <id>.request  empty; made by the command, which then sends SIGHUP; removed by the process once it has answered
//   <id>.answer   written by the process, whole or not at all; read and removed by the command. A JSON object:
//                 { "v": 1, "outcome": "applied" | "refused", "changes": [text], "problem"?: text, "code"?: code of base/errors.ts }
// A process that ends before it answers leaves the request to its successor, whom it tells nothing: the command sees that the process is gone.
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { z } from 'zod';
import { replaceFile } from '../base/atomic-file.ts';
import { type ErrorCode, errorHints, messageOf, TailraceError } from '../base/errors.ts';
import type { Files } from '../base/files.ts';
import { lockHolder } from '../base/lock.ts';
import { systemRandom } from '../base/random.ts';

export interface ReloadAnswer {
  outcome: 'applied' | 'refused';
  /** What was changed, one line each; empty when the configuration means the same as before. */
  changes: readonly string[];
  /** Why it was refused. */
  problem?: string | undefined;
  code?: ErrorCode | undefined;
}

const answerSchema = z.object({
  v: z.literal(1),
  outcome: z.enum(['applied', 'refused']),
  changes: z.array(z.string()),
  problem: z.string().optional(),
  code: z
    .string()
    .transform((code) => (Object.hasOwn(errorHints, code) ? (code as ErrorCode) : undefined))
    .optional(),
});

/** Answers whose command has gone are removed after this time. */
const answerKeptMs = 10 * 60_000;
/** How often the command looks for its answer. */
const pollMs = 25;

function folderOf(dataDirectory: string): string {
  return join(dataDirectory, 'reload');
}

/** For the process: the ids of the requests that wait for an answer. */
export async function pendingRequests(files: Files, dataDirectory: string): Promise<string[]> {
  const folder = folderOf(dataDirectory);
  if ((await files.stat(folder)) === undefined) return [];
  const names = await files.list(folder);
  return names.flatMap((name) => /^(\w+)\.request$/.exec(name)?.[1] ?? []);
}

/** For the process: answers requests. */
export async function answerRequests(
  files: Files,
  dataDirectory: string,
  ids: readonly string[],
  answer: ReloadAnswer,
): Promise<void> {
  for (const id of ids) {
    const path = join(folderOf(dataDirectory), id);
    await replaceFile(files, `${path}.answer`, JSON.stringify({ v: 1, ...answer }) + '\n');
    await files.remove(`${path}.request`);
  }
}

/** For the process: removes what commands that were ended have left behind. */
export async function removeOldAnswers(files: Files, dataDirectory: string, nowMs: number): Promise<void> {
  const folder = folderOf(dataDirectory);
  if ((await files.stat(folder)) === undefined) return;
  for (const name of await files.list(folder)) {
    const path = join(folder, name);
    const stat = await files.stat(path);
    if (stat !== undefined && nowMs - stat.modifiedMs > answerKeptMs) await files.remove(path);
  }
}

/** For the command: asks the process that runs on the data directory. Throws TLR_NOT_FOUND when nothing runs there, TLR_CLOSED when the process ends without an answer, TLR_TIMEOUT. */
export async function askForReload(dataDirectory: string, timeoutMs: number): Promise<ReloadAnswer> {
  const pid = lockHolder(dataDirectory);
  if (pid === undefined)
    throw new TailraceError('TLR_NOT_FOUND', `no Tailrace runs on the data directory ${dataDirectory}`);
  const id = systemRandom.bytes(8).toString('hex');
  await makeRequest(dataDirectory, id);
  try {
    signal(pid);
    const endMs = performance.now() + timeoutMs;
    for (;;) {
      // In this order: the process may answer and end.
      const isAlive = lockHolder(dataDirectory) === pid;
      const answer = await readAnswer(dataDirectory, id);
      if (answer !== undefined) return answer;
      if (!isAlive) throw new TailraceError('TLR_CLOSED', `process ${pid} ended before it had reloaded; see its log`);
      if (performance.now() > endMs)
        throw new TailraceError('TLR_TIMEOUT', `process ${pid} has not finished reloading; its log says how it ends`);
      await wait(pollMs);
    }
  } finally {
    await removeRequest(dataDirectory, id);
  }
}

function signal(pid: number): void {
  try {
    process.kill(pid, 'SIGHUP');
  } catch (error) {
    throw new TailraceError('TLR_UNREACHABLE', `process ${pid} cannot be signalled: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function makeRequest(dataDirectory: string, id: string): Promise<void> {
  await mkdir(folderOf(dataDirectory), { recursive: true, mode: 0o700 });
  await writeFile(join(folderOf(dataDirectory), `${id}.request`), '', { mode: 0o600 });
}

/** The answer, when it is there. Throws TLR_DATA_VERSION when a process of another version wrote it. */
async function readAnswer(dataDirectory: string, id: string): Promise<ReloadAnswer | undefined> {
  const path = join(folderOf(dataDirectory), `${id}.answer`);
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const parsed = answerSchema.safeParse(JSON.parse(text));
  if (parsed.success) return parsed.data;
  throw new TailraceError('TLR_DATA_VERSION', `${path} was written by another version of Tailrace`);
}

async function removeRequest(dataDirectory: string, id: string): Promise<void> {
  for (const kind of ['request', 'answer']) await rm(join(folderOf(dataDirectory), `${id}.${kind}`), { force: true });
}
