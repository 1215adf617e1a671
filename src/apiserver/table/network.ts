// Rows of services, what stands behind them and what leads to them.
import type { Endpoints, Service } from '../../api/type/core-v1.ts';
import type { EndpointSlice } from '../../api/type/discovery-v1.ts';
import type { Ingress, IngressClass, IPAddress, NetworkPolicy, ServiceCIDR } from '../../api/type/networking-v1.ts';
import { ageOf } from './human-duration.ts';
import type { CellsByKind } from './kind.ts';
import {
  defaultName,
  firstOf,
  hostAndPort,
  mapText,
  none,
  selectorText,
  sortedUnique,
  unknown,
  unset,
} from './text.ts';

interface Balancer {
  readonly ingress?: readonly { readonly ip?: string; readonly hostname?: string }[];
}

/** Addresses a load balancer was given, in order. */
const balancerAddresses = (balancer: Balancer | undefined): string[] =>
  sortedUnique((balancer?.ingress ?? []).map(i => i.ip || i.hostname || '').filter(Boolean));

export function externalIp({ spec, status }: Service): string {
  const own = spec.externalIPs ?? [];
  switch (spec.type) {
    case 'ClusterIP':
    case 'NodePort':
      return own.join(',') || none;
    case 'LoadBalancer':
      return [...balancerAddresses(status?.loadBalancer), ...own].join(',') || '<pending>';
    case 'ExternalName':
      return spec.externalName ?? '';
    default:
      return unknown;
  }
}

const servicePorts = ({ spec }: Service): string =>
  (spec.ports ?? []).map(p => `${p.port}${p.nodePort ? `:${p.nodePort}` : ''}/${p.protocol ?? 'TCP'}`).join(',') ||
  none;

function endpointTexts({ subsets }: Endpoints): string[] {
  return (subsets ?? []).flatMap(s => {
    const addresses = s.addresses ?? [];
    if (!s.ports?.length) return addresses.map(a => a.ip);
    return s.ports.flatMap(p => addresses.map(a => hostAndPort(a.ip, p.port)));
  });
}

function parentText({ spec }: IPAddress): string {
  const parent = spec?.parentRef;
  if (!parent) return none;
  const resource = parent.group ? `${parent.resource}.${parent.group}` : parent.resource;
  return [resource, parent.namespace, parent.name].filter(Boolean).join('/');
}

export const networkCells: CellsByKind = {
  Service: (service: Service, now) => [
    service.metadata.name,
    service.spec.type,
    service.spec.clusterIPs?.[0] || service.spec.clusterIP || none,
    externalIp(service),
    servicePorts(service),
    ageOf(service.metadata.creationTimestamp, now),
    mapText(service.spec.selector),
  ],
  Ingress: ({ metadata, spec, status }: Ingress, now) => [
    metadata.name,
    spec?.ingressClassName ?? none,
    firstOf((spec?.rules ?? []).map(r => r.host ?? '').filter(Boolean), '*'),
    balancerAddresses(status?.loadBalancer).join(','),
    spec?.tls?.length ? '80, 443' : '80',
    ageOf(metadata.creationTimestamp, now),
  ],
  IngressClass: ({ metadata, spec }: IngressClass, now) => [
    defaultName(metadata, ['ingressclass.kubernetes.io/is-default-class']),
    spec?.controller ?? '',
    spec?.parameters
      ? `${spec.parameters.kind}${spec.parameters.apiGroup ? `.${spec.parameters.apiGroup}` : ''}/${spec.parameters.name}`
      : none,
    ageOf(metadata.creationTimestamp, now),
  ],
  Endpoints: (endpoints: Endpoints, now) => [
    endpoints.metadata.name,
    firstOf(endpointTexts(endpoints), none),
    ageOf(endpoints.metadata.creationTimestamp, now),
  ],
  EndpointSlice: ({ metadata, addressType, ports, endpoints }: EndpointSlice, now) => [
    metadata.name,
    addressType,
    firstOf(
      (ports ?? []).map(p => (p.port === undefined ? p.name || '*' : String(p.port))),
      unset,
    ),
    firstOf(
      (endpoints ?? []).flatMap(e => e.addresses ?? []),
      unset,
    ),
    ageOf(metadata.creationTimestamp, now),
  ],
  NetworkPolicy: ({ metadata, spec }: NetworkPolicy, now) => [
    metadata.name,
    selectorText(spec?.podSelector),
    ageOf(metadata.creationTimestamp, now),
  ],
  ServiceCIDR: ({ metadata, spec }: ServiceCIDR, now) => [
    metadata.name,
    (spec?.cidrs ?? []).join(','),
    ageOf(metadata.creationTimestamp, now),
  ],
  // The row holds an age although the columns end before it.
  IPAddress: (address: IPAddress, now) => [
    address.metadata.name,
    parentText(address),
    ageOf(address.metadata.creationTimestamp, now),
  ],
};
