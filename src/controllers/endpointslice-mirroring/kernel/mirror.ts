// From an Endpoints object that somebody wrote by hand to the slices that say the same.
import { parseIp } from '../../../api/name-rule.ts';
import { semanticEqual } from '../../../api/rule/record.ts';
import type { EndpointAddress, EndpointSubset, Endpoints } from '../../../api/type/core-v1.ts';
import type { Endpoint, EndpointPort, EndpointSlice } from '../../../api/type/discovery-v1.ts';
import { familyOf, type IpFamily } from '../../kernel/service-pod.ts';
import {
  endpointKey,
  packEndpoints,
  portsKey,
  reuseDeleted,
  type SliceDraft,
  type SlicePlan,
} from '../../kernel/slice-packing.ts';
import { lastChangeAnnotation } from '../../kernel/trigger-time.ts';

export const managerName = 'endpointslicemirroring-controller.k8s.io';
export const serviceNameLabel = 'kubernetes.io/service-name';
export const managedByLabel = 'endpointslice.kubernetes.io/managed-by';
const skipLabel = 'endpointslice.kubernetes.io/skip-mirror';
const leaderAnnotation = 'control-plane.alpha.kubernetes.io/leader';
const notCopied = [lastChangeAnnotation, 'kubectl.kubernetes.io/last-applied-configuration'];

/** Whoever writes it does not write slices himself, and it is no leader's lock. */
export const wantsMirroring = ({ metadata: { labels, annotations } }: Endpoints): boolean =>
  labels?.[skipLabel] !== 'true' && !(leaderAnnotation in (annotations ?? {}));

export interface MirrorOutput {
  readonly plan: SlicePlan;
  /** Addresses that are none. */
  readonly invalid: number;
  /** Addresses beyond the limit of a subset. */
  readonly skipped: number;
}

interface Group {
  readonly family: IpFamily;
  readonly ports: readonly EndpointPort[];
  readonly endpoints: Map<string, Endpoint>;
}

export function mirrorEndpoints(
  endpoints: Endpoints,
  slices: readonly EndpointSlice[],
  maxPerSubset: number,
): MirrorOutput {
  const groups = new Map<string, Group>();
  let invalid = 0;
  let skipped = 0;
  for (const subset of endpoints.subsets ?? []) {
    const counts = addSubset(subset, groups, maxPerSubset);
    invalid += counts.invalid;
    skipped += counts.skipped;
  }
  const plan: SlicePlan = { create: [], update: [], delete: [], unchanged: [] };
  const byGroup = Map.groupBy(slices, s =>
    isOwnedBy(s, endpoints) ? groupKey(s.addressType, s.ports) : `foreign ${s.metadata.name}`,
  );
  for (const [key, group] of groups) {
    if (group.endpoints.size === 0) continue;
    const part = packEndpoints({
      existing: byGroup.get(key) ?? [],
      endpoints: [...group.endpoints.values()],
      maxPerSlice: maxPerSubset,
      metadataOf: slice => metadataOf(slice, endpoints),
      make: () => newSlice(endpoints, group),
    });
    byGroup.delete(key);
    for (const list of ['create', 'update', 'delete', 'unchanged'] as const)
      plan[list].push(...(part[list] as never[]));
  }
  for (const rest of byGroup.values()) plan.delete.push(...rest);
  reuseDeleted(plan, slice => isOwnedBy(slice, endpoints));
  return { plan, invalid, skipped };
}

const groupKey = (family: string, ports: readonly EndpointPort[] | undefined): string => `${family} ${portsKey(ports)}`;

function addSubset(
  { addresses = [], notReadyAddresses = [], ports = [] }: EndpointSubset,
  groups: Map<string, Group>,
  max: number,
): { invalid: number; skipped: number } {
  const slicePorts = ports.map(({ name = '', port, protocol = 'TCP', appProtocol }) => ({
    name,
    protocol,
    port,
    ...(appProtocol ? { appProtocol } : {}),
  }));
  let added = 0;
  let invalid = 0;
  for (const [list, ready] of [
    [addresses, true],
    [notReadyAddresses, false],
  ] as const)
    for (const address of list) {
      if (added >= max) break;
      if (!parseIp(address.ip)) {
        invalid++;
        continue;
      }
      added++;
      const family = familyOf(address.ip);
      const group = groups.getOrInsertComputed(groupKey(family, slicePorts), () => ({
        family,
        ports: slicePorts,
        endpoints: new Map(),
      }));
      const endpoint = endpointOf(address, ready);
      group.endpoints.set(endpointKey(endpoint), endpoint);
    }
  return { invalid, skipped: addresses.length + notReadyAddresses.length - added - invalid };
}

function endpointOf({ ip, hostname, nodeName, targetRef }: EndpointAddress, ready: boolean): Endpoint {
  return {
    addresses: [ip],
    conditions: { ready },
    ...(hostname ? { hostname } : {}),
    ...(targetRef ? { targetRef } : {}),
    ...(nodeName ? { nodeName } : {}),
  };
}

function isOwnedBy(slice: EndpointSlice, endpoints: Endpoints): boolean {
  return !!slice.metadata.ownerReferences?.some(o => o.kind === 'Endpoints' && o.uid === endpoints.metadata.uid);
}

function copied({ metadata }: Endpoints): { labels: Record<string, string>; annotations: Record<string, string> } {
  const annotations: Record<string, string> = { ...metadata.annotations };
  for (const key of notCopied) delete annotations[key];
  const labels = { ...metadata.labels, [serviceNameLabel]: metadata.name, [managedByLabel]: managerName };
  return { labels, annotations };
}

function metadataOf(slice: EndpointSlice, endpoints: Endpoints): EndpointSlice['metadata'] {
  const { labels, annotations } = copied(endpoints);
  const { metadata } = slice;
  const same = semanticEqual(metadata.labels, labels) && semanticEqual(metadata.annotations, annotations);
  return same ? metadata : { ...metadata, labels, annotations };
}

function newSlice(endpoints: Endpoints, { family, ports }: Group): SliceDraft {
  const { name, namespace, uid } = endpoints.metadata;
  const metadata = {
    generateName: `${name}-`,
    namespace,
    ...copied(endpoints),
    ownerReferences: [{ apiVersion: 'v1', kind: 'Endpoints', name, uid, controller: true, blockOwnerDeletion: true }],
  };
  return { metadata: metadata as unknown as SliceDraft['metadata'], addressType: family, endpoints: [], ports };
}
