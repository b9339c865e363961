// `tailrace check FILE…`: is the configuration right, and what does each edge guarantee.
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { messageOf } from '../../base/errors.ts';
import { lockHolder } from '../../base/lock.ts';
import { nodeFiles } from '../../base/node-files.ts';
import { assertShowable, datesProblem, readPem, type ShownIdentity } from '../../base/pem.ts';
import { type Guarantees, guaranteesOf } from '../../pipelines/guarantees.ts';
import type { Plan } from '../../pipelines/plan.ts';
import { beginningsOf } from '../change-notes.ts';
import { type Finding, judgeCluster, lookAtCluster } from '../cluster-check.ts';
import { accessOf, listenersOf } from '../broker-security.ts';
import { withClientOf } from '../connection.ts';
import { loadOrReport } from '../load.ts';
import { ExitCode, paint, print, printJson } from '../output.ts';
import { reachSink } from '../sink-reach.ts';

interface Options {
  expand?: boolean;
  reach?: boolean;
  json?: boolean;
}

/** A dead-letter topic is told of once, behind the edges of its pipeline. */
function printGuarantees({ agents, edges, deadLetters }: Guarantees): void {
  for (const { agent, topic, guarantee } of agents) print(`${agent} → ${topic}\n  ${guarantee}`);
  for (const { edge, from, to, guarantee } of edges) print(`${edge}: ${from.join(', ')} → ${to}\n  ${guarantee}`);
  const [first] = deadLetters;
  if (first !== undefined)
    print(`dead letters: ${deadLetters.map(({ topic }) => topic).join(', ')}\n  ${first.guarantee}`);
}

/** Certificates of listeners, of the broker's and of agents: whether they are there and can be shown, and their dates. */
async function lookAtCertificates({ broker, agents }: Plan): Promise<Finding[]> {
  const look = async (read: () => Promise<{ address: string; identity: ShownIdentity | undefined }[]>) => {
    try {
      return (await read()).flatMap(({ address, identity }): Finding[] => {
        if (identity === undefined) return [];
        assertShowable(address, identity);
        const problem = datesProblem(identity.cert, Date.now());
        if (problem === undefined) return [];
        return [{ severity: 'warning', message: `the certificate of the listener ${address} ${problem}` }];
      });
    } catch (error) {
      return [{ severity: 'error' as const, message: messageOf(error) }];
    }
  };
  const ofBroker = look(async () => {
    const listeners = broker.kind === 'embedded' ? await listenersOf(broker, nodeFiles) : [];
    return listeners.map(({ host, port, tls }) => ({ address: `${host}:${port}`, identity: tls }));
  });
  const ofAgents = agents.map(({ definition, settings, place }) =>
    look(async () => {
      const listener = definition.listener?.(settings);
      if (listener === undefined) return [];
      const cert = await readPem(nodeFiles, listener.cert, `${place}: tls.cert`);
      const key = await readPem(nodeFiles, listener.key, `${place}: tls.key`);
      return [{ address: listener.address, identity: { cert, key } }];
    }),
  );
  return (await Promise.all([ofBroker, ...ofAgents])).flat();
}

/** Of a cluster that others run: whether it is there, and what of it is not as it should be. */
async function lookAtBrokers(plan: Plan): Promise<Finding[]> {
  if (plan.broker.kind !== 'external') return [];
  try {
    return judgeCluster(
      await withClientOf(await accessOf(plan.broker, nodeFiles), (client) => lookAtCluster(client, plan)),
    );
  } catch (error) {
    return [{ severity: 'error', message: `the brokers cannot be reached: ${messageOf(error)}` }];
  }
}

/** While a process runs on the data directory: edges that it would begin, were it given this file. Nothing where it cannot be asked without a user. */
async function beginningsBeside(plan: Plan): Promise<string[]> {
  const { broker, dataDirectory } = plan;
  if (broker.kind === 'external' || lockHolder(resolve(dataDirectory)) === undefined) return [];
  const address = broker.listen.find(({ tls, sasl }) => tls === undefined && sasl.length === 0);
  if (address === undefined) return [];
  const access = { bootstrap: [address], security: {} };
  return withClientOf(access, (client) => beginningsOf(client, plan)).catch(() => []);
}

async function check(files: string[], options: Options): Promise<void> {
  const loaded = await loadOrReport(files, options.json === true);
  if (loaded === undefined) {
    process.exitCode = ExitCode.usage;
    return;
  }
  const { plan, expand } = loaded;
  if (options.expand === true) {
    print(expand().trimEnd());
    return;
  }
  const unreachable: { sink: string; reason: string }[] = [];
  const findings = options.reach === true ? [...(await lookAtCertificates(plan)), ...(await lookAtBrokers(plan))] : [];
  if (options.reach === true) {
    for (const sink of plan.sinks) {
      const reason = await reachSink(sink);
      if (reason !== undefined) unreachable.push({ sink: sink.name, reason });
    }
  }
  const guarantees = guaranteesOf(plan);
  const beginnings = await beginningsBeside(plan);
  const isWell = unreachable.length === 0 && findings.every(({ severity }) => severity === 'warning');
  if (options.json) printJson({ ok: isWell, files, ...guarantees, unreachable, cluster: findings, beginnings });
  else {
    printGuarantees(guarantees);
    for (const sentence of beginnings) print(`${paint('yellow', 'note')} ${sentence}`);
    for (const { sink, reason } of unreachable) print(`${paint('red', 'unreachable')} ${sink}: ${reason}`);
    for (const { severity, message } of findings)
      print(`${paint(severity === 'error' ? 'red' : 'yellow', severity)} ${message}`);
    if (isWell) print(`${paint('green', 'ok')} ${files.join(', ')}`);
  }
  if (!isWell) process.exitCode = ExitCode.refused;
}

export function addCheck(program: Command): void {
  program
    .command('check')
    .argument('[files...]', 'configuration files', ['tailrace.yaml'])
    .description('validate a configuration and say what each edge guarantees')
    .option('--reach', 'open each sink, and look at certificates and at the cluster of broker: kafka://…, too')
    .option('--expand', 'print the full form: shorthands and defaults written out')
    .option('--json', 'the result as JSON')
    .addHelpText(
      'after',
      '\nExit code: 0 right, 1 a sink, a certificate or the cluster cannot be reached or used, 2 the configuration is wrong.',
    )
    .action(check);
}
