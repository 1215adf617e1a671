// Keeps the Service kube-system/kube-dns and its EndpointSlices: the nodes that serve DNS, each for its own pods. A
// kube-dns with a selector is somebody else's DNS and is left alone.
import type { Draft } from '../api/meta.ts';
import { coreV1, discoveryV1 } from '../api/refs.ts';
import { isAlreadyExists, isNotFound } from '../api/status.ts';
import type { Node, Service, ServiceSpec } from '../api/type/core-v1.ts';
import type { EndpointSlice } from '../api/type/discovery-v1.ts';
import type { Controller, ControllerContext } from '../engine/controller.ts';
import { dnsNamespace, dnsServiceName, endpointOf, isOurs, planSlices, same } from './kernel/slice-plan.ts';

export interface DnsControllerOptions {
  /** The cluster IP that kubelets give to pods. */
  readonly clusterDns: string;
}

export const dnsServiceAccount = 'coredns';
const serviceKey = `${dnsNamespace}/${dnsServiceName}`;

export function dnsController(options: DnsControllerOptions): Controller {
  const family = options.clusterDns.includes(':') ? 6 : 4;
  return {
    name: 'cluster-dns-controller',
    serviceAccount: dnsServiceAccount,
    watches: [
      {
        resource: coreV1.nodes,
        keys: (node: Node, old: Node | undefined, _context, deleted) =>
          deleted || !old || !same(endpointOf(node, family), endpointOf(old, family)) ? [serviceKey] : [],
      },
      {
        resource: coreV1.services,
        keys: (service: Service) =>
          service.metadata.namespace === dnsNamespace && service.metadata.name === dnsServiceName ? [serviceKey] : [],
      },
      { resource: discoveryV1.endpointslices, keys: (slice: EndpointSlice) => (isOurs(slice) ? [serviceKey] : []) },
    ],
    writes: ['services', 'endpointslices'],
    workers: 1,
    create: context => ({
      async reconcile() {
        if (await ensureService(context, options.clusterDns)) await ensureSlices(context, family);
      },
      async run() {
        // A cluster without nodes has no event that would bring the service about.
        context.enqueue(serviceKey);
      },
    }),
  };
}

/** False when the service is somebody else's. */
async function ensureService(context: ControllerContext, clusterDns: string): Promise<boolean> {
  const { client } = context;
  const found = context.lister<Service>(coreV1.services).get(serviceKey);
  if (!found) {
    try {
      await client.create<Service>(coreV1.services, desiredService(clusterDns));
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
    return true;
  }
  if (Object.keys(found.spec.selector ?? {}).length > 0 || found.spec.type === 'ExternalName') return false;
  if (found.metadata.deletionTimestamp) return true;
  if (found.spec.clusterIP !== clusterDns) {
    // A cluster IP cannot be changed; the deletion's event brings the new one.
    const { uid } = found.metadata;
    await client.delete(
      coreV1.services,
      { namespace: dnsNamespace, name: dnsServiceName },
      uid ? { preconditions: { uid } } : {},
    );
    return false;
  }
  const wanted = desiredService(clusterDns);
  if (isCurrent(found, wanted)) return true;
  await client.update<Service>(coreV1.services, {
    ...(found as Draft<Service>),
    metadata: {
      ...(found.metadata as Draft<Service>['metadata']),
      labels: { ...found.metadata.labels, ...wanted.metadata?.labels },
    },
    spec: { ...(found.spec as Draft<ServiceSpec>), ...wanted.spec },
  });
  return true;
}

function desiredService(clusterDns: string): Draft<Service> {
  return {
    metadata: {
      name: dnsServiceName,
      namespace: dnsNamespace,
      labels: { 'k8s-app': 'kube-dns', 'kubernetes.io/cluster-service': 'true', 'kubernetes.io/name': 'CoreDNS' },
      annotations: { 'prometheus.io/port': '9153', 'prometheus.io/scrape': 'true' },
    },
    spec: {
      type: 'ClusterIP',
      clusterIP: clusterDns,
      trafficDistribution: 'PreferSameNode',
      ports: [
        { name: 'dns', protocol: 'UDP', port: 53, targetPort: 53 },
        { name: 'dns-tcp', protocol: 'TCP', port: 53, targetPort: 53 },
        { name: 'metrics', protocol: 'TCP', port: 9153, targetPort: 9153 },
      ],
    },
  };
}

function isCurrent(found: Service, wanted: Draft<Service>): boolean {
  const labels = Object.entries(wanted.metadata?.labels ?? {});
  return (
    labels.every(([k, v]) => found.metadata.labels?.[k] === v) &&
    found.spec.trafficDistribution === wanted.spec?.trafficDistribution &&
    same(found.spec.ports, wanted.spec?.ports)
  );
}

async function ensureSlices(context: ControllerContext, family: 4 | 6): Promise<void> {
  const { client } = context;
  const nodes = context.lister<Node>(coreV1.nodes).list();
  const existing = context.lister<EndpointSlice>(discoveryV1.endpointslices).list(dnsNamespace).filter(isOurs);
  const plan = planSlices(nodes, existing, family);
  for (const slice of plan.create)
    await client.create<EndpointSlice>(discoveryV1.endpointslices, slice).catch(error => {
      // The lister is behind; its event brings us back.
      if (!isAlreadyExists(error)) throw error;
    });
  for (const slice of plan.update) await client.update<EndpointSlice>(discoveryV1.endpointslices, slice);
  for (const { metadata } of plan.delete)
    await client
      .delete(discoveryV1.endpointslices, { namespace: dnsNamespace, name: metadata.name ?? '' })
      .catch(error => {
        if (!isNotFound(error)) throw error;
      });
}
