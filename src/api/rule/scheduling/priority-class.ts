// The rules of PriorityClasses.
import { path } from '../../field-error.ts';
import { IMMUTABLE } from '../../name-rule.ts';
import type { Strategy } from '../../strategy.ts';
import type { PriorityClass } from '../../type/scheduling-v1.ts';
import { validateOneOf } from '../core/pod-common.ts';

const HIGHEST = 1_000_000_000;
const SYSTEM: Readonly<Record<string, number>> = {
  'system-cluster-critical': 2_000_000_000,
  'system-node-critical': 2_000_001_000,
};

function systemComplaint({ metadata: { name }, value, globalDefault }: PriorityClass): string | undefined {
  const wanted = Object.hasOwn(SYSTEM, name) ? SYSTEM[name] : undefined;
  if (wanted === undefined) return `${name} is not a known system priority class`;
  if (value !== wanted) return `value of ${name} PriorityClass must be ${wanted}`;
  return globalDefault ? `globalDefault of ${name} PriorityClass must be false` : undefined;
}

export const priorityClassStrategy: Strategy<PriorityClass> = {
  nameRule: 'dnsSubdomain',
  default(priority) {
    priority.preemptionPolicy ??= 'PreemptLowerPriority';
  },
  validate(priority, errors) {
    const { metadata, value = 0, preemptionPolicy } = priority;
    if (metadata.name?.startsWith('system-')) {
      const complaint = systemComplaint(priority);
      if (complaint)
        errors.forbidden(
          path('metadata.name'),
          `priority class names with 'system-' prefix are reserved for system use only. error: ${complaint}`,
        );
    } else if (value > HIGHEST)
      errors.forbidden(path('value'), `maximum allowed value of a user defined priority is ${HIGHEST}`);
    validateOneOf(preemptionPolicy, ['Never', 'PreemptLowerPriority'], path('preemptionPolicy'), errors);
  },
  validateUpdate(now, old, errors) {
    if ((now.value ?? 0) !== (old.value ?? 0)) errors.forbidden(path('value'), 'may not be changed in an update.');
    if (now.preemptionPolicy !== old.preemptionPolicy)
      errors.invalid(path('preemptionPolicy'), now.preemptionPolicy, IMMUTABLE);
  },
};
