// The rules of Services. Addresses and ports are allocated by the API server, after validation.
import { type FieldErrors, path } from '../../field-error.ts';
import type { Mutable } from '../../meta.ts';
import { isDns1123Subdomain, parseIp } from '../../name-rule.ts';
import type { RuleContext, Strategy } from '../../strategy.ts';
import type { Service } from '../../type/core-v1.ts';
import { validateIp } from './ip-value.ts';
import { cidrWarnings, ipWarnings } from './ip-warning.ts';
import { isExternallyAccessible, isHeadless, needsClusterIp } from './service-need.ts';
import { carryAllocated, dropForType, settleStacks, syncClusterIps, validateServiceUpdate } from './service-update.ts';
import { validateServiceSpec } from './service-validation.ts';

const SPEC = path('spec');
const INGRESS = path('status.loadBalancer.ingress');
const AFFINITY_SECONDS = 10800;
const IP_MODES = ['Proxy', 'VIP'];

function serviceDefaults(service: Mutable<Service>): void {
  const { spec } = service;
  spec.sessionAffinity ||= 'None';
  if (spec.sessionAffinity === 'None') delete (spec as { sessionAffinityConfig?: unknown }).sessionAffinityConfig;
  else if (spec.sessionAffinity === 'ClientIP' && spec.sessionAffinityConfig?.clientIP?.timeoutSeconds === undefined)
    spec.sessionAffinityConfig = { clientIP: { timeoutSeconds: AFFINITY_SECONDS } };
  spec.type ||= 'ClusterIP';
  for (const port of spec.ports ?? []) {
    port.protocol ||= 'TCP';
    if (!port.targetPort) port.targetPort = port.port;
  }
  if (isExternallyAccessible(spec)) spec.externalTrafficPolicy ||= 'Cluster';
  if (needsClusterIp(spec)) spec.internalTrafficPolicy ??= 'Cluster';
  if (spec.type === 'LoadBalancer') spec.allocateLoadBalancerNodePorts ??= true;
  for (const ingress of service.status?.loadBalancer?.ingress ?? []) if (ingress.ip) ingress.ipMode ??= 'VIP';
}

function prepareForCreate(service: Mutable<Service>): void {
  service.status = { loadBalancer: {} } as Mutable<Service>['status'];
  syncClusterIps(service.spec, undefined);
}

function prepareForUpdate(service: Mutable<Service>, old: Service, context: RuleContext): void {
  if (context.subresource !== '') return;
  carryAllocated(service.spec, old.spec);
  syncClusterIps(service.spec, old.spec);
  settleStacks(service.spec, old.spec);
  dropForType(service.spec, old.spec);
  if (old.spec.type === 'LoadBalancer' && service.spec.type !== 'LoadBalancer')
    service.status = { ...service.status, loadBalancer: {} };
}

function validateStatus(service: Service, errors: FieldErrors, old: Service | undefined): void {
  const ingress = service.status?.loadBalancer?.ingress ?? [];
  const held = old?.status?.loadBalancer?.ingress?.flatMap(({ ip }) => ip ?? []);
  if (ingress.length > 0 && service.spec.type !== 'LoadBalancer') {
    errors.forbidden(INGRESS, 'may only be used when `spec.type` is "LoadBalancer"');
    return;
  }
  for (const [i, { ip, hostname, ipMode }] of ingress.entries()) {
    const at = INGRESS.index(i);
    if (ip) validateIp(ip, at.child('ip'), errors, held);
    if (ip && ipMode === undefined) errors.required(at.child('ipMode'), 'must be specified when `ip` is set');
    if (!ip && ipMode !== undefined) errors.forbidden(at.child('ipMode'), 'may not be specified when `ip` is not set');
    if (ipMode !== undefined && !IP_MODES.includes(ipMode)) errors.notSupported(at.child('ipMode'), ipMode, IP_MODES);
    if (!hostname) continue;
    for (const m of isDns1123Subdomain(hostname)) errors.invalid(at.child('hostname'), hostname, m);
    if (parseIp(hostname)) errors.invalid(at.child('hostname'), hostname, 'must be a DNS name, not an IP address');
  }
}

function warnings(service: Service): string[] {
  const { spec } = service;
  const out = addressWarnings(spec);
  if (isHeadless(spec)) {
    if (spec.loadBalancerIP) out.push('spec.loadBalancerIP is ignored when spec.clusterIP is "None"');
    if (spec.externalIPs?.length) out.push('spec.externalIPs is ignored when spec.clusterIP is "None"');
    if (spec.sessionAffinity !== 'None') out.push('spec.SessionAffinity is ignored for headless services');
  }
  if (spec.type === 'ExternalName' && spec.externalIPs?.length)
    out.push('spec.externalIPs is ignored when spec.type is "ExternalName"');
  if (spec.type !== 'ExternalName' && spec.externalName)
    out.push('spec.externalName is ignored when spec.type is not "ExternalName"');
  return out;
}

function addressWarnings(spec: Service['spec']): string[] {
  const { externalIPs = [], loadBalancerIP, loadBalancerSourceRanges = [] } = spec;
  const clusterIPs = isHeadless(spec) ? [] : (spec.clusterIPs ?? []);
  return [
    ...(externalIPs.length ? ['spec.externalIPs is deprecated'] : []),
    ...clusterIPs.flatMap((ip, i) => ipWarnings(ip, SPEC.child('clusterIPs').index(i))),
    ...externalIPs.flatMap((ip, i) => ipWarnings(ip, SPEC.child('externalIPs').index(i))),
    ...ipWarnings(loadBalancerIP, SPEC.child('loadBalancerIP')),
    ...loadBalancerSourceRanges.flatMap((c, i) => cidrWarnings(c, SPEC.child('loadBalancerSourceRanges').index(i))),
  ];
}

const statusWarnings = ({ status }: Service): string[] =>
  (status.loadBalancer?.ingress ?? []).flatMap(({ ip }, i) => ipWarnings(ip, INGRESS.index(i)));

export const serviceStrategy: Strategy<Service> = {
  // Names may begin with a digit since RelaxedServiceNameValidation.
  nameRule: 'dnsLabel',
  default: serviceDefaults,
  prepareForCreate,
  prepareForUpdate,
  validate(service, errors, context) {
    const old = context.old as Service | undefined;
    if (context.subresource === 'status') validateStatus(service, errors, old);
    else validateServiceSpec(service, errors, old);
  },
  validateUpdate(service, old, errors, context) {
    if (context.subresource !== 'status') validateServiceUpdate(service, old, errors);
  },
  warnings: (service, _old, context) =>
    context.subresource === 'status' ? statusWarnings(service) : warnings(service),
  allowCreateOnUpdate: true,
};
