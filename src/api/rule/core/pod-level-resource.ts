// Resources of a pod as a whole: what its containers add up to, defaults and checks of spec.resources.
import type { FieldErrors, FieldPath } from '../../field-error.ts';
import type { Mutable } from '../../meta.ts';
import { parseQuantity, type Quantity, zeroQuantity } from '../../quantity.ts';
import type { Container, PodSpec } from '../../type/core-v1.ts';
import { sortedRecord } from '../record.ts';
import { amount, isHugePages, isOvercommitAllowed } from './resource-name.ts';

type Kind = 'requests' | 'limits';
type Totals = Map<string, Quantity>;

const max = (a: Quantity | undefined, b: Quantity): Quantity => (a === undefined || a.compare(b) < 0 ? b : a);
const isSidecar = (c: Container): boolean => c.restartPolicy === 'Always';
export const isPodLevelResource = (name: string): boolean => name === 'cpu' || name === 'memory' || isHugePages(name);

function addAll(totals: Totals, list: Readonly<Record<string, string>> | undefined): void {
  for (const name in list) totals.set(name, (totals.get(name) ?? zeroQuantity).add(amount(list[name])));
}

/**
 * What the containers of a pod take together: containers and sidecars at once, or the neediest plain init container
 * with the sidecars started before it. Without overhead and pod-level resources.
 */
export function aggregateContainers(spec: PodSpec, kind: Kind): Totals {
  const totals: Totals = new Map();
  for (const c of spec.containers) addAll(totals, c.resources?.[kind]);
  const sidecars: Totals = new Map();
  const peak: Totals = new Map();
  for (const c of spec.initContainers ?? []) {
    const list = c.resources?.[kind];
    if (isSidecar(c)) {
      addAll(totals, list);
      addAll(sidecars, list);
      for (const [name, q] of sidecars) peak.set(name, max(peak.get(name), q));
    } else {
      const now: Totals = new Map(sidecars);
      addAll(now, list);
      for (const [name, q] of now) peak.set(name, max(peak.get(name), q));
    }
  }
  for (const [name, q] of peak) totals.set(name, max(totals.get(name), q));
  return totals;
}

/** Pod-level requests and huge page limits that follow from what is stated. */
export function podLevelDefaults(spec: Mutable<PodSpec>): void {
  const resources = spec.resources;
  if (!resources) return;
  const limits = { ...resources.limits };
  if (Object.keys(limits).length > 0 || Object.keys(resources.requests ?? {}).length > 0) {
    let added = false;
    for (const [name, q] of aggregateContainers(spec as PodSpec, 'limits')) {
      if (!isHugePages(name) || limits[name] !== undefined || resources.requests?.[name] !== undefined) continue;
      limits[name] = q.toString();
      added = true;
    }
    if (added) resources.limits = sortedRecord(limits);
  }
  if (Object.keys(limits).length === 0) return;
  const requests = { ...resources.requests };
  for (const [name, q] of aggregateContainers(spec as PodSpec, 'requests')) {
    if (requests[name] === undefined && isPodLevelResource(name) && isOvercommitAllowed(name))
      requests[name] = q.toString();
  }
  for (const name in limits) {
    if (requests[name] === undefined && isPodLevelResource(name)) requests[name] = limits[name]!;
  }
  if (Object.keys(requests).length > 0) resources.requests = sortedRecord(requests);
}

/** Containers must fit into what the pod as a whole asks for. */
export function validatePodLevelConsistency(spec: PodSpec, at: FieldPath, errors: FieldErrors): void {
  const { requests, limits } = spec.resources!;
  const needed = aggregateContainers(spec, 'requests');
  for (const name in requests) {
    const sum = needed.get(name);
    if (sum && amount(requests[name]).compare(sum) < 0)
      errors.invalid(
        at.child('requests').key(name),
        requests[name],
        `must be greater than or equal to aggregate container requests of ${sum}`,
      );
  }
  if (!limits) return;
  for (const list of ['containers', 'initContainers'] as const) {
    for (const [i, container] of (spec[list] ?? []).entries()) {
      const own = container.resources?.limits;
      for (const name in own) {
        const limit = limits[name];
        if (limit !== undefined && amount(own[name]).compare(parseQuantity(limit)) > 0)
          errors.invalid(
            at.child(list).index(i).key(name).child('limits'),
            own[name],
            `must be less than or equal to pod limits of ${limit}`,
          );
      }
    }
  }
  const limited = aggregateContainers(spec, 'limits');
  for (const name in limits) {
    if (!isHugePages(name)) continue;
    const sum = limited.get(name);
    if (sum && amount(limits[name]).compare(sum) < 0)
      errors.invalid(
        at.child('limits').key(name),
        limits[name],
        `must be greater than or equal to aggregate container limits of ${sum}`,
      );
  }
}
