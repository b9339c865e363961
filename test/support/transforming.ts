// Lines through the steps of a pipeline as an edge runs them: what goes out, with its ordinals, and the counts.
import type { FetchedBatches } from '../../broker/client/contract.ts';
import { BatchBuilder } from '../../broker/wire/batch-builder.ts';
import type { CompiledStep } from '../../pipelines/plan.ts';
import { type Transformed, Transformer } from '../../pipelines/transform.ts';

/** One fetch of a topic "t", from offset 0 on. */
export function fetchOf(lines: readonly string[]): FetchedBatches {
  const builder = new BatchBuilder();
  for (const line of lines) builder.append(1_700_000_000_000, null, Buffer.from(line));
  const end = lines.length;
  return {
    ...{ topic: 't', topicId: Buffer.alloc(16, 1), partition: 0, batches: [builder.build({ baseOffset: 0 })] },
    ...{ fromOffset: 0, nextOffset: end, highWatermark: end, lastStableOffset: end },
  };
}

export interface Piece {
  offset: number;
  ordinal: number;
  text: string;
}

/** `target` is where the edge leads. */
export async function transform(
  steps: readonly CompiledStep[],
  lines: readonly string[],
  target?: string,
): Promise<Transformed & { pieces: Piece[] }> {
  const options = { steps, names: undefined, askedPaths: [], ...(target === undefined ? {} : { target }) };
  const result = await new Transformer(options).run(fetchOf(lines), Infinity);
  const pieces: Piece[] = [];
  result.batch.forEach(({ offset, ordinal, buffer, start, end }) =>
    pieces.push({ offset, ordinal, text: buffer.toString('utf8', start, end) }),
  );
  return { ...result, pieces };
}
