// Rows of what makes pods.
import { parseTime } from '../../api/meta.ts';
import type { ControllerRevision, DaemonSet, Deployment, ReplicaSet, StatefulSet } from '../../api/type/apps-v1.ts';
import type { Scale } from '../../api/type/autoscaling-v1.ts';
import type {
  HorizontalPodAutoscaler,
  MetricSpec,
  MetricStatus,
  MetricTarget,
  MetricValueStatus,
} from '../../api/type/autoscaling-v2.ts';
import type { CronJob, Job } from '../../api/type/batch-v1.ts';
import type { PodTemplate, ReplicationController } from '../../api/type/core-v1.ts';
import type { PodDisruptionBudget } from '../../api/type/policy-v1.ts';
import { ageOf, humanDuration } from './human-duration.ts';
import type { CellsByKind } from './kind.ts';
import { containerTexts, isTrue, mapText, none, podTexts, unknown, unset } from './text.ts';

export function jobStatus(job: Job): string {
  const conditions = job.status?.conditions;
  if (isTrue(conditions, 'Complete')) return 'Complete';
  if (isTrue(conditions, 'Failed')) return 'Failed';
  if (job.metadata.deletionTimestamp) return 'Terminating';
  for (const type of ['Suspended', 'FailureTarget', 'SuccessCriteriaMet']) if (isTrue(conditions, type)) return type;
  return 'Running';
}

function jobCompletions({ spec, status }: Job): string {
  const succeeded = status?.succeeded ?? 0;
  if (spec.completions !== undefined) return `${succeeded}/${spec.completions}`;
  const parallelism = spec.parallelism ?? 0;
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`;
}

function jobDuration({ status }: Job, nowMs: number): string {
  const start = parseTime(status?.startTime);
  if (start === undefined) return '';
  return humanDuration((parseTime(status?.completionTime) ?? nowMs) - start);
}

const boolText = (value: boolean | undefined): string => (value === undefined ? unset : value ? 'True' : 'False');

type MetricSource = { target: MetricTarget; current: MetricValueStatus | undefined };

/** `cpu: 20%/80%`, `12/40 (avg)`: what is, what shall be. */
function metricText(spec: MetricSpec, status: MetricStatus | undefined): string {
  const average = ({ target, current }: MetricSource) =>
    `${current?.averageValue ?? unknown}/${target.averageValue ?? ''}`;
  switch (spec.type) {
    case 'External':
    case 'Object': {
      const key = spec.type === 'External' ? 'external' : 'object';
      const target = spec[key]?.target;
      const current = status?.[key]?.current;
      if (!target) return unknown;
      if (target.averageValue !== undefined) return `${average({ target, current })} (avg)`;
      return `${current?.value ?? unknown}/${target.value ?? ''}`;
    }
    case 'Pods':
      return spec.pods ? average({ target: spec.pods.target, current: status?.pods?.current }) : unknown;
    case 'Resource':
    case 'ContainerResource': {
      const key = spec.type === 'Resource' ? 'resource' : 'containerResource';
      const source = spec[key];
      if (!source) return unknown;
      const current = status?.[key]?.current;
      if (source.target.averageValue !== undefined) return `${source.name}: ${average({ ...source, current })}`;
      const is = current?.averageUtilization === undefined ? unknown : `${current.averageUtilization}%`;
      const wanted = source.target.averageUtilization;
      return `${source.name}: ${is}/${wanted === undefined ? '<auto>' : `${wanted}%`}`;
    }
    default:
      return '<unknown type>';
  }
}

const shownMetrics = 2;

function metricsText({ spec, status }: HorizontalPodAutoscaler): string {
  const metrics = spec.metrics ?? [];
  if (metrics.length === 0) return none;
  const text = metrics
    .slice(0, shownMetrics)
    .map((m, i) => metricText(m, status?.currentMetrics?.[i]))
    .join(', ');
  return metrics.length > shownMetrics ? `${text} + ${metrics.length - shownMetrics} more...` : text;
}

function controllerText({ metadata }: ControllerRevision): string {
  const owner = metadata.ownerReferences?.find(o => o.controller);
  if (!owner) return none;
  const slash = owner.apiVersion.indexOf('/');
  const group = slash < 0 ? '' : `.${owner.apiVersion.slice(0, slash)}`;
  return `${`${owner.kind}${group}`.toLowerCase()}/${owner.name}`;
}

export const workloadCells: CellsByKind = {
  PodTemplate: ({ metadata, template }: PodTemplate) => [
    metadata.name,
    ...containerTexts(template),
    mapText(template?.metadata?.labels),
  ],
  PodDisruptionBudget: ({ metadata, spec, status }: PodDisruptionBudget, now) => [
    metadata.name,
    String(spec?.minAvailable ?? 'N/A'),
    String(spec?.maxUnavailable ?? 'N/A'),
    status?.disruptionsAllowed ?? 0,
    ageOf(metadata.creationTimestamp, now),
  ],
  ReplicationController: ({ metadata, spec, status }: ReplicationController, now) => [
    metadata.name,
    spec?.replicas ?? 0,
    status?.replicas ?? 0,
    status?.readyReplicas ?? 0,
    ageOf(metadata.creationTimestamp, now),
    ...containerTexts(spec?.template),
    mapText(spec?.selector),
  ],
  ReplicaSet: ({ metadata, spec, status }: ReplicaSet, now) => [
    metadata.name,
    spec?.replicas ?? 0,
    status?.replicas ?? 0,
    status?.readyReplicas ?? 0,
    ageOf(metadata.creationTimestamp, now),
    ...podTexts(spec?.template, spec?.selector),
  ],
  DaemonSet: ({ metadata, spec, status }: DaemonSet, now) => [
    metadata.name,
    status?.desiredNumberScheduled ?? 0,
    status?.currentNumberScheduled ?? 0,
    status?.numberReady ?? 0,
    status?.updatedNumberScheduled ?? 0,
    status?.numberAvailable ?? 0,
    mapText(spec?.template?.spec?.nodeSelector),
    ageOf(metadata.creationTimestamp, now),
    ...podTexts(spec?.template, spec?.selector),
  ],
  StatefulSet: ({ metadata, spec, status }: StatefulSet, now) => [
    metadata.name,
    `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`,
    ageOf(metadata.creationTimestamp, now),
    ...containerTexts(spec?.template),
  ],
  Deployment: ({ metadata, spec, status }: Deployment, now) => [
    metadata.name,
    `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`,
    status?.updatedReplicas ?? 0,
    status?.availableReplicas ?? 0,
    ageOf(metadata.creationTimestamp, now),
    ...podTexts(spec?.template, spec?.selector),
  ],
  Job: (job: Job, now) => [
    job.metadata.name,
    jobStatus(job),
    jobCompletions(job),
    jobDuration(job, now),
    ageOf(job.metadata.creationTimestamp, now),
    ...podTexts(job.spec?.template, job.spec?.selector),
  ],
  CronJob: ({ metadata, spec, status }: CronJob, now) => [
    metadata.name,
    spec.schedule,
    spec.timeZone ?? none,
    boolText(spec.suspend),
    status?.active?.length ?? 0,
    status?.lastScheduleTime ? ageOf(status.lastScheduleTime, now) : none,
    ageOf(metadata.creationTimestamp, now),
    ...podTexts(spec.jobTemplate?.spec?.template, spec.jobTemplate?.spec?.selector),
  ],
  HorizontalPodAutoscaler: (hpa: HorizontalPodAutoscaler, now) => [
    hpa.metadata.name,
    `${hpa.spec.scaleTargetRef.kind}/${hpa.spec.scaleTargetRef.name}`,
    metricsText(hpa),
    hpa.spec.minReplicas === undefined ? unset : String(hpa.spec.minReplicas),
    hpa.spec.maxReplicas,
    hpa.status?.currentReplicas ?? 0,
    ageOf(hpa.metadata.creationTimestamp, now),
  ],
  ControllerRevision: (revision: ControllerRevision, now) => [
    revision.metadata.name,
    controllerText(revision),
    revision.revision,
    ageOf(revision.metadata.creationTimestamp, now),
  ],
  Scale: ({ metadata, spec, status }: Scale, now) => [
    metadata.name,
    spec?.replicas ?? 0,
    status?.replicas ?? 0,
    ageOf(metadata.creationTimestamp, now),
  ],
};
