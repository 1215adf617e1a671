// The rules of ReplicationControllers.
import { path } from '../../field-error.ts';
import type { Mutable } from '../../meta.ts';
import type { Strategy } from '../../strategy.ts';
import type { ReplicationController } from '../../type/core-v1.ts';
import { validateNonNegative } from '../amount-or-percent.ts';
import { hasKeys } from '../meta.ts';
import { semanticEqual } from '../record.ts';
import { podTemplateDefaults } from './pod-default.ts';
import { dropTemplateFields } from './pod-gate.ts';
import { podTemplateWarnings } from './pod-warning.ts';
import {
  hostnameWarnings,
  MISMATCH,
  validateAtMost,
  validateCounters,
  validateReadOnlyDisks,
  validateRunningTemplate,
} from './workload-template.ts';

const SPEC = path('spec');

function defaults(controller: Mutable<ReplicationController>): void {
  const { spec, metadata } = controller;
  const labels = spec.template?.metadata?.labels;
  if (labels) {
    if (!hasKeys(spec.selector)) spec.selector = { ...labels };
    if (!hasKeys(metadata.labels)) metadata.labels = { ...labels };
  }
  spec.replicas ??= 1;
  if (spec.template) podTemplateDefaults(spec.template);
}

export const replicationControllerStrategy: Strategy<ReplicationController> = {
  nameRule: 'dnsSubdomain',
  // As long as there was only v1, whoever deleted one kept its pods.
  defaultPropagation: 'orphan',
  default: defaults,
  prepareForCreate(controller, context) {
    controller.status = { replicas: 0 };
    dropTemplateFields(controller.spec.template, undefined, context.featureEnabled);
  },
  prepareForUpdate(controller, old, context) {
    if (context.subresource === '')
      dropTemplateFields(controller.spec.template, old.spec.template, context.featureEnabled);
  },
  validate(controller, errors, context) {
    const { spec, status } = controller;
    if (context.subresource === 'status') {
      validateCounters(
        status,
        ['replicas', 'fullyLabeledReplicas', 'readyReplicas', 'availableReplicas', 'observedGeneration'],
        errors,
      );
      for (const key of ['fullyLabeledReplicas', 'readyReplicas', 'availableReplicas'] as const)
        validateAtMost(key, status[key], status.replicas, 'status.replicas', errors);
      validateAtMost('availableReplicas', status.availableReplicas, status.readyReplicas, 'readyReplicas', errors);
      return;
    }
    validateNonNegative(spec.minReadySeconds, SPEC.child('minReadySeconds'), errors);
    if (!hasKeys(spec.selector)) errors.required(SPEC.child('selector'));
    validateNonNegative(spec.replicas, SPEC.child('replicas'), errors);
    const at = SPEC.child('template');
    const labels = spec.template?.metadata?.labels;
    if (spec.template && Object.entries(spec.selector ?? {}).some(([k, v]) => labels?.[k] !== v))
      errors.invalid(at.child('metadata', 'labels'), labels ?? null, MISMATCH);
    validateRunningTemplate(spec.template, 'ReplicationController', at, errors, context);
    validateReadOnlyDisks(spec.template, spec.replicas ?? 1, at, errors);
  },
  warnings(controller, old) {
    if (old && semanticEqual(old.spec, controller.spec)) return [];
    const names = old ? [] : hostnameWarnings(controller.metadata.name, 'Pod names and hostnames');
    return [...names, ...podTemplateWarnings(controller.spec.template ?? {}, SPEC.child('template'))];
  },
};
