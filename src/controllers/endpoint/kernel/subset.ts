// Subsets of an Endpoints object: what listens on the same ports stands together.
import type { EndpointAddress, EndpointPort, EndpointSubset, Pod, Service } from '../../../api/type/core-v1.ts';
import { isPodReady } from '../../kernel/pod.ts';
import { familyOf, isEndpoint, isHeadless, isNamedBy, podIps, targetPortOf } from '../../kernel/service-pod.ts';

/** One address, at one port or, for a headless service without ports, at none. */
export interface Listening {
  readonly address: EndpointAddress;
  readonly ready: boolean;
  readonly port: EndpointPort | undefined;
}

/** All that the pods offer to the service. */
export function listeningOf(service: Service, pods: readonly Pod[]): Listening[] {
  const { publishNotReadyAddresses = false, ports = [] } = service.spec;
  const out: Listening[] = [];
  for (const pod of pods) {
    if (!isEndpoint(pod, publishNotReadyAddresses)) continue;
    const address = addressOf(service, pod);
    if (!address) continue;
    const ready = publishNotReadyAddresses || isPodReady(pod);
    if (ports.length === 0 && isHeadless(service)) out.push({ address, ready, port: undefined });
    for (const p of ports) {
      const number = targetPortOf(pod, p);
      if (number === undefined) continue;
      const { name, protocol = 'TCP', appProtocol } = p;
      const port = { ...(name ? { name } : {}), port: number, protocol, ...(appProtocol ? { appProtocol } : {}) };
      out.push({ address, ready, port });
    }
  }
  return out;
}

/** In the service's first family; undefined when the pod has no such address. */
function addressOf(service: Service, pod: Pod): EndpointAddress | undefined {
  const { clusterIP, ipFamilies } = service.spec;
  const family = ipFamilies?.[0] ?? (clusterIP && clusterIP !== 'None' ? familyOf(clusterIP) : undefined);
  const ip = podIps(pod).find(a => !family || familyOf(a) === family);
  if (!ip) return undefined;
  const { name, namespace, uid } = pod.metadata;
  return {
    ip,
    ...(isNamedBy(pod, service) ? { hostname: pod.spec!.hostname! } : {}),
    ...(pod.spec?.nodeName ? { nodeName: pod.spec.nodeName } : {}),
    targetRef: { kind: 'Pod', ...(namespace ? { namespace } : {}), name, uid },
  };
}

interface PortGroup {
  readonly port: EndpointPort | undefined;
  readonly ready: Map<string, EndpointAddress>;
  readonly notReady: Map<string, EndpointAddress>;
}

const addressKey = (a: EndpointAddress): string => `${a.ip}\0${a.targetRef?.uid ?? ''}`;
const portKey = (p: EndpointPort | undefined): string =>
  p ? [p.name ?? '', p.protocol ?? 'TCP', String(p.port).padStart(5, '0'), p.appProtocol ?? ''].join('\0') : '';

/** As few subsets as possible: ports with the very same addresses share one. All sorted, whatever the order given. */
export function packSubsets(listening: readonly Listening[]): EndpointSubset[] {
  const byPort = new Map<string, PortGroup>();
  for (const { address, ready, port } of listening) {
    const group = byPort.getOrInsertComputed(portKey(port), () => ({ port, ready: new Map(), notReady: new Map() }));
    group[ready ? 'ready' : 'notReady'].set(addressKey(address), address);
  }
  const ports = [...byPort.keys()].sort().map(k => byPort.get(k)!);
  return [...Map.groupBy(ports, setKey).values()].map(groups => {
    const { ready, notReady } = groups[0]!;
    const names = groups.map(g => g.port).filter(p => p !== undefined);
    return {
      ...(ready.size > 0 ? { addresses: sorted(ready) } : {}),
      ...(notReady.size > 0 ? { notReadyAddresses: sorted(notReady) } : {}),
      ...(names.length > 0 ? { ports: names } : {}),
    };
  });
}

const setKey = ({ ready, notReady }: PortGroup): string =>
  `${[...ready.keys()].sort().join()}|${[...notReady.keys()].sort().join()}`;

function sorted(addresses: ReadonlyMap<string, EndpointAddress>): EndpointAddress[] {
  return [...addresses.keys()].sort().map(k => addresses.get(k)!);
}

const capacity = 1000;
const count = (subsets: readonly EndpointSubset[], which: 'addresses' | 'notReadyAddresses'): number =>
  subsets.reduce((n, s) => n + (s[which]?.length ?? 0), 0);

/** An Endpoints object holds no more than 1000 addresses. */
export const isOverCapacity = (subsets: readonly EndpointSubset[]): boolean =>
  count(subsets, 'addresses') + count(subsets, 'notReadyAddresses') > capacity;

/** Ready addresses go first into what fits; each subset keeps its share. */
export function truncateSubsets(subsets: readonly EndpointSubset[]): readonly EndpointSubset[] {
  if (!isOverCapacity(subsets)) return subsets;
  const ready = count(subsets, 'addresses');
  const notReady = count(subsets, 'notReadyAddresses');
  const cut = (addresses: readonly EndpointAddress[] | undefined, share: number) =>
    addresses?.slice(0, Math.floor(addresses.length * Math.min(1, share))) ?? [];
  const out: EndpointSubset[] = [];
  for (const { ports, ...subset } of subsets) {
    const addresses = cut(subset.addresses, ready > 0 ? capacity / ready : 1);
    const room = Math.max(0, capacity - ready);
    const notReadyAddresses = cut(subset.notReadyAddresses, notReady > 0 ? room / notReady : 1);
    if (addresses.length + notReadyAddresses.length === 0) continue;
    out.push({
      ...(addresses.length > 0 ? { addresses } : {}),
      ...(notReadyAddresses.length > 0 ? { notReadyAddresses } : {}),
      ...(ports ? { ports } : {}),
    });
  }
  return out;
}
