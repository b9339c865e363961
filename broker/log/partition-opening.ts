// Opening one partition of a data directory: its folder, leader epochs, recovery. Damage of what was durable gives an offline partition, not a failed
// start: the others work on.
import { join } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { TailraceError } from '../../base/errors.ts';
import type { Files } from '../../base/files.ts';
import type { Logger } from '../../base/logger.ts';
import type { KafkaError } from '../wire/errors.ts';
import type { RecoveryCut } from './contract.ts';
import type { GroupCommit } from './group-commit.ts';
import { LeaderEpochs } from './leader-epochs.ts';
import type { TopicMetadata } from './metadata-log.ts';
import { Partition } from './partition.ts';
import { recoverPartition } from './recovery.ts';
import type { ReadAhead } from './read-ahead.ts';
import { resolveSettings } from './settings.ts';
import type { TailBudget } from './tail.ts';
import { claimFolder, partitionFolder } from './topic-folders.ts';
import type { Upkeep } from './upkeep.ts';

export interface PartitionSurroundings {
  directory: string;
  files: Files;
  clock: Clock;
  logger: Logger;
  topicDefaults: Readonly<Record<string, string>> | undefined;
  commit: GroupCommit;
  tailBudget: TailBudget;
  readAhead: ReadAhead;
  upkeep: Upkeep;
  leaderEpoch: number;
  wasClean: boolean;
  refusal: (bytes: number) => KafkaError | undefined;
}

/** Opens and recovers one partition; the error (TLR_CORRUPT) in its place when what it holds is damaged. */
export async function openPartition(
  around: PartitionSurroundings,
  topic: TopicMetadata,
  partition: number,
): Promise<{ partition: Partition | TailraceError; cut: RecoveryCut | undefined }> {
  const { files, directory, upkeep, leaderEpoch, clock, commit, refusal, logger, tailBudget, readAhead } = around;
  const folder = partitionFolder(directory, topic.name, partition);
  const settings = resolveSettings(topic.configs, around.topicDefaults);
  const epochs = new LeaderEpochs(files, join(folder, 'leader-epoch-checkpoint'));
  const logStartOffset = upkeep.startOffset(topic.name, partition);
  try {
    await claimFolder(files, directory, folder, topic.topicId);
    await epochs.load();
    const recovered = await recoverPartition({
      files,
      directory: folder,
      where: `topic ${topic.name}, partition ${partition}`,
      logStartOffset,
      recoveryPoint: upkeep.recoveryPoint(topic.name, partition),
      clean: around.wasClean,
      indexIntervalBytes: settings.indexIntervalBytes,
      mayHaveHoles: settings.compacts,
      epochs,
    });
    epochs.assign(leaderEpoch, recovered.logEndOffset);
    const cut = recovered.cut === undefined ? undefined : { topic: topic.name, partition, ...recovered.cut };
    if (cut !== undefined) logger.warn('recovery cut a torn tail', { ...cut });
    const opened = new Partition(
      {
        ...{ files, directory: folder, topic: topic.name, partition, leaderEpoch, logStartOffset, settings },
        ...{ clock, commit, tailBudget, readAhead, epochs, refusal },
        topicId: Buffer.from(topic.topicId, 'base64url'),
        onDelete: (which, offset) => upkeep.exclusively(() => upkeep.deleteBefore(which, offset)),
        onRoll: (which) => upkeep.later(() => upkeep.checkpoint([which])),
      },
      recovered,
    );
    return { partition: opened, cut };
  } catch (error) {
    if (!(error instanceof TailraceError) || error.code !== 'TLR_CORRUPT') throw error;
    const offline = new TailraceError('TLR_CORRUPT', `${error.message}; the partition is offline`, { cause: error });
    logger.error(`${offline.message}, nothing was cut, the others work on`, {
      code: error.code,
      ...{ topic: topic.name, partition },
    });
    return { partition: offline, cut: undefined };
  }
}
