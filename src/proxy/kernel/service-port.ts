// What the proxy wants to know of a Service, for one address family. Pure.
import type { Service } from '../../api/type/core-v1.ts';
import { canonicalAddress, canonicalCidr } from './address.ts';
import type { TrafficPolicy } from './endpoint.ts';

export interface ServicePortInfo extends TrafficPolicy {
  /** `namespace/name:port`, with `/protocol`. */
  readonly id: string;
  readonly portName: string;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  readonly port: number;
  readonly nodePort: number | undefined;
  readonly clusterIp: string | undefined;
  readonly externalIps: readonly string[];
  readonly loadBalancerIps: readonly string[];
  /** Empty: from anywhere. */
  readonly sourceRanges: readonly string[];
  /** Seconds; undefined: no affinity. */
  readonly affinitySeconds: number | undefined;
}

const proxyNameLabel = 'service.kubernetes.io/service-proxy-name';
const defaultAffinitySeconds = 10_800;

/** Headless services, external names and those of another proxy are none of ours. */
export function isProxied(service: Service): boolean {
  const { type, clusterIP } = service.spec;
  if (service.metadata.labels?.[proxyNameLabel]) return false;
  return type !== 'ExternalName' && Boolean(clusterIP) && clusterIP !== 'None';
}

export function servicePortsOf(service: Service, family: 4 | 6): ServicePortInfo[] {
  if (!isProxied(service)) return [];
  const { spec, status } = service;
  const isOfFamily = (text: string | undefined): text is string => text?.includes(':') === (family === 6);
  const ofFamily = (list: readonly (string | undefined)[]) => [
    ...new Set(list.filter(isOfFamily).flatMap(a => canonicalAddress(a) ?? [])),
  ];
  const clusterIp = ofFamily(spec.clusterIPs?.length ? spec.clusterIPs : [spec.clusterIP])[0];
  if (!clusterIp) return [];
  const externalIps = ofFamily(spec.externalIPs ?? []);
  const balanced = spec.type === 'LoadBalancer';
  const ingress = balanced ? (status?.loadBalancer?.ingress ?? []) : [];
  // A balancer that terminates connections itself does not deliver to its own address.
  const loadBalancerIps = ofFamily(ingress.filter(i => i.ipMode !== 'Proxy').map(i => i.ip));
  const allowed = balanced ? (spec.loadBalancerSourceRanges ?? []).filter(isOfFamily) : [];
  const sourceRanges = allowed.flatMap(r => canonicalCidr(r) ?? []);
  return (spec.ports ?? []).map(p => {
    const protocol = p.protocol ?? 'TCP';
    const nodePort = p.nodePort || undefined;
    const portName = p.name ?? '';
    return {
      id: `${service.metadata.namespace}/${service.metadata.name}/${protocol.toLowerCase()}/${portName}`,
      portName,
      protocol,
      port: p.port,
      nodePort,
      clusterIp,
      externalIps,
      loadBalancerIps,
      sourceRanges: sourceRanges.some(r => r.endsWith('/0')) ? [] : sourceRanges,
      affinitySeconds:
        spec.sessionAffinity === 'ClientIP'
          ? (spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? defaultAffinitySeconds)
          : undefined,
      internalLocal: spec.internalTrafficPolicy === 'Local',
      externalLocal: spec.externalTrafficPolicy === 'Local',
      external: nodePort !== undefined || externalIps.length > 0 || loadBalancerIps.length > 0,
    };
  });
}

/** Port on which a load balancer asks whether this node has endpoints; undefined when there is none. */
export function healthCheckPortOf(service: Service): number | undefined {
  const { type, externalTrafficPolicy, healthCheckNodePort } = service.spec;
  if (!isProxied(service) || type !== 'LoadBalancer' || externalTrafficPolicy !== 'Local') return undefined;
  return healthCheckNodePort || undefined;
}
