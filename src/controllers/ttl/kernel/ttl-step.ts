// How long kubelets may keep Secrets and ConfigMaps before they ask again: the longer, the larger the cluster.

interface Step {
  /** Below this many nodes the step before applies again. */
  readonly min: number;
  readonly max: number;
  readonly seconds: number;
}

/** They overlap, so that a cluster at a border does not flap. */
const steps: readonly Step[] = [
  { min: 0, max: 100, seconds: 0 },
  { min: 90, max: 500, seconds: 15 },
  { min: 450, max: 1000, seconds: 30 },
  { min: 900, max: 2000, seconds: 60 },
  { min: 1800, max: Number.POSITIVE_INFINITY, seconds: 300 },
];

/** Counts nodes. */
export class TtlStep {
  #nodes = 0;
  #step = 0;

  get seconds(): number {
    return steps[this.#step]!.seconds;
  }

  add(): void {
    this.#nodes++;
    if (this.#nodes > steps[this.#step]!.max) this.#step++;
  }

  remove(): void {
    this.#nodes--;
    if (this.#nodes < steps[this.#step]!.min) this.#step--;
  }
}
