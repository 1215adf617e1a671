// How much of a quota one object uses.
import { parseTime } from '../meta.ts';
import { parseQuantity, Quantity } from '../quantity.ts';
import type { PersistentVolumeClaim, Pod, Service } from '../type/core-v1.ts';
import type { DeviceSubRequest, ExactDeviceRequest, ResourceClaim } from '../type/resource-v1.ts';
import type { Amounts } from './amounts.ts';
import { podAmounts } from './pod-resources.ts';

export interface Counted {
  readonly group: string;
  readonly resource: string;
}

const one = Quantity.of(1);

/** `count/pods`, `count/deployments.apps`. */
export const countName = ({ group, resource }: Counted): string =>
  group ? `count/${resource}.${group}` : `count/${resource}`;

// Kinds with a name of their own besides count/….
const plainNames = new Set(['services', 'replicationcontrollers', 'resourcequotas', 'secrets', 'configmaps']);

/** What the object uses, by the names quotas use. */
export function usageOf(counted: Counted, object: object, nowMs: number): Map<string, Quantity> {
  const usage = new Map<string, Quantity>([[countName(counted), one]]);
  if (isDeviceClaim(counted)) deviceUsage(object as ResourceClaim, usage);
  if (counted.group !== '') return usage;
  if (plainNames.has(counted.resource)) usage.set(counted.resource, one);
  if (counted.resource === 'pods') podUsage(object as Pod, nowMs, usage);
  else if (counted.resource === 'persistentvolumeclaims') claimUsage(object as PersistentVolumeClaim, usage);
  else if (counted.resource === 'services') serviceUsage(object as Service, usage);
  return usage;
}

/** Pods that have ended, or are long past their grace, hold nothing any more. */
export function podCounts(pod: Pod, nowMs: number): boolean {
  if (pod.status?.phase === 'Failed' || pod.status?.phase === 'Succeeded') return false;
  const { deletionTimestamp, deletionGracePeriodSeconds } = pod.metadata;
  if (deletionTimestamp === undefined || deletionGracePeriodSeconds === undefined) return true;
  return nowMs <= (parseTime(deletionTimestamp) ?? nowMs) + Number(deletionGracePeriodSeconds) * 1000;
}

const compute = new Set(['cpu', 'memory', 'ephemeral-storage']);

function podUsage(pod: Pod, nowMs: number, usage: Map<string, Quantity>): void {
  if (!podCounts(pod, nowMs)) return;
  usage.set('pods', one);
  for (const [name, value] of podAmounts(pod, 'requests')) {
    if (compute.has(name) || name.startsWith('hugepages-')) {
      usage.set(name, value);
      usage.set(`requests.${name}`, value);
    } else if (name.includes('/')) usage.set(`requests.${name}`, value);
  }
  for (const [name, value] of podAmounts(pod, 'limits')) if (compute.has(name)) usage.set(`limits.${name}`, value);
}

const classAnnotation = 'volume.beta.kubernetes.io/storage-class';

function claimUsage(claim: PersistentVolumeClaim, usage: Map<string, Quantity>): void {
  usage.set('persistentvolumeclaims', one);
  const storageClass = claim.metadata.annotations?.[classAnnotation] ?? claim.spec.storageClassName ?? '';
  const perClass = `${storageClass}.storageclass.storage.k8s.io/`;
  if (storageClass) usage.set(`${perClass}persistentvolumeclaims`, one);
  const asked = claim.spec.resources?.requests?.storage;
  if (asked === undefined) return;
  let amount = wholeBytes(asked);
  // A volume being grown holds what it was given.
  const given = claim.status?.allocatedResources?.storage;
  if (given !== undefined && amount.compare(wholeBytes(given)) < 0) amount = wholeBytes(given);
  usage.set('requests.storage', amount);
  if (storageClass) usage.set(`${perClass}requests.storage`, amount);
}

function wholeBytes(text: string): Quantity {
  const amount = parseQuantity(text);
  return amount.milliValue() % 1000 === 0 ? amount : Quantity.of(amount.value());
}

function serviceUsage({ spec }: Service, usage: Map<string, Quantity>): void {
  const ports = Quantity.of(spec.ports?.length ?? 0);
  if (spec.type === 'LoadBalancer') {
    usage.set('services.loadbalancers', one);
    if (spec.allocateLoadBalancerNodePorts !== false) usage.set('services.nodeports', ports);
    else usage.set('services.nodeports', Quantity.of(spec.ports?.filter(p => p.nodePort).length ?? 0));
  } else if (spec.type === 'NodePort') usage.set('services.nodeports', ports);
}

export const isDeviceClaim = ({ group, resource }: Counted): boolean =>
  group === 'resource.k8s.io' && resource === 'resourceclaims';

const devicesOfClass = '.deviceclass.resource.k8s.io/devices';
/** `gpu.example.com.deviceclass.resource.k8s.io/devices`: how many devices of a class claims ask for. */
export const isDeviceName = (name: string): boolean => name.endsWith(devicesOfClass);
/** As many as one claim can be given. */
const allDevices = 32;

function deviceUsage({ spec }: ResourceClaim, usage: Map<string, Quantity>): void {
  for (const { exactly, firstAvailable = [] } of spec.devices?.requests ?? []) {
    // Of alternatives only one comes true: of each class the most that may.
    const most = new Map<string, number>();
    for (const request of [...(exactly ? [exactly] : []), ...firstAvailable]) {
      const name = `${request.deviceClassName}${devicesOfClass}`;
      most.set(name, Math.max(most.get(name) ?? 0, deviceCount(request)));
    }
    for (const [name, count] of most) {
      const amount = Quantity.of(count);
      usage.set(name, usage.get(name)?.add(amount) ?? amount);
    }
  }
}

function deviceCount({ allocationMode = 'ExactCount', count = 1 }: ExactDeviceRequest | DeviceSubRequest): number {
  if (allocationMode === 'All') return allDevices;
  // What a later version may know does not count.
  return allocationMode === 'ExactCount' ? Number(count) : 0;
}

/**
 * Compute resources a quota limits and each container must therefore state; as "requests.cpu for: a,b; …". A pod that
 * states something for all of them need not.
 */
export function unstated(pod: Pod, limited: Amounts): string {
  const { requests, limits } = pod.spec.resources ?? {};
  if (Object.keys({ ...requests, ...limits }).length) return '';
  const containers = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])];
  const missing = new Map<string, Set<string>>();
  for (const name of limited.keys()) {
    const [side, resource] = split(name);
    if (!resource) continue;
    for (const c of containers) {
      if (c.resources?.[side]?.[resource] !== undefined) continue;
      const names = missing.get(name) ?? new Set();
      missing.set(name, names.add(c.name));
    }
  }
  return [...missing]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, names]) => `${name} for: ${[...names].sort().join(',')}`)
    .join('; ');
}

function split(name: string): ['requests' | 'limits', string | undefined] {
  if (name === 'cpu' || name === 'memory') return ['requests', name];
  const match = /^(requests|limits)\.(cpu|memory)$/.exec(name);
  return match ? [match[1] as 'requests' | 'limits', match[2]] : ['requests', undefined];
}
