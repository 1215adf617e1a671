// The rules of Jobs.
import { type FieldErrors, path } from '../../field-error.ts';
import type { Mutable } from '../../meta.ts';
import { IMMUTABLE, isDns1123Label } from '../../name-rule.ts';
import type { RuleContext, Strategy } from '../../strategy.ts';
import type { Job, JobSpec } from '../../type/batch-v1.ts';
import type { PodSpec, PodTemplateSpec } from '../../type/core-v1.ts';
import { podTemplateDefaults } from '../core/pod-default.ts';
import { dropTemplateFields } from '../core/pod-gate.ts';
import { podTemplateWarnings } from '../core/pod-warning.ts';
import { hostnameWarnings, MISMATCH, selects, validateCounters } from '../core/workload-template.ts';
import { hasKeys, validateLabelSelector } from '../meta.ts';
import { semanticEqual, sortedRecord } from '../record.ts';
import { failurePolicyDefaults } from './job-policy.ts';
import { validateJobSpec } from './job-spec.ts';
import { validateJobStatusUpdate } from './job-status.ts';

const SPEC = path('spec');
const TEMPLATE_LABELS = SPEC.child('template', 'metadata', 'labels');
const NAME_LABELS = ['job-name', 'batch.kubernetes.io/job-name'];
const UID_LABELS = ['controller-uid', 'batch.kubernetes.io/controller-uid'];
const UID_LABEL = 'batch.kubernetes.io/controller-uid';

function defaults(job: Mutable<Job>): void {
  const spec = job.spec;
  if (spec.parallelism === undefined && spec.completions === undefined) spec.completions = 1;
  spec.parallelism ??= 1;
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : 2147483647;
  spec.template ??= {};
  labelsFromTemplate(job);
  spec.completionMode ??= 'NonIndexed';
  spec.suspend ??= false;
  spec.manualSelector ??= false;
  failurePolicyDefaults(spec);
  spec.podReplacementPolicy ??= spec.podFailurePolicy ? 'Failed' : 'TerminatingOrFailed';
  podTemplateDefaults(spec.template);
}

function labelsFromTemplate(job: Mutable<Job>): void {
  const labels = job.spec.template.metadata?.labels;
  if (hasKeys(labels) && !hasKeys(job.metadata.labels)) job.metadata.labels = { ...labels };
}

// Labels that mark the pods of this job and of no other, and a selector for them.
function generateSelector(job: Mutable<Job>): void {
  const { template } = job.spec;
  const { name, uid } = job.metadata;
  template.metadata ??= {} as Mutable<NonNullable<PodTemplateSpec['metadata']>>;
  const labels = { ...template.metadata.labels };
  for (const label of NAME_LABELS) labels[label] ??= name;
  for (const label of UID_LABELS) labels[label] ??= uid;
  template.metadata.labels = sortedRecord(labels);
  job.spec.selector ??= {};
  job.spec.selector.matchLabels = sortedRecord({ [UID_LABEL]: uid, ...job.spec.selector.matchLabels });
}

function validate(job: Job, errors: FieldErrors, context: RuleContext): void {
  if (context.subresource === 'status') {
    validateCounters(job.status, ['active', 'succeeded', 'failed', 'ready', 'terminating'], errors);
    return;
  }
  const { spec, metadata } = job;
  if (!spec.manualSelector && spec.selector) validateGeneratedSelector(job, errors);
  validateJobSpec(spec, SPEC, errors, context);
  if (!spec.selector) errors.required(SPEC.child('selector'));
  else {
    validateLabelSelector(spec.selector, SPEC.child('selector'), errors);
    const labels = spec.template.metadata?.labels;
    if (selects(spec.selector, labels) === false) errors.invalid(TEMPLATE_LABELS, labels ?? {}, MISMATCH);
  }
  if (spec.completionMode !== 'Indexed' || !spec.completions) return;
  const hostname = `${metadata.name}-${spec.completions - 1}`;
  if (isDns1123Label(hostname).length > 0)
    errors.invalid(
      path('metadata.name'),
      metadata.name,
      `will not able to create pod with invalid DNS label: ${hostname}`,
    );
}

function validateGeneratedSelector(job: Job, errors: FieldErrors): void {
  const { name, uid } = job.metadata;
  if (!uid) errors.required(path('metadata.uid'));
  const labels = job.spec.template.metadata?.labels ?? {};
  const expected: Record<string, string> = {};
  for (const label of UID_LABELS) expected[label] = uid;
  for (const label of NAME_LABELS) expected[label] = name;
  for (const label in expected) {
    const here = TEMPLATE_LABELS.key(label);
    if (labels[label] === undefined) errors.required(here, `must be '${expected[label]}'`);
    else if (labels[label] !== expected[label]) errors.invalid(here, labels, `must be '${expected[label]}'`);
  }
  if (selects(job.spec.selector!, expected) === false)
    errors.invalid(SPEC.child('selector'), job.spec.selector, '`selector` not auto-generated');
}

const FIXED = ['completionMode', 'podFailurePolicy', 'backoffLimitPerIndex', 'managedBy', 'successPolicy'] as const;

function validateUpdate(now: Job, old: Job, errors: FieldErrors, context: RuleContext): void {
  if (context.subresource === 'status') {
    validateJobStatusUpdate(now, old, errors);
    return;
  }
  validateCompletions(now.spec, old.spec, errors);
  if (!semanticEqual(now.spec.selector, old.spec.selector))
    errors.invalid(SPEC.child('selector'), now.spec.selector, IMMUTABLE);
  const template = mutableTemplate(now.spec.template, old, context);
  if (!semanticEqual(template, old.spec.template)) errors.invalid(SPEC.child('template'), now.spec.template, IMMUTABLE);
  for (const key of FIXED)
    if (!semanticEqual(now.spec[key], old.spec[key])) errors.invalid(SPEC.child(key), now.spec[key], IMMUTABLE);
}

function validateCompletions(now: JobSpec, old: JobSpec, errors: FieldErrors): void {
  if (now.completions === old.completions) return;
  const at = SPEC.child('completions');
  if (now.completionMode !== 'Indexed') errors.invalid(at, now.completions, IMMUTABLE);
  else if (now.completions !== undefined && now.completions !== now.parallelism)
    errors.invalid(at, now.completions, 'can only be modified in tandem with spec.parallelism');
}

// While a suspended job has no pods, where and with what they will run may still change.
function mutableTemplate(template: PodTemplateSpec, old: Job, context: RuleContext): PodTemplateSpec {
  if (!old.spec.suspend) return template;
  const suspended = old.status.conditions?.some(c => c.type === 'Suspended' && c.status === 'True') ?? false;
  const idle = suspended && !old.status.active;
  const unstarted = old.status.startTime === undefined;
  const before = old.spec.template;
  const spec: Record<string, unknown> = { ...template.spec };
  let metadata = template.metadata;
  if (unstarted || (idle && context.featureEnabled('MutableSchedulingDirectivesForSuspendedJobs'))) {
    metadata = {
      ...metadata,
      labels: before.metadata?.labels,
      annotations: before.metadata?.annotations,
    } as typeof metadata;
    for (const key of ['nodeSelector', 'tolerations', 'schedulingGates'] as const) spec[key] = before.spec?.[key];
    const affinity = { ...template.spec?.affinity, nodeAffinity: before.spec?.affinity?.nodeAffinity };
    spec.affinity = Object.values(affinity).some(v => v !== undefined) ? affinity : before.spec?.affinity;
  }
  if ((unstarted || idle) && context.featureEnabled('MutablePodResourcesForSuspendedJobs')) {
    spec.resources = before.spec?.resources;
    for (const list of ['containers', 'initContainers'] as const)
      spec[list] = template.spec?.[list]?.map((c, i) => ({ ...c, resources: before.spec?.[list]?.[i]?.resources }));
  }
  return { ...template, metadata, spec: spec as unknown as PodSpec } as PodTemplateSpec;
}

export const jobStrategy: Strategy<Job> = {
  nameRule: 'dnsSubdomain',
  // Deleting a job left its pods alone once, and clients of that age still count on it.
  defaultPropagation: 'orphan',
  default: defaults,
  prepareForCreate(job, context) {
    if (!job.spec.manualSelector) generateSelector(job);
    // Reading the job back defaults it again: the labels just made become its own as well.
    labelsFromTemplate(job);
    job.status = {};
    dropTemplateFields(job.spec.template, undefined, context.featureEnabled);
  },
  prepareForUpdate(job, old, context) {
    if (context.subresource === '') dropTemplateFields(job.spec.template, old.spec.template, context.featureEnabled);
  },
  validate,
  validateUpdate,
  warnings(job, old) {
    if (old && semanticEqual(old.spec, job.spec)) return [];
    const { spec } = job;
    const out = old ? [] : hostnameWarnings(job.metadata.name, 'Pod names and hostnames');
    if (spec.completionMode === 'Indexed' && (spec.completions ?? 0) > 100_000 && (spec.parallelism ?? 0) > 10_000)
      out.push(
        'In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might not be able to track completedIndexes when a big number of indexes fail',
      );
    return [...out, ...podTemplateWarnings(spec.template, SPEC.child('template'))];
  },
};
