// The shell knows ~, files do not: a folder of that name would be read or made.

/** What is wrong with a path that begins with ~; undefined when it does not. */
export function homePathProblem(path: string): string | undefined {
  if (!/^~[\w.-]*\//u.test(path)) return undefined;
  return `"${path}" begins with ~, which the shell alone understands: write the whole path, such as /home/you/…`;
}
