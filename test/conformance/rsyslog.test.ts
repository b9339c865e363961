// rsyslog's Elasticsearch output, unmodified, delivers to the _bulk of an http agent. Skipped where it is not installed (Debian: apt-get install rsyslog
// rsyslog-elasticsearch).
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { HttpBench } from '../agents/support/http-bench.ts';

const lineCount = 100_000;
const rsyslogd = ['/usr/sbin/rsyslogd', '/sbin/rsyslogd'].find((path) => existsSync(path)) ?? 'rsyslogd';

/** Whether the daemon is there and can load its Elasticsearch module. */
function isInstalled(): boolean {
  const folder = mkdtempSync(join(tmpdir(), 'tailrace-rsyslog-'));
  const config = join(folder, 'probe.conf');
  writeFileSync(config, 'module(load="omelasticsearch")\nmodule(load="imfile")\n*.* /dev/null\n');
  const { error, stderr } = spawnSync(rsyslogd, ['-N1', '-f', config], { encoding: 'utf8' });
  rmSync(folder, { recursive: true });
  return error === undefined && !stderr.includes('could not load module');
}

let bench: HttpBench;
let folder: string;
let daemon: ChildProcess | undefined;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tailrace-rsyslog-'));
  bench = await HttpBench.open();
});
afterEach(async () => {
  if (daemon?.exitCode === null && daemon.kill('SIGKILL')) await once(daemon, 'close');
  daemon = undefined;
  await bench.close();
  rmSync(folder, { recursive: true, force: true });
});

const config = (port: number) => `
global(workDirectory="${folder}/work")
module(load="imfile" mode="polling" pollingInterval="1")
module(load="omelasticsearch")
template(name="document" type="list" option.jsonf="on") {
  property(outname="message" name="msg" format="jsonf")
}
input(type="imfile" file="${folder}/in.log" tag="in" ruleset="deliver")
ruleset(name="deliver" queue.type="LinkedList" queue.dequeueBatchSize="2000" queue.size="200000") {
  action(type="omelasticsearch" server="127.0.0.1" serverport="${port}" template="document" searchIndex="app"
    bulkmode="on" action.resumeRetryCount="-1" action.resumeInterval="1" errorFile="${folder}/errors.json")
}
`;

it.skipIf(!isInstalled())(
  'rsyslog delivers 100,000 lines over _bulk (skipped where rsyslog is missing)',
  async () => {
    const agent = await bench.start();
    mkdirSync(join(folder, 'work'));
    const lines = Array.from({ length: lineCount }, (_none, line) => `line ${line} says "hello" with a \\ and an é`);
    writeFileSync(join(folder, 'in.log'), lines.join('\n') + '\n');
    writeFileSync(join(folder, 'rsyslog.conf'), config(bench.port));
    daemon = spawn(rsyslogd, ['-n', '-f', join(folder, 'rsyslog.conf'), '-i', join(folder, 'pid')], {
      stdio: 'ignore',
    });
    await expect
      .poll(() => agent.ledger().totalLines['app'] ?? 0, { timeout: 60_000 })
      .toBeGreaterThanOrEqual(lineCount);
    const stored = await bench.records();
    const messages = stored.map(({ value }) => (JSON.parse(value) as { message: string }).message);
    expect(messages).toEqual(lines);
    const errors = join(folder, 'errors.json');
    expect(existsSync(errors) ? readFileSync(errors, 'utf8') : '').toBe('');
  },
  90_000,
);
