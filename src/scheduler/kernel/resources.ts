// What pods ask for and nodes have, as plain numbers: cpu in thousandths, everything else in whole units.
import { parseQuantity } from '../../api/quantity.ts';
import type { Container, Pod, ResourceRequirements } from '../../api/type/core-v1.ts';

export type ResourceMap = Readonly<Record<string, string>>;

/** Changed in place by whoever owns it. */
export interface Resources {
  milliCpu: number;
  memory: number;
  ephemeralStorage: number;
  /** Extended resources, huge pages, attachable volumes; absent when there are none. */
  scalar: Map<string, number> | undefined;
}

type Amounts = Map<string, number>;

/** What scoring assumes of a container that asks for nothing. */
export const defaultMilliCpu = 100;
export const defaultMemory = 200 * 1024 * 1024;

export const emptyResources = (): Resources => ({ milliCpu: 0, memory: 0, ephemeralStorage: 0, scalar: undefined });

const amountOf = (name: string, text: string): number =>
  name === 'cpu' ? parseQuantity(text).milliValue() : parseQuantity(text).value();

function amounts(map: ResourceMap | undefined): Amounts {
  const out: Amounts = new Map();
  if (map) for (const name in map) out.set(name, amountOf(name, map[name]!));
  return out;
}

function addTo(total: Amounts, more: Amounts): void {
  for (const [name, value] of more) total.set(name, (total.get(name) ?? 0) + value);
}

function maxInto(total: Amounts, other: Amounts): void {
  for (const [name, value] of other) if (value > (total.get(name) ?? 0)) total.set(name, value);
}

const isScalarName = (name: string) =>
  name.includes('/') || name.startsWith('hugepages-') || name.startsWith('attachable-volumes-');

export function resourcesOf(map: Iterable<[string, number]>): Resources {
  const out = emptyResources();
  for (const [name, value] of map) {
    if (name === 'cpu') out.milliCpu = value;
    else if (name === 'memory') out.memory = value;
    else if (name === 'ephemeral-storage') out.ephemeralStorage = value;
    else if (isScalarName(name)) {
      out.scalar ??= new Map();
      out.scalar.set(name, value);
    }
  }
  return out;
}

export interface NodeCapacity extends Resources {
  pods: number;
}

/** Of `status.allocatable`. */
export function capacityOf(allocatable: ResourceMap | undefined): NodeCapacity {
  const map = amounts(allocatable);
  return { ...resourcesOf(map), pods: map.get('pods') ?? 0 };
}

export interface PodRequestOptions {
  /** Containers that ask for no cpu or memory count as asking for scoring's defaults. */
  readonly withDefaults?: boolean;
  /** Counts what a running container has been given, which a resize may have left behind the spec. */
  readonly withStatus?: boolean;
}

/** The most the pod needs at any time, by the rules of init containers, sidecars, pod-level resources and overhead. */
export function podRequests(pod: Pod, options: PodRequestOptions = {}): Resources {
  const { spec } = pod;
  const requestsOf = containerRequests(pod, options);
  const total: Amounts = new Map();
  for (const c of spec.containers) addTo(total, requestsOf(c));
  if (spec.initContainers?.length) {
    // A sidecar runs beside all init containers after it and beside the containers.
    const sidecars: Amounts = new Map();
    const initPeak: Amounts = new Map();
    for (const c of spec.initContainers) {
      const requests = requestsOf(c);
      if (c.restartPolicy === 'Always') {
        addTo(total, requests);
        addTo(sidecars, requests);
        maxInto(initPeak, sidecars);
      } else {
        const during = new Map(sidecars);
        addTo(during, requests);
        maxInto(initPeak, during);
      }
    }
    maxInto(total, initPeak);
  }
  overridePodLevel(total, spec.resources, pod, options);
  addTo(total, amounts(spec.overhead));
  return resourcesOf(total);
}

function containerRequests(pod: Pod, options: PodRequestOptions): (c: Container) => Amounts {
  const status = pod.status ?? {};
  const given = new Map(
    options.withStatus
      ? [...(status.containerStatuses ?? []), ...(status.initContainerStatuses ?? [])].map(s => [s.name, s] as const)
      : [],
  );
  const infeasible = (status.conditions ?? []).some(c => c.type === 'PodResizePending' && c.reason === 'Infeasible');
  return c => {
    const spec = amounts(c.resources?.requests);
    const s = given.get(c.name);
    if (s && (s.resources || s.allocatedResources)) {
      const actual = amounts(s.resources?.requests);
      maxInto(actual, amounts(s.allocatedResources));
      // What cannot be granted is not being asked for.
      if (infeasible) return actual;
      maxInto(spec, actual);
    }
    if (options.withDefaults) {
      if (!spec.has('cpu')) spec.set('cpu', defaultMilliCpu);
      if (!spec.has('memory')) spec.set('memory', defaultMemory);
    }
    return spec;
  };
}

// Only these can be asked for by the pod as a whole.
const isPodLevel = (name: string) => name === 'cpu' || name === 'memory' || name.startsWith('hugepages-');

function overridePodLevel(
  total: Amounts,
  resources: ResourceRequirements | undefined,
  pod: Pod,
  options: PodRequestOptions,
): void {
  const requests = resources?.requests;
  if (!requests) return;
  const given = options.withStatus ? amounts(pod.status?.resources?.requests) : undefined;
  for (const name in requests) {
    if (!isPodLevel(name)) continue;
    total.set(name, Math.max(amountOf(name, requests[name]!), given?.get(name) ?? 0));
  }
}

/** `sign` is 1 or -1. */
export function accumulate(into: Resources, more: Resources, sign: 1 | -1): void {
  into.milliCpu += sign * more.milliCpu;
  into.memory += sign * more.memory;
  into.ephemeralStorage += sign * more.ephemeralStorage;
  if (!more.scalar) return;
  into.scalar ??= new Map();
  for (const [name, value] of more.scalar) into.scalar.set(name, (into.scalar.get(name) ?? 0) + sign * value);
}

export function cloneResources(r: Resources): Resources {
  return { ...r, scalar: r.scalar && new Map(r.scalar) };
}

/** By the name Kubernetes gives it. */
export function resourceValue(r: Resources, name: string): number {
  switch (name) {
    case 'cpu':
      return r.milliCpu;
    case 'memory':
      return r.memory;
    case 'ephemeral-storage':
      return r.ephemeralStorage;
    default:
      return r.scalar?.get(name) ?? 0;
  }
}

export function sameResources(a: Resources, b: Resources): boolean {
  if (a === b) return true;
  if (a.milliCpu !== b.milliCpu || a.memory !== b.memory || a.ephemeralStorage !== b.ephemeralStorage) return false;
  if ((a.scalar?.size ?? 0) !== (b.scalar?.size ?? 0)) return false;
  for (const [name, value] of a.scalar ?? []) if (b.scalar?.get(name) !== value) return false;
  return true;
}
