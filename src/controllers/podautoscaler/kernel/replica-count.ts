// How many replicas a metric asks for.
import type { Pod } from '../../../api/type/core-v1.ts';
import { isPodReady } from '../../kernel/pod.ts';
import { type Delays, groupPods, type PodGroups, type PodMetric, type PodMetrics, requestsOf } from './pod-metric.ts';

/** How far from its target a metric may be without anything being done. */
export interface Tolerances {
  readonly up: number;
  readonly down: number;
}

export interface ReplicaProposal {
  readonly replicas: number;
  /** What the metric is at now, in thousandths (on average, where the target is an average). */
  readonly currentMilli: number;
  /** Of the requests, in percent; of targets of that kind only. */
  readonly utilization?: number;
}

export interface PodsInput {
  readonly currentReplicas: number;
  readonly pods: readonly Pod[];
  readonly metrics: PodMetrics;
  readonly tolerances: Tolerances;
  readonly delays: Delays;
  readonly nowMs: number;
}

const noPods = 'no pods returned by selector while calculating replica count';
const noMetrics = 'did not receive metrics for targeted pods (pods might be unready)';

const isWithin = ({ up, down }: Tolerances, ratio: number): boolean => 1 - down <= ratio && ratio <= 1 + up;

interface Ratio {
  readonly ratio: number;
  readonly averageMilli: number;
  readonly utilization?: number;
}

/** By the share of what pods request. Throws when it cannot be told. */
export function byUtilization(
  input: PodsInput & { readonly resource: string; readonly container: string; readonly targetPercent: number },
): ReplicaProposal {
  const { pods, resource, container, targetPercent } = input;
  const [groups, metrics] = countedMetrics(input, resource);
  const requests = requestsOf(pods, resource, container);
  const ratioOf = (of: PodMetrics) => utilizationRatio(of, requests, targetPercent);
  // While pods are unknown, one scales down as if they used all they asked for.
  const fallbackPercent = Math.max(100, targetPercent);
  const busy = (pod: string) => Math.trunc((requests.get(pod)! * fallbackPercent) / 100);
  return propose(input, groups, metrics, ratioOf, busy);
}

/** By an amount that each pod is to have on average. `resource` as for `groupPods`. Throws when it cannot be told. */
export function byAverage(
  input: PodsInput & { readonly resource: string; readonly targetMilli: number },
): ReplicaProposal {
  const [groups, metrics] = countedMetrics(input, input.resource);
  const ratioOf = (of: PodMetrics): Ratio => {
    const averageMilli = Math.trunc(sum(of) / of.size);
    return { ratio: averageMilli / input.targetMilli, averageMilli };
  };
  return propose(input, groups, metrics, ratioOf, () => input.targetMilli);
}

function countedMetrics(input: PodsInput, resource: string): [PodGroups, Map<string, PodMetric>] {
  if (input.pods.length === 0) throw new Error(noPods);
  const groups = groupPods(input.pods, input.metrics, resource, input.nowMs, input.delays);
  const metrics = new Map(input.metrics);
  for (const pod of [...groups.ignored, ...groups.unready]) metrics.delete(pod);
  if (metrics.size === 0) throw new Error(noMetrics);
  return [groups, metrics];
}

function utilizationRatio(metrics: PodMetrics, requests: ReadonlyMap<string, number>, targetPercent: number): Ratio {
  let used = 0;
  let requested = 0;
  let count = 0;
  for (const [pod, { milli }] of metrics) {
    const request = requests.get(pod);
    // Of a pod that is no longer there.
    if (request === undefined) continue;
    used += milli;
    requested += request;
    count++;
  }
  if (requested === 0) throw new Error('no metrics returned matched known pods');
  const utilization = Math.trunc((used * 100) / requested);
  return { ratio: utilization / targetPercent, averageMilli: Math.trunc(used / count), utilization };
}

/** `busy`: what a pod of unknown usage is taken to use when the others ask for fewer. */
function propose(
  { currentReplicas, tolerances }: PodsInput,
  { readyCount, unready, missing }: PodGroups,
  metrics: Map<string, PodMetric>,
  ratioOf: (metrics: PodMetrics) => Ratio,
  busy: (pod: string) => number,
): ReplicaProposal {
  const { ratio, averageMilli, utilization } = ratioOf(metrics);
  const proposal = (replicas: number): ReplicaProposal => ({
    replicas,
    currentMilli: averageMilli,
    ...(utilization === undefined ? {} : { utilization }),
  });
  const upWithUnready = unready.size > 0 && ratio > 1;
  if (!upWithUnready && missing.size === 0)
    return proposal(isWithin(tolerances, ratio) ? currentReplicas : Math.ceil(ratio * readyCount));
  const assume = (pod: string, milli: number) => metrics.set(pod, { atMs: 0, windowMs: 0, milli });
  if (ratio < 1) for (const pod of missing) assume(pod, busy(pod));
  else if (ratio > 1) for (const pod of missing) assume(pod, 0);
  if (upWithUnready) for (const pod of unready) assume(pod, 0);
  const again = ratioOf(metrics).ratio;
  const turned = (ratio < 1 && again > 1) || (ratio > 1 && again < 1);
  if (turned || isWithin(tolerances, again)) return proposal(currentReplicas);
  const replicas = Math.ceil(again * metrics.size);
  // Not against the direction the metric points in.
  const against = (again < 1 && replicas > currentReplicas) || (again > 1 && replicas < currentReplicas);
  return proposal(against ? currentReplicas : replicas);
}

const sum = (metrics: PodMetrics): number => metrics.values().reduce((total, m) => total + m.milli, 0);

/** By one value for all. Throws when the pods cannot be counted. */
export function byValue(
  usageMilli: number,
  targetMilli: number,
  { currentReplicas, pods, tolerances }: Pick<PodsInput, 'currentReplicas' | 'pods' | 'tolerances'>,
): ReplicaProposal {
  const ratio = usageMilli / targetMilli;
  if (currentReplicas === 0) return { replicas: Math.ceil(ratio), currentMilli: usageMilli };
  if (isWithin(tolerances, ratio)) return { replicas: currentReplicas, currentMilli: usageMilli };
  if (pods.length === 0) throw new Error(`unable to calculate ready pods: ${noPods}`);
  const ready = pods.filter(p => p.status?.phase === 'Running' && isPodReady(p)).length;
  return { replicas: Math.ceil(ratio * ready), currentMilli: usageMilli };
}

/** By one value that the replicas share. */
export function bySharedValue(
  usageMilli: number,
  targetAverageMilli: number,
  statusReplicas: number,
  tolerances: Tolerances,
): ReplicaProposal {
  const ratio = usageMilli / (targetAverageMilli * statusReplicas);
  return {
    replicas: isWithin(tolerances, ratio) ? statusReplicas : Math.ceil(usageMilli / targetAverageMilli),
    currentMilli: statusReplicas === 0 ? usageMilli : Math.ceil(usageMilli / statusReplicas),
  };
}
