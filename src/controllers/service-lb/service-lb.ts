// service-lb-controller: gives services of type LoadBalancer the addresses of the nodes, where the service proxy takes
// their traffic. Stands where a cloud provider would; services with a loadBalancerClass are others'.
import { keyOf, parseKey } from '../../api/meta.ts';
import { coreV1, discoveryV1 } from '../../api/refs.ts';
import { isNotFound } from '../../api/status.ts';
import type { LoadBalancerIngress, Node, Service } from '../../api/type/core-v1.ts';
import type { EndpointSlice } from '../../api/type/discovery-v1.ts';
import type { Controller, ControllerContext } from '../../engine/controller.ts';
import {
  balancerAddresses,
  cleanupFinalizer,
  needsCleanup,
  nodeFacts,
  portConflict,
  portsOf,
  wantsBalancer,
} from './kernel/balancer.ts';

export interface ServiceLbOptions {
  /** Ports that the cluster itself listens on at the nodes' addresses. */
  readonly reservedPorts?: readonly number[];
}

const serviceLabel = 'kubernetes.io/service-name';
const byPort = 'service-lb/port';
const byService = 'service-lb/service';
const balanced = 'service-lb/balanced';

export function serviceLbController({ reservedPorts = [6443, 10250] }: ServiceLbOptions = {}): Controller {
  return {
    name: 'service-lb-controller',
    queue: 'service',
    serviceAccount: 'service-controller',
    component: 'service-controller',
    watches: [
      { resource: coreV1.services, keys: affectedBy },
      {
        resource: coreV1.nodes,
        keys: (node: Node, old, context, deleted) =>
          deleted || !old || nodeFacts(node) !== nodeFacts(old)
            ? context.lister(coreV1.services).byIndex(balanced, 'yes').map(keyOf)
            : [],
      },
      {
        resource: discoveryV1.endpointslices,
        keys: (slice: EndpointSlice, _old, context) => {
          const key = keyOfService(slice);
          const service = context.lister(coreV1.services).get(key);
          return service && wantsBalancer(service) && service.spec.externalTrafficPolicy === 'Local' ? [key] : [];
        },
      },
    ],
    indexes: [
      { resource: coreV1.services, name: byPort, values: (s: Service) => (wantsBalancer(s) ? portsOf(s) : []) },
      { resource: coreV1.services, name: balanced, values: (s: Service) => (wantsBalancer(s) ? ['yes'] : []) },
      { resource: discoveryV1.endpointslices, name: byService, values: (s: EndpointSlice) => [keyOfService(s)] },
    ],
    writes: ['services/status', 'events'],
    // One: two services must not take the same port.
    workers: 1,
    create: context => ({ reconcile: key => reconcile(key, context, reservedPorts) }),
  };
}

const keyOfService = ({ metadata }: EndpointSlice): string =>
  `${metadata.namespace}/${metadata.labels?.[serviceLabel] ?? ''}`;

/** Itself, and those that wait for a port it gives up. */
function affectedBy(
  service: Service,
  old: Service | undefined,
  context: ControllerContext,
  deleted: boolean,
): string[] {
  const own = !deleted && (wantsBalancer(service) || needsCleanup(service)) ? [keyOf(service)] : [];
  if (!old || !wantsBalancer(old)) return own;
  const kept = deleted || !wantsBalancer(service) ? [] : portsOf(service);
  const given = portsOf(old).filter(p => !kept.includes(p));
  return [...own, ...given.flatMap(p => context.lister(coreV1.services).byIndex(byPort, p).map(keyOf))];
}

async function reconcile(key: string, context: ControllerContext, reserved: readonly number[]): Promise<void> {
  const service = context.lister(coreV1.services).get(key);
  if (!service) return;
  if (needsCleanup(service)) {
    context.events.event(service, 'Normal', 'DeletingLoadBalancer', 'Deleting load balancer');
    await write(service, [], without(service), context);
    context.events.event(service, 'Normal', 'DeletedLoadBalancer', 'Deleted load balancer');
  } else if (wantsBalancer(service) && !service.metadata.deletionTimestamp) await ensure(service, context, reserved);
}

const without = ({ metadata }: Service): string[] => (metadata.finalizers ?? []).filter(f => f !== cleanupFinalizer);

async function ensure(service: Service, context: ControllerContext, reserved: readonly number[]): Promise<void> {
  const { lister, events } = context;
  const services = lister(coreV1.services);
  const sharing = portsOf(service).flatMap(p => services.byIndex(byPort, p));
  const conflict = portConflict(service, sharing, reserved);
  const withPods = readyNodes(keyOf(service), context);
  const wanted = conflict ? [] : balancerAddresses(service, lister(coreV1.nodes).list(), withPods);
  const has = (service.status?.loadBalancer?.ingress ?? []).map(i => i.ip);
  const isNew = !service.metadata.finalizers?.includes(cleanupFinalizer);
  if (conflict) {
    const message = `Error syncing load balancer: failed to ensure load balancer: ${conflict}`;
    events.event(service, 'Warning', 'SyncLoadBalancerFailed', message);
  }
  if (!isNew && wanted.join() === has.join()) return;
  if (isNew) events.event(service, 'Normal', 'EnsuringLoadBalancer', 'Ensuring load balancer');
  await write(service, wanted, [...without(service), cleanupFinalizer], context);
  if (conflict) return;
  if (isNew) events.event(service, 'Normal', 'EnsuredLoadBalancer', 'Ensured load balancer');
  else events.event(service, 'Normal', 'UpdatedLoadBalancer', 'Updated load balancer with new hosts');
  if (wanted.length === 0)
    events.event(service, 'Warning', 'UnAvailableLoadBalancer', 'There are no available nodes for LoadBalancer');
}

function readyNodes(key: string, { lister }: ControllerContext): Set<string> {
  const nodes = new Set<string>();
  for (const { endpoints } of lister(discoveryV1.endpointslices).byIndex(byService, key))
    for (const { nodeName, conditions } of endpoints ?? [])
      if (nodeName && conditions?.ready !== false) nodes.add(nodeName);
  return nodes;
}

/** Finalizer and addresses in one write. */
async function write(
  service: Service,
  ips: readonly string[],
  finalizers: readonly string[],
  { client }: ControllerContext,
): Promise<void> {
  const { uid, resourceVersion } = service.metadata;
  const ingress: LoadBalancerIngress[] = ips.map(ip => ({ ip, ipMode: 'VIP' }));
  const body = {
    metadata: { uid, resourceVersion, finalizers: finalizers.length > 0 ? finalizers : null },
    status: { loadBalancer: ingress.length > 0 ? { ingress } : { ingress: null } },
  };
  const key = parseKey(keyOf(service));
  try {
    await client.patch(
      coreV1.services,
      { namespace: key.namespace!, name: key.name },
      { type: 'merge', body },
      { subresource: 'status' },
    );
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
