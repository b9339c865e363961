// The faults of the simulation: which there are, and which of them a seed stands for.
import { seededRandom } from '../../../base/random.ts';

const faultKinds = [
  'kill',
  'power',
  'pause',
  'clock',
  'disk-errors',
  'disk-full',
  'network',
  'cut',
  'stop',
  'store',
] as const;
/** Drawn apart, so that a seed stands for what it did before these were there. */
const laterKinds = ['refuse', 'reload', 'topic'] as const;
export type FaultKind = (typeof faultKinds)[number] | (typeof laterKinds)[number];

/** What a seed stands for. */
export interface SimulationOptions {
  seed: number;
  shape: 'appliance' | 'distributed';
  kinds: readonly FaultKind[];
  /** How long faults come, and how far apart they are on average. */
  faultsMs: number;
  everyMs: number;
  /** A control: the disks do not keep what they say is synced. */
  disksLie?: boolean;
  /** How long everything may take to be delivered when the faults are over. */
  recoveryLimitMs?: number;
}

/** `withLater`: false for seeds that were kept before the later kinds of faults came. */
export function optionsOf(seed: number, withLater = true): SimulationOptions {
  const random = seededRandom(seed * 7919);
  const shape = random.next() < 0.5 ? 'appliance' : 'distributed';
  const chance = 0.15 + random.next() * 0.85;
  const kinds: FaultKind[] = faultKinds.filter(() => random.next() < chance);
  const later = seededRandom(seed * 104_729);
  if (withLater) kinds.push(...laterKinds.filter(() => later.next() < chance));
  return { seed, shape, kinds, faultsMs: 10_000 + random.next() * 50_000, everyMs: 300 + random.next() ** 2 * 6000 };
}

export function describe({ seed, shape, kinds, faultsMs, everyMs }: SimulationOptions): string {
  const faults = kinds.length === 0 ? 'no faults' : kinds.join(', ');
  return `seed ${seed}: ${shape}, ${Math.round(faultsMs / 1000)} s, every ${Math.round(everyMs)} ms: ${faults}`;
}
