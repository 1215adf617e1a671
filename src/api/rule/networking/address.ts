// The rules of ServiceCIDRs and IPAddresses.
import { type FieldErrors, path } from '../../field-error.ts';
import { IMMUTABLE, isDns1123Subdomain, isIpAddress, isPathSegmentName } from '../../name-rule.ts';
import type { Strategy } from '../../strategy.ts';
import type { IPAddress, ServiceCIDR } from '../../type/networking-v1.ts';
import { familyOf, validateCidr } from '../core/ip-value.ts';
import { canonicalCidr, canonicalIp } from '../core/ip-warning.ts';
import { deepEqual } from '../record.ts';

const CIDRS = path('spec.cidrs');
const PARENT = path('spec.parentRef');

function validateCidrs(cidrs: readonly string[], errors: FieldErrors): void {
  if (cidrs.length === 0) {
    errors.required(CIDRS, 'at least one CIDR required');
    return;
  }
  if (cidrs.length > 2) {
    errors.invalid(CIDRS, cidrs, 'may only hold up to 2 values');
    return;
  }
  for (const [i, cidr] of cidrs.entries()) {
    const at = CIDRS.index(i);
    if (validateCidr(cidr, at, errors) && canonicalCidr(cidr) !== cidr)
      errors.invalid(at, cidr, `must be in canonical form (${JSON.stringify(canonicalCidr(cidr))})`);
  }
  const families = cidrs.map(c => familyOf(c.split('/')[0]!));
  if (cidrs.length === 2 && families[0] === families[1])
    errors.invalid(
      CIDRS,
      cidrs,
      'may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64',
    );
}

export const serviceCidrStrategy: Strategy<ServiceCIDR> = {
  nameRule: 'dnsSubdomain',
  prepareForCreate(range) {
    range.status = {};
  },
  validate({ spec }, errors, context) {
    if (context.subresource === '') validateCidrs(spec?.cidrs ?? [], errors);
  },
  validateUpdate(now, old, errors, context) {
    if (context.subresource !== '') return;
    const before = old.spec?.cidrs ?? [];
    const after = now.spec?.cidrs ?? [];
    // A second family may come and go; what is in both stays.
    for (const [i, cidr] of after.entries())
      if (i < before.length && cidr !== before[i]) errors.invalid(CIDRS.index(i), cidr, IMMUTABLE);
  },
};

/** One address has one name. */
function isAddressName(name: string): readonly string[] {
  const complaints = isIpAddress(name);
  if (complaints.length > 0) return complaints;
  return canonicalIp(name) === name ? [] : ['must be a canonical format IP address'];
}

export const ipAddressStrategy: Strategy<IPAddress> = {
  nameRule: 'any',
  validate({ metadata, spec }, errors) {
    for (const m of isAddressName(metadata.name ?? '')) errors.invalid(path('metadata.name'), metadata.name, m);
    const parent = spec?.parentRef;
    if (!parent) {
      errors.required(PARENT);
      return;
    }
    if (parent.group)
      for (const m of isDns1123Subdomain(parent.group)) errors.invalid(PARENT.child('group'), parent.group, m);
    for (const field of ['resource', 'name'] as const) {
      if (!parent[field]) errors.required(PARENT.child(field));
      else for (const m of isPathSegmentName(parent[field])) errors.invalid(PARENT.child(field), parent[field], m);
    }
    if (parent.namespace)
      for (const m of isPathSegmentName(parent.namespace))
        errors.invalid(PARENT.child('namespace'), parent.namespace, m);
  },
  validateUpdate(now, old, errors) {
    if (!deepEqual(now.spec?.parentRef, old.spec?.parentRef)) errors.invalid(PARENT, now.spec?.parentRef, IMMUTABLE);
  },
};
