// What the contract of all sinks does not say: NameNodes that are standby, away or in safe mode; DataNodes that die, cut off or hang; renames that say false; names
// that are taken; who is told what (users, tokens); limits of the local disk.
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../../base/clock.ts';
import type { Files } from '../../../base/files.ts';
import { type Logger, silentLogger } from '../../../base/logger.ts';
import { nodeFiles } from '../../../base/node-files.ts';
import { systemRandom } from '../../../base/random.ts';
import { hdfsSink } from '../../../sinks/hdfs/sink.ts';
import type { Manifest, TwoPhaseSink, TwoPhaseWriter, WriterScope } from '../../../sinks/sink.ts';
import { deliveryBatch, testPartition } from '../../support/deliveries.ts';
import { FakeHdfs, type FakeRequest, type Trouble } from '../../support/fake-hdfs.ts';

const scope: WriterScope = { kind: 'partition', coordinates: testPartition };
const name = '0-00000000000000000000';
let scratch: string;
let hdfs: FakeHdfs;
const sinks: TwoPhaseSink[] = [];

beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'tailrace-hdfs-sink-'));
  hdfs = await FakeHdfs.start({ nameNodes: 2, dataNodes: 2 });
});
afterEach(async () => {
  for (const sink of sinks.splice(0)) await sink.close();
  await hdfs.stop();
  await rm(scratch, { recursive: true });
});

async function open(
  given: Record<string, unknown> = {},
  { files = nodeFiles, logger = silentLogger, generation = 1, instance = 'here' } = {},
): Promise<TwoPhaseSink> {
  const url = `webhdfs://${hdfs.hosts}`;
  const settings = { url, path: '/logs/{partition}-{offset}', retry: '2s', ...given };
  const context = {
    ...{ edge: 'web.lake', pipeline: 'web', instance, generation, scratch, files, logger },
    ...{ clock: systemClock, random: systemRandom },
  };
  const sink = (await hdfsSink.open(hdfsSink.settings.parse(settings), context)) as TwoPhaseSink;
  sinks.push(sink);
  return sink;
}

async function writeLines(writer: TwoPhaseWriter, ...texts: string[]): Promise<void> {
  await writer.write(deliveryBatch(texts.map((text, offset) => ({ offset, text }))));
}

/** Writes and prepares two lines. */
async function prepared(sink: TwoPhaseSink): Promise<{ writer: TwoPhaseWriter; manifest: Manifest }> {
  const writer = await sink.openWriter(scope);
  await writeLines(writer, 'one', 'two');
  return { writer, manifest: (await writer.prepare())! };
}

const published = () => [...hdfs.files()].map(([path, data]) => `${path}: ${data.toString()}`);
const hidden = () => [...hdfs.files({ hidden: true }).keys()];
const spooled = () => readdir(join(scratch, 'hdfs'));
const seen = (op: string) => hdfs.requests.filter((request) => request.op === op);

/** The next `count` requests of this kind get the trouble. */
function times(count: number, matches: (request: FakeRequest) => boolean, trouble: Trouble): void {
  hdfs.trouble = (request) => (matches(request) && count-- > 0 ? trouble : undefined);
}

describe('NameNodes', () => {
  it('that are standby are left for the active one at once', async () => {
    hdfs.trouble = ({ node }) =>
      node === 'nn0'
        ? { status: 403, exception: 'StandbyException', message: 'not supported in state standby' }
        : undefined;
    const { writer, manifest } = await prepared(await open());
    await writer.publish(manifest);
    expect(published()).toEqual([`/logs/${name}: one\ntwo\n`]);
    expect(hdfs.seen.filter((each) => each.startsWith('nn0'))).toEqual(['nn0 GETFILESTATUS']);
  });

  it('that change roles are followed', async () => {
    const { writer, manifest } = await prepared(await open());
    await hdfs.kill('nn0');
    await writer.publish(manifest);
    expect(published()).toHaveLength(1);
  });

  it('in safe mode are waited for, and named when it lasts', async () => {
    const safeMode: Trouble = { status: 403, exception: 'SafeModeException', message: 'Name node is in safe mode.' };
    const sink = await open({ retry: '300ms' });
    const isRead = ({ op }: FakeRequest) => op === 'GETFILESTATUS' || op === 'LISTSTATUS';
    times(Infinity, (request) => !isRead(request), safeMode);
    await expect(sink.recover(scope, undefined)).rejects.toMatchObject({
      code: 'TLR_SINK',
      retriable: true,
      message: expect.stringContaining('Name node is in safe mode') as string,
    });
    times(3, (request) => !isRead(request), safeMode);
    await sink.recover(scope, undefined);
    expect(hdfs.entries.has('/logs/.tailrace')).toBe(true);
  });

  it('that drip their answers are left for the next', async () => {
    const sink = await open({ timeout: '150ms' });
    times(1, ({ op }) => op === 'CREATE', 'drip');
    const { writer, manifest } = await prepared(sink);
    times(1, ({ op }) => op === 'RENAME', 'drip');
    await writer.publish(manifest);
    expect(published()).toEqual([`/logs/${name}: one\ntwo\n`]);
  });

  it('that cannot be reached are named at the start', async () => {
    await hdfs.kill('nn0');
    await hdfs.kill('nn1');
    await expect(open()).rejects.toThrow(/127\.0\.0\.1:\d+.*ECONNREFUSED/);
  });
});

describe('DataNodes', () => {
  const isData = ({ node, op }: FakeRequest) => node.startsWith('dn') && op === 'CREATE';

  it.each(['cut', 'half', 'cut-after'] as const)(
    'that end a write (%s) cost another attempt under another name',
    async (trouble) => {
      const sink = await open();
      times(1, isData, trouble);
      const { writer, manifest } = await prepared(sink);
      const [first, second] = hdfs.requests.filter(isData);
      expect(first!.path).not.toBe(second!.path);
      expect(hidden()).toEqual([second!.path]);
      await writer.publish(manifest);
      expect(published()).toEqual([`/logs/${name}: one\ntwo\n`]);
      expect(hidden()).toEqual([]);
    },
  );

  it('that are gone are not asked for again', async () => {
    const sink = await open();
    await hdfs.kill('dn0');
    await prepared(sink);
    const steps = seen('CREATE').filter(({ node }) => node.startsWith('nn'));
    expect(steps.map(({ query }) => query.get('excludedatanodes'))).toEqual([null, '127.0.0.1']);
  });

  it.each(['hang', 'drip'] as const)('that %s are given up', async (trouble) => {
    const sink = await open({ timeout: '150ms' });
    times(1, isData, trouble);
    await prepared(sink);
    expect(seen('CREATE').filter(isData)).toHaveLength(2);
  });

  it('that all refuse make the edge pause, and leave nothing on the local disk', async () => {
    const sink = await open({ retry: '200ms' });
    times(Infinity, isData, {
      status: 403,
      exception: 'IOException',
      message: 'could only be written to 0 of the 1 minReplication nodes',
    });
    await expect(prepared(sink)).rejects.toMatchObject({
      retriable: true,
      message: expect.stringMatching(/sink of web\.lake.*could only be written to 0 of the 1/) as string,
    });
    expect(hidden()).toEqual([]);
    expect(await spooled()).toEqual([]);
  });

  it('that say no while data is sent are heard', async () => {
    const sink = await open();
    times(1, isData, {
      status: 403,
      exception: 'DSQuotaExceededException',
      message: 'The DiskSpace quota is exceeded',
    });
    const writer = await sink.openWriter(scope);
    await writeLines(writer, 'x'.repeat(8_000_000));
    await expect(writer.prepare()).rejects.toMatchObject({
      retriable: false,
      message: expect.stringContaining('quota is exceeded') as string,
    });
  });

  it('that store less than was sent are not believed', async () => {
    const sink = await open();
    hdfs.trouble = ({ op, path }) => {
      const entry = hdfs.entries.get(path);
      if (op === 'GETFILESTATUS' && path.includes('/.') && entry?.kind === 'file' && seen('GETFILESTATUS').length === 2)
        entry.data = entry.data.subarray(1);
      return undefined;
    };
    const { manifest } = await prepared(sink);
    expect(seen('CREATE').filter(isData)).toHaveLength(2);
    expect(manifest).toMatchObject({ files: [{ length: 8 }] });
  });

  it('take large files in pieces', async () => {
    const sink = await open({ path: '/logs/{partition}-{offset}.ndjson' });
    const writer = await sink.openWriter(scope);
    const texts = Array.from({ length: 20 }, (_, index) => String(index).repeat(100_000));
    await writeLines(writer, ...texts);
    await writer.publish((await writer.prepare())!);
    expect(hdfs.files().get(`/logs/${name}.ndjson`)!.toString()).toBe(texts.join('\n') + '\n');
  });
});

describe('renames', () => {
  it('of which the answer is lost are done', async () => {
    const error = vi.fn();
    const { writer, manifest } = await prepared(await open({}, { logger: { ...silentLogger, error } }));
    times(1, ({ op }) => op === 'RENAME', 'cut-after');
    await writer.publish(manifest);
    expect(published()).toEqual([`/logs/${name}: one\ntwo\n`]);
    expect(error).not.toHaveBeenCalled();
  });

  it('make the folder again when somebody removed it', async () => {
    const sink = await open({ path: '/logs/dt=%Y-%m-%d/{partition}-{offset}' });
    const writer = await sink.openWriter(scope);
    await writeLines(writer, 'one');
    await writer.publish((await writer.prepare())!);
    for (const path of hdfs.entries.keys()) if (path.startsWith('/logs/dt=')) hdfs.entries.delete(path);
    await writer.write(deliveryBatch([{ offset: 5, text: 'two' }]));
    await writer.publish((await writer.prepare())!);
    expect(published()).toEqual(['/logs/dt=1970-01-01/0-00000000000000000005: two\n']);
  });

  it('never replace what has the final name, nor move into a folder of that name', async () => {
    const sink = await open();
    const { writer, manifest } = await prepared(sink);
    for (const taken of [() => hdfs.write(`/logs/${name}`, 'not ours'), () => hdfs.makeDirectory(`/logs/${name}`)]) {
      taken();
      await expect(writer.publish(manifest)).rejects.toMatchObject({
        retriable: false,
        message: expect.stringContaining(`/logs/${name} exists in HDFS with other content`) as string,
      });
      await expect(sink.recover(scope, manifest)).rejects.toThrow('is not overwritten; move it away');
      expect(hidden()).toHaveLength(1);
      hdfs.entries.delete(`/logs/${name}`);
    }
    await sink.recover(scope, manifest);
    expect(published()).toEqual([`/logs/${name}: one\ntwo\n`]);
  });

  it('to a name that has the same content already are done', async () => {
    hdfs.write(`/logs/${name}`, 'one\ntwo\n');
    const { writer, manifest } = await prepared(await open());
    await writer.publish(manifest);
    expect(hidden()).toEqual([]);
    expect(published()).toHaveLength(1);
  });

  it('tell when an unpublished file was removed by somebody else', async () => {
    const error = vi.fn();
    const logger: Logger = { ...silentLogger, error };
    const sink = await open({}, { logger });
    const { writer, manifest } = await prepared(sink);
    hdfs.entries.delete(hidden()[0]!);
    await writer.publish(manifest);
    expect(error).toHaveBeenCalledOnce();
    await sink.recover(scope, manifest);
    expect(error).toHaveBeenCalledOnce();
  });

  it('bring back nothing that was published and moved away since', async () => {
    const sink = await open();
    const { writer, manifest } = await prepared(sink);
    await writer.publish(manifest);
    hdfs.entries.delete(`/logs/${name}`);
    await sink.recover(scope, manifest);
    expect(published()).toEqual([]);
  });
});

describe('left-overs', () => {
  it('of earlier generations and of this instance are removed, those of a successor and of other edges stay', async () => {
    const [old, own, newer] = [
      await open({}, { instance: 'there', generation: 1 }),
      await open({}, { generation: 9 }),
      await open({}, { instance: 'there', generation: 3 }),
    ];
    for (const sink of [old, own, newer]) await prepared(sink);
    hdfs.write('/logs/.tailrace/.somebody-elses.tmp', 'x');
    expect(hidden()).toHaveLength(4);
    const sink = await open({}, { generation: 2 });
    await sink.recover(scope, undefined);
    const [others, stays] = hidden();
    expect(hidden()).toHaveLength(2);
    expect(stays).toMatch(/\.3\.\d+\.tmp$/);
    expect(others).toContain('somebody-elses');
  });

  it('of failed attempts are removed later when they cannot be removed at once', async () => {
    const sink = await open({ retry: '1ms' });
    hdfs.trouble = ({ node, op }) => {
      if (op === 'DELETE') return 'cut';
      return op === 'CREATE' && node.startsWith('dn') ? 'half' : undefined;
    };
    const writer = await sink.openWriter(scope);
    await writeLines(writer, 'one');
    await expect(writer.prepare()).rejects.toMatchObject({ retriable: true });
    // As many as its patience of a millisecond allowed.
    expect(hidden()).not.toEqual([]);
    await writeLines(writer, 'one');
    hdfs.trouble = () => undefined;
    await writer.publish((await writer.prepare())!);
    expect(hidden()).toEqual([]);
  });
});

describe('the local disk', () => {
  it('that cannot be read is not blamed on DataNodes, and many files end with the first that fails', async () => {
    let reads = 0;
    const files: Files = new Proxy(nodeFiles, {
      get: (target, key: keyof Files) =>
        key !== 'open'
          ? target[key].bind(target)
          : (path: string, mode: Parameters<Files['open']>[1]) => {
              if (mode === 'read' && ++reads === 3) return Promise.reject(new Error('EIO: i/o error, open'));
              return target.open(path, mode);
            },
    });
    const sink = await open({ path: '/logs/{service}/{partition}-{offset}' }, { files });
    const writer = await sink.openWriter(scope);
    const records = Array.from({ length: 60 }, (_, offset) => ({
      offset,
      text: 'x',
      fields: { service: `s${offset}` },
    }));
    await writer.write(deliveryBatch(records));
    await expect(writer.prepare()).rejects.toThrow('EIO: i/o error');
    expect(reads).toBeLessThan(60);
    expect(await spooled()).toEqual([]);
    await sink.recover(scope, undefined);
    expect(hidden()).toEqual([]);
  });

  it('that is full is told apart', async () => {
    const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    const files: Files = new Proxy(nodeFiles, {
      get: (target, key: keyof Files) => (key === 'open' ? () => Promise.reject(full) : target[key].bind(target)),
    });
    await expect(prepared(await open({}, { files }))).rejects.toMatchObject({
      code: 'TLR_DISK_FULL',
      retriable: true,
      message: expect.stringContaining('where files wait for HDFS') as string,
    });
  });

  it('may be another one, and is left clean', async () => {
    const spool = join(scratch, 'other');
    const sink = await open({ spool });
    const writer = await sink.openWriter(scope);
    await writeLines(writer, 'x'.repeat(2_000_000), 'x'.repeat(2_000_000));
    await vi.waitUntil(async () => (await readdir(spool)).length === 1);
    await writer.publish((await writer.prepare())!);
    expect(await readdir(spool)).toEqual([]);
  });
});

it('ends what is under way when it is closed', async () => {
  const sink = await open();
  hdfs.trouble = ({ op }) => (op === 'CREATE' ? 'hang' : undefined);
  const preparing = prepared(sink);
  const failing = expect(preparing).rejects.toMatchObject({ code: 'TLR_CLOSED' });
  await vi.waitUntil(() => seen('CREATE').length > 0);
  await sink.close();
  await failing;
});

it('finishes what was decided for the same HDFS under other names, and refuses what was decided for another one', async () => {
  const { manifest } = await prepared(await open());
  const [host] = hdfs.hosts.split(',');
  await (await open({ url: `webhdfs://${host}` })).accept(manifest);
  await (await open()).accept({ ...manifest, at: ['http://former:9870'] });
  const other = await FakeHdfs.start({ nameNodes: 1, dataNodes: 1 });
  try {
    const sink = await open({ url: `webhdfs://${other.hosts}` });
    const refused = {
      code: 'TLR_CONFIG',
      message: expect.stringContaining('give the new place a sink name') as string,
    };
    await expect(sink.accept(manifest)).rejects.toMatchObject(refused);
    await expect(sink.recover(scope, manifest)).rejects.toMatchObject(refused);
  } finally {
    await other.stop();
  }
});
