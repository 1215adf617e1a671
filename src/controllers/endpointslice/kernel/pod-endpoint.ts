// A pod as an endpoint of a service.
import type { Node, Pod, Service } from '../../../api/type/core-v1.ts';
import type { Endpoint, EndpointPort } from '../../../api/type/discovery-v1.ts';
import { isPodReady } from '../../kernel/pod.ts';
import { familyOf, hasClusterIp, type IpFamily, isNamedBy, podIps, targetPortOf } from '../../kernel/service-pod.ts';
import { zoneLabel } from './zone-share.ts';

/** The families to make slices for. */
export function familiesOf({ spec }: Service): readonly IpFamily[] {
  const families = (spec.ipFamilies ?? []).filter(f => f === 'IPv4' || f === 'IPv6');
  if (families.length > 0) return families;
  if (spec.clusterIP && spec.clusterIP !== 'None') return [familyOf(spec.clusterIP)];
  // Made before services said their families: any address may be meant.
  return ['IPv4', 'IPv6'];
}

/** Undefined when the pod has no address of the family. */
export function endpointOf(pod: Pod, node: Node | undefined, service: Service, family: IpFamily): Endpoint | undefined {
  const addresses = podIps(pod).filter(ip => familyOf(ip) === family);
  if (addresses.length === 0) return undefined;
  const serving = isPodReady(pod);
  const terminating = !!pod.metadata.deletionTimestamp;
  const { name, namespace, uid } = pod.metadata;
  const zone = node?.metadata.labels?.[zoneLabel];
  return {
    addresses,
    // A terminating pod is never ready, except where that is not asked for anyway.
    conditions: { ready: !!service.spec.publishNotReadyAddresses || (serving && !terminating), serving, terminating },
    ...(isNamedBy(pod, service) ? { hostname: pod.spec!.hostname! } : {}),
    targetRef: { kind: 'Pod', ...(namespace ? { namespace } : {}), name, uid },
    ...(pod.spec?.nodeName ? { nodeName: pod.spec.nodeName } : {}),
    ...(zone ? { zone } : {}),
  };
}

/** The ports of the service that the pod has; a port name that it does not know is left out. */
export function portsOf(pod: Pod, service: Service): EndpointPort[] {
  const ports: EndpointPort[] = [];
  for (const port of service.spec.ports ?? []) {
    const number = targetPortOf(pod, port);
    if (number === undefined) continue;
    const { name = '', protocol = 'TCP', appProtocol } = port;
    ports.push({ name, protocol, port: number, ...(appProtocol ? { appProtocol } : {}) });
  }
  return ports;
}

const serviceNameLabel = 'kubernetes.io/service-name';
const managedByLabel = 'endpointslice.kubernetes.io/managed-by';
const headlessLabel = 'service.kubernetes.io/headless';
export const sliceLabels = { serviceName: serviceNameLabel, managedBy: managedByLabel, headless: headlessLabel };

/** What is put into `managed-by` of the slices of this controller. */
export const managerName = 'endpointslice-controller.k8s.io';

/** The service's labels, and those that say whose slice it is. */
export function labelsFor(service: Service): Record<string, string> {
  const labels: Record<string, string> = { ...service.metadata.labels };
  delete labels[headlessLabel];
  if (!hasClusterIp(service)) labels[headlessLabel] = '';
  labels[serviceNameLabel] = service.metadata.name;
  labels[managedByLabel] = managerName;
  return labels;
}
