// The rules of ReplicaSets.
import { type FieldErrors, path } from '../../field-error.ts';
import type { Mutable } from '../../meta.ts';
import { IMMUTABLE } from '../../name-rule.ts';
import type { RuleContext, Strategy } from '../../strategy.ts';
import type { ReplicaSet, ReplicaSetStatus } from '../../type/apps-v1.ts';
import { validateNonNegative } from '../amount-or-percent.ts';
import { podTemplateDefaults } from '../core/pod-default.ts';
import { dropTemplateFields } from '../core/pod-gate.ts';
import { podTemplateWarnings } from '../core/pod-warning.ts';
import {
  hostnameWarnings,
  validateAtMost,
  validateCounters,
  validateReadOnlyDisks,
  validateRunningTemplate,
  validateWorkloadSelector,
} from '../core/workload-template.ts';
import { semanticEqual } from '../record.ts';

const SPEC = path('spec');

function defaults({ spec }: Mutable<ReplicaSet>): void {
  spec.replicas ??= 1;
  spec.template ??= {};
  podTemplateDefaults(spec.template);
}

function validate(set: ReplicaSet, errors: FieldErrors, context: RuleContext): void {
  if (context.subresource === 'status') {
    validateReplicaCounters(set.status, errors);
    return;
  }
  const { spec } = set;
  validateNonNegative(spec.replicas, SPEC.child('replicas'), errors);
  validateNonNegative(spec.minReadySeconds, SPEC.child('minReadySeconds'), errors);
  validateWorkloadSelector(spec, 'deployment', SPEC, errors);
  const template = SPEC.child('template');
  validateRunningTemplate(spec.template, 'ReplicaSet', template, errors, context);
  validateReadOnlyDisks(spec.template, spec.replicas ?? 1, template, errors);
}

/** The status of a ReplicaSet or a ReplicationController. */
export function validateReplicaCounters(status: ReplicaSetStatus, errors: FieldErrors): void {
  validateCounters(
    status,
    [
      'replicas',
      'fullyLabeledReplicas',
      'readyReplicas',
      'availableReplicas',
      'observedGeneration',
      'terminatingReplicas',
    ],
    errors,
  );
  const all = 'status.replicas';
  validateAtMost('fullyLabeledReplicas', status.fullyLabeledReplicas, status.replicas, all, errors);
  validateAtMost('readyReplicas', status.readyReplicas, status.replicas, all, errors);
  validateAtMost('availableReplicas', status.availableReplicas, status.replicas, all, errors);
  validateAtMost('availableReplicas', status.availableReplicas, status.readyReplicas, 'readyReplicas', errors);
}

export const replicaSetStrategy: Strategy<ReplicaSet> = {
  nameRule: 'dnsSubdomain',
  default: defaults,
  prepareForCreate(set, context) {
    set.status = { replicas: 0 };
    dropTemplateFields(set.spec.template, undefined, context.featureEnabled);
  },
  prepareForUpdate(set, old, context) {
    if (context.subresource === '') dropTemplateFields(set.spec.template, old.spec.template, context.featureEnabled);
  },
  validate,
  validateUpdate(now, old, errors, context) {
    if (context.subresource === '' && !semanticEqual(now.spec.selector, old.spec.selector))
      errors.invalid(SPEC.child('selector'), now.spec.selector, IMMUTABLE);
  },
  warnings(set, old) {
    if (old && semanticEqual(old.spec, set.spec)) return [];
    const names = old ? [] : hostnameWarnings(set.metadata.name, 'Pod names and hostnames');
    return [...names, ...podTemplateWarnings(set.spec.template ?? {}, SPEC.child('template'))];
  },
};
