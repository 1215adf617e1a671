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
    'dry_run',
    'group',
    'version',
    'resource',
    'subresource',
    'scope',
    'component',
    'code',
  ]);
  const duration = metrics.histogram(
    'apiserver_request_duration_seconds',
    'Time to answer, in seconds.',
    ['verb', 'dry_run', 'group', 'version', 'resource', 'subresource', 'scope', 'component'],
    latencyBuckets,
  );
  return {
    observe(info, code, startMs) {
      if (!info) return;
      const labels = {
        verb: verbOf(info),
        dry_run: '',
        group: info.group,
        version: info.version,
        resource: info.resource,
        subresource: info.subresource,
        scope: scopeOf(info),
        component: 'apiserver',
      };
      total.inc({ ...labels, code: String(code) });
      if (info.verb !== 'watch') duration.observe(labels, (clock.monotonic() - startMs) / 1000);
    },
  };
}

const connected = new Set(['exec', 'attach', 'portforward', 'proxy']);
const methods: Readonly<Record<string, string>> = { create: 'POST', update: 'PUT' };

/** As the method a client would name: GET, LIST, WATCH, POST, PUT, PATCH, DELETE, DELETECOLLECTION, CONNECT. */
function verbOf({ isResource, verb, subresource }: RequestInfo): string {
  if (isResource && connected.has(subresource)) return 'CONNECT';
  return methods[verb] ?? verb.toUpperCase();
}

function scopeOf({ isResource, verb, name, namespace }: RequestInfo): string {
  if (!isResource) return '';
  if (name || verb === 'create') return 'resource';
  return namespace ? 'namespace' : 'cluster';
}
