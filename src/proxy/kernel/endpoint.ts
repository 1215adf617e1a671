// Which endpoints a service port's traffic may go to, as kube-proxy chooses them. Pure.
import type { EndpointSlice } from '../../api/type/discovery-v1.ts';
import { canonicalAddress } from './address.ts';

export interface ProxyEndpoint {
  readonly address: string;
  readonly port: number;
  readonly ready: boolean;
  readonly serving: boolean;
  readonly terminating: boolean;
  readonly local: boolean;
  readonly zoneHints: readonly string[];
  readonly nodeHints: readonly string[];
}

/** What of the node decides. */
export interface NodePlace {
  readonly nodeName: string;
  readonly zone: string | undefined;
}

/** Endpoints of one port of a service, each address and port once, sorted. */
export function endpointsOf(
  slices: Iterable<EndpointSlice>,
  portName: string,
  protocol: string,
  family: 4 | 6,
  place: NodePlace,
): ProxyEndpoint[] {
  const found = new Map<string, ProxyEndpoint>();
  for (const slice of slices) {
    if (slice.addressType !== (family === 4 ? 'IPv4' : 'IPv6')) continue;
    const ports = (slice.ports ?? []).filter(p => (p.name ?? '') === portName && (p.protocol ?? 'TCP') === protocol);
    for (const { port } of ports)
      for (const { addresses, conditions, nodeName, hints } of slice.endpoints ?? []) {
        const address = canonicalAddress(addresses[0] ?? '');
        if (!address || !port) continue;
        const ready = conditions?.ready !== false;
        const key = `${address} ${port}`;
        // While an endpoint moves between slices it may be in two; the ready one counts.
        if (found.get(key)?.ready) continue;
        found.set(key, {
          address,
          port,
          ready,
          serving: conditions?.serving ?? ready,
          terminating: conditions?.terminating ?? false,
          local: nodeName === place.nodeName,
          zoneHints: hints?.forZones?.map(z => z.name) ?? [],
          nodeHints: hints?.forNodes?.map(n => n.name) ?? [],
        });
      }
  }
  return [...found.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, endpoint]) => endpoint);
}

export interface TrafficPolicy {
  readonly internalLocal: boolean;
  readonly externalLocal: boolean;
  /** It has a node port, an external IP or a load balancer's. */
  readonly external: boolean;
}

export interface Choice {
  /** For policy Cluster, and for what pods and the node itself send to external addresses. */
  readonly cluster: readonly ProxyEndpoint[];
  /** For policy Local. */
  readonly local: readonly ProxyEndpoint[];
  /** There are endpoints somewhere: then traffic that has none here is dropped, not refused. */
  readonly any: boolean;
}

export function chooseEndpoints(all: readonly ProxyEndpoint[], policy: TrafficPolicy, place: NodePlace): Choice {
  const usesCluster = !policy.internalLocal || policy.external;
  const usesLocal = policy.internalLocal || (policy.externalLocal && policy.external);
  const ready = all.filter(e => e.ready);
  const cluster = usesCluster ? orServing(preferred(ready, place), all) : [];
  const local = usesLocal
    ? orServing(
        ready.filter(e => e.local),
        all.filter(e => e.local),
      )
    : [];
  return { cluster, local, any: cluster.length > 0 || all.some(e => e.ready || (e.serving && e.terminating)) };
}

// When nothing is ready, what is on its way out but still serves is better than nothing.
const orServing = (ready: readonly ProxyEndpoint[], all: readonly ProxyEndpoint[]): readonly ProxyEndpoint[] =>
  ready.length > 0 ? ready : all.filter(e => e.serving && e.terminating);

/** By the hints; they count only when every ready endpoint has one and some are for this node or zone. */
function preferred(ready: readonly ProxyEndpoint[], { nodeName, zone }: NodePlace): readonly ProxyEndpoint[] {
  if (ready.every(e => e.nodeHints.length > 0)) {
    const near = ready.filter(e => e.nodeHints.includes(nodeName));
    if (near.length > 0) return near;
  }
  if (zone && ready.every(e => e.zoneHints.length > 0)) {
    const near = ready.filter(e => e.zoneHints.includes(zone));
    if (near.length > 0) return near;
  }
  return ready;
}
