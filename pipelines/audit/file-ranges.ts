// Which bytes of which file became which records: each record of a tailed line says in its header where the line began. Records of a file, put together,
// must cover it without gap or overlap up to the position that its agent has committed, but for the zeros that the agent has passed over.
import { decodeFileReference, fileReferenceHeader, type PositionRecord } from '../../broker/client/positions-record.ts';
import { RecordCursor } from '../../broker/wire/record-batch.ts';
import type { FetchedBatches } from '../../broker/client/contract.ts';
import { forEachRecord, headersAt } from '../source-batch.ts';
import type { AuditedFile, OffsetRange, Problem } from './findings.ts';

/** Agents of tailed files mark lines that they cut with this header. */
const longLineHeader = 'l';
const truncatedFlag = 2;

/** Bytes that follow each other, in records that follow each other. */
interface Stretch extends OffsetRange {
  fromByte: number;
  /** Behind the newline of the last line, if it has one. */
  toByte: number;
  records: number;
  /** Bytes behind the last line were cut off on purpose. */
  isCut: boolean;
}

export interface FileChecks {
  /** Committed positions, read before the records. */
  positions: ReadonlyMap<string, PositionRecord>;
  /** Agents that leave out lines which are too long. */
  droppingAgents: ReadonlySet<string>;
  /** Topics that were read from their very first record to the end. */
  wholeTopics: ReadonlySet<string>;
  /** Topics that were read to the end. */
  endedTopics: ReadonlySet<string>;
  /** Topics of which a part could not be read. */
  offlineTopics: ReadonlySet<string>;
}

export class FileRanges {
  /** Records that are not of a file, by topic. */
  readonly others = new Map<string, number>();
  /** By file, then partition: the stretches in order of their offsets. */
  private readonly files = new Map<string, Map<string, Stretch[]>>();
  private readonly cursor = new RecordCursor();

  /** Takes the records of a fetch; those of a partition in order. */
  take(fetched: FetchedBatches, endOffset: number): void {
    const { topic, partition } = fetched;
    const { cursor } = this;
    forEachRecord(fetched, endOffset, cursor, () => {
      let reference: { file: string; position: number } | undefined;
      let isCut = false;
      for (const { key, value } of headersAt(cursor.buffer, cursor.headersStart, cursor.headerCount)) {
        if (key === fileReferenceHeader && value !== null) reference = decodeFileReference(value);
        if (key === longLineHeader && value !== null) isCut = (value[0]! & truncatedFlag) !== 0;
      }
      if (reference === undefined) this.others.set(topic, (this.others.get(topic) ?? 0) + 1);
      else {
        const bytes = Math.max(0, cursor.valueEnd - cursor.valueStart);
        const place = { topic, partition, from: cursor.offset, to: cursor.offset + 1 };
        this.add(reference.file, {
          ...place,
          fromByte: reference.position,
          toByte: reference.position + bytes + 1,
          records: 1,
          isCut,
        });
      }
    });
  }

  /** What the files add up to. */
  finish(checks: FileChecks): { files: AuditedFile[]; problems: Problem[] } {
    const files: AuditedFile[] = [];
    const problems: Problem[] = [];
    for (const [file, byPartition] of this.files) {
      const position = checks.positions.get(file);
      const agent = position?.agent ?? 'an agent that is forgotten';
      const stretches = [...byPartition.values()].flat().sort((one, other) => one.fromByte - other.fromByte);
      files.push(fileOf(agent, position?.path ?? `file ${file}`, stretches));
      const isPartly = stretches.some(({ topic }) => checks.offlineTopics.has(topic));
      const lenient = isPartly || (position !== undefined && checks.droppingAgents.has(position.agent));
      problems.push(...this.seams(agent, position?.path ?? `file ${file}`, stretches, lenient, position?.zeros));
      if (position !== undefined) problems.push(...this.ends(position, stretches, checks, lenient));
    }
    for (const [file, position] of checks.positions) {
      if (this.files.has(file) || position.lines === 0 || !checks.wholeTopics.has(position.topic)) continue;
      problems.push(bytesProblem(position.agent, position.path, 0, position.position, [], 'became no records'));
    }
    return { files, problems };
  }

  private add(file: string, next: Stretch): void {
    let byPartition = this.files.get(file);
    if (byPartition === undefined) {
      byPartition = new Map<string, Stretch[]>();
      this.files.set(file, byPartition);
    }
    const key = `${next.topic}/${next.partition}`;
    const stretches = byPartition.get(key) ?? [];
    if (stretches.length === 0) byPartition.set(key, stretches);
    const last = stretches.at(-1);
    // A piece of a line that is too long for one record has no newline behind it, nor has the last line of some files.
    const follows =
      last !== undefined && !last.isCut && (next.fromByte === last.toByte || next.fromByte === last.toByte - 1);
    if (!follows) stretches.push(next);
    else {
      last.to = next.to;
      last.toByte = next.toByte;
      last.records += next.records;
      last.isCut = next.isCut;
    }
  }

  private seams(
    agent: string,
    path: string,
    stretches: readonly Stretch[],
    lenient: boolean,
    zeros: PositionRecord['zeros'],
  ): Problem[] {
    const problems: Problem[] = [];
    let before: Stretch | undefined;
    for (const stretch of stretches) {
      if (before !== undefined && stretch.fromByte < before.toByte - 1) {
        const to = Math.min(before.toByte, stretch.toByte);
        problems.push(bytesProblem(agent, path, stretch.fromByte, to, [before, stretch], 'became records twice'));
      } else if (before !== undefined && stretch.fromByte > before.toByte && !before.isCut && !lenient) {
        if (!areZeros(zeros, before.toByte, stretch.fromByte))
          problems.push(
            bytesProblem(agent, path, before.toByte, stretch.fromByte, [before, stretch], 'became no records'),
          );
      }
      if (before === undefined || stretch.toByte > before.toByte) before = stretch;
    }
    return problems;
  }

  /** Whether the records reach the committed position, and are as many as the agent counted. */
  private ends(
    position: PositionRecord,
    stretches: readonly Stretch[],
    checks: FileChecks,
    lenient: boolean,
  ): Problem[] {
    const { agent, path, topic, lines, zeros } = position;
    const last = stretches.reduce((furthest, each) => (each.toByte > furthest.toByte ? each : furthest));
    if (!checks.endedTopics.has(topic) || lenient) return [];
    if (position.position > last.toByte && !last.isCut && !areZeros(zeros, last.toByte, position.position))
      return [
        bytesProblem(
          agent,
          path,
          last.toByte,
          position.position,
          [last],
          'are committed as read, and became no records',
        ),
      ];
    const records = stretches.filter((each) => each.topic === topic).reduce((sum, each) => sum + each.records, 0);
    if (!checks.wholeTopics.has(topic) || records >= lines) return [];
    return [
      bytesProblem(
        agent,
        path,
        0,
        position.position,
        stretches,
        `are committed as ${lines} records, of which ${records} are there`,
      ),
    ];
  }
}

/** Whether the agent has passed over the bytes [from, to), which were zeros. */
function areZeros(zeros: PositionRecord['zeros'], from: number, to: number): boolean {
  return zeros?.some(([first, end]) => first <= from && end >= to) ?? false;
}

function fileOf(agent: string, path: string, stretches: readonly Stretch[]): AuditedFile {
  return {
    ...{ agent, path, fromByte: stretches[0]!.fromByte, toByte: Math.max(...stretches.map(({ toByte }) => toByte)) },
    records: stretches.reduce((sum, { records }) => sum + records, 0),
    ranges: stretches.map(({ topic, partition, from, to }) => ({ topic, partition, from, to })),
  };
}

function bytesProblem(
  who: string,
  path: string,
  fromByte: number,
  toByte: number,
  around: readonly Stretch[],
  what: string,
): Problem {
  const ranges = around.map(({ topic, partition, from, to }) => ({ topic, partition, from, to }));
  const remedy =
    'the bytes may still be in the file or in a rotated copy of it; say so in a bug report, for this must not be';
  return { who, kind: 'bytes', ranges, where: path, what: `bytes ${fromByte} to ${toByte} ${what}`, remedy };
}
