// The rules of CronJobs.
import { CronError, isTimeZone, parseCron } from '../../cron-schedule.ts';
import { type FieldErrors, path } from '../../field-error.ts';
import type { Mutable } from '../../meta.ts';
import type { RuleContext, Strategy } from '../../strategy.ts';
import type { CronJob, CronJobSpec } from '../../type/batch-v1.ts';
import { validateNonNegative } from '../amount-or-percent.ts';
import { podTemplateDefaults } from '../core/pod-default.ts';
import { dropTemplateFields } from '../core/pod-gate.ts';
import { podTemplateWarnings } from '../core/pod-warning.ts';
import { hostnameWarnings } from '../core/workload-template.ts';
import { validateAnnotations, validateLabels } from '../meta.ts';
import { semanticEqual } from '../record.ts';
import { failurePolicyDefaults } from './job-policy.ts';
import { validateJobSpec } from './job-spec.ts';

const SPEC = path('spec');
const TEMPLATE = SPEC.child('jobTemplate');
const POLICIES = ['Allow', 'Forbid', 'Replace'];
// 63 for the name of a job, less 11 for the `-timestamp` the controller adds.
const MAX_NAME = 52;

function defaults({ spec }: Mutable<CronJob>): void {
  spec.concurrencyPolicy ||= 'Allow';
  spec.suspend ??= false;
  spec.successfulJobsHistoryLimit ??= 3;
  spec.failedJobsHistoryLimit ??= 1;
  spec.jobTemplate ??= {};
  spec.jobTemplate.spec ??= { template: {} };
  spec.jobTemplate.spec.template ??= {};
  failurePolicyDefaults(spec.jobTemplate.spec);
  podTemplateDefaults(spec.jobTemplate.spec.template);
}

function validate(job: CronJob, errors: FieldErrors, context: RuleContext): void {
  if (context.subresource !== '') return;
  const { spec, metadata } = job;
  if (!metadata.resourceVersion) {
    validateSchedule(spec, true, errors);
    if ((metadata.name ?? '').length > MAX_NAME)
      errors.invalid(path('metadata.name'), metadata.name, `must be no more than ${MAX_NAME} characters`);
  }
  validateNonNegative(spec.startingDeadlineSeconds, SPEC.child('startingDeadlineSeconds'), errors);
  const policy = spec.concurrencyPolicy;
  if (!policy) errors.required(SPEC.child('concurrencyPolicy'));
  else if (!POLICIES.includes(policy)) errors.notSupported(SPEC.child('concurrencyPolicy'), policy, POLICIES);
  validateJobTemplate(spec, errors, context);
  validateNonNegative(spec.successfulJobsHistoryLimit, SPEC.child('successfulJobsHistoryLimit'), errors);
  validateNonNegative(spec.failedJobsHistoryLimit, SPEC.child('failedJobsHistoryLimit'), errors);
}

function validateSchedule(spec: CronJobSpec, checkZone: boolean, errors: FieldErrors): void {
  const { schedule, timeZone } = spec;
  const at = SPEC.child('schedule');
  if (!schedule) errors.required(at);
  else {
    try {
      parseCron(schedule);
    } catch (error) {
      if (!(error instanceof CronError)) throw error;
      errors.invalid(at, schedule, error.message);
    }
    if (schedule.includes('TZ')) {
      if (timeZone !== undefined)
        errors.invalid(at, schedule, 'cannot use both timeZone field and TZ or CRON_TZ in schedule');
      else if (checkZone)
        errors.invalid(at, schedule, 'cannot use TZ or CRON_TZ in schedule, use timeZone field instead');
    }
  }
  if (timeZone !== undefined && checkZone) validateTimeZone(timeZone, errors);
}

function validateTimeZone(zone: string, errors: FieldErrors): void {
  const at = SPEC.child('timeZone');
  if (zone === '') errors.invalid(at, zone, 'timeZone must be nil or non-empty string');
  else if (zone.toLowerCase() === 'local')
    errors.invalid(at, zone, 'timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones');
  else if (!isTimeZone(zone)) errors.invalid(at, zone, `unknown time zone ${zone}`);
}

function validateJobTemplate(spec: CronJobSpec, errors: FieldErrors, context: RuleContext): void {
  const { metadata, spec: job } = spec.jobTemplate;
  if (metadata?.labels) validateLabels(metadata.labels, TEMPLATE.child('labels'), errors);
  if (metadata?.annotations) validateAnnotations(metadata.annotations, TEMPLATE.child('annotations'), errors);
  if (!job) return;
  const at = TEMPLATE.child('spec');
  validateJobSpec(job, at, errors, context);
  if (job.selector) errors.invalid(at.child('selector'), job.selector, '`selector` will be auto-generated');
  if (job.manualSelector) errors.notSupported(at.child('manualSelector'), job.manualSelector, ['nil', 'false']);
}

function validateUpdate(now: CronJob, old: CronJob, errors: FieldErrors, context: RuleContext): void {
  if (context.subresource !== '') return;
  const { schedule, timeZone } = now.spec;
  // What was accepted once may stay; only what changes is held to today's rules.
  const changed = schedule !== old.spec.schedule || timeZone !== old.spec.timeZone;
  const hadZone = old.spec.schedule.includes('TZ');
  validateSchedule(now.spec, changed && !(hadZone && timeZone === undefined), errors);
}

export const cronJobStrategy: Strategy<CronJob> = {
  nameRule: 'dnsSubdomain',
  default: defaults,
  prepareForCreate(job, context) {
    job.status = {};
    dropTemplateFields(job.spec.jobTemplate.spec?.template, undefined, context.featureEnabled);
  },
  prepareForUpdate(job, old, context) {
    if (context.subresource === '')
      dropTemplateFields(
        job.spec.jobTemplate.spec?.template,
        old.spec.jobTemplate.spec?.template,
        context.featureEnabled,
      );
  },
  validate,
  validateUpdate,
  warnings(job, old) {
    if (old && semanticEqual(old.spec, job.spec)) return [];
    const out = old ? [] : hostnameWarnings(job.metadata.name, 'Pod names and hostnames');
    if (job.spec.schedule.includes('TZ'))
      out.push(
        `${SPEC.child('schedule')}: TZ or CRON_TZ used in ${SPEC.child('schedule')} is not officially supported, see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details`,
      );
    const template = job.spec.jobTemplate.spec?.template;
    return template ? [...out, ...podTemplateWarnings(template, TEMPLATE.child('spec', 'template'))] : out;
  },
};
