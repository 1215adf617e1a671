// What an update of a Service may change, and what follows from a change of its type.
import { type FieldErrors, path } from '../../field-error.ts';
import type { Mutable } from '../../meta.ts';
import type { Service, ServiceSpec } from '../../type/core-v1.ts';
import { deepEqual } from '../record.ts';
import { familyOf } from './ip-value.ts';
import {
  isExternallyAccessible,
  isHeadless,
  mayHaveNodePort,
  needsClusterIp,
  needsHealthCheckNodePort,
  needsNodePort,
} from './service-need.ts';

const SPEC = path('spec');
const ONCE = 'may not change once set';

type Draft = { -readonly [K in keyof ServiceSpec]: Mutable<ServiceSpec[K]> };

/** Fills in what was allocated before and the writer left out. */
export function carryAllocated(spec: Draft, old: ServiceSpec): void {
  if (needsClusterIp(old) && needsClusterIp(spec)) {
    if (!spec.clusterIP && old.clusterIP) spec.clusterIP = old.clusterIP;
    if (!spec.clusterIPs?.length && spec.clusterIP === old.clusterIP && old.clusterIPs)
      spec.clusterIPs = [...old.clusterIPs];
  }
  if (needsNodePort(old) && needsNodePort(spec)) carryNodePorts(spec, old);
  if (needsHealthCheckNodePort(old) && needsHealthCheckNodePort(spec) && !spec.healthCheckNodePort)
    spec.healthCheckNodePort = old.healthCheckNodePort ?? 0;
}

// By name: whatever else of the port has changed, it is the same port to its clients.
function carryNodePorts(spec: Draft, old: ServiceSpec): void {
  const before = new Map((old.ports ?? []).map(p => [p.name ?? '', p.nodePort ?? 0]));
  const kept = nodePortsOf(old);
  const used = new Set([...nodePortsOf(spec)].filter(p => kept.has(p)));
  for (const port of spec.ports ?? []) {
    if (port.nodePort) continue;
    const was = before.get(port.name ?? '') ?? 0;
    if (was === 0 || used.has(was)) continue;
    port.nodePort = was;
    used.add(was);
  }
}

const nodePortsOf = (spec: Pick<ServiceSpec, 'ports'>): Set<number> =>
  new Set((spec.ports ?? []).map(p => p.nodePort ?? 0).filter(p => p !== 0));

/** Keeps clusterIP and clusterIPs in step when the writer changed only one of them. */
export function syncClusterIps(spec: Draft, old: ServiceSpec | undefined): void {
  if (!old) {
    if (spec.clusterIP && !spec.clusterIPs?.length) spec.clusterIPs = [spec.clusterIP];
    return;
  }
  const singular = (spec.clusterIP ?? '') !== (old.clusterIP ?? '');
  const plural = !deepEqual(spec.clusterIPs ?? [], old.clusterIPs ?? []);
  if (singular && (!plural || !spec.clusterIPs?.length)) {
    if (spec.clusterIP) spec.clusterIPs = [spec.clusterIP];
    else delete spec.clusterIPs;
  } else if (plural && !singular && !spec.clusterIPs?.length) {
    if (spec.clusterIP) delete spec.clusterIP;
  }
}

/**
 * Who asks for one family, as no policy does, and left addresses or families as they were gives up the second of them.
 * Families nobody named follow the addresses; of a headless service they stay.
 */
export function settleStacks(spec: Draft, old: ServiceSpec): void {
  if (!needsClusterIp(old) || !needsClusterIp(spec)) return;
  const single = isSingleStack(spec);
  if (single && deepEqual(spec.clusterIPs, old.clusterIPs)) spec.clusterIPs = spec.clusterIPs?.slice(0, 1);
  if (!spec.ipFamilies?.length)
    spec.ipFamilies = isHeadless(spec)
      ? [...(old.ipFamilies ?? [])]
      : (spec.clusterIPs ?? []).flatMap(ip => familyOf(ip) ?? []);
  if (single && deepEqual(spec.ipFamilies, old.ipFamilies)) spec.ipFamilies = spec.ipFamilies.slice(0, 1);
}

const isSingleStack = ({ ipFamilyPolicy }: Pick<ServiceSpec, 'ipFamilyPolicy'>): boolean =>
  (ipFamilyPolicy ?? 'SingleStack') === 'SingleStack';

/** Wipes what the former type needed, the new one does not, and the writer did not touch. */
export function dropForType(spec: Draft, old: ServiceSpec): void {
  if (needsClusterIp(old) && !needsClusterIp(spec)) {
    if ((spec.clusterIP ?? '') === (old.clusterIP ?? '') && deepEqual(spec.clusterIPs ?? [], old.clusterIPs ?? [])) {
      delete spec.clusterIP;
      delete spec.clusterIPs;
    }
    if (deepEqual(spec.ipFamilies ?? [], old.ipFamilies ?? [])) delete spec.ipFamilies;
    if (spec.ipFamilyPolicy === old.ipFamilyPolicy) delete spec.ipFamilyPolicy;
  }
  if (
    mayHaveNodePort(old) &&
    !mayHaveNodePort(spec) &&
    deepEqual([...nodePortsOf(spec)].sort(), [...nodePortsOf(old)].sort())
  )
    for (const port of spec.ports ?? []) delete (port as { nodePort?: number }).nodePort;
  const drop = <K extends keyof ServiceSpec>(needed: boolean, field: K) => {
    if (needed && deepEqual(spec[field], old[field])) delete spec[field];
  };
  drop(needsHealthCheckNodePort(old) && !needsHealthCheckNodePort(spec), 'healthCheckNodePort');
  const leavesLoadBalancer = old.type === 'LoadBalancer' && spec.type !== 'LoadBalancer';
  drop(leavesLoadBalancer, 'allocateLoadBalancerNodePorts');
  drop(leavesLoadBalancer, 'loadBalancerClass');
  drop(isExternallyAccessible(old) && !isExternallyAccessible(spec), 'externalTrafficPolicy');
}

export function validateServiceUpdate(service: Service, before: Service, errors: FieldErrors): void {
  const { spec } = service;
  const old = before.spec;
  if (spec.type !== 'ExternalName' && old.type !== 'ExternalName') {
    if (!(isHeadless(old) && isHeadless(spec))) validatePrimary(spec, old, clusterIps, errors);
    validatePrimary(spec, old, ipFamilies, errors);
  }
  if (old.type === 'LoadBalancer' && spec.type === 'LoadBalancer' && spec.loadBalancerClass !== old.loadBalancerClass)
    errors.invalid(SPEC.child('loadBalancerClass'), spec.loadBalancerClass, ONCE);
  if (
    needsHealthCheckNodePort(old) &&
    needsHealthCheckNodePort(spec) &&
    (spec.healthCheckNodePort ?? 0) !== (old.healthCheckNodePort ?? 0)
  )
    errors.forbidden(SPEC.child('healthCheckNodePort'), 'field is immutable');
}

const clusterIps = { field: 'clusterIPs', singular: 'clusterIP', words: 'cluster IP' } as const;
const ipFamilies = { field: 'ipFamilies', singular: 'ipFamily', words: 'IP family' } as const;

// The secondary family may come and go; the primary one stays.
function validatePrimary(
  spec: ServiceSpec,
  before: ServiceSpec,
  { field, singular, words }: typeof clusterIps | typeof ipFamilies,
  errors: FieldErrors,
): void {
  const now = spec[field] ?? [];
  const old = before[field] ?? [];
  const at = SPEC.child(field);
  if (old.length === now.length) {
    for (const [i, value] of old.entries()) if (value !== now[i]) errors.invalid(at.index(i), now, ONCE);
    return;
  }
  if (now.length === 0) errors.invalid(at.index(0), spec[field] ?? null, `primary ${singular} can not be unset`);
  else if (old.length > 0 && now[0] !== old[0]) errors.invalid(at.index(0), now, ONCE);
  if (old.length > now.length && now.length === 1 && !isSingleStack(spec))
    errors.invalid(
      SPEC.child('ipFamilyPolicy'),
      spec.ipFamilyPolicy,
      `must be 'SingleStack' to release the secondary ${words}`,
    );
}
