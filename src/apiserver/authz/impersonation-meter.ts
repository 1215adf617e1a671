// How often who was impersonated, and how long it took to find out whether that may be.
import type { Clock } from '../../base/clock.ts';
import { CellCounter, CellHistogram } from '../../base/metric-cells.ts';
import { exponentialBuckets, type Metrics } from '../../base/metrics.ts';
import type { ImpersonationRequest } from './impersonation.ts';

type Told = Required<Pick<ImpersonationRequest, 'onDecided' | 'onAsked' | 'now'>>;

/** Makes what is told of one attempt. */
export function impersonationMeter(metrics: Metrics, clock: Clock): () => Told {
  const buckets = exponentialBuckets(0.001, 2, 15);
  const of = (name: string, what: string, amount: string) => ({
    total: new CellCounter(metrics, `${name}_total`, `[ALPHA] ${amount} ${what} split by mode and decision.`),
    seconds: new CellHistogram(
      metrics,
      `${name}_duration_seconds`,
      `[ALPHA] Latency of ${what} in seconds split by mode and decision.`,
      buckets,
    ),
  });
  const attempts = of('apiserver_impersonation_attempts', 'impersonation attempts', 'Total number of');
  const checks = of(
    'apiserver_impersonation_authorization_attempts',
    'authorization checks made by the impersonation handler',
    'Total number of',
  );
  const count = ({ total, seconds }: ReturnType<typeof of>, mode: string, allowed: boolean, startMs: number) => {
    const labels = () => ({ decision: allowed ? 'allowed' : 'denied', mode });
    const key = `${mode} ${allowed}`;
    total.add(key, labels);
    seconds.cell(key, labels).observe((clock.monotonic() - startMs) / 1000);
  };
  return () => {
    const startMs = clock.monotonic();
    return {
      now: () => clock.monotonic(),
      onDecided: (mode, allowed) => count(attempts, mode, allowed, startMs),
      onAsked: (mode, allowed, askedMs) => count(checks, mode, allowed, askedMs),
    };
  };
}
