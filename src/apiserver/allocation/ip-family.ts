// Which address families a Service has, settled before its addresses are allocated.
import { FieldErrors, path } from '../../api/field-error.ts';
import type { Mutable } from '../../api/meta.ts';
import { familyOf, type IpFamily } from '../../api/rule/core/ip-value.ts';
import { isHeadless } from '../../api/rule/core/service-need.ts';
import { deepEqual } from '../../api/rule/record.ts';
import type { Service } from '../../api/type/core-v1.ts';

const SPEC = path('spec');

/**
 * Completes ipFamilies and ipFamilyPolicy of a Service that needs a cluster IP (None counts). `configured` are the
 * cluster's families, the default one first; `old` is what an update started from. Idempotent; the Service is valid
 * apart from what this reports.
 */
export function settleFamilies(service: Mutable<Service>, configured: readonly IpFamily[], old?: Service): FieldErrors {
  const { spec } = service;
  const errors = new FieldErrors();
  if (old && stillPrefers(spec, old.spec)) return errors;
  checkPolicy(spec, errors);
  const families = inferFamilies(spec, configured, errors);
  if (!errors.empty) return errors;
  if (families.length === 0) families.push(configured[0]!);
  // Endpoints somebody else names may be of any family, whatever the cluster has.
  if (isHeadless(spec) && Object.keys(spec.selector ?? {}).length === 0) {
    spec.ipFamilyPolicy ??= 'RequireDualStack';
    if (families.length < 2 && spec.ipFamilyPolicy !== 'SingleStack') families.push(other(families[0]!));
    spec.ipFamilies = families;
    return errors;
  }
  if (spec.ipFamilyPolicy === 'RequireDualStack' && configured.length < 2)
    errors.invalid(
      SPEC.child('ipFamilyPolicy'),
      spec.ipFamilyPolicy,
      'this cluster is not configured for dual-stack services',
    );
  for (const [i, family] of families.entries())
    if (!configured.includes(family as IpFamily))
      errors.invalid(SPEC.child('ipFamilies').index(i), family, 'not configured on this cluster');
  spec.ipFamilyPolicy ??= 'SingleStack';
  if (spec.ipFamilyPolicy !== 'SingleStack' && families.length < 2 && configured.includes(other(families[0]!)))
    families.push(other(families[0]!));
  spec.ipFamilies = families;
  return errors;
}

/** Who would take two families and touches neither them nor the addresses keeps what the cluster had to give then. */
const stillPrefers = (spec: Mutable<Service>['spec'], old: Service['spec']): boolean =>
  [spec.ipFamilyPolicy, old.ipFamilyPolicy].every(policy => policy === 'PreferDualStack') &&
  spec.type === old.type &&
  deepEqual(spec.clusterIPs, old.clusterIPs) &&
  deepEqual(spec.ipFamilies, old.ipFamilies);

const other = (family: string): IpFamily => (family === 'IPv4' ? 'IPv6' : 'IPv4');

function checkPolicy(spec: Mutable<Service>['spec'], errors: FieldErrors): void {
  if ((spec.ipFamilyPolicy ?? 'SingleStack') !== 'SingleStack') return;
  for (const field of ['clusterIPs', 'ipFamilies'] as const) {
    if (spec[field]?.length === 2)
      errors.invalid(
        SPEC.child('ipFamilyPolicy'),
        spec.ipFamilyPolicy,
        `must be RequireDualStack or PreferDualStack when multiple '${field}' are specified`,
      );
  }
}

function inferFamilies(spec: Mutable<Service>['spec'], configured: readonly string[], errors: FieldErrors): string[] {
  const families = [...(spec.ipFamilies ?? [])];
  const ips = isHeadless(spec) ? [] : (spec.clusterIPs ?? []);
  for (let i = families.length; i < ips.length; i++) {
    const family = familyOf(ips[i]!)!;
    if (configured.includes(family)) families.push(family);
    else errors.invalid(SPEC.child('clusterIPs').index(i), ips, `${family} is not configured on this cluster`);
  }
  return families;
}
