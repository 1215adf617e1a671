// Arithmetic of scores. Whole numbers: division rounds towards zero, as integers do.
const max = 100;

/** Brings scores to 0..100 in proportion to the highest; `reverse`: the highest becomes 0. In place. */
export function normalizeToMax(scores: number[], reverse: boolean): void {
  let highest = 0;
  for (const s of scores) if (s > highest) highest = s;
  for (let i = 0; i < scores.length; i++) {
    const scaled = highest === 0 ? 0 : Math.trunc((max * scores[i]!) / highest);
    scores[i] = reverse ? max - scaled : scaled;
  }
}

/** What is left, as a share of all. */
export function leastRequested(requested: number, capacity: number): number {
  if (capacity === 0 || requested > capacity) return 0;
  return Math.trunc(((capacity - requested) * max) / capacity);
}

/** What is taken, as a share of all. */
export function mostRequested(requested: number, capacity: number): number {
  if (capacity === 0) return 0;
  return Math.trunc((Math.min(requested, capacity) * max) / capacity);
}

export interface ShapePoint {
  readonly utilization: number;
  readonly score: number;
}

/** A function made of straight lines between points, which are sorted by utilization. */
export function brokenLine(shape: readonly ShapePoint[]): (utilization: number) => number {
  return u => {
    for (let i = 0; i < shape.length; i++) {
      const here = shape[i]!;
      if (u > here.utilization) continue;
      if (i === 0) return here.score;
      const before = shape[i - 1]!;
      const slope = ((here.score - before.score) * (u - before.utilization)) / (here.utilization - before.utilization);
      return before.score + Math.trunc(slope);
    }
    return shape.at(-1)!.score;
  };
}

/** How even the shares of resources are: 100 when equal. Shares are 0 to 1. */
export function balance(shares: readonly number[]): number {
  let deviation = 0;
  if (shares.length === 2) deviation = Math.abs((shares[0]! - shares[1]!) / 2);
  else if (shares.length > 2) {
    const mean = shares.reduce((a, b) => a + b, 0) / shares.length;
    deviation = Math.sqrt(shares.reduce((sum, s) => sum + (s - mean) ** 2, 0) / shares.length);
  }
  return Math.trunc((1 - deviation) * max);
}
