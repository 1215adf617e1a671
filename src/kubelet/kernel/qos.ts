import type { Container, Pod, PodSpec, ResourceRequirements } from '../../api/type/core-v1.ts';
import { bytesOf, milliOf, numberOf } from './amount.ts';
import { hasCriticalPriority } from './critical-pod.ts';

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

const counted = ['cpu', 'memory'] as const;

/** Guaranteed: every container (or the pod itself) has cpu and memory limits equal to its requests. BestEffort: none has any. */
export function qosClassOf(pod: { readonly spec: PodSpec }): QosClass {
  const spec = pod.spec;
  const podLevel = spec.resources;
  const units: readonly (ResourceRequirements | undefined)[] =
    podLevel && (podLevel.requests || podLevel.limits)
      ? [podLevel]
      : [...spec.containers, ...(spec.initContainers ?? [])].map(c => c.resources);
  let anything = false;
  let guaranteed = true;
  for (const r of units) {
    for (const name of counted) {
      const request = numberOf(r?.requests?.[name]);
      const limit = numberOf(r?.limits?.[name]);
      if (request > 0 || limit > 0) anything = true;
      if (limit === 0 || (request !== 0 && request !== limit) || (request === 0 && r?.requests?.[name] !== undefined))
        guaranteed = false;
    }
  }
  if (!anything) return 'BestEffort';
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

const minShares = 2;
const maxShares = 262144;
const periodUs = 100_000;
const minQuotaUs = 1000;

export function cpuShares(milli: number): number {
  if (milli <= 0) return minShares;
  return Math.min(maxShares, Math.max(minShares, Math.floor((milli * 1024) / 1000)));
}

/** Microseconds a period; 0 means no limit. */
export function cpuQuota(milli: number, period = periodUs): number {
  return milli <= 0 ? 0 : Math.max(minQuotaUs, Math.floor((milli * period) / 1000));
}

export interface CgroupResources {
  readonly cpuShares: number;
  /** 0: unlimited. */
  readonly cpuQuotaUs: number;
  readonly cpuPeriodUs: number;
  /** 0: unlimited. */
  readonly memoryBytes: number;
}

/** One container's share of the machine. A limit without a request is also the request. */
export function containerCgroup(resources: ResourceRequirements | undefined, period = periodUs): CgroupResources {
  const limit = milliOf(resources?.limits?.cpu);
  const request = resources?.requests?.cpu === undefined ? limit : milliOf(resources.requests.cpu);
  return {
    cpuShares: cpuShares(request),
    cpuQuotaUs: cpuQuota(limit, period),
    cpuPeriodUs: period,
    memoryBytes: bytesOf(resources?.limits?.memory),
  };
}

/** Where the pod has limits of its own, a container without one is held to the pod's. */
export function withPodLimits(spec: PodSpec, own: ResourceRequirements | undefined): ResourceRequirements | undefined {
  const limits = spec.resources?.limits;
  const lent = counted.filter(name => limits?.[name] !== undefined && numberOf(own?.limits?.[name]) === 0);
  if (lent.length === 0) return own;
  return { ...own, limits: { ...own?.limits, ...Object.fromEntries(lent.map(name => [name, limits![name]!])) } };
}

const isSidecar = (c: Container) => c.restartPolicy === 'Always';

/**
 * What a pod asks for: the larger of its running phase (containers and sidecars together) and of each init step
 * (that init container beside the sidecars started before it); pod-level values win; overhead is added.
 */
export function podTotal(spec: PodSpec, kind: 'requests' | 'limits', resource: string): number {
  const read = resource === 'cpu' ? milliOf : bytesOf;
  const of = (c: { readonly resources?: ResourceRequirements }) =>
    read(c.resources?.[kind]?.[resource] ?? (kind === 'requests' ? c.resources?.limits?.[resource] : undefined));
  const overhead = read(spec.overhead?.[resource]);
  const own = spec.resources?.[kind]?.[resource];
  if (own !== undefined) return read(own) + overhead;
  let total = spec.containers.reduce((sum, c) => sum + of(c), 0);
  let sidecars = 0;
  let steps = 0;
  for (const c of spec.initContainers ?? []) {
    if (isSidecar(c)) {
      sidecars += of(c);
      total += of(c);
      steps = Math.max(steps, sidecars);
    } else steps = Math.max(steps, sidecars + of(c));
  }
  return Math.max(total, steps) + overhead;
}

/** What a pod may have of huge pages of a size, in bytes. */
export function podHugepages(spec: PodSpec, pageBytes: number): number {
  const limits = [spec, ...spec.containers, ...(spec.initContainers ?? [])].map(c => c.resources?.limits ?? {});
  const name = limits.flatMap(Object.keys).find(n => bytesOf(/^hugepages-(.*)$/.exec(n)?.[1]) === pageBytes);
  return name ? podTotal(spec, 'limits', name as `hugepages-${string}`) : 0;
}

/** True when each container (and init container) limits the resource, so that the pod as a whole is limited. */
function allLimited(spec: PodSpec, resource: 'cpu' | 'memory'): boolean {
  if (spec.resources?.limits?.[resource] !== undefined) return true;
  return [...spec.containers, ...(spec.initContainers ?? [])].every(c => numberOf(c.resources?.limits?.[resource]) > 0);
}

/** The cgroup of the pod itself. */
export function podCgroup(pod: { readonly spec: PodSpec }, period = periodUs): CgroupResources {
  const spec = pod.spec;
  const qos = qosClassOf(pod);
  return {
    cpuShares: qos === 'BestEffort' ? minShares : cpuShares(podTotal(spec, 'requests', 'cpu')),
    cpuQuotaUs: allLimited(spec, 'cpu') ? cpuQuota(podTotal(spec, 'limits', 'cpu'), period) : 0,
    cpuPeriodUs: period,
    memoryBytes: allLimited(spec, 'memory') ? podTotal(spec, 'limits', 'memory') : 0,
  };
}

/** A machine's memory and swap. */
export interface MemorySize {
  readonly memoryBytes: number;
  readonly swapBytes: number;
}

/**
 * What a container may swap where that is allowed: as much of the machine's swap as it asks of its memory. Only
 * containers of burstable pods that are not critical, and not those that may have no more memory than they ask.
 */
export function swapShare(pod: Pod, container: Container, { memoryBytes, swapBytes }: MemorySize): number {
  const { requests, limits } = container.resources ?? {};
  const requestBytes = bytesOf(requests?.memory ?? limits?.memory);
  const mayNot =
    qosClassOf(pod) !== 'Burstable' || hasCriticalPriority(pod) || requestBytes === bytesOf(limits?.memory);
  return mayNot || memoryBytes <= 0 ? 0 : Math.floor((requestBytes / memoryBytes) * swapBytes);
}

const nodeCriticalPriority = 2_000_001_000;

/** Who the kernel kills first: -997 Guaranteed and node-critical, 1000 BestEffort, in between by memory request. */
export function oomScoreAdjust(pod: Pod, container: Container, memoryCapacityBytes: number): number {
  if ((pod.spec.priority ?? 0) >= nodeCriticalPriority) return -997;
  const qos = qosClassOf(pod);
  if (qos === 'Guaranteed') return -997;
  if (qos === 'BestEffort') return 1000;
  const of = (c: Container) => {
    const request = bytesOf(c.resources?.requests?.memory ?? c.resources?.limits?.memory);
    const adjust = memoryCapacityBytes > 0 ? 1000 - Math.floor((1000 * request) / memoryCapacityBytes) : 999;
    return Math.min(999, Math.max(3, adjust));
  };
  const own = of(container);
  if (isSidecar(container) && pod.spec.initContainers?.some(c => c.name === container.name))
    return Math.min(own, ...pod.spec.containers.map(of));
  return own;
}
