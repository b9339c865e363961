// API 35, DescribeLogDirs: folders with partitions, and their sizes.
// Versions 1 to 5, flexible from 2. In the grammar: ? may be null, (3..) from version 3, (..7) up to 7.
//
// DescribeLogDirsRequest => topics[ topic partitions[] ]?
// DescribeLogDirsResponse => throttleTimeMs errorCode(3..) results[ errorCode logDir topics[ name partitions[
//   partitionIndex partitionSize offsetLag isFutureKey ] ] totalBytes(4..) usableBytes(4..)
//   isCordoned(5..) ]
import { array, boolean, int16, int32, int64, message, string, struct } from '../schema.ts';

export const describeLogDirsRequest = message({
  name: 'DescribeLogDirsRequest',
  key: 35,
  versions: [1, 5],
  flexible: 2,
  fields: {
    topics: array(
      struct({
        topic: string(),
        partitions: array(int32()),
      }),
      { nullable: 1 },
    ),
  },
});

export const describeLogDirsResponse = message({
  name: 'DescribeLogDirsResponse',
  key: 35,
  versions: [1, 5],
  flexible: 2,
  fields: {
    throttleTimeMs: int32(),
    errorCode: int16({ since: 3, ignorable: true }),
    results: array(
      struct({
        errorCode: int16(),
        logDir: string(),
        topics: array(
          struct({
            name: string(),
            partitions: array(
              struct({
                partitionIndex: int32(),
                partitionSize: int64(),
                offsetLag: int64(),
                isFutureKey: boolean(),
              }),
            ),
          }),
        ),
        totalBytes: int64({ since: 4, ignorable: true, default: -1 }),
        usableBytes: int64({ since: 4, ignorable: true, default: -1 }),
        isCordoned: boolean({ since: 5, ignorable: true }),
      }),
    ),
  },
});
