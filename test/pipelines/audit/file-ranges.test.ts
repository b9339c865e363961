// Bytes of files against the records that they became.
import { describe, expect, it } from 'vitest';
import { LineHeaders } from '../../../agents/tail/line-headers.ts';
import type { PositionRecord } from '../../../broker/client/positions-record.ts';
import { BatchBuilder } from '../../../broker/wire/batch-builder.ts';
import { FileRanges } from '../../../pipelines/audit/file-ranges.ts';

const fileId = Buffer.from('0102030405ff', 'hex');

/** A line that begins at a byte of the file; `mark` for overlong ones. */
interface Line {
  at: number;
  text: string;
  mark?: { part: number; ends: boolean; truncated: boolean };
}

/** Records as they are fetched. */
function fetched(lines: readonly Line[], firstOffset = 0, partition = 0) {
  const builder = new BatchBuilder();
  const headers = new LineHeaders();
  headers.use(fileId);
  for (const { at, text, mark } of lines) {
    const encoded = mark === undefined ? headers.at(at) : headers.marked(fileId, at, mark);
    builder.append(0, null, Buffer.from(text), 0, text.length, encoded);
  }
  const end = firstOffset + lines.length;
  return {
    ...{ topic: 'app', topicId: Buffer.alloc(16, 1), partition, fromOffset: firstOffset, nextOffset: end },
    ...{ highWatermark: end, lastStableOffset: end, batches: [builder.build({ baseOffset: firstOffset })] },
  };
}

function position(at: number, lines: number): PositionRecord {
  return {
    ...{ kind: 'file', instance: 'i', agent: 'logs', file: fileId.toString('hex'), state: 'live', path: '/x.log' },
    ...{ firstPath: '/x.log', host: 'h', topic: 'app', partition: 0, identity: '1:1', generation: 0, part: 0, atMs: 0 },
    ...{ position: at, lines, headBytes: 0, headHash: '', anchorBytes: 0, anchorHash: '' },
  };
}

function finish(
  fetches: readonly ReturnType<typeof fetched>[],
  committed: PositionRecord | undefined,
  { drops = false, whole = true } = {},
) {
  const ranges = new FileRanges();
  for (const each of fetches) ranges.take(each, Infinity);
  return ranges.finish({
    positions: new Map(committed === undefined ? [] : [[committed.file, committed]]),
    droppingAgents: new Set(drops ? ['logs'] : []),
    wholeTopics: new Set(whole ? ['app'] : []),
    endedTopics: new Set(['app']),
    offlineTopics: new Set(),
  });
}

const [a, b, c]: Line[] = [
  { at: 0, text: 'aaaa' },
  { at: 5, text: 'bb' },
  { at: 8, text: '' },
] as const;
const whats = ({ problems }: ReturnType<typeof finish>) => problems.map(({ what }) => what);

describe('bytes', () => {
  it('that follow each other add up to the committed position', () => {
    const { files, problems } = finish([fetched([a, b]), fetched([c], 3)], position(9, 3));
    expect(problems).toEqual([]);
    expect(files).toEqual([
      {
        ...{ agent: 'logs', path: '/x.log', fromByte: 0, toByte: 9, records: 3 },
        ranges: [{ topic: 'app', partition: 0, from: 0, to: 4 }],
      },
    ]);
  });

  it('that are zeros, which the agent passed over, are missing nowhere', () => {
    const lines: Line[] = [
      { at: 30, text: 'aaaa' },
      { at: 75, text: 'bb' },
    ];
    const zeros = [
      [0, 30],
      [35, 75],
      [78, 100],
    ] as const;
    expect(whats(finish([fetched(lines)], { ...position(100, 2), zeros }))).toEqual([]);
    expect(whats(finish([fetched(lines)], { ...position(100, 2), zeros: zeros.slice(0, 1) }))).toEqual([
      'bytes 35 to 75 became no records',
      'bytes 78 to 100 are committed as read, and became no records',
    ]);
  });

  it('that became no records are named, with the offsets around them', () => {
    const { problems } = finish([fetched([a, c])], position(9, 2));
    expect(problems).toMatchObject([
      {
        who: 'logs',
        kind: 'bytes',
        where: '/x.log',
        what: 'bytes 5 to 8 became no records',
        ranges: [
          { from: 0, to: 1 },
          { from: 1, to: 2 },
        ],
      },
    ]);
  });

  it('that became records twice are named', () => {
    expect(whats(finish([fetched([a, b]), fetched([b, c], 2)], position(9, 3)))).toEqual([
      'bytes 5 to 8 became records twice',
    ]);
    expect(whats(finish([fetched([a, b, c]), fetched([a], 0, 1)], position(9, 3)))).toEqual([
      'bytes 0 to 5 became records twice',
    ]);
  });

  it('that are committed and not there are named', () => {
    expect(whats(finish([fetched([a, b])], position(9, 3)))).toEqual([
      'bytes 8 to 9 are committed as read, and became no records',
    ]);
    expect(whats(finish([], position(9, 3)))).toEqual(['bytes 0 to 9 became no records']);
    expect(whats(finish([fetched([b, c])], position(9, 3)))).toEqual([
      'bytes 0 to 9 are committed as 3 records, of which 2 are there',
    ]);
  });

  it('may lack what the topic does not keep any more', () => {
    expect(whats(finish([fetched([b, c])], position(9, 3), { whole: false }))).toEqual([]);
    expect(whats(finish([], position(9, 3), { whole: false }))).toEqual([]);
  });
});

describe('lines without a newline', () => {
  it('are pieces of longer ones, or the last', () => {
    const pieces: Line[] = [
      { at: 0, text: 'aaaa', mark: { part: 0, ends: false, truncated: false } },
      { at: 4, text: 'bb', mark: { part: 1, ends: true, truncated: false } },
      { at: 7, text: 'cc' },
    ];
    expect(whats(finish([fetched(pieces)], position(9, 3)))).toEqual([]);
  });

  it('may be cut, or left out, by intention', () => {
    const cut: Line = { at: 0, text: 'aaaa', mark: { part: 0, ends: true, truncated: true } };
    expect(whats(finish([fetched([cut, { at: 100, text: 'b' }])], position(102, 2)))).toEqual([]);
    expect(whats(finish([fetched([a, { at: 100, text: 'b' }])], position(102, 2), { drops: true }))).toEqual([]);
  });
});

it('tells records of files from others', () => {
  const ranges = new FileRanges();
  const builder = new BatchBuilder();
  builder.append(0, null, Buffer.from('x'), 0, 1, Buffer.from([0]));
  ranges.take({ ...fetched([a]), batches: [builder.build({ baseOffset: 0 })] }, Infinity);
  expect(ranges.others).toEqual(new Map([['app', 1]]));
});
