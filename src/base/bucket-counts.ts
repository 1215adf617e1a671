// A histogram that is counted in place and read when scraped: no look-up of labels at each observation.

import { numberText } from './metric-number.ts';

/** One line of a scrape. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  /** Of histograms: the name with its ending. */
  readonly metricName?: string;
  /** Of buckets: the bound, the last label. */
  readonly le?: string;
}

export class BucketCounts {
  readonly bounds: readonly number[];
  /** One a bound, and one for what is above all; not cumulative. */
  readonly counts: Float64Array;
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  /** As `weight` observations of the value. */
  observe(value: number, weight = 1): void {
    const { bounds, counts } = this;
    let i = 0;
    while (i < bounds.length && value > bounds[i]!) i++;
    counts[i]! += weight;
    this.sum += value * weight;
  }
}

/** The lines of a histogram in the text format. */
export function bucketSamples(name: string, labels: Readonly<Record<string, string>>, counted: BucketCounts): Sample[] {
  const { bounds, counts, sum } = counted;
  const bucket = `${name}_bucket`;
  const samples: Sample[] = [];
  let total = 0;
  for (const [i, bound] of bounds.entries()) {
    total += counts[i]!;
    samples.push({ metricName: bucket, labels, le: numberText(bound), value: total });
  }
  total += counts[bounds.length]!;
  samples.push(
    { metricName: bucket, labels, le: '+Inf', value: total },
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: total },
  );
  return samples;
}
