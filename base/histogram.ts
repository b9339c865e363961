// Counts observations by size, for Prometheus: cheap enough for the hot path (one search of a short list), and read only when somebody asks.

/** Bounds for how long disks take to sync, in seconds. */
export const syncBoundsSeconds: readonly number[] = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
];

export class Histogram {
  /** Upper bounds, included, rising. */
  readonly bounds: readonly number[];
  /** By bound, observations up to it that are above the one before; the last: above all bounds. */
  readonly counts: number[];
  sum = 0;
  count = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    let index = 0;
    while (index < this.bounds.length && value > this.bounds[index]!) index++;
    this.counts[index]!++;
    this.sum += value;
    this.count++;
  }
}
