// kcat, a command on librdkafka. Debian: apt-get install kcat.
import { isInstalled, run, start } from '../../support/programs.ts';
import { type Member, resumeReading, watchRebalance } from './courses.ts';
import type { Driver, Place } from './features.ts';

async function kcat({ bootstrap }: Place, args: readonly string[], input = ''): Promise<string> {
  const { code, stdout, stderr } = await run('kcat', ['-b', bootstrap, ...args], input);
  if (code !== 0) throw new Error(`kcat ${args.join(' ')}: ${stderr}`);
  return stdout;
}

const linesOf = (text: string) => (text === '' ? [] : text.trimEnd().split('\n'));
const produce = (place: Place, args: readonly string[], values: readonly string[]) =>
  kcat(place, ['-P', '-t', place.name, ...args], values.join('\n'));
const groupOptions = ['-X', 'auto.offset.reset=earliest', '-X', 'enable.auto.offset.store=true', '-u'];

/** A member of the group: what it read, and the partitions it was given last. */
function member({ bootstrap, name }: Place): Member {
  const program = start('kcat', ['-b', bootstrap, '-G', name, ...groupOptions, name]);
  return {
    values: () => linesOf(program.stdout),
    partitions: () =>
      program.stderr
        .match(/ assigned: .*/g)
        ?.at(-1)
        ?.match(/\[\d+\]/g)?.length ?? 0,
    stop: () => program.stop(),
  };
}

export async function openKcat(): Promise<Driver | undefined> {
  if (!isInstalled('kcat', ['-V'])) return undefined;
  const { stdout, stderr } = await run('kcat', ['-V']);
  return {
    version:
      /Version ([\d.]+).*librdkafka ([\d.]+)/s
        .exec(stdout + stderr)
        ?.slice(1)
        .join(', librdkafka ') ?? '',
    choosesTimes: false,
    async records(place, records) {
      const headers = records[0]!.headers.flatMap(([name, value]) => ['-H', `${name}=${value}`]);
      const sent = records.map(({ key, value }) => `${key}:${value}`);
      await produce(place, ['-p', '0', '-K', ':', ...headers], sent);
      const format = ['-f', '%k|%s|%h|%T\n'];
      const read = await kcat(place, ['-C', '-t', place.name, '-p', '0', '-o', 'beginning', '-e', '-q', ...format]);
      return linesOf(read).map((line) => {
        const [key, value, shown, time] = line.split('|') as [string, string, string, string];
        const pairs = shown.split(',').map((pair) => pair.split('=') as [string, string]);
        return { key, value, headers: pairs, timestamp: Number(time) };
      });
    },
    async compression(place, codec, values) {
      await produce(place, ['-p', '0', '-z', codec], values);
      return linesOf(await kcat(place, ['-C', '-t', place.name, '-p', '0', '-o', 'beginning', '-e', '-q']));
    },
    rebalance: (place, values) =>
      watchRebalance([member(place), member(place)], values, (half) => produce(place, [], half)),
    resume: (place, values) => {
      const take = (count: number) =>
        kcat(place, ['-G', place.name, ...groupOptions, '-q', '-c', String(count), place.name]).then(linesOf);
      return resumeReading(values, (some) => produce(place, [], some), take);
    },
    async times(place, timestamp) {
      const ask = async (at: number) =>
        Number(/offset (\d+)/.exec(await kcat(place, ['-Q', '-t', `${place.name}:0:${at}`]))?.[1]);
      return { offset: await ask(timestamp), end: await ask(-1) };
    },
  };
}
