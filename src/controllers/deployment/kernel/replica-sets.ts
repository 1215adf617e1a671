// Reading and ordering a Deployment's ReplicaSets.
import { semanticEqual } from '../../../api/rule/record.ts';
import type { Deployment, ReplicaSet } from '../../../api/type/apps-v1.ts';
import type { PodTemplateSpec } from '../../../api/type/core-v1.ts';

export const hashLabel = 'pod-template-hash';

export const sizeOf = (rs: ReplicaSet): number => rs.spec?.replicas ?? 1;
export const availableOf = (rs: ReplicaSet): number => rs.status?.availableReplicas ?? 0;
export const isScaledUp = (rs: ReplicaSet): boolean => sizeOf(rs) > 0;

export const sum = (sets: readonly ReplicaSet[], of: (rs: ReplicaSet) => number): number =>
  sets.reduce((n, rs) => n + of(rs), 0);

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** Oldest first; what is of one second goes by name. */
export const byAge = (a: ReplicaSet, b: ReplicaSet): number =>
  compareText(a.metadata.creationTimestamp, b.metadata.creationTimestamp) ||
  compareText(a.metadata.name, b.metadata.name);

export const bySizeNewer = (a: ReplicaSet, b: ReplicaSet): number => sizeOf(b) - sizeOf(a) || byAge(b, a);
export const bySizeOlder = (a: ReplicaSet, b: ReplicaSet): number => sizeOf(b) - sizeOf(a) || byAge(a, b);

/** Equal but for the label that the controller adds. */
export function equalTemplates(a: PodTemplateSpec | undefined, b: PodTemplateSpec | undefined): boolean {
  return semanticEqual(withoutHash(a), withoutHash(b));
}

export function withoutHash(template: PodTemplateSpec | undefined): PodTemplateSpec | undefined {
  if (template?.metadata?.labels?.[hashLabel] === undefined) return template;
  const { [hashLabel]: _, ...labels } = template.metadata.labels;
  return { ...template, metadata: { ...template.metadata, labels } };
}

export interface Split {
  /** The oldest one with the Deployment's template. */
  readonly current: ReplicaSet | undefined;
  readonly old: readonly ReplicaSet[];
}

export function splitSets(d: Deployment, sets: readonly ReplicaSet[]): Split {
  const current = sets.toSorted(byAge).find(rs => equalTemplates(rs.spec?.template, d.spec?.template));
  return { current, old: sets.filter(rs => rs !== current) };
}

/** The only one that has pods; when none has, the current or the newest one; undefined when several have. */
export function activeOrLatest({ current, old }: Split): ReplicaSet | undefined {
  const all = current ? [...old, current] : [...old];
  const active = all.filter(isScaledUp);
  if (active.length > 1) return undefined;
  return active[0] ?? current ?? old.toSorted(byAge).at(-1);
}
