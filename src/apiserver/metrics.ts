// Request metrics by Kubernetes' names.
import type { Clock } from '../base/clock.ts';
import type { Metrics } from '../base/metrics.ts';
import type { RequestInfo } from './request-info.ts';

export interface RequestMetrics {
  observe(info: RequestInfo | undefined, code: number, startMs: number): void;
}

const latencyBuckets = [
  0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45, 60,
];

export function requestMetrics(metrics: Metrics, clock: Clock): RequestMetrics {
  const total = metrics.counter('apiserver_request_total', 'Requests by verb, resource and code.', [
    'verb',
    'group',
    'version',
    'resource',
    'subresource',
    'scope',
    'code',
  ]);
  const duration = metrics.histogram(
    'apiserver_request_duration_seconds',
    'Time to answer, in seconds.',
    ['verb', 'group', 'version', 'resource', 'subresource', 'scope'],
    latencyBuckets,
  );
  return {
    observe(info, code, startMs) {
      if (!info) return;
      const labels = {
        verb: info.verb.toUpperCase(),
        group: info.group,
        version: info.version,
        resource: info.resource,
        subresource: info.subresource,
        scope: !info.isResource ? '' : info.name ? 'resource' : info.namespace ? 'namespace' : 'cluster',
      };
      total.inc({ ...labels, code: String(code) });
      if (info.verb !== 'watch') duration.observe(labels, (clock.monotonic() - startMs) / 1000);
    },
  };
}
