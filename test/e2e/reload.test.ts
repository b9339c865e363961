// A running `tailrace up` is given another configuration: what changes, what goes on undisturbed, what is refused and why.
import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectSecurely } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeHdfs } from '../support/fake-hdfs.ts';
import { selfSigned } from '../support/self-signed.ts';
import { endAll, freePort, run, type RunningCommand, start, until } from '../support/command.ts';

let folder: string;
let port: number;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-reload-'));
  port = await freePort();
});
afterEach(async () => {
  await endAll();
  rmSync(folder, { recursive: true, force: true });
});

const roll = 'roll: { size: 1MB, idle: 50ms }';
const simple = `
agents: { app: "tail://FOLDER/app.log*" }
pipelines: { keep: { from: app, to: files } }
sinks: { files: { type: file, path: "out/{partition}-{offset}.log", ${roll} } }
`;

const numbered = Array.from({ length: 5000 }, (_, index) => `line ${index}\n`).join('');

function configure(yaml: string, name = 'tailrace.yaml'): void {
  const broker =
    name === 'tailrace.yaml' && !yaml.includes('broker:') ? `broker: { listen: "127.0.0.1:${port}" }\n` : '';
  writeFileSync(join(folder, name), broker + yaml.replaceAll('FOLDER', folder));
}

const write = (name: string, text: string) => appendFileSync(join(folder, name), text);
const reload = (...args: string[]) => run(['reload', ...args], { cwd: folder });

/** All published lines of a folder, in the order of the files' names. */
function published(directory: string): string {
  if (!existsSync(join(folder, directory))) return '';
  const names = readdirSync(join(folder, directory)).filter((name) => !name.startsWith('.'));
  return names
    .sort()
    .map((name) => readFileSync(join(folder, directory, name), 'utf8'))
    .join('');
}

async function up(...files: string[]): Promise<RunningCommand> {
  const command = start(['up', ...files, '--data', 'data'], { cwd: folder });
  await until(
    'the overview',
    () => {
      expect(command.process.exitCode, command.stderr).toBeNull();
      return command.stdout.includes('Ctrl-C');
    },
    20_000,
  );
  return command;
}

async function stop(command: RunningCommand): Promise<string> {
  command.signal('SIGTERM');
  const { code, stderr } = await command.end();
  expect(code, stderr).toBe(0);
  return stderr;
}

describe('a changed configuration', () => {
  it('moves a sink, adds agents and pipelines, removes them again, each line once', async () => {
    configure(simple);
    const command = await up();
    write('app.log', 'one\n');
    await until('the first line', () => published('out') === 'one\n');

    configure(simple.replace('"out/', '"out2/'));
    const moved = await reload('--data', 'data');
    expect(moved.code, moved.stderr).toBe(0);
    expect(moved.stdout).toMatch(/edge keep\.files changed\nreloaded/);
    write('app.log', 'two\n');
    await until('the line in the new place', () => published('out2') === 'two\n');

    const more = `
agents: { app: "tail://FOLDER/app.log*", web: "tail://FOLDER/web.log*" }
pipelines: { keep: { from: app, to: files }, web: { from: web, to: web } }
sinks:
  files: { type: file, path: "out2/{partition}-{offset}.log", ${roll} }
  web: { type: file, path: "web/{partition}-{offset}.log", ${roll} }
`;
    configure(more);
    write('web.log', 'visit\n');
    const added = await reload('--data', 'data', '--json');
    expect(JSON.parse(added.stdout)).toEqual({
      outcome: 'applied',
      changes: [
        'topic web set',
        'topic web.dlq set',
        'agent web added: new, begins at the beginning of its files',
        'edge web.web added: new, begins at the beginning of topic web (empty)',
      ],
    });
    await until('the line of the new agent', () => published('web') === 'visit\n');

    configure(simple.replace('"out/', '"out2/'));
    const removed = await reload('--data', 'data');
    expect(removed.stdout).toMatch(/agent web removed\nedge web\.web removed\nreloaded/);
    write('web.log', 'nobody looks\n');
    write('app.log', 'three\n');
    await until('the third line', () => published('out2') === 'two\nthree\n');
    expect(published('web')).toBe('visit\n');

    configure(more);
    expect((await reload('--data', 'data')).code).toBe(0);
    await until('what was written meanwhile', () => published('web') === 'visit\nnobody looks\n');
    expect(published('out')).toBe('one\n');
    const stderr = await stop(command);
    expect(stderr).not.toMatch(/pauses|interrupted|error/);
  });

  it('is applied at SIGHUP, from all files that `up` was given; the data directory comes from them', async () => {
    configure('data: data\n');
    configure(simple, 'flows.yaml');
    const command = await up('tailrace.yaml', 'flows.yaml');
    configure(simple.replace('"out/', '"elsewhere/'), 'flows.yaml');
    command.signal('SIGHUP');
    await until('the message', () => /reloaded.*keep\.files changed/.exec(command.stderr));
    write('app.log', 'one\n');
    await until('the line', () => published('elsewhere') === 'one\n');
    const again = await reload('tailrace.yaml', 'flows.yaml');
    expect(again.stdout).toBe('reloaded: nothing has changed\n');
    await stop(command);
  });

  it('ends by itself once it has become a job that is done, and not because others have left', async () => {
    configure(simple);
    const command = await up();
    write('app.log', numbered);
    await until('the lines', () => published('out') === numbered);
    configure(`
topics: { app: {} }
pipelines: { job: { from: app, until: now, to: again } }
sinks: { again: { type: file, path: "again/{partition}-{offset}.log", ${roll} } }
`);
    const changed = await reload('--data', 'data');
    expect(changed.stdout).toMatch(
      /agent app removed\nedge keep\.files removed\nedge job\.again added: new, begins, as a job, at the beginning of topic app \(up to 5,00\d records\)\n/,
    );
    const { code, stderr } = await command.end();
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(/all jobs finished/);
    expect(published('again')).toBe(numbered);
  });

  it('sets topics, and takes back what it no longer says', async () => {
    const settings = async () => {
      const described = await run(['topics', 'describe', 'app', '--json', '--broker', `127.0.0.1:${port}`], {
        cwd: folder,
      });
      return /"retention\.ms":(?:"|\{"value":")(-?\d+)/.exec(described.stdout)?.[1] ?? described.stdout;
    };
    configure(simple);
    const command = await up();
    const before = await settings();
    expect(before).toMatch(/^\d+$/);
    configure(`topics: { app: { retain: 1h } }\n${simple}`);
    expect((await reload('--data', 'data')).stdout).toMatch(/topic app set/);
    expect(await settings()).toBe('3600000');
    configure(simple);
    expect((await reload('--data', 'data')).stdout).toMatch(/topic app set/);
    expect(await settings()).toBe(before);
    await stop(command);
  });

  it('begins, moves and ends the monitor, which goes on when the rest is refused', async () => {
    const [first, second] = [await freePort(), await freePort()];
    const health = (at: number) =>
      fetch(`http://127.0.0.1:${at}/health`).then(
        ({ status }) => status,
        () => 'refused',
      );
    configure(simple);
    const command = await up();
    configure(`monitor: "127.0.0.1:${first}"\n${simple}`);
    expect((await reload('--data', 'data')).stdout).toBe('monitor added\nreloaded\n');
    expect(await health(first)).toBe(200);

    const unreachable = simple
      .replace('to: files', 'to: [ files, es ]')
      .replace('sinks: {', 'sinks: { es: "elasticsearch://127.0.0.1:1/x",');
    configure(`monitor: "127.0.0.1:${second}"\n${unreachable}`);
    expect((await reload('--data', 'data')).code).toBe(1);
    expect([await health(first), await health(second)]).toEqual([200, 'refused']);

    configure(`monitor: "127.0.0.1:${port}"\n${simple.replace('"out/', '"out2/')}`);
    const taken = await reload('--data', 'data');
    expect(taken.code).toBe(1);
    expect(taken.stderr).toMatch(/monitor: cannot listen/);

    configure(`monitor: "127.0.0.1:${second}"\n${simple}`);
    expect((await reload('--data', 'data')).stdout).toBe('monitor changed\nreloaded\n');
    expect([await health(first), await health(second)]).toEqual(['refused', 200]);
    configure(simple);
    expect((await reload('--data', 'data')).stdout).toBe('monitor removed\nreloaded\n');
    expect(await health(second)).toBe('refused');
    await stop(command);
  });

  it('keeps sockets open, and lines flowing through what has not changed', async () => {
    configure(simple);
    const command = await up();
    const socket: Socket = connect(port, '127.0.0.1');
    let closed = false;
    socket.on('close', () => (closed = true)).on('error', () => (closed = true));
    await until('the connection', () => !socket.connecting);
    configure(simple.replace('keep: {', 'extra: { from: app, to: "topic:copy" }, keep: {'));
    expect((await reload('--data', 'data')).code).toBe(0);
    write('app.log', 'one\n');
    await until('the line', () => published('out') === 'one\n');
    expect(closed).toBe(false);
    socket.destroy();
    await stop(command);
  });
});

describe('an agent that listens', () => {
  it('takes other topics, limits and tokens without refusing a connection or a request', async () => {
    const listen = await freePort();
    const push = (more: string) =>
      configure(`agents: { push: { type: http, listen: "127.0.0.1:${listen}", to: app${more} } }\n`);
    const post = (topic: string, token: string) =>
      fetch(`http://127.0.0.1:${listen}/ingest/${topic}`, {
        method: 'POST',
        body: 'line',
        headers: { 'content-type': 'text/plain', authorization: `Bearer ${token}`, connection: 'close' },
      });
    push('');
    const command = await up();
    let reloading = true;
    let posted = 0;
    const clients = Array.from({ length: 4 }, async () => {
      for (; reloading; posted++) expect((await post('app', 'old')).status).toBe(200);
    });
    for (const more of [', topics: [ audit ]', ', max_pending: 64MiB', ', topics: [ audit, more ]', '']) {
      push(more);
      const { code, stdout, stderr } = await reload('--data', 'data');
      expect([code, stdout.includes('agent push changed')], stderr).toEqual([0, true]);
      expect((await post('audit', 'old')).status).toBe(more.includes('audit') ? 200 : 404);
    }
    reloading = false;
    await Promise.all(clients);
    push(', auth: { bearer: new }');
    expect((await reload('--data', 'data')).code).toBe(0);
    expect([(await post('app', 'old')).status, (await post('app', 'new')).status]).toEqual([401, 200]);
    const moved = await freePort();
    configure(`agents: { push: { type: http, listen: "127.0.0.1:${moved}", to: app } }\n`);
    expect((await reload('--data', 'data')).code).toBe(0);
    await expect(post('app', 'new')).rejects.toThrow('fetch failed');
    const consume = ['consume', 'app', '--broker', `127.0.0.1:${port}`, '--from', 'earliest', '--until', 'now'];
    expect((await run(consume, { cwd: folder })).stdout.split('\n').length - 1).toBe(posted + 1);
    await stop(command);
  });
});

it('takes renewed certificates of the broker’s listeners and of agents, and refuses ones that do not fit', async () => {
  const [first, second] = [selfSigned(), selfSigned()];
  const place = (cert: string, key: string) => {
    writeFileSync(join(folder, 'cert.pem'), cert);
    writeFileSync(join(folder, 'key.pem'), key);
  };
  place(first.cert, first.key);
  const tls = `{ cert: "${folder}/cert.pem", key: "${folder}/key.pem" }`;
  const listen = await freePort();
  configure(
    `broker: { listen: [ { address: "127.0.0.1:${port}", tls: ${tls} } ] }\n` +
      `agents: { push: { type: http, listen: "127.0.0.1:${listen}", to: a, tls: ${tls} } }\n`,
  );
  const command = await up();
  const shown = async (at = port) => {
    const socket = connectSecurely({ host: '127.0.0.1', port: at, ca: [first.cert, second.cert] });
    await once(socket, 'secureConnect');
    return { socket, raw: socket.getPeerX509Certificate()?.toString() };
  };
  const early = await shown();
  const earlyPush = await shown(listen);
  place(second.cert, first.key);
  const refused = await reload('--data', 'data');
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining(`TLS of the listener 127.0.0.1:${port}`)]);
  place(second.cert, second.key);
  const renewed = await reload('--data', 'data');
  for (const each of [port, listen]) expect(renewed.stdout).toContain(`certificate of 127.0.0.1:${each} renewed`);
  const [late, latePush] = [await shown(), await shown(listen)];
  expect([early, late, earlyPush, latePush].map(({ raw }) => raw)).toEqual(
    [first, second, first, second].map(({ cert }) => cert),
  );
  for (const { socket } of [early, earlyPush]) expect(socket.destroyed).toBe(false);
  for (const { socket } of [early, late, earlyPush, latePush]) socket.destroy();
  await stop(command);
});

describe('what cannot be applied', () => {
  it.each<[string, (yaml: string) => string, number, RegExp]>([
    ['a broken file', (yaml) => `${yaml}agents: {`, 2, /tailrace\.yaml:\d+:\d+/],
    ['an unknown sink', (yaml) => yaml.replace('to: files', 'to: flies'), 2, /did you mean "files"/],
    [
      'a sink that cannot be opened',
      (yaml) =>
        yaml
          .replace('to: files', 'to: [ files, es ]')
          .replace('sinks: {', 'sinks: { es: "elasticsearch://127.0.0.1:1/x",')
          .replace('"out/', '"out2/'),
      1,
      /the sink es cannot be opened:.*127\.0\.0\.1:1[\s\S]*TLR_SINK/,
    ],
    [
      'another address of the broker',
      (yaml) => `broker: { listen: "127.0.0.1:1234" }\n${yaml.replace('"out/', '"out2/')}`,
      1,
      /broker cannot change[\s\S]*TLR_RESTART/,
    ],
    [
      'an agent that cannot start',
      (yaml) =>
        yaml
          .replace('"out/', '"out2/')
          .replace('"tail://FOLDER/app.log*"', '{ type: tail, paths: [ "FOLDER/app.log*" ], max_line: 2MiB }')
          .replace(' }\npipelines', `, push: { type: http, listen: "127.0.0.1:${port}", to: app } }\npipelines`),
      1,
      /tailrace\.yaml:\d+:\d+: agent push cannot listen on .*another process listens there[\s\S]*TLR_LISTEN/,
    ],
  ])('%s leaves the old configuration running and says why', async (_what, change, code, message) => {
    configure(simple);
    const command = await up();
    configure(change(simple));
    const refused = await reload('--data', 'data');
    expect(refused.code, refused.stderr).toBe(code);
    expect(refused.stderr).toMatch(message);
    expect(refused.stderr).toMatch(/the old configuration goes on/);
    expect(command.stderr).toMatch(/not reloaded, the old configuration goes on/);
    write('app.log', 'one\n');
    await until('the line in the old place', () => published('out') === 'one\n');

    configure(simple.replace('"out/', '"out2/'));
    expect((await reload('--data', 'data')).code).toBe(0);
    write('app.log', 'two\n');
    await until('the line in the new place', () => published('out2') === 'two\n');
    await stop(command);
  });

  it('a sink of another type under the name of one that has written leaves the old configuration running', async () => {
    const hdfs = await FakeHdfs.start({ nameNodes: 1, dataNodes: 1 });
    try {
      configure(simple);
      const command = await up();
      write('app.log', 'one\n');
      await until('the first line', () => published('out') === 'one\n');
      const lake = `files: { type: hdfs, url: "webhdfs://${hdfs.hosts}", path: "/logs/{partition}-{offset}", ${roll} }`;
      configure(simple.replace(/files: \{.*\} \}/, `${lake} }`));
      const refused = await reload('--data', 'data');
      expect(refused.code, refused.stdout).toBe(1);
      expect(refused.stderr).toMatch(
        /of type file when this edge last wrote, and is hdfs now: give the new one a name/,
      );
      configure(
        simple.replace('to: files', 'to: lake').replace(/files: \{.*\} \}/, `${lake.replace('files', 'lake')} }`),
      );
      expect((await reload('--data', 'data')).code).toBe(0);
      write('app.log', 'two\n');
      await until('both lines', () => Buffer.concat([...hdfs.files().values()]).toString() === 'one\ntwo\n');
      expect(published('out')).toBe('one\n');
      await stop(command);
    } finally {
      await hdfs.stop();
    }
  });

  it('can be ended while it waits for a sink that says nothing', async () => {
    const sockets = new Set<Socket>();
    const silent = createServer((socket) => sockets.add(socket));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port: silentPort } = silent.address() as AddressInfo;
    configure(simple);
    const command = await up();
    configure(
      simple
        .replace('to: files', 'to: [ files, es ]')
        .replace('sinks: {', `sinks: { es: "elasticsearch://127.0.0.1:${silentPort}/x",`),
    );
    const asking = reload('--data', 'data');
    await until('the sink to be asked', () => sockets.size > 0);
    write('app.log', 'one\n');
    await until('the line', () => published('out') === 'one\n');
    await stop(command);
    const refused = await asking;
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/is stopping|ended before it had reloaded/);
    for (const socket of sockets) socket.destroy();
    silent.close();
  });

  it('says that nothing runs there', async () => {
    configure(simple);
    const nobody = await reload('--data', 'data');
    expect(nobody.code).toBe(1);
    expect(nobody.stderr).toMatch(/no Tailrace runs on the data directory .*data/);
    expect(existsSync(join(folder, 'data'))).toBe(false);
  });

  it('says so to who asks a `pipe` to reload, which goes on', async () => {
    write('app.log', 'one\n');
    const args = ['pipe', 'app.log', '--to', 'file:out/all.log', '--data', 'data'];
    const command = start(args, { cwd: folder });
    await until('the line', () => published('out') === 'one\n');
    const refused = await reload('--data', 'data');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/not started by `tailrace up`/);
    write('app.log', 'two\n');
    await until('the next line', () => published('out') === 'one\ntwo\n');
    command.signal('SIGHUP'); // As a closing terminal does.
    expect((await command.end()).code).toBe(0);
  });
});
