// How `tailrace reload` and the process that runs on a data directory talk: through files in `<data>/reload/`.
//   <id>.request  empty; made by the command, which then sends SIGHUP; removed by the process once it has answered
//   <id>.answer   written by the process, whole or not at all; read and removed by the command. A JSON object:
//                 { "v": 1, "outcome": "applied" | "refused", "changes": [text], "problem"?: text, "code"?: code of base/errors.ts }
// A process that ends before it answers leaves the request to its successor, whom it tells nothing: the command sees that the process is gone.
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { replaceFile } from '../base/atomic-file.ts';
import { type ErrorCode, errorHints, TailraceError } from '../base/errors.ts';
import type { Files } from '../base/files.ts';

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

/** For the command: leaves a request. */
export async function makeRequest(dataDirectory: string, id: string): Promise<void> {
  await mkdir(folderOf(dataDirectory), { recursive: true, mode: 0o700 });
  await writeFile(join(folderOf(dataDirectory), `${id}.request`), '', { mode: 0o600 });
}

/** For the command: the answer, when it is there. Throws TLR_DATA_VERSION when a process of another version wrote it. */
export async function readAnswer(dataDirectory: string, id: string): Promise<ReloadAnswer | undefined> {
  const path = join(folderOf(dataDirectory), `${id}.answer`);
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const parsed = answerSchema.safeParse(JSON.parse(text));
  if (parsed.success) return parsed.data;
  throw new TailraceError('TLR_DATA_VERSION', `${path} was written by another version of Tailrace`);
}

/** For the command: takes the request back and removes the answer. */
export async function removeRequest(dataDirectory: string, id: string): Promise<void> {
  for (const kind of ['request', 'answer']) await rm(join(folderOf(dataDirectory), `${id}.${kind}`), { force: true });
}
