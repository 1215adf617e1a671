// kube-proxy's metrics, by their names.
import { exponentialBuckets, type Metrics } from '../base/metrics.ts';

export interface ProxyMetrics {
  changed(what: 'service' | 'endpoints'): void;
  /** `triggers`: for each service that was written, the times from which changes of its endpoints count. */
  synced(full: boolean, durationMs: number, nowMs: number, triggers: ReadonlyMap<string, readonly string[]>): void;
  failed(): void;
  withoutLocal(service: string, counts: { internal: number; external: number } | undefined): void;
  forgotten(connections: number): void;
  answered(path: 'healthz' | 'livez', code: number): void;
  readonly registry: Metrics;
}

const prefix = 'kubeproxy_';
const syncBuckets = exponentialBuckets(0.001, 2, 15);
const programmingBuckets = [0.25, 0.5, ...Array.from({ length: 59 }, (_, i) => i + 1), 60, 120, 180, 240, 300];
const family = { ip_family: 'IPv4' };

export function proxyMetrics(registry: Metrics): ProxyMetrics {
  const histogram = (name: string, help: string, buckets: readonly number[]) =>
    registry.histogram(prefix + name, help, ['ip_family'], buckets);
  const gauge = (name: string, help: string, labels: string[] = ['ip_family']) =>
    registry.gauge(prefix + name, help, labels);
  const counter = (name: string, help: string, labels: string[] = ['ip_family']) =>
    registry.counter(prefix + name, help, labels);
  const duration = histogram('sync_proxy_rules_duration_seconds', 'SyncProxyRules latency in seconds', syncBuckets);
  const fullDuration = histogram(
    'sync_full_proxy_rules_duration_seconds',
    'SyncProxyRules latency in seconds for full resyncs',
    syncBuckets,
  );
  const partialDuration = histogram(
    'sync_partial_proxy_rules_duration_seconds',
    'SyncProxyRules latency in seconds for partial resyncs',
    syncBuckets,
  );
  const programming = histogram(
    'network_programming_duration_seconds',
    'In Cluster Network Programming Latency in seconds',
    programmingBuckets,
  );
  const last = gauge('sync_proxy_rules_last_timestamp_seconds', 'The last time proxy rules were successfully synced');
  const lastQueued = gauge(
    'sync_proxy_rules_last_queued_timestamp_seconds',
    'The last time a sync of proxy rules was queued',
  );
  const total = {
    service: counter('sync_proxy_rules_service_changes_total', 'Cumulative proxy rules Service changes'),
    endpoints: counter('sync_proxy_rules_endpoint_changes_total', 'Cumulative proxy rules Endpoint changes'),
  };
  const pending = {
    service: gauge('sync_proxy_rules_service_changes_pending', 'Pending proxy rules Service changes'),
    endpoints: gauge('sync_proxy_rules_endpoint_changes_pending', 'Pending proxy rules Endpoint changes'),
  };
  const failures = counter('sync_proxy_rules_nftables_sync_failures_total', 'Cumulative proxy nftables sync failures');
  const forgotten = counter(
    'conntrack_reconciler_deleted_entries_total',
    'Cumulative conntrack flows deleted by conntrack reconciler',
  );
  const noLocal = gauge(
    'sync_proxy_rules_no_local_endpoints_total',
    'Number of services with a Local traffic policy and no endpoints',
    ['ip_family', 'traffic_policy'],
  );
  const answers = {
    healthz: registry.counter('proxy_healthz_total', 'Cumulative proxy healthz HTTP status', ['code']),
    livez: registry.counter('proxy_livez_total', 'Cumulative proxy livez HTTP status', ['code']),
  };
  const lacking = new Map<string, { internal: number; external: number }>();
  const counts = { service: 0, endpoints: 0 };
  const seen = new Map<string, ReadonlySet<string>>();
  registry.onCollect(() => {
    for (const what of ['service', 'endpoints'] as const) pending[what].set(family, counts[what]);
    for (const policy of ['internal', 'external'] as const) {
      let sum = 0;
      for (const lack of lacking.values()) sum += lack[policy];
      noLocal.set({ ...family, traffic_policy: policy }, sum);
    }
  });
  return {
    registry,
    changed(what) {
      counts[what]++;
      total[what].inc(family);
    },
    synced(full, durationMs, nowMs, triggers) {
      counts.service = 0;
      counts.endpoints = 0;
      duration.observe(family, durationMs / 1000);
      (full ? fullDuration : partialDuration).observe(family, durationMs / 1000);
      last.set(family, nowMs / 1000);
      lastQueued.set(family, (nowMs - durationMs) / 1000);
      for (const [service, times] of triggers) {
        const before = seen.get(service);
        // What was so before this proxy started says nothing of its speed.
        if (!full)
          for (const time of new Set(times))
            if (!before?.has(time)) programming.observe(family, Math.max(0, nowMs - Date.parse(time)) / 1000);
        if (times.length > 0) seen.set(service, new Set(times));
        else seen.delete(service);
      }
    },
    failed: () => failures.inc(family),
    withoutLocal(service, lack) {
      if (lack && lack.internal + lack.external > 0) lacking.set(service, lack);
      else lacking.delete(service);
    },
    forgotten: connections => forgotten.inc(family, connections),
    answered: (path, code) => answers[path].inc({ code: String(code) }),
  };
}
