// What a Service makes of a pod: whether it is an endpoint, at which ports, under which name.
import type { Container, Pod, Service, ServicePort } from '../../api/type/core-v1.ts';
import { isPodFinished, isPodReady } from './pod.ts';

export type IpFamily = 'IPv4' | 'IPv6';

export const familyOf = (ip: string): IpFamily => (ip.includes(':') ? 'IPv6' : 'IPv4');

/** It has, or will have, an address of its own; otherwise it is headless (or an ExternalName). */
export const hasClusterIp = ({ spec }: Service): boolean => !!spec.clusterIP && spec.clusterIP !== 'None';

export const isHeadless = ({ spec }: Service): boolean => spec.clusterIP === 'None';

/** Controllers make endpoints for it: it has a selector and is not just an alias. */
export const selectsPods = ({ spec }: Service): boolean =>
  spec.type !== 'ExternalName' && Object.keys(spec.selector ?? {}).length > 0;

/** It has addresses and has not ended. */
export function isEndpoint(pod: Pod, includeTerminating: boolean): boolean {
  if (isPodFinished(pod)) return false;
  if (!pod.status?.podIP && !pod.status?.podIPs?.length) return false;
  return includeTerminating || !pod.metadata.deletionTimestamp;
}

export const podIps = ({ status }: Pod): readonly string[] =>
  status?.podIPs?.length ? status.podIPs.map(i => i.ip) : status?.podIP ? [status.podIP] : [];

/** The pod asks for a name below that of its headless service. */
export const isNamedBy = (pod: Pod, service: Service): boolean =>
  !!pod.spec?.hostname &&
  pod.spec.subdomain === service.metadata.name &&
  pod.metadata.namespace === service.metadata.namespace;

/** The port of the pod that a service port leads to; undefined when the pod has no port of that name. */
export function targetPortOf(pod: Pod, { port, protocol = 'TCP', targetPort }: ServicePort): number | undefined {
  if (typeof targetPort !== 'string') return targetPort || port;
  const named = (containers: readonly Container[] | undefined): number | undefined => {
    for (const container of containers ?? [])
      for (const p of container.ports ?? [])
        if (p.name === targetPort && (p.protocol ?? 'TCP') === protocol) return p.containerPort;
    return undefined;
  };
  const sidecars = pod.spec?.initContainers?.filter(c => c.restartPolicy === 'Always');
  return named(pod.spec?.containers) ?? named(sidecars);
}

/** A change of the pod that its endpoints may show. */
export function endpointChanged(pod: Pod, old: Pod): boolean {
  return (
    !!pod.metadata.deletionTimestamp !== !!old.metadata.deletionTimestamp ||
    isPodReady(pod) !== isPodReady(old) ||
    isEndpoint(pod, true) !== isEndpoint(old, true) ||
    podIps(pod).join() !== podIps(old).join() ||
    pod.spec?.nodeName !== old.spec?.nodeName ||
    pod.spec?.hostname !== old.spec?.hostname ||
    pod.spec?.subdomain !== old.spec?.subdomain
  );
}
