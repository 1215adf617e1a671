// Metrics of aggregated servers that cannot be asked, by Kubernetes' names.
import type { APIService } from '../../api/type/apiregistration-v1.ts';
import type { Metrics } from '../../base/metrics.ts';

/** `services`: all there are. Returns what counts one that has become unavailable. */
export function countUnavailable(
  metrics: Metrics,
  services: () => Iterable<APIService>,
): (name: string, reason: string) => void {
  const turns = metrics.counter(
    'aggregator_unavailable_apiservice_total',
    'Counter of APIServices which are marked as unavailable broken down by APIService name and reason.',
    ['name', 'reason'],
  );
  metrics.source(
    'aggregator_unavailable_apiservice',
    'Gauge of APIServices which are marked as unavailable broken down by APIService name.',
    'gauge',
    () =>
      [...services()].map(({ metadata: { name }, status }) => ({
        labels: { name },
        value: status?.conditions?.some(c => c.type === 'Available' && c.status === 'False') ? 1 : 0,
      })),
  );
  return (name, reason) => turns.inc({ name, reason });
}
