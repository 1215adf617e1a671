// /stats/summary and /metrics with its parts.
import { X509Certificate } from 'node:crypto';
import { nodeBuild, reportComponent } from '../../../api/component-metrics.ts';
import { featureGates } from '../../../api/feature-gates.ts';
import { createMetrics, type Metrics, type Sample } from '../../../base/metrics.ts';
import { reportProcess } from '../../../base/process-metrics.ts';
import type { Host } from '../../host/host.ts';
import { isStatic } from '../../static-pod.ts';
import { diskFigures } from '../../volume/volume-figures.ts';
import { HttpError } from '../http-error.ts';
import { answerJson, answerText, type Route, type RouteContext } from '../route.ts';
import { containerMetrics, resourceMetrics } from './kernel/exposition.ts';
import { summaryOf } from './kernel/summary.ts';
import type { StatsCollector } from './stats-collector.ts';

const expositionType = { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' };

export function statsRoute(collector: StatsCollector): Route {
  return async ({ response, segments, query }) => {
    if (segments.length !== 2 || segments[1] !== 'summary') throw new HttpError(404, '404 page not found\n');
    const only = query.get('only_cpu_and_memory') === 'true';
    answerJson(response, summaryOf(await collector.collect(), collector.earlier, only));
  };
}

export interface MetricsOptions {
  /** Measures the file systems of volumes. */
  readonly host: Host;
  /** PEM: what the kubelet shows to who asks. */
  servingCertificate(): string;
  /** `1.36.2` */
  readonly version: string;
}

export function metricsRoute(context: RouteContext, collector: StatsCollector, options: MetricsOptions): Route {
  const own = ownMetrics(context);
  reportVolumes(own, context, options.host);
  reportPods(own, context);
  reportComponent(own, nodeBuild(`v${options.version}`), featureGates());
  reportCertificate(own, context, options);
  const slis = sliMetrics();
  return async ({ response, segments }) => {
    const part = segments.slice(1).join('/');
    const text = await textOf(part);
    if (text === undefined) throw new HttpError(404, '404 page not found\n');
    answerText(response, 200, text, expositionType);
  };

  async function textOf(part: string): Promise<string | undefined> {
    switch (part) {
      case '':
        return own.text();
      case 'slis':
        return slis.text();
      case 'resource':
        return resourceMetrics(await collector.collect());
      case 'cadvisor':
        return containerMetrics(await collector.collect());
      case 'probes':
        return context.kubelet.metrics.probes.text();
      default:
        return undefined;
    }
  }
}

/** That it answers: what asks for its port is the check. */
function sliMetrics() {
  const metrics = createMetrics();
  const help = '[STABLE] This metric records the result of a single healthcheck.';
  metrics.gauge('kubernetes_healthcheck', help, ['name', 'type']).set({ name: 'ping', type: 'healthz' }, 1);
  return metrics;
}

/** What the kubelet tells of itself. */
function ownMetrics({ kubelet, clock }: RouteContext) {
  const metrics = kubelet.metrics.own;
  reportProcess(metrics, clock);
  const name = metrics.gauge('kubelet_node_name', "[ALPHA] The node's name. The count is always 1.", ['node']);
  const pods = metrics.gauge('kubelet_running_pods', '[BETA] Number of pods that have a running pod sandbox');
  const containers = metrics.gauge('kubelet_running_containers', '[BETA] Number of containers currently running', [
    'container_state',
  ]);
  metrics.onCollect(() => {
    name.set({ node: kubelet.nodeName }, 1);
    const observed = kubelet.pods().flatMap(p => kubelet.observed(p) ?? []);
    pods.set({}, observed.filter(o => o.sandboxes.some(s => s.ready)).length);
    for (const state of ['created', 'running', 'exited', 'unknown'] as const)
      containers.set(
        { container_state: state },
        observed.reduce((sum, o) => sum + o.containers.filter(c => c.state === state).length, 0),
      );
  });
  return metrics;
}

const volumeStats = [
  ['available_bytes', 'Number of available bytes in the volume'],
  ['capacity_bytes', 'Capacity in bytes of the volume'],
  ['used_bytes', 'Number of used bytes in the volume'],
  ['inodes', 'Maximum number of inodes in the volume'],
  ['inodes_free', 'Number of free inodes in the volume'],
  ['inodes_used', 'Number of used inodes in the volume'],
  [
    'health_status_abnormal',
    'Abnormal volume health status. The count is either 1 or 0. 1 indicates the volume is unhealthy, 0 indicates volume is healthy',
  ],
] as const;

/** Of the volumes of claims: as their drivers say, or of the file systems they lie on. */
function reportVolumes(metrics: Metrics, { kubelet }: RouteContext, host: Host): void {
  const measure = async (stat: (typeof volumeStats)[number][0]): Promise<Sample[]> => {
    const found = await Promise.all(
      kubelet.metrics.times.claims().map(async ({ namespace, claim, path, stats }) => {
        const figures = await (stats ? stats() : diskFigures(host, path));
        if (!figures) return [];
        const values: Record<typeof stat, number | undefined> = {
          available_bytes: figures.availableBytes,
          capacity_bytes: figures.capacityBytes,
          used_bytes: figures.usedBytes,
          inodes: figures.inodes,
          inodes_free: figures.inodesFree,
          inodes_used: figures.inodesUsed,
          health_status_abnormal: figures.abnormal === undefined ? undefined : Number(figures.abnormal),
        };
        if (values[stat] === undefined) return [];
        return [{ labels: { namespace, persistentvolumeclaim: claim }, value: values[stat] }];
      }),
    );
    return found.flat();
  };
  for (const [stat, help] of volumeStats)
    metrics.source(`kubelet_volume_stats_${stat}`, `[ALPHA] ${help}`, 'gauge', () => measure(stat));
}

/** Pods and containers that the kubelet is to run. */
function reportPods(metrics: Metrics, { kubelet }: RouteContext): void {
  const byStatic = (keep: (phase: string | undefined) => boolean) => () =>
    [true, false].map(own => ({
      labels: { static: own ? 'true' : '' },
      value: kubelet.pods().filter(p => isStatic(p) === own && keep(p.status?.phase)).length,
    }));
  metrics.source(
    'kubelet_desired_pods',
    '[ALPHA] The number of pods the kubelet is being instructed to run. static is true if the pod is not from the apiserver.',
    'gauge',
    byStatic(() => true),
  );
  metrics.source(
    'kubelet_active_pods',
    '[ALPHA] The number of pods the kubelet considers active and which are being considered when admitting new pods. static is true if the pod is not from the apiserver.',
    'gauge',
    byStatic(phase => phase !== 'Succeeded' && phase !== 'Failed'),
  );
  metrics.source(
    'kubelet_managed_ephemeral_containers',
    '[ALPHA] Current number of ephemeral containers in pods managed by this kubelet.',
    'gauge',
    () => [{ labels: {}, value: kubelet.pods().reduce((n, p) => n + (p.spec.ephemeralContainers?.length ?? 0), 0) }],
  );
}

/** How long the certificate that the kubelet shows is good for. */
function reportCertificate(
  metrics: Metrics,
  { clock }: RouteContext,
  { servingCertificate }: Pick<MetricsOptions, 'servingCertificate'>,
): void {
  const untilMs = () => new X509Certificate(servingCertificate()).validToDate.getTime();
  metrics.source(
    'kubelet_certificate_manager_server_ttl_seconds',
    "[ALPHA] Gauge of the shortest TTL (time-to-live) of the Kubelet's serving certificate. The value is in seconds until certificate expiry (negative if already expired). If serving certificate is invalid or unused, the value will be +INF.",
    'gauge',
    () => [{ labels: {}, value: (untilMs() - clock.now()) / 1000 }],
  );
}
