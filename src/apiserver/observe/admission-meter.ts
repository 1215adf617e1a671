// Time spent in admission, by Kubernetes' names.

import type { BucketCounts } from '../../base/bucket-counts.ts';
import type { Clock } from '../../base/clock.ts';
import { CellHistogram } from '../../base/metric-cells.ts';
import type { Metrics } from '../../base/metrics.ts';
import { currentTrace } from './trace.ts';

export type AdmissionPhase = 'mutate' | 'validate';

export interface AdmissionMeter {
  now(): number;
  /** One plugin ran; returns when it ended. */
  plugin(name: string, phase: AdmissionPhase, operation: string, rejected: boolean, startMs: number): number;
  /** All of them ran. */
  step(phase: AdmissionPhase, operation: string, rejected: boolean, startMs: number): void;
}

const buckets = [0.005, 0.025, 0.1, 0.5, 1, 2.5];
// Plugins that look into a cache are not worth a span.
const tracedMs = 1;
const types = { mutate: 'admit', validate: 'validate' };

export function admissionMeter(metrics: Metrics, clock: Clock): AdmissionMeter {
  const controllers = new CellHistogram(
    metrics,
    'apiserver_admission_controller_admission_duration_seconds',
    '[STABLE] Admission controller latency histogram in seconds, identified by name and broken out for each operation and API resource and type (validate or admit).',
    buckets,
  );
  const steps = new CellHistogram(
    metrics,
    'apiserver_admission_step_admission_duration_seconds',
    '[STABLE] Admission sub-step latency histogram in seconds, broken out for each operation and API resource and step type (validate or admit).',
    buckets,
  );
  const byName = new Map<string, CellOf>();
  const ofSteps = cellsOf(steps, {});
  // Seconds.
  const took = (name: string, phase: AdmissionPhase, startMs: number): number => {
    const endMs = clock.monotonic();
    if (endMs - startMs >= tracedMs)
      currentTrace()?.step(name ? `admission ${name}` : `admission (${types[phase]})`, startMs, endMs);
    return (endMs - startMs) / 1000;
  };
  return {
    now: () => clock.monotonic(),
    plugin(name, phase, operation, rejected, startMs) {
      let cells = byName.get(name);
      if (!cells) {
        cells = cellsOf(controllers, { name });
        byName.set(name, cells);
      }
      const seconds = took(name, phase, startMs);
      cells(phase, operation, rejected).observe(seconds);
      return startMs + seconds * 1000;
    },
    step(phase, operation, rejected, startMs) {
      ofSteps(phase, operation, rejected).observe(took('', phase, startMs));
    },
  };
}

type CellOf = (phase: AdmissionPhase, operation: string, rejected: boolean) => BucketCounts;

// Plugins run on every write: keys are not put together each time.
function cellsOf(histogram: CellHistogram, fixed: Readonly<Record<string, string>>): CellOf {
  const known: Record<AdmissionPhase, Record<string, BucketCounts>[]> = { mutate: [{}, {}], validate: [{}, {}] };
  return (phase, operation, rejected) => {
    const cells = known[phase][rejected ? 1 : 0]!;
    cells[operation] ??= histogram.cell(`${fixed.name} ${phase} ${operation} ${rejected}`, () => ({
      ...fixed,
      operation,
      rejected: String(rejected),
      type: types[phase],
    }));
    return cells[operation];
  };
}
