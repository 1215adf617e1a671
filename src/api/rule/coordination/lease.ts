// The rules of Leases.
import { path } from '../../field-error.ts';
import type { Mutable } from '../../meta.ts';
import { GREATER_THAN_ZERO } from '../../name-rule.ts';
import type { RuleContext, Strategy } from '../../strategy.ts';
import type { Lease } from '../../type/coordination-v1.ts';
import { validateNonNegative } from '../amount-or-percent.ts';

const SPEC = path('spec');

function dropCoordination(
  spec: Mutable<NonNullable<Lease['spec']>> | undefined,
  old: Lease['spec'] | undefined,
  { featureEnabled }: RuleContext,
): void {
  if (!spec || featureEnabled('CoordinatedLeaderElection') || old?.strategy) return;
  delete spec.strategy;
  delete spec.preferredHolder;
}

export const leaseStrategy: Strategy<Lease> = {
  nameRule: 'dnsSubdomain',
  allowCreateOnUpdate: true,
  allowUnconditionalUpdate: false,
  prepareForCreate({ spec }, context) {
    dropCoordination(spec, undefined, context);
  },
  prepareForUpdate({ spec }, old, context) {
    dropCoordination(spec, old.spec, context);
  },
  validate({ spec }, errors) {
    const { leaseDurationSeconds: duration, leaseTransitions, strategy, preferredHolder } = spec ?? {};
    if (duration !== undefined && duration <= 0)
      errors.invalid(SPEC.child('leaseDurationSeconds'), duration, GREATER_THAN_ZERO);
    validateNonNegative(leaseTransitions, SPEC.child('leaseTransitions'), errors);
    if (preferredHolder && !strategy)
      errors.forbidden(SPEC.child('preferredHolder'), 'may only be specified if `strategy` is defined');
  },
};
