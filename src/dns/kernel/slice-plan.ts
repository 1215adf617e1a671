// EndpointSlices behind the cluster's DNS address: one endpoint for each ready node, for the pods of that node. Pure.
import { FieldErrors, path } from '../../api/field-error.ts';
import type { Draft } from '../../api/meta.ts';
import { validateNonSpecialIp } from '../../api/rule/core/ip-value.ts';
import type { Node } from '../../api/type/core-v1.ts';
import type { Endpoint, EndpointPort, EndpointSlice } from '../../api/type/discovery-v1.ts';

export const dnsNamespace = 'kube-system';
export const dnsServiceName = 'kube-dns';
export const managedBy = 'dns-controller.k8ts.dev';
export const managedByLabel = 'endpointslice.kubernetes.io/managed-by';
const serviceNameLabel = 'kubernetes.io/service-name';
const zoneLabel = 'topology.kubernetes.io/zone';
export const maxEndpointsPerSlice = 100;

export interface SliceWrites {
  readonly create: readonly Draft<EndpointSlice>[];
  readonly update: readonly Draft<EndpointSlice>[];
  readonly delete: readonly EndpointSlice[];
}

export const isOurs = (slice: EndpointSlice): boolean =>
  slice.metadata.namespace === dnsNamespace &&
  slice.metadata.labels?.[serviceNameLabel] === dnsServiceName &&
  slice.metadata.labels?.[managedByLabel] === managedBy;

const ports: readonly Draft<EndpointPort>[] = [
  { name: 'dns', protocol: 'UDP', port: 53 },
  { name: 'dns-tcp', protocol: 'TCP', port: 53 },
  { name: 'metrics', protocol: 'TCP', port: 9153 },
];

/** An agent says so of its own node: another's kubelet may be beside it, and no DNS there. */
export const servesDnsAnnotation = 'k8ts.dev/serves-dns';

export const servesDns = ({ metadata }: Node): boolean => metadata.annotations?.[servesDnsAnnotation] === 'true';

/** Undefined for a node without DNS, one that is not ready or has no address of the family that can be reached. */
export function endpointOf(node: Node, family: 4 | 6): Draft<Endpoint> | undefined {
  const ready = node.status?.conditions?.some(c => c.type === 'Ready' && c.status === 'True');
  const address = node.status?.addresses?.find(
    a => a.type === 'InternalIP' && a.address.includes(':') === (family === 6),
  )?.address;
  if (!servesDns(node) || !ready || !address || !isReachable(address) || node.metadata.deletionTimestamp)
    return undefined;
  const name = node.metadata.name ?? '';
  const zone = node.metadata.labels?.[zoneLabel];
  return {
    addresses: [address],
    conditions: { ready: true, serving: true, terminating: false },
    nodeName: name,
    ...(zone ? { zone } : {}),
    hints: { forNodes: [{ name }] },
  };
}

/** One that a slice may hold: a node of somebody's agent with another would keep the whole slice from being written. */
function isReachable(address: string): boolean {
  const errors = new FieldErrors();
  validateNonSpecialIp(address, path('address'), errors);
  return errors.empty;
}

/** Nodes stay in the slice they are in, so that a change of one node rewrites one slice. `existing` are ours. */
export function planSlices(nodes: readonly Node[], existing: readonly EndpointSlice[], family: 4 | 6): SliceWrites {
  const wanted = new Map<string, Draft<Endpoint>>();
  for (const node of nodes) {
    const endpoint = endpointOf(node, family);
    if (endpoint) wanted.set(node.metadata.name ?? '', endpoint);
  }
  const addressType = family === 6 ? 'IPv6' : 'IPv4';
  const usable = existing.filter(s => s.addressType === addressType).toSorted(byName);
  const filled = usable.map(slice => {
    const kept: Draft<Endpoint>[] = [];
    for (const { nodeName = '' } of slice.endpoints ?? []) {
      const endpoint = wanted.get(nodeName);
      if (endpoint && wanted.delete(nodeName)) kept.push(endpoint);
    }
    return { slice, endpoints: kept };
  });
  const homeless = [...wanted.values()].sort((a, b) => ((a.nodeName ?? '') < (b.nodeName ?? '') ? -1 : 1));
  for (const { endpoints } of filled) endpoints.push(...homeless.splice(0, maxEndpointsPerSlice - endpoints.length));
  const names = new Set(existing.map(s => s.metadata.name));
  const create: Draft<EndpointSlice>[] = [];
  while (homeless.length > 0)
    create.push(newSlice(freeName(names), addressType, homeless.splice(0, maxEndpointsPerSlice)));
  const used = filled.filter(f => f.endpoints.length > 0);
  const changed = used.filter(f => !same(f.slice.endpoints, f.endpoints) || !same(f.slice.ports, ports));
  const inUse = new Set(used.map(f => f.slice));
  return {
    create,
    update: changed.map(f => ({ ...(f.slice as Draft<EndpointSlice>), endpoints: f.endpoints, ports: [...ports] })),
    delete: existing.filter(s => !inUse.has(s)),
  };
}

const byName = (a: EndpointSlice, b: EndpointSlice): number =>
  (a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1;

function newSlice(name: string, addressType: 'IPv4' | 'IPv6', endpoints: Draft<Endpoint>[]): Draft<EndpointSlice> {
  return {
    metadata: {
      name,
      namespace: dnsNamespace,
      labels: { [serviceNameLabel]: dnsServiceName, [managedByLabel]: managedBy, 'k8s-app': 'kube-dns' },
    },
    addressType,
    endpoints,
    ports: [...ports],
  };
}

function freeName(taken: Set<string | undefined>): string {
  for (let i = 1; ; i++) {
    const name = `${dnsServiceName}-${i}`;
    if (taken.has(name)) continue;
    taken.add(name);
    return name;
  }
}

/** Equal as JSON, whatever the order of fields. */
export function same(a: unknown, b: unknown): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || !a || !b) return a === b;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every(k => same((a as Record<string, unknown>)[k], (b as Record<string, unknown>)[k]));
}
