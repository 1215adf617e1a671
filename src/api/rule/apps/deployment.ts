// The rules of Deployments.
import { type FieldErrors, type FieldPath, path } from '../../field-error.ts';
import type { Mutable } from '../../meta.ts';
import { IMMUTABLE } from '../../name-rule.ts';
import type { RuleContext, Strategy } from '../../strategy.ts';
import type { Deployment, DeploymentStrategy, RollingUpdateDeployment } from '../../type/apps-v1.ts';
import {
  isZeroAmount,
  validateAmountOrPercent,
  validateAtMost100Percent,
  validateNonNegative,
} from '../amount-or-percent.ts';
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
const STATUS = path('status');

function defaults(deployment: Mutable<Deployment>): void {
  const spec = deployment.spec;
  spec.replicas ??= 1;
  spec.strategy ??= {};
  const strategy = spec.strategy;
  strategy.type ||= 'RollingUpdate';
  if (strategy.type === 'RollingUpdate') {
    strategy.rollingUpdate ??= {};
    strategy.rollingUpdate.maxUnavailable ??= '25%';
    strategy.rollingUpdate.maxSurge ??= '25%';
  }
  spec.revisionHistoryLimit ??= 10;
  spec.progressDeadlineSeconds ??= 600;
  spec.template ??= {};
  podTemplateDefaults(spec.template);
}

function validate(deployment: Deployment, errors: FieldErrors, context: RuleContext): void {
  if (context.subresource === 'status') {
    validateStatus(deployment, errors);
    return;
  }
  const { spec } = deployment;
  validateNonNegative(spec.replicas, SPEC.child('replicas'), errors);
  validateWorkloadSelector(spec, 'deployment', SPEC, errors);
  const template = SPEC.child('template');
  validateRunningTemplate(spec.template, 'ReplicaSet', template, errors, context);
  validateReadOnlyDisks(spec.template, spec.replicas ?? 1, template, errors);
  validateStrategy(spec.strategy ?? {}, SPEC.child('strategy'), errors);
  validateNonNegative(spec.minReadySeconds, SPEC.child('minReadySeconds'), errors);
  validateNonNegative(spec.revisionHistoryLimit, SPEC.child('revisionHistoryLimit'), errors);
  const deadline = spec.progressDeadlineSeconds;
  if (deadline === undefined) return;
  validateNonNegative(deadline, SPEC.child('progressDeadlineSeconds'), errors);
  if (deadline <= (spec.minReadySeconds ?? 0))
    errors.invalid(SPEC.child('progressDeadlineSeconds'), deadline, 'must be greater than minReadySeconds');
}

function validateStrategy({ type, rollingUpdate }: DeploymentStrategy, at: FieldPath, errors: FieldErrors): void {
  const here = at.child('rollingUpdate');
  if (type === 'Recreate') {
    if (rollingUpdate) errors.forbidden(here, "may not be specified when strategy `type` is 'Recreate'");
  } else if (type === 'RollingUpdate') {
    if (!rollingUpdate) errors.required(here, 'this should be defaulted and never be nil');
    else validateRollingUpdate(rollingUpdate, here, errors);
  } else errors.notSupported(at.child('type'), type ?? '', ['Recreate', 'RollingUpdate']);
}

function validateRollingUpdate(rolling: RollingUpdateDeployment, at: FieldPath, errors: FieldErrors): void {
  const { maxUnavailable, maxSurge } = rolling;
  validateAmountOrPercent(maxUnavailable, at.child('maxUnavailable'), errors);
  validateAmountOrPercent(maxSurge, at.child('maxSurge'), errors);
  if (isZeroAmount(maxUnavailable) && isZeroAmount(maxSurge))
    errors.invalid(at.child('maxUnavailable'), maxUnavailable, 'may not be 0 when `maxSurge` is 0');
  validateAtMost100Percent(maxUnavailable, at.child('maxUnavailable'), errors);
}

function validateStatus({ status }: Deployment, errors: FieldErrors): void {
  validateCounters(
    status,
    [
      'observedGeneration',
      'replicas',
      'updatedReplicas',
      'readyReplicas',
      'availableReplicas',
      'unavailableReplicas',
      'terminatingReplicas',
      'collisionCount',
    ],
    errors,
  );
  const all = 'status.replicas';
  validateAtMost('updatedReplicas', status.updatedReplicas, status.replicas, all, errors);
  validateAtMost('readyReplicas', status.readyReplicas, status.replicas, all, errors);
  validateAtMost('availableReplicas', status.availableReplicas, status.replicas, all, errors);
  validateAtMost('availableReplicas', status.availableReplicas, status.readyReplicas, 'readyReplicas', errors);
}

function validateUpdate(now: Deployment, old: Deployment, errors: FieldErrors, context: RuleContext): void {
  if (context.subresource === 'status') {
    if ((now.status.collisionCount ?? 0) < (old.status.collisionCount ?? 0))
      errors.invalid(STATUS.child('collisionCount'), now.status.collisionCount ?? 0, 'cannot be decremented');
    return;
  }
  if (!semanticEqual(now.spec.selector, old.spec.selector))
    errors.invalid(SPEC.child('selector'), now.spec.selector, IMMUTABLE);
}

export const deploymentStrategy: Strategy<Deployment> = {
  statusKeeps: 'labels',
  nameRule: 'dnsSubdomain',
  default: defaults,
  prepareForCreate(deployment, context) {
    deployment.status = {};
    dropTemplateFields(deployment.spec.template, undefined, context.featureEnabled);
  },
  prepareForUpdate(deployment, old, context) {
    if (context.subresource === '')
      dropTemplateFields(deployment.spec.template, old.spec.template, context.featureEnabled);
  },
  validate,
  validateUpdate,
  warnings(deployment, old) {
    if (old && semanticEqual(old.spec, deployment.spec)) return [];
    const names = old ? [] : hostnameWarnings(deployment.metadata.name, 'Pod names and hostnames');
    return [...names, ...podTemplateWarnings(deployment.spec.template, SPEC.child('template'))];
  },
};
