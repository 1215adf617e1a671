// The rules of DaemonSets.
import { type FieldErrors, type FieldPath, path } from '../../field-error.ts';
import type { Mutable } from '../../meta.ts';
import { IMMUTABLE } from '../../name-rule.ts';
import type { RuleContext, Strategy } from '../../strategy.ts';
import type { DaemonSet, DaemonSetStatus, DaemonSetUpdateStrategy } from '../../type/apps-v1.ts';
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
  validateCounters,
  validateReadOnlyDisks,
  validateRunningTemplate,
  validateWorkloadSelector,
} from '../core/workload-template.ts';
import { semanticEqual, sortedRecord } from '../record.ts';

const SPEC = path('spec');
// The revision of the template, which apps/v1 carries as an annotation.
const GENERATION = 'deprecated.daemonset.template.generation';

function defaults({ spec }: Mutable<DaemonSet>): void {
  spec.updateStrategy ??= {};
  const strategy = spec.updateStrategy;
  strategy.type ||= 'RollingUpdate';
  if (strategy.type === 'RollingUpdate') {
    strategy.rollingUpdate ??= {};
    strategy.rollingUpdate.maxUnavailable ??= 1;
    strategy.rollingUpdate.maxSurge ??= 0;
  }
  spec.revisionHistoryLimit ??= 10;
  spec.template ??= {};
  podTemplateDefaults(spec.template);
}

function setTemplateGeneration(set: Mutable<DaemonSet>, generation: number): void {
  set.metadata.annotations = sortedRecord({ ...set.metadata.annotations, [GENERATION]: String(generation) });
}

function validate(set: DaemonSet, errors: FieldErrors, context: RuleContext): void {
  if (context.subresource === 'status') {
    validateStatus(set.status, errors);
    return;
  }
  const { spec } = set;
  validateWorkloadSelector(spec, 'daemonset', SPEC, errors);
  const template = SPEC.child('template');
  validateRunningTemplate(spec.template, 'DaemonSet', template, errors, context);
  // A daemon runs on more than one node.
  validateReadOnlyDisks(spec.template, 2, template, errors);
  validateNonNegative(spec.minReadySeconds, SPEC.child('minReadySeconds'), errors);
  validateUpdateStrategy(spec.updateStrategy ?? {}, SPEC.child('updateStrategy'), errors);
  validateNonNegative(spec.revisionHistoryLimit, SPEC.child('revisionHistoryLimit'), errors);
}

function validateUpdateStrategy(strategy: DaemonSetUpdateStrategy, at: FieldPath, errors: FieldErrors): void {
  const { type, rollingUpdate: rolling } = strategy;
  if (type === 'OnDelete') return;
  if (type !== 'RollingUpdate') {
    // Shown whole, by the names of Kubernetes' own form of it.
    const shown = rolling ? { MaxUnavailable: rolling.maxUnavailable ?? 0, MaxSurge: rolling.maxSurge ?? 0 } : null;
    errors.notSupported(at, { Type: type ?? '', RollingUpdate: shown }, ['RollingUpdate', 'OnDelete']);
    return;
  }
  const here = at.child('rollingUpdate');
  if (!rolling) {
    errors.required(here);
    return;
  }
  for (const key of ['maxUnavailable', 'maxSurge'] as const) {
    validateAmountOrPercent(rolling[key], here.child(key), errors);
    validateAtMost100Percent(rolling[key], here.child(key), errors);
  }
  const unavailable = !isZeroAmount(rolling.maxUnavailable);
  const surge = !isZeroAmount(rolling.maxSurge);
  if (unavailable && surge)
    errors.invalid(here.child('maxSurge'), rolling.maxSurge, 'may not be set when maxUnavailable is non-zero');
  if (!unavailable && !surge) errors.required(here.child('maxUnavailable'), 'cannot be 0 when maxSurge is 0');
}

function validateStatus(status: DaemonSetStatus, errors: FieldErrors): void {
  validateCounters(
    status,
    [
      'currentNumberScheduled',
      'numberMisscheduled',
      'desiredNumberScheduled',
      'numberReady',
      'observedGeneration',
      'updatedNumberScheduled',
      'numberAvailable',
      'numberUnavailable',
      'collisionCount',
    ],
    errors,
  );
}

function validateUpdate(now: DaemonSet, old: DaemonSet, errors: FieldErrors, context: RuleContext): void {
  if (context.subresource === 'status') {
    if ((now.status.collisionCount ?? 0) < (old.status.collisionCount ?? 0))
      errors.invalid(path('status.collisionCount'), now.status.collisionCount ?? 0, 'cannot be decremented');
    return;
  }
  if (!semanticEqual(now.spec.selector, old.spec.selector))
    errors.invalid(SPEC.child('selector'), now.spec.selector, IMMUTABLE);
}

export const daemonSetStrategy: Strategy<DaemonSet> = {
  nameRule: 'dnsSubdomain',
  default: defaults,
  prepareForCreate(set, context) {
    set.status = { currentNumberScheduled: 0, numberMisscheduled: 0, desiredNumberScheduled: 0, numberReady: 0 };
    dropTemplateFields(set.spec.template, undefined, context.featureEnabled);
    setTemplateGeneration(set, 1);
  },
  prepareForUpdate(set, old, context) {
    if (context.subresource !== '') return;
    dropTemplateFields(set.spec.template, old.spec.template, context.featureEnabled);
    const before = Number(old.metadata.annotations?.[GENERATION] ?? 1);
    setTemplateGeneration(set, before + (semanticEqual(set.spec.template, old.spec.template) ? 0 : 1));
  },
  validate,
  validateUpdate,
  warnings(set, old) {
    if (old && semanticEqual(old.spec, set.spec)) return [];
    const names = old ? [] : hostnameWarnings(set.metadata.name, 'Pod names and hostnames');
    return [...names, ...podTemplateWarnings(set.spec.template, SPEC.child('template'))];
  },
};
