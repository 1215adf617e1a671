// /stats/summary and /metrics with its parts.
import { createMetrics } from '../../../base/metrics.ts';
import { reportProcess } from '../../../base/process-metrics.ts';
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

export function metricsRoute(context: RouteContext, collector: StatsCollector): Route {
  const own = ownMetrics(context);
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
