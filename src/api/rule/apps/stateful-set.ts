// The rules of StatefulSets.
import { type FieldErrors, type FieldPath, path } from '../../field-error.ts';
import type { Mutable } from '../../meta.ts';
import { isDns1123Label } from '../../name-rule.ts';
import type { RuleContext, Strategy } from '../../strategy.ts';
import type { RollingUpdateStatefulSetStrategy, StatefulSet, StatefulSetSpec } from '../../type/apps-v1.ts';
import {
  isZeroAmount,
  validateAmountOrPercent,
  validateAtMost100Percent,
  validateNonNegative,
} from '../amount-or-percent.ts';
import { validateClaimSpec } from '../core/claim-spec.ts';
import { claimSpecDefaults, podTemplateDefaults } from '../core/pod-default.ts';
import { dropTemplateFields } from '../core/pod-gate.ts';
import { podTemplateWarnings } from '../core/pod-warning.ts';
import { claimSpecWarnings } from '../core/volume-warning.ts';
import {
  hostnameWarnings,
  validateAtMost,
  validateCounters,
  validateRunningTemplate,
  validateWorkloadSelector,
} from '../core/workload-template.ts';
import { semanticEqual } from '../record.ts';

const SPEC = path('spec');
const RETENTION = ['Retain', 'Delete'];
const MUTABLE = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
] as const;

function defaults({ spec }: Mutable<StatefulSet>): void {
  spec.podManagementPolicy ||= 'OrderedReady';
  spec.updateStrategy ??= {};
  const strategy = spec.updateStrategy;
  if (!strategy.type) {
    strategy.type = 'RollingUpdate';
    strategy.rollingUpdate ??= {};
  }
  if (strategy.type === 'RollingUpdate' && strategy.rollingUpdate) strategy.rollingUpdate.partition ??= 0;
  spec.persistentVolumeClaimRetentionPolicy ??= {};
  spec.persistentVolumeClaimRetentionPolicy.whenDeleted ||= 'Retain';
  spec.persistentVolumeClaimRetentionPolicy.whenScaled ||= 'Retain';
  spec.replicas ??= 1;
  spec.revisionHistoryLimit ??= 10;
  for (const claim of spec.volumeClaimTemplates ?? []) {
    claim.apiVersion = 'v1';
    claim.kind = 'PersistentVolumeClaim';
    claim.spec ??= {};
    claimSpecDefaults(claim.spec);
    claim.status ??= {};
    claim.status.phase ||= 'Pending';
  }
  spec.template ??= {};
  podTemplateDefaults(spec.template);
}

function validate(set: StatefulSet, errors: FieldErrors, context: RuleContext): void {
  if (context.subresource === 'status') {
    validateStatus(set, errors);
    return;
  }
  const { spec } = set;
  const policy = spec.podManagementPolicy;
  if (!policy) errors.required(SPEC.child('podManagementPolicy'));
  else if (policy !== 'OrderedReady' && policy !== 'Parallel')
    errors.invalid(SPEC.child('podManagementPolicy'), policy, "must be 'OrderedReady' or 'Parallel'");
  validateUpdateStrategy(spec, SPEC.child('updateStrategy'), errors);
  for (const key of ['whenDeleted', 'whenScaled'] as const) {
    const value = spec.persistentVolumeClaimRetentionPolicy?.[key];
    if (value !== undefined && !RETENTION.includes(value))
      errors.notSupported(SPEC.child('persistentVolumeClaimRetentionPolicy', key), value, RETENTION);
  }
  validateNonNegative(spec.replicas, SPEC.child('replicas'), errors);
  validateNonNegative(spec.minReadySeconds, SPEC.child('minReadySeconds'), errors);
  validateNonNegative(spec.ordinals?.start, SPEC.child('ordinals', 'start'), errors);
  validateWorkloadSelector(spec, 'statefulset', SPEC, errors);
  if (!set.metadata.resourceVersion) validateNew(spec, errors);
  // Claims become volumes of the same name, which mounts may use.
  validateRunningTemplate(withClaimVolumes(spec), 'StatefulSet', SPEC.child('template'), errors, context);
}

// Sets made before these checks existed may go on as they are.
function validateNew(spec: StatefulSetSpec, errors: FieldErrors): void {
  const service = spec.serviceName;
  if (service) for (const m of isDns1123Label(service)) errors.invalid(SPEC.child('serviceName'), service, m);
  for (const [i, claim] of (spec.volumeClaimTemplates ?? []).entries()) {
    const at = SPEC.child('volumeClaimTemplates').index(i);
    if (!claim.metadata.name) errors.required(at.child('metadata', 'name'));
    validateClaimSpec(claim.spec, at.child('spec'), errors);
  }
}

function withClaimVolumes(spec: StatefulSetSpec): StatefulSetSpec['template'] {
  const { template, volumeClaimTemplates: claims } = spec;
  if (!claims?.length || !template.spec) return template;
  const own = template.spec.volumes ?? [];
  const made = claims
    .filter(c => !own.some(v => v.name === c.metadata.name))
    .map(c => ({ name: c.metadata.name, persistentVolumeClaim: { claimName: c.metadata.name } }));
  return { ...template, spec: { ...template.spec, volumes: [...own, ...made] } };
}

function validateUpdateStrategy(spec: StatefulSetSpec, at: FieldPath, errors: FieldErrors): void {
  const { type, rollingUpdate: rolling } = spec.updateStrategy ?? {};
  const here = at.child('rollingUpdate');
  if (!type) errors.required(at);
  else if (type === 'OnDelete') {
    if (rolling) errors.invalid(here, shown(rolling), "only allowed for updateStrategy 'RollingUpdate'");
  } else if (type === 'RollingUpdate') {
    if (!rolling) return;
    validateNonNegative(rolling.partition, here.child('partition'), errors);
    if (rolling.maxUnavailable === undefined) return;
    validateAmountOrPercent(rolling.maxUnavailable, here.child('maxUnavailable'), errors);
    if (isZeroAmount(rolling.maxUnavailable))
      errors.invalid(here.child('maxUnavailable'), rolling.maxUnavailable, 'cannot be 0');
    validateAtMost100Percent(rolling.maxUnavailable, here.child('maxUnavailable'), errors);
  } else {
    const value = { Type: type, RollingUpdate: rolling ? shown(rolling) : null };
    errors.invalid(at, value, "must be 'RollingUpdate' or 'OnDelete'");
  }
}

/** By the names of Kubernetes' own form of it. */
function shown({ partition = 0, maxUnavailable }: RollingUpdateStatefulSetStrategy): object {
  return { Partition: partition, MaxUnavailable: maxUnavailable ?? null };
}

function validateStatus({ status }: StatefulSet, errors: FieldErrors): void {
  validateCounters(
    status,
    ['replicas', 'readyReplicas', 'currentReplicas', 'updatedReplicas', 'availableReplicas', 'observedGeneration'],
    errors,
  );
  const all = 'status.replicas';
  for (const key of ['readyReplicas', 'currentReplicas', 'updatedReplicas', 'availableReplicas'] as const)
    validateAtMost(key, status[key], status.replicas, all, errors);
  validateAtMost('availableReplicas', status.availableReplicas, status.readyReplicas, 'status.readyReplicas', errors);
}

function validateUpdate(now: StatefulSet, old: StatefulSet, errors: FieldErrors, context: RuleContext): void {
  if (context.subresource !== '') return;
  const kept: Record<string, unknown> = { ...now.spec };
  for (const key of MUTABLE) kept[key] = old.spec[key];
  if (semanticEqual(kept, old.spec)) return;
  errors.forbidden(
    SPEC,
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
  );
}

function prepare(set: Mutable<StatefulSet>, old: StatefulSet | undefined, context: RuleContext): void {
  const rolling = set.spec.updateStrategy?.rollingUpdate;
  if (rolling && old?.spec.updateStrategy?.rollingUpdate?.maxUnavailable === undefined) {
    if (!context.featureEnabled('MaxUnavailableStatefulSet'))
      delete (rolling as { maxUnavailable?: unknown }).maxUnavailable;
    else rolling.maxUnavailable ??= 1;
  }
  dropTemplateFields(set.spec.template, old?.spec.template, context.featureEnabled);
}

export const statefulSetStrategy: Strategy<StatefulSet> = {
  nameRule: 'dnsSubdomain',
  default: defaults,
  prepareForCreate(set, context) {
    set.status = { replicas: 0 };
    prepare(set, undefined, context);
  },
  prepareForUpdate(set, old, context) {
    if (context.subresource === '') prepare(set, old, context);
  },
  validate,
  validateUpdate,
  warnings(set, old) {
    if (old && semanticEqual(old.spec, set.spec)) return [];
    const out = old ? [] : hostnameWarnings(set.metadata.name, 'Pod names and hostnames');
    out.push(...podTemplateWarnings(set.spec.template, SPEC.child('template')));
    for (const [i, claim] of (set.spec.volumeClaimTemplates ?? []).entries())
      out.push(...claimSpecWarnings(claim.spec, SPEC.child('volumeClaimTemplates').index(i)));
    if ((set.spec.revisionHistoryLimit ?? 0) < 0)
      out.push(
        'spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended',
      );
    return out;
  },
};
