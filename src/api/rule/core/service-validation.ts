// What the spec of a Service must obey.
import { type FieldErrors, type FieldPath, path } from '../../field-error.ts';
import { isDns1123Label, isDns1123Subdomain, isPortName, isQualifiedName, isValidPortNumber } from '../../name-rule.ts';
import type { Service, ServicePort, ServiceSpec } from '../../type/core-v1.ts';
import { validateLabels } from '../meta.ts';
import { familyOf, validateCidr, validateIp, validateNonSpecialIp } from './ip-value.ts';
import { isExternallyAccessible, isHeadless, needsClusterIp, needsHealthCheckNodePort } from './service-need.ts';

const SPEC = path('spec');
const TYPES = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];
export const PROTOCOLS: readonly string[] = ['SCTP', 'TCP', 'UDP'];
const AFFINITIES = ['ClientIP', 'None'];
const POLICIES = ['Cluster', 'Local'];
const FAMILIES = ['IPv4', 'IPv6'];
const FAMILY_POLICIES = ['PreferDualStack', 'RequireDualStack', 'SingleStack'];
const DISTRIBUTIONS = ['PreferClose', 'PreferSameNode', 'PreferSameZone'];
const KUBELET_PORT = 10250;
const MAX_AFFINITY_SECONDS = 86400;
const SOURCE_RANGES = 'service.beta.kubernetes.io/load-balancer-source-ranges';
const ONLY_LOAD_BALANCER = "may only be used when `type` is 'LoadBalancer'";
const NOT_EXTERNAL_NAME = 'may not be set for ExternalName services';

/** `old`: what an update started from; addresses it has may stay as they are. */
export function validateServiceSpec(service: Service, errors: FieldErrors, old?: Service): void {
  const { spec } = service;
  const ports = spec.ports ?? [];
  if (ports.length === 0 && !isHeadless(spec) && spec.type !== 'ExternalName') errors.required(SPEC.child('ports'));
  validateType(spec, errors);
  const names = new Set<string>();
  for (const [i, port] of ports.entries())
    validatePort(port, ports.length > 1, names, SPEC.child('ports').index(i), errors);
  if (spec.selector) validateLabels(spec.selector, SPEC.child('selector'), errors);
  validateAffinity(spec, errors);
  validateClusterIps(spec, errors, old?.spec.clusterIPs);
  for (const [i, ip] of (spec.externalIPs ?? []).entries()) {
    const at = SPEC.child('externalIPs').index(i);
    if (validateIp(ip, at, errors, old?.spec.externalIPs)) validateNonSpecialIp(ip, at, errors);
  }
  if (!spec.type) errors.required(SPEC.child('type'));
  else if (!TYPES.includes(spec.type)) errors.notSupported(SPEC.child('type'), spec.type, TYPES);
  validatePortUse(spec, errors);
  validateLoadBalancer(service, errors, old?.spec.loadBalancerSourceRanges);
  validateTrafficPolicies(spec, errors);
}

function validateType(spec: ServiceSpec, errors: FieldErrors): void {
  switch (spec.type) {
    case 'LoadBalancer':
      // Some clouds share one set of firewall rules between a node's own ports and its services'.
      for (const [i, { port }] of (spec.ports ?? []).entries()) {
        if (port === KUBELET_PORT)
          errors.invalid(
            SPEC.child('ports').index(i),
            port,
            `may not expose port ${KUBELET_PORT} externally since it is used by kubelet`,
          );
      }
      validateNotHeadless(spec, errors);
      return;
    case 'NodePort':
      validateNotHeadless(spec, errors);
      return;
    case 'ExternalName': {
      if (spec.clusterIPs?.length) errors.forbidden(SPEC.child('clusterIPs'), NOT_EXTERNAL_NAME);
      if (spec.ipFamilies?.length) errors.forbidden(SPEC.child('ipFamilies'), NOT_EXTERNAL_NAME);
      if (spec.ipFamilyPolicy !== undefined) errors.forbidden(SPEC.child('ipFamilyPolicy'), NOT_EXTERNAL_NAME);
      const name = (spec.externalName ?? '').replace(/\.$/, '');
      if (!name) errors.required(SPEC.child('externalName'));
      else for (const m of isDns1123Subdomain(name)) errors.invalid(SPEC.child('externalName'), name, m);
    }
  }
}

function validateNotHeadless(spec: ServiceSpec, errors: FieldErrors): void {
  if (isHeadless(spec))
    errors.invalid(SPEC.child('clusterIPs').index(0), 'None', `may not be set to 'None' for ${spec.type} services`);
}

function validatePort(port: ServicePort, named: boolean, names: Set<string>, at: FieldPath, errors: FieldErrors): void {
  const name = port.name ?? '';
  if (name) {
    for (const m of isDns1123Label(name)) errors.invalid(at.child('name'), name, m);
    if (names.has(name)) errors.duplicate(at.child('name'), name);
    names.add(name);
  } else if (named) errors.required(at.child('name'));
  for (const m of isValidPortNumber(port.port)) errors.invalid(at.child('port'), port.port, m);
  if (!port.protocol) errors.required(at.child('protocol'));
  else if (!PROTOCOLS.includes(port.protocol)) errors.notSupported(at.child('protocol'), port.protocol, PROTOCOLS);
  const target = port.targetPort ?? 0;
  const complaints = typeof target === 'number' ? isValidPortNumber(target) : isPortName(target);
  for (const m of complaints) errors.invalid(at.child('targetPort'), target, m);
  if (port.appProtocol !== undefined)
    for (const m of isQualifiedName(port.appProtocol)) errors.invalid(at.child('appProtocol'), port.appProtocol, m);
}

function validateAffinity(spec: ServiceSpec, errors: FieldErrors): void {
  const { sessionAffinity, sessionAffinityConfig: config } = spec;
  const at = SPEC.child('sessionAffinityConfig');
  if (!sessionAffinity) errors.required(SPEC.child('sessionAffinity'));
  else if (!AFFINITIES.includes(sessionAffinity))
    errors.notSupported(SPEC.child('sessionAffinity'), sessionAffinity, AFFINITIES);
  if (sessionAffinity === 'None' && config) errors.forbidden(at, 'must not be set when session affinity is None');
  if (sessionAffinity !== 'ClientIP') return;
  const why = 'when session affinity type is ClientIP';
  const seconds = config?.clientIP?.timeoutSeconds;
  if (!config) errors.required(at, why);
  else if (!config.clientIP) errors.required(at.child('clientIP'), why);
  else if (seconds === undefined) errors.required(at.child('clientIP', 'timeoutSeconds'), why);
  else if (seconds <= 0 || seconds > MAX_AFFINITY_SECONDS)
    errors.invalid(
      at.child('clientIP', 'timeoutSeconds'),
      seconds,
      `must be greater than 0 and less than ${MAX_AFFINITY_SECONDS}`,
    );
}

/** clusterIP, clusterIPs, ipFamilies, ipFamilyPolicy and how they agree. */
export function validateClusterIps(spec: ServiceSpec, errors: FieldErrors, held: readonly string[] | undefined): void {
  // An ExternalName has none of them, which has been checked.
  if (spec.type === 'ExternalName') return;
  const before = errors.list.length;
  const { clusterIP = '', clusterIPs: ips = [], ipFamilies: families = [], ipFamilyPolicy: policy } = spec;
  const at = SPEC.child('clusterIPs');
  if (clusterIP) {
    if (ips.length === 0) errors.required(at);
    else if (ips[0] !== clusterIP) errors.invalid(at, ips, 'first value must match `clusterIP`');
  } else if (ips.length > 0) errors.invalid(at, ips, 'must be empty when `clusterIP` is not specified');
  for (const [i, family] of families.entries()) {
    const here = SPEC.child('ipFamilies').index(i);
    if (!FAMILIES.includes(family)) errors.notSupported(here, family, FAMILIES);
    if (families.indexOf(family) < i) errors.duplicate(here, family);
  }
  if (policy !== undefined && !FAMILY_POLICIES.includes(policy))
    errors.notSupported(SPEC.child('ipFamilyPolicy'), policy, FAMILY_POLICIES);
  if (!validateIpList(ips, at, errors, held)) return;
  if (isHeadless(spec) || errors.list.length > before) return;
  for (const [i, family] of families.entries()) {
    const ip = ips[i];
    if (ip !== undefined && familyOf(ip) !== family)
      errors.invalid(at.index(i), ip, `expected an ${family} value as indicated by \`ipFamilies[${i}]\``);
  }
}

// False when some are no addresses: whether they agree with the families makes no sense then.
function validateIpList(
  ips: readonly string[],
  at: FieldPath,
  errors: FieldErrors,
  held: readonly string[] | undefined,
): boolean {
  let valid = true;
  for (const [i, ip] of ips.entries()) {
    if (i === 0 && ip === 'None') {
      if (ips.length === 1) continue;
      valid = false;
      errors.invalid(at, ips, "'None' must be the first and only value");
    } else if (!validateIp(ip, at.index(i), errors, held)) valid = false;
  }
  if (ips.length > 2) errors.invalid(at, ips, 'may only hold up to 2 values');
  if (!valid) return false;
  if (ips.length > 1 && (ips.length > 2 || familyOf(ips[0]!) === familyOf(ips[1]!)))
    errors.invalid(at, ips, 'may specify no more than one IP for each IP family');
  return true;
}

function validatePortUse(spec: ServiceSpec, errors: FieldErrors): void {
  const ports = spec.ports ?? [];
  const at = SPEC.child('ports');
  const nodePorts = new Set<string>();
  for (const [i, { nodePort = 0, protocol }] of ports.entries()) {
    if (nodePort === 0) continue;
    const here = at.index(i).child('nodePort');
    if (spec.type === 'ClusterIP') errors.forbidden(here, "may not be used when `type` is 'ClusterIP'");
    const id = `${protocol}/${nodePort}`;
    if (nodePorts.has(id)) errors.duplicate(here, nodePort);
    nodePorts.add(id);
  }
  const seen = new Set<string>();
  for (const [i, { port, protocol }] of ports.entries()) {
    const id = `${protocol}/${port}`;
    if (seen.has(id))
      errors.duplicate(at.index(i), {
        Name: '',
        Protocol: protocol,
        AppProtocol: null,
        Port: port,
        TargetPort: 0,
        NodePort: 0,
      });
    seen.add(id);
  }
}

function validateLoadBalancer(service: Service, errors: FieldErrors, held: readonly string[] | undefined): void {
  const { spec } = service;
  const isLoadBalancer = spec.type === 'LoadBalancer';
  const annotation = service.metadata.annotations?.[SOURCE_RANGES];
  const inSpec = (spec.loadBalancerSourceRanges?.length ?? 0) > 0;
  if (inSpec || annotation !== undefined) {
    // The path has always been spelled like this.
    const at = inSpec
      ? SPEC.child('LoadBalancerSourceRanges')
      : path('metadata').child('annotations').key(SOURCE_RANGES);
    if (!isLoadBalancer) errors.forbidden(at, ONLY_LOAD_BALANCER);
    const ranges = inSpec ? spec.loadBalancerSourceRanges! : annotation!.trim() ? annotation!.trim().split(',') : [];
    for (const [i, range] of ranges.entries()) validateCidr(range.trim(), inSpec ? at.index(i) : at, errors, held);
  }
  const allocate = SPEC.child('allocateLoadBalancerNodePorts');
  if (spec.allocateLoadBalancerNodePorts !== undefined && !isLoadBalancer)
    errors.forbidden(allocate, ONLY_LOAD_BALANCER);
  if (isLoadBalancer && spec.allocateLoadBalancerNodePorts === undefined) errors.required(allocate);
  const name = spec.loadBalancerClass;
  if (name === undefined) return;
  if (!isLoadBalancer) errors.forbidden(SPEC.child('loadBalancerClass'), ONLY_LOAD_BALANCER);
  else for (const m of isQualifiedName(name)) errors.invalid(SPEC.child('loadBalancerClass'), name, m);
}

function validateTrafficPolicies(spec: ServiceSpec, errors: FieldErrors): void {
  const { externalTrafficPolicy: external, internalTrafficPolicy: internal, healthCheckNodePort = 0 } = spec;
  const at = SPEC.child('externalTrafficPolicy');
  if (!isExternallyAccessible(spec)) {
    if (external) errors.invalid(at, external, 'may only be set for externally-accessible services');
  } else if (!external) errors.required(at);
  else if (!POLICIES.includes(external)) errors.notSupported(at, external, POLICIES);
  const health = SPEC.child('healthCheckNodePort');
  if (healthCheckNodePort !== 0) {
    if (!needsHealthCheckNodePort(spec))
      errors.invalid(
        health,
        healthCheckNodePort,
        "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
      );
    else for (const m of isValidPortNumber(healthCheckNodePort)) errors.invalid(health, healthCheckNodePort, m);
  }
  if (internal === undefined) {
    if (needsClusterIp(spec)) errors.required(SPEC.child('internalTrafficPolicy'));
  } else if (!POLICIES.includes(internal)) errors.notSupported(SPEC.child('internalTrafficPolicy'), internal, POLICIES);
  const distribution = spec.trafficDistribution;
  if (distribution !== undefined && !DISTRIBUTIONS.includes(distribution))
    errors.notSupported(SPEC.child('trafficDistribution'), distribution, DISTRIBUTIONS);
}
