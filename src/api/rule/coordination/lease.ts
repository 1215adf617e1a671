// The rules of Leases.
import { path } from '../../field-error.ts';
import { GREATER_THAN_ZERO } from '../../name-rule.ts';
import type { Strategy } from '../../strategy.ts';
import type { Lease } from '../../type/coordination-v1.ts';
import { validateNonNegative } from '../amount-or-percent.ts';

const SPEC = path('spec');

export const leaseStrategy: Strategy<Lease> = {
  nameRule: 'dnsSubdomain',
  allowCreateOnUpdate: true,
  allowUnconditionalUpdate: false,
  validate({ spec }, errors) {
    const { leaseDurationSeconds: duration, leaseTransitions, strategy, preferredHolder } = spec ?? {};
    if (duration !== undefined && duration <= 0)
      errors.invalid(SPEC.child('leaseDurationSeconds'), duration, GREATER_THAN_ZERO);
    validateNonNegative(leaseTransitions, SPEC.child('leaseTransitions'), errors);
    if (preferredHolder && !strategy)
      errors.forbidden(SPEC.child('preferredHolder'), 'may only be specified if `strategy` is defined');
  },
};
