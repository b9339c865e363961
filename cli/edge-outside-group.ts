// An edge whose sink is away has left its group, and the broker knows nothing of it before its first commit: the file in this folder says what it reads and where
// to, and its sink can be asked what is wrong.
import { type EdgeOfPipeline, edgesOf } from '../pipelines/plan-difference.ts';
import { loadPlan } from '../pipelines/load.ts';
import { note } from './output.ts';
import { loadOptions } from './registries.ts';
import { reachSink } from './sink-reach.ts';

const file = 'tailrace.yaml';

/** Says why the broker does not know the group. Undefined when the file names no such edge. */
export async function tellOfEdge(group: string): Promise<EdgeOfPipeline | undefined> {
  const { plan } = await loadPlan([file], loadOptions);
  const found = plan === undefined ? undefined : edgesOf(plan).find(({ edge }) => edge.group === group);
  if (found === undefined) return undefined;
  note(
    `edge ${group} of ${file} has committed nothing yet and is not in its group: it pauses, or does not run; the log of tailrace up says why`,
  );
  const { target } = found.edge;
  const problem = target.kind === 'sink' ? await reachSink(target.sink) : undefined;
  if (problem !== undefined) note(`its sink cannot be opened: ${problem}`);
  return found;
}
