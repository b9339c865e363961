// Addresses and shorthands, settings that cannot be right, and what is said to whom: users, tokens, passwords.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock } from '../../../base/clock.ts';
import { messageOf } from '../../../base/errors.ts';
import { silentLogger } from '../../../base/logger.ts';
import { nodeFiles } from '../../../base/node-files.ts';
import { systemRandom } from '../../../base/random.ts';
import { readAddress, settingsOfUrl } from '../../../sinks/hdfs/address.ts';
import { hdfsSink } from '../../../sinks/hdfs/sink.ts';
import type { TwoPhaseSink, WriterScope } from '../../../sinks/sink.ts';
import { deliveryBatch, testPartition } from '../../support/deliveries.ts';
import { FakeHdfs } from '../../support/fake-hdfs.ts';

describe('addresses', () => {
  it.each([
    ['webhdfs://nn1:9870,nn2:9870', ['http://nn1:9870', 'http://nn2:9870']],
    ['hdfs://namenode', ['http://namenode:9870']],
    ['swebhdfs://nn1,nn2:1234', ['https://nn1:9871', 'https://nn2:1234']],
    ['httpfs://gateway', ['http://gateway:14000']],
    ['webhdfs://[::1]:50070', ['http://[::1]:50070']],
    ['https://knox:8443/gateway/default', ['https://knox:8443/gateway/default']],
    ['https://knox:8443/gateway/default/webhdfs/v1/', ['https://knox:8443/gateway/default']],
  ])('%s', (url, origins) => {
    const address = readAddress(url);
    expect(address.origins).toEqual(origins);
    expect(address.isDirect).toBe(url.startsWith('httpfs'));
  });

  it('may carry a user', () => {
    expect(readAddress('webhdfs://logs@nn1,nn2')).toMatchObject({
      user: 'logs',
      origins: ['http://nn1:9870', 'http://nn2:9870'],
    });
  });

  it.each([
    ['hdfs://nn1:8020', "names port 8020, which is that of RPC; WebHDFS is on the NameNode's web port, 9870"],
    ['webhdfs://nn1:9870/logs', 'has a path'],
    ['webhdfs://nn1,,nn2', 'names no host in ""'],
    ['webhdfs://nn1:99999', 'names no host'],
    ['webhdfs://a:b@nn1', 'has a password'],
    ['https://a:secret@nn1', '"https://***@nn1" has a user'],
    ['s3://bucket', 'is not the address of an HDFS'],
    ['nn1:9870', 'is not the address of an HDFS'],
  ])('%s is refused', (url, problem) => {
    expect(() => readAddress(url)).toThrow(problem);
  });

  it.each([
    [
      'hdfs://namenode:9870/dir/{partition}-{offset}.gz',
      { url: 'hdfs://namenode:9870', path: '/dir/{partition}-{offset}.gz' },
    ],
    [
      'webhdfs://logs@nn1,nn2/l/dt=%Y-%m-%d/{partition}-{offset}',
      { url: 'webhdfs://logs@nn1,nn2', path: '/l/dt=%Y-%m-%d/{partition}-{offset}' },
    ],
    ['webhdfs://nn1', { url: 'webhdfs://nn1' }],
    ['file:///x', undefined],
    ['https://nn1/x', undefined],
  ])('%s as a shorthand', (url, settings) => {
    expect(settingsOfUrl(url)).toEqual(settings);
  });
});

describe('settings', () => {
  it.each([
    ['logs/{partition}-{offset}', 'begin with /'],
    ['/logs/{partition}.log', '{offset} is missing: HDFS files are written once'],
    ['/logs/../{partition}-{offset}', '. or ..'],
    ['/logs/%H:%M/{partition}-{offset}', 'no colon'],
    ['/logs/{offset}', '{offset} needs {partition}'],
  ])('path %s is refused', (path, problem) => {
    expect(() => hdfsSink.settings.parse({ url: 'webhdfs://nn1', path })).toThrow(problem);
  });

  it('have no other words', () => {
    const path = '/logs/{partition}-{offset}';
    expect(() => hdfsSink.settings.parse({ url: 'webhdfs://nn1:8020', path })).toThrow('that of RPC');
    expect(() => hdfsSink.settings.parse({ url: 'webhdfs://nn1', path, username: 'x' })).toThrow('username');
  });
});

describe('requests', () => {
  const scope: WriterScope = { kind: 'partition', coordinates: testPartition };
  let hdfs: FakeHdfs;
  let scratch: string;
  let sink: TwoPhaseSink | undefined;
  beforeEach(async () => {
    hdfs = await FakeHdfs.start();
    scratch = await mkdtemp(join(tmpdir(), 'tailrace-hdfs-sink-'));
  });
  afterEach(async () => {
    await sink?.close();
    sink = undefined;
    await hdfs.stop();
    await rm(scratch, { recursive: true });
  });

  async function open(given: Record<string, unknown>): Promise<TwoPhaseSink> {
    const context = {
      ...{ edge: 'web.lake', pipeline: 'web', instance: 'here', generation: 1, scratch, files: nodeFiles },
      ...{ clock: systemClock, random: systemRandom, logger: silentLogger },
    };
    const settings = { url: `webhdfs://${hdfs.hosts}`, path: '/logs/{partition}-{offset}', retry: '1ms', ...given };
    sink = (await hdfsSink.open(hdfsSink.settings.parse(settings), context)) as TwoPhaseSink;
    return sink;
  }

  async function writeOne(given: Record<string, unknown>, fields: Record<string, unknown> = {}): Promise<void> {
    const writer = await (await open(given)).openWriter(scope);
    await writer.write(deliveryBatch([{ offset: 0, text: 'one', fields }]));
    await writer.publish((await writer.prepare())!);
  }

  it('name the user, and say how files are to be kept', async () => {
    await writeOne({ user: 'logs team', replication: 3, block_size: '64MiB' });
    for (const { query } of hdfs.requests) expect(query.get('user.name')).toBe('logs team');
    const create = hdfs.requests.find(({ op }) => op === 'CREATE')!.query;
    expect([create.get('overwrite'), create.get('replication'), create.get('blocksize')]).toEqual([
      'false',
      '3',
      String(64 * 2 ** 20),
    ]);
  });

  it('carry a delegation token instead of a user', async () => {
    await writeOne({ delegation_token: 'token+1/x=' });
    for (const { query } of hdfs.requests) {
      expect(query.get('delegation')).toBe('token+1/x=');
      expect(query.has('user.name')).toBe(false);
    }
  });

  it('carry a password to the gateway alone', async () => {
    await writeOne({ url: `http://${hdfs.hosts}`, auth: { username: 'logs', password: 'pass:word' } });
    for (const { node, headers } of hdfs.requests) {
      const expected = `Basic ${Buffer.from('logs:pass:word').toString('base64')}`;
      expect(headers.authorization).toBe(node.startsWith('nn') ? expected : undefined);
    }
  });

  it('go to HttpFS in one step', async () => {
    await writeOne({ url: `httpfs://${hdfs.hosts}` });
    const creates = hdfs.requests.filter(({ op }) => op === 'CREATE');
    expect(creates.map(({ node, query }) => [node, query.get('data')])).toEqual([['nn0', 'true']]);
    expect(creates[0]!.headers['content-type']).toBe('application/octet-stream');
  });

  it('name files so that HDFS takes them, whatever the records say', async () => {
    const path = '/logs/dt=%Y-%m-%d/{service}/{partition}-{offset}';
    await writeOne({ path }, { service: 'a:b/%20+c é?&#' });
    expect([...hdfs.files().keys()]).toEqual(['/logs/dt=1970-01-01/a_b__20_c é?&#/0-00000000000000000000']);
  });

  it.each([
    [401, '', 'asks for authentication (401); for Kerberos go through a gateway'],
    [404, '<html><body><h1>Not Found</h1></body></html>', 'HTTP 404 Not Found'],
    [404, 'It looks like you are making an HTTP request to a Hadoop IPC port.', 'this is the RPC port'],
    [502, 'bad gateway', 'HTTP 502 bad gateway'],
    [200, '<html>hello</html>', 'the answer is not that of WebHDFS'],
  ])('that are answered with %i %s say so', async (status, text, problem) => {
    const opened = await open({ delegation_token: 'very-secret' });
    hdfs.trouble = () => ({ status, text });
    const error = await opened.recover(scope, undefined).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ code: 'TLR_SINK', retriable: status === 502 });
    expect(messageOf(error)).toContain(problem);
    expect(messageOf(error)).not.toContain('secret');
  });

  it('that are refused for rights need somebody', async () => {
    const opened = await open({});
    const message = 'Permission denied: user=dr.who, access=WRITE\n\tat org.apache.hadoop.Something.java';
    hdfs.trouble = () => ({ status: 403, exception: 'AccessControlException', message });
    await expect(opened.recover(scope, undefined)).rejects.toMatchObject({
      retriable: false,
      message: expect.stringMatching(
        /MKDIRS of \/logs\/\.tailrace: AccessControlException: Permission.*WRITE$/,
      ) as string,
    });
  });
});
