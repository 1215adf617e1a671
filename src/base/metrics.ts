// Prometheus metrics: a thin layer over prom-client that makes each metric once and passes the registry along.
import { Counter, Gauge, Registry } from 'prom-client';
import { BucketCounts, bucketSamples, type Sample } from './bucket-counts.ts';
import { metricText } from './metric-text.ts';

export type { Sample } from './bucket-counts.ts';

export interface CounterMetric {
  inc(labels: Record<string, string>, by?: number): void;
  remove(labels: Record<string, string>): void;
}

export interface GaugeMetric {
  set(labels: Record<string, string>, value: number): void;
  inc(labels: Record<string, string>, by?: number): void;
  dec(labels: Record<string, string>, by?: number): void;
  remove(labels: Record<string, string>): void;
}

export interface HistogramMetric {
  observe(labels: Record<string, string>, value: number): void;
  remove(labels: Record<string, string>): void;
}

/** Asking twice for a name gives the same metric. Durations are in seconds. */
export interface Metrics {
  counter(name: string, help: string, labels?: readonly string[]): CounterMetric;
  gauge(name: string, help: string, labels?: readonly string[]): GaugeMetric;
  histogram(name: string, help: string, labels: readonly string[], buckets: readonly number[]): HistogramMetric;
  /** A metric that its owner counts by itself and tells when asked. A second source of a name is not asked. */
  source(
    name: string,
    help: string,
    type: 'counter' | 'gauge' | 'histogram',
    read: () => readonly Sample[] | Promise<readonly Sample[]>,
  ): void;
  /** Called before each scrape, for values that are computed when asked. Returns the removal. */
  onCollect(collect: () => void): () => void;
  /** What is said of each metric there is. */
  helps(): readonly string[];
  /** The text exposition format. */
  text(): Promise<string>;
  readonly contentType: string;
}

/** `count` buckets, the first `start`, each `factor` times the one before. */
export function exponentialBuckets(start: number, factor: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => start * factor ** i);
}

/** `count` buckets, the first `start`, each `width` above the one before. */
export function linearBuckets(start: number, width: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => start + width * i);
}

/** Prometheus' default buckets, for requests of milliseconds to seconds. */
export const defaultBuckets: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Counts in place: what is observed most costs a look at one map. */
class HistogramCells implements HistogramMetric {
  readonly #names: readonly string[];
  readonly #bounds: readonly number[];
  readonly #cells = new Map<string, { readonly labels: Record<string, string>; readonly counts: BucketCounts }>();

  constructor(names: readonly string[], bounds: readonly number[]) {
    this.#names = names;
    this.#bounds = bounds;
    if (names.length === 0) this.#cell({});
  }

  observe(labels: Record<string, string>, value: number): void {
    this.#cell(labels).observe(value);
  }

  remove(labels: Record<string, string>): void {
    this.#cells.delete(this.#keyOf(labels));
  }

  #keyOf(labels: Record<string, string>): string {
    const names = this.#names;
    let key = '';
    for (let i = 0; i < names.length; i++) key = i === 0 ? `${labels[names[i]!]}` : `${key}\0${labels[names[i]!]}`;
    return key;
  }

  #cell(labels: Record<string, string>): BucketCounts {
    const key = this.#keyOf(labels);
    let cell = this.#cells.get(key);
    if (!cell) {
      cell = { labels: { ...labels }, counts: new BucketCounts(this.#bounds) };
      this.#cells.set(key, cell);
    }
    return cell.counts;
  }

  samples(name: string): Sample[] {
    return [...this.#cells.values()].flatMap(({ labels, counts }) => bucketSamples(name, labels, counts));
  }
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  const made = new Map<string, unknown>();
  const collectors = new Set<() => void>();
  const sources = new Map<string, () => Promise<string>>();
  const helps: string[] = [];
  const once = <T>(name: string, help: string, make: () => T): T => {
    if (!made.has(name)) {
      made.set(name, make());
      helps.push(help);
    }
    return made.get(name) as T;
  };
  const register = (
    name: string,
    help: string,
    type: string,
    read: () => readonly Sample[] | Promise<readonly Sample[]>,
  ) => sources.set(name, async () => metricText({ name, help, type }, await read()));
  return {
    counter: (name, help, labels = []) =>
      once(name, help, () => {
        const c = new Counter({ name, help, labelNames: [...labels], registers: [registry] });
        return { inc: (l, by = 1) => c.inc(l, by), remove: l => c.remove(l) };
      }),
    gauge: (name, help, labels = []) =>
      once(name, help, () => {
        const g = new Gauge({ name, help, labelNames: [...labels], registers: [registry] });
        return {
          set: (l, v) => g.set(l, v),
          inc: (l, by = 1) => g.inc(l, by),
          dec: (l, by = 1) => g.dec(l, by),
          remove: l => g.remove(l),
        };
      }),
    histogram: (name, help, labels, buckets) =>
      once(name, help, () => {
        const cells = new HistogramCells(labels, buckets);
        register(name, help, 'histogram', () => cells.samples(name));
        return cells;
      }),
    source: (name, help, type, read) =>
      void once(name, help, () => {
        register(name, help, type, read);
        return read;
      }),
    helps: () => helps,
    onCollect(collect) {
      collectors.add(collect);
      return () => collectors.delete(collect);
    },
    async text() {
      for (const collect of collectors) collect();
      const texts: string[] = [];
      for (const name of made.keys())
        texts.push(await (sources.get(name)?.() ?? registry.getSingleMetricAsString(name)));
      return `${texts.join('\n\n')}\n`;
    },
    contentType: registry.contentType,
  };
}
