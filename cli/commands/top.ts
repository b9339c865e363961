// `tailrace top`: what moves, looked at again and again. On a terminal the screen is drawn anew each time; elsewhere each look is printed below the last one.
import type { Command } from 'commander';
import { sleep, systemClock } from '../../base/clock.ts';
import { TailraceError } from '../../base/errors.ts';
import { parseDurationMs } from '../../base/units.ts';
import { type Traffic, TrafficWatch } from '../../pipelines/traffic.ts';
import { withClient } from '../connection.ts';
import { parseCount } from '../counts.ts';
import { paint, print, printJson } from '../output.ts';
import { fitted, trafficLines } from '../traffic-report.ts';

interface Options {
  broker: string;
  interval: string;
  count?: string;
  json?: boolean;
}

const leastIntervalMs = 100;
/** The other screen, no cursor, and long lines are cut. */
const enter = '\u001b[?1049h\u001b[?25l\u001b[?7l';
const leave = '\u001b[?7h\u001b[?25h\u001b[?1049l';
const home = '\u001b[H';
const clearLine = '\u001b[K';
const clearBelow = '\u001b[J';
const interruptKey = '\u0003';

interface View {
  show(traffic: Traffic): void;
  close(): void;
}

/** The other screen of a terminal, until it is left. `onEnd` is called when somebody presses q. */
function screen(broker: string, onEnd: () => void): View {
  const { stdin, stdout } = process;
  let last: Traffic | undefined;
  const draw = () => {
    if (last === undefined) return;
    const lines = [...trafficLines(last, broker), '', paint('dim', 'q ends')];
    const shown = fitted(lines, stdout.rows).map((line) => `${line}${clearLine}`);
    stdout.write(`${home}${shown.join('\n')}${clearBelow}`);
  };
  const onKey = (key: Buffer) => {
    if (key.toString() === 'q' || key.toString() === interruptKey) onEnd();
  };
  stdout.write(enter);
  stdout.on('resize', draw);
  if (stdin.isTTY) stdin.setRawMode(true).on('data', onKey);
  return {
    show: (traffic) => {
      last = traffic;
      draw();
    },
    close: () => {
      stdout.off('resize', draw);
      stdout.write(leave);
      if (stdin.isTTY) stdin.off('data', onKey).setRawMode(false).pause();
    },
  };
}

function printed(broker: string): View {
  return { show: (traffic) => print([...trafficLines(traffic, broker), ''].join('\n')), close: () => undefined };
}

function intervalOf(text: string): number {
  const intervalMs = parseDurationMs(text);
  if (intervalMs !== undefined && intervalMs >= leastIntervalMs) return intervalMs;
  throw new TailraceError('TLR_USAGE', `--interval ${text}: expected a duration, for example 2s`);
}

async function run(options: Options): Promise<void> {
  const { broker, json } = options;
  const [intervalMs, count] = [intervalOf(options.interval), parseCount('--count', options.count) ?? Infinity];
  const stop = new AbortController();
  const end = () => stop.abort(new TailraceError('TLR_CLOSED', 'it was stopped'));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, end);
  await withClient(broker, async (client) => {
    const watch = new TrafficWatch(client, systemClock);
    const isScreen = json !== true && process.stdout.isTTY;
    const view =
      json === true ? { show: printJson, close: () => undefined } : isScreen ? screen(broker, end) : printed(broker);
    try {
      // The first look has no rates yet: people see it at once, machines wait for the next.
      const first = await watch.look(stop.signal);
      if (isScreen) view.show(first);
      for (let looks = 0; looks < count; looks++) {
        await sleep(systemClock, intervalMs, stop.signal);
        view.show(await watch.look(stop.signal));
      }
    } catch (error) {
      if (!stop.signal.aborted) throw error;
    } finally {
      view.close();
      await watch.close();
    }
  });
}

export function addTop(program: Command, defaultBroker: string): void {
  program
    .command('top')
    .description('what moves: lines of agents, records into topics, and what groups read, lag and deliver')
    .option(
      '--broker <addresses>',
      'HOST:PORT[,HOST:PORT…] of any Kafka broker, or @FILE with the properties of a Kafka client',
      defaultBroker,
    )
    .option('--interval <duration>', 'time between two looks', '2s')
    .option('--count <looks>', 'end after so many')
    .option('--json', 'each look as one JSON object a line')
    .addHelpText('after', '\nExamples:\n  tailrace top\n  tailrace top --broker k1:9092 --interval 10s --json')
    .action(run);
}
