// Histograms and counters by a few labels, counted in place: labels are looked up by one key, once each kind of thing.
import { BucketCounts, bucketSamples } from './bucket-counts.ts';
import type { Metrics } from './metrics.ts';

type Labels = Readonly<Record<string, string>>;

/** A histogram whose cells its owner keeps hold of. */
export class CellHistogram {
  readonly #cells = new Map<string, { readonly labels: Labels; readonly counts: BucketCounts }>();
  readonly #buckets: readonly number[];

  constructor(metrics: Metrics, name: string, help: string, buckets: readonly number[]) {
    this.#buckets = buckets;
    metrics.source(name, help, 'histogram', () =>
      [...this.#cells.values()].flatMap(({ labels, counts }) => bucketSamples(name, labels, counts)),
    );
  }

  /** The cell of a key; `labels` is called for a new one. */
  cell(key: string, labels: () => Labels): BucketCounts {
    let found = this.#cells.get(key);
    if (!found) {
      found = { labels: labels(), counts: new BucketCounts(this.#buckets) };
      this.#cells.set(key, found);
    }
    return found.counts;
  }
}

/** A counter the same way. */
export class CellCounter {
  readonly #cells = new Map<string, { readonly labels: Labels; value: number }>();

  constructor(metrics: Metrics, name: string, help: string, type: 'counter' | 'gauge' = 'counter') {
    metrics.source(name, help, type, () => [...this.#cells.values()]);
  }

  add(key: string, labels: () => Labels, by = 1): void {
    let found = this.#cells.get(key);
    if (!found) {
      found = { labels: labels(), value: 0 };
      this.#cells.set(key, found);
    }
    found.value += by;
  }
}
