// Which addresses a service of type LoadBalancer gets, when the nodes themselves are the balancer.
import type { Node, Service } from '../../../api/type/core-v1.ts';
import { isNodeReady } from '../../kernel/node.ts';

export const cleanupFinalizer = 'service.kubernetes.io/load-balancer-cleanup';
const excluded = 'node.kubernetes.io/exclude-from-external-load-balancers';
const toBeDeleted = 'ToBeDeletedByClusterAutoscaler';
/** More would only make the status long. */
const maxAddresses = 16;

/** A class names somebody else. */
export const wantsBalancer = ({ spec }: Service): boolean => spec.type === 'LoadBalancer' && !spec.loadBalancerClass;

/** It had one from here and has no right to it any more. */
export const needsCleanup = (service: Service): boolean =>
  !service.spec.loadBalancerClass &&
  (service.metadata.finalizers?.includes(cleanupFinalizer) ?? false) &&
  (!!service.metadata.deletionTimestamp || !wantsBalancer(service));

/** `80/TCP`, …: no two services can have the same on a node's address. */
export const portsOf = ({ spec }: Service): string[] => (spec.ports ?? []).map(p => `${p.port}/${p.protocol ?? 'TCP'}`);

const hasAddress = ({ status }: Service): boolean => (status?.loadBalancer?.ingress?.length ?? 0) > 0;

/** Of two that want a port: who has it keeps it, then the older one. */
function precedes(a: Service, b: Service): boolean {
  if (hasAddress(a) !== hasAddress(b)) return hasAddress(a);
  const [created, other] = [a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? ''];
  if (created !== other) return created < other;
  return `${a.metadata.namespace}/${a.metadata.name}` < `${b.metadata.namespace}/${b.metadata.name}`;
}

/** Why its ports cannot be had. `sharing`: services that want one of them, itself included. */
export function portConflict(
  service: Service,
  sharing: readonly Service[],
  reserved: readonly number[],
): string | undefined {
  for (const port of portsOf(service)) {
    if (reserved.includes(Number.parseInt(port, 10))) return `port ${port} of the nodes is taken by the cluster itself`;
    const holder = sharing.find(
      s => s.metadata.uid !== service.metadata.uid && portsOf(s).includes(port) && precedes(s, service),
    );
    if (holder)
      return `port ${port} of the nodes is taken by service ${holder.metadata.namespace}/${holder.metadata.name}`;
  }
  return undefined;
}

function isSuitable(node: Node): boolean {
  const { metadata, spec } = node;
  if (metadata.deletionTimestamp || excluded in (metadata.labels ?? {})) return false;
  if (spec?.taints?.some(t => t.key === toBeDeleted)) return false;
  return isNodeReady(node);
}

/** Addresses for each of the service's families, external ones where nodes have such; `withPods`: nodes with ready pods. */
export function balancerAddresses(service: Service, nodes: readonly Node[], withPods: ReadonlySet<string>): string[] {
  const local = service.spec.externalTrafficPolicy === 'Local';
  const suitable = nodes
    .filter(n => isSuitable(n) && (!local || withPods.has(n.metadata.name)))
    .toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  return (service.spec.ipFamilies ?? ['IPv4']).flatMap(family => {
    const of = (type: string) =>
      suitable.flatMap(n =>
        (n.status?.addresses ?? [])
          .filter(a => a.type === type && a.address.includes(':') === (family === 'IPv6'))
          .map(a => a.address),
      );
    const external = of('ExternalIP');
    return (external.length > 0 ? external : of('InternalIP')).slice(0, maxAddresses);
  });
}

/** What of a node decides. */
export const nodeFacts = (node: Node): string =>
  `${isSuitable(node)} ${(node.status?.addresses ?? []).map(a => `${a.type} ${a.address}`).join()}`;
