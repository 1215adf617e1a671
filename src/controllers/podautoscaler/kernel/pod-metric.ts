// What is known of pods: their metrics, their requests, and which of them count.
import { parseTime } from '../../../api/meta.ts';
import { parseQuantity } from '../../../api/quantity.ts';
import type { Container, Pod } from '../../../api/type/core-v1.ts';
import { podCondition } from '../../kernel/pod.ts';

/** One figure of one pod. */
export interface PodMetric {
  readonly atMs: number;
  readonly windowMs: number;
  /** Thousandths of the unit. */
  readonly milli: number;
}

/** By name of the pod; all of one namespace. */
export type PodMetrics = ReadonlyMap<string, PodMetric>;

export interface Delays {
  /** How long after its start a pod's processor usage may be that of its start. */
  readonly cpuInitializationMs: number;
  /** A pod that turned not ready within this of its start never was ready. */
  readonly initialReadinessMs: number;
}

export const defaultDelays: Delays = { cpuInitializationMs: 300_000, initialReadinessMs: 30_000 };

export interface PodGroups {
  readonly readyCount: number;
  readonly unready: ReadonlySet<string>;
  readonly missing: ReadonlySet<string>;
  /** Neither count nor have a say: on their way out, or failed. */
  readonly ignored: ReadonlySet<string>;
}

/** `resource`: '' for metrics that are no resource. */
export function groupPods(
  pods: readonly Pod[],
  metrics: PodMetrics,
  resource: string,
  nowMs: number,
  delays: Delays,
): PodGroups {
  let readyCount = 0;
  const unready = new Set<string>();
  const missing = new Set<string>();
  const ignored = new Set<string>();
  for (const pod of pods) {
    const { name, deletionTimestamp } = pod.metadata;
    const metric = metrics.get(name);
    if (deletionTimestamp || pod.status?.phase === 'Failed') ignored.add(name);
    else if (pod.status?.phase === 'Pending') unready.add(name);
    else if (!metric) missing.add(name);
    else if (resource === 'cpu' && isStarting(pod, metric, nowMs, delays)) unready.add(name);
    else readyCount++;
  }
  return { readyCount, unready, missing, ignored };
}

/** Its processor usage says nothing about its load yet. */
function isStarting(pod: Pod, metric: PodMetric, nowMs: number, delays: Delays): boolean {
  const ready = podCondition(pod, 'Ready');
  const startMs = parseTime(pod.status?.startTime);
  if (!ready || startMs === undefined) return true;
  const sinceMs = parseTime(ready.lastTransitionTime) ?? 0;
  if (startMs + delays.cpuInitializationMs > nowMs)
    return ready.status === 'False' || metric.atMs < sinceMs + metric.windowMs;
  return ready.status === 'False' && startMs + delays.initialReadinessMs > sinceMs;
}

/** Thousandths requested by each pod, or by the container of this name in each. Throws where a request is missing. */
export function requestsOf(pods: readonly Pod[], resource: string, container: string): Map<string, number> {
  return new Map(pods.map(pod => [pod.metadata.name, requestOf(pod, resource, container)]));
}

function requestOf(pod: Pod, resource: string, container: string): number {
  const { resources, containers, initContainers = [] } = pod.spec;
  const whole = container === '' ? resources?.requests?.[resource] : undefined;
  if (whole !== undefined) return parseQuantity(whole).milliValue();
  const running: Container[] = [...containers, ...initContainers.filter(c => c.restartPolicy === 'Always')];
  const counted = container === '' ? running : running.filter(c => c.name === container);
  if (counted.length === 0) throw new Error(`container ${container} not found in Pod ${pod.metadata.name}`);
  return counted.reduce((sum, { name, resources: own }) => {
    const request = own?.requests?.[resource];
    if (request === undefined)
      throw new Error(`missing request for ${resource} in container ${name} of Pod ${pod.metadata.name}`);
    return sum + parseQuantity(request).milliValue();
  }, 0);
}
