// Stands in for agents/tail/watch.ts, which watches real folders; nothing depends on it:
// vi.mock('../../agents/tail/watch.ts', () => import('../support/simulation/no-watch.ts')).
export class FolderWatch {
  follow(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
