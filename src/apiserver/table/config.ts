// Rows of configuration, events, quotas, roles and priorities.
import type { ConfigMap, Event, ResourceQuota, Secret, ServiceAccount } from '../../api/type/core-v1.ts';
import type { ClusterRoleBinding, RoleBinding } from '../../api/type/rbac-v1.ts';
import type { PriorityClass } from '../../api/type/scheduling-v1.ts';
import { ageOf } from './human-duration.ts';
import type { CellsByKind } from './kind.ts';
import { conditionOf, isTrue, none } from './text.ts';

const sizeOf = (map: object | undefined): number => Object.keys(map ?? {}).length;

function eventTimes(e: Event, now: number): { first: string; last: string; count: number } {
  const first = ageOf(e.firstTimestamp || e.eventTime, now);
  const last = e.series ? ageOf(e.series.lastObservedTime, now) : e.lastTimestamp ? ageOf(e.lastTimestamp, now) : first;
  return { first, last, count: e.series ? (e.series.count ?? 0) : e.count || 1 };
}

function eventSource({ source, reportingComponent, reportingInstance }: Event): string {
  const component = source?.component || reportingComponent || '';
  const host = source?.host || reportingInstance || '';
  return host ? `${component}, ${host}` : component;
}

function quotaTexts({ status }: ResourceQuota): [requests: string, limits: string] {
  const requests: string[] = [];
  const limits: string[] = [];
  for (const name of Object.keys(status?.hard ?? {}).sort())
    (name.startsWith('limits.') ? limits : requests).push(
      `${name}: ${status.used?.[name] ?? '0'}/${status.hard![name]}`,
    );
  return [requests.join(', '), limits.join(', ')];
}

function bindingCells(b: RoleBinding | ClusterRoleBinding, now: number): readonly unknown[] {
  const of = (kind: string) => (b.subjects ?? []).filter(s => s.kind === kind);
  return [
    b.metadata.name,
    `${b.roleRef?.kind}/${b.roleRef?.name}`,
    ageOf(b.metadata.creationTimestamp, now),
    of('User')
      .map(s => s.name)
      .join(', '),
    of('Group')
      .map(s => s.name)
      .join(', '),
    of('ServiceAccount')
      .map(s => (s.namespace ? `${s.namespace}/${s.name}` : s.name))
      .join(', '),
  ];
}

function disruption(conditions: Parameters<typeof conditionOf>[0]): string | undefined {
  const target = conditionOf(conditions, 'DisruptionTarget');
  return target?.status === 'True' ? target.reason || target.type : undefined;
}

function podGroupStatus(conditions: Parameters<typeof conditionOf>[0]): string {
  const disrupted = disruption(conditions);
  if (disrupted) return disrupted;
  if (isTrue(conditions, 'PodGroupScheduled')) return 'Scheduled';
  return conditionOf(conditions, 'PodGroupScheduled')?.reason === 'Unschedulable' ? 'Unschedulable' : 'Pending';
}

export const configCells: CellsByKind = {
  ConfigMap: (c: ConfigMap, now) => [
    c.metadata.name,
    sizeOf(c.data) + sizeOf(c.binaryData),
    ageOf(c.metadata.creationTimestamp, now),
  ],
  Secret: (s: Secret, now) => [s.metadata.name, s.type ?? '', sizeOf(s.data), ageOf(s.metadata.creationTimestamp, now)],
  ServiceAccount: ({ metadata }: ServiceAccount, now) => [metadata.name, ageOf(metadata.creationTimestamp, now)],
  Event: (e: Event, now) => {
    const { first, last, count } = eventTimes(e, now);
    return [
      last,
      e.type ?? '',
      e.reason ?? '',
      `${e.involvedObject?.kind?.toLowerCase() ?? ''}/${e.involvedObject?.name ?? ''}`,
      e.involvedObject?.fieldPath ?? '',
      eventSource(e),
      (e.message ?? '').trim(),
      first,
      count,
      e.metadata.name,
    ];
  },
  ResourceQuota: (quota: ResourceQuota, now) => [
    quota.metadata.name,
    ...quotaTexts(quota),
    ageOf(quota.metadata.creationTimestamp, now),
  ],
  RoleBinding: bindingCells,
  ClusterRoleBinding: bindingCells,
  PriorityClass: (c: PriorityClass, now) => [
    c.metadata.name,
    c.value ?? 0,
    c.globalDefault ?? false,
    ageOf(c.metadata.creationTimestamp, now),
    c.preemptionPolicy ?? '',
  ],
  Workload: ({ metadata }, now) => [metadata.name, ageOf(metadata.creationTimestamp, now)],
  PodGroup: ({ metadata, spec, status }, now) => [
    metadata.name,
    spec?.schedulingPolicy?.gang ? 'Gang' : 'Basic',
    spec?.podGroupTemplateRef?.workload?.workloadName ?? none,
    podGroupStatus(status?.conditions),
    ageOf(metadata.creationTimestamp, now),
  ],
};
