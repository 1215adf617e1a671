// Revisions and the other annotations that a Deployment and its ReplicaSets share.
import { cloneDeep, type Draft } from '../../../api/meta.ts';
import type { Deployment, ReplicaSet } from '../../../api/type/apps-v1.ts';
import type { LabelSelector, OwnerReference } from '../../../api/type/meta-v1.ts';
import { compareWhole, isInt64, largest, type WholeNumber, wholeNumber } from '../../../base/whole-number.ts';
import { hashOf } from '../../kernel/hash.ts';
import { maxSurge, wantedReplicas } from './amount.ts';
import { byAge, hashLabel, isScaledUp } from './replica-sets.ts';

export const revisionAnnotation = 'deployment.kubernetes.io/revision';
const historyAnnotation = 'deployment.kubernetes.io/revision-history';
const desiredAnnotation = 'deployment.kubernetes.io/desired-replicas';
const maxAnnotation = 'deployment.kubernetes.io/max-replicas';
export const rollbackAnnotation = 'deprecated.deployment.rollback.to';
const historyLimitChars = 2000;

// What says something of one object only.
const notCopied = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  revisionAnnotation,
  historyAnnotation,
  desiredAnnotation,
  maxAnnotation,
  rollbackAnnotation,
]);

type Annotations = Readonly<Record<string, string>>;

/** The revision to go back to, 0 for the one before; undefined when nobody asks for it. */
export const rollbackRevision = (d: Deployment): WholeNumber | undefined =>
  parseInt64(d.metadata.annotations?.[rollbackAnnotation] ?? '');

/** The annotations of the ReplicaSet gone back to, but for those that say something of one object only. */
export function rolledBackAnnotations(d: Deployment, target: ReplicaSet): Record<string, string> {
  const next: Record<string, string> = {};
  for (const [k, v] of Object.entries(d.metadata.annotations ?? {})) if (notCopied.has(k)) next[k] = v;
  for (const [k, v] of Object.entries(target.metadata.annotations ?? {})) if (!notCopied.has(k)) next[k] = v;
  return next;
}

/** 0 when there is none; undefined when it is no number. */
export function revisionOf(object: { metadata: { annotations?: Annotations } }): WholeNumber | undefined {
  const text = object.metadata.annotations?.[revisionAnnotation];
  return text ? parseInt64(text) : 0;
}

function parseInt64(text: string): WholeNumber | undefined {
  if (!/^-?[0-9]+$/.test(text)) return undefined;
  const exact = BigInt(text);
  return isInt64(exact) ? wholeNumber(exact) : undefined;
}

export const maxRevision = (sets: readonly ReplicaSet[]): WholeNumber => largest(sets.map(rs => revisionOf(rs) ?? 0));

/** The one after all of these. */
export const nextRevision = (sets: readonly ReplicaSet[]): WholeNumber => wholeNumber(BigInt(maxRevision(sets)) + 1n);

/** The second highest revision: that before the current one. 0 when there is none. */
export function lastRevision(sets: readonly ReplicaSet[]): WholeNumber {
  const revisions = sets.map(rs => revisionOf(rs) ?? 0).sort((a, b) => compareWhole(b, a));
  return revisions[1] ?? 0;
}

function annotatedNumber(rs: ReplicaSet, annotation: string): number | undefined {
  const text = rs.metadata.annotations?.[annotation];
  return text !== undefined && /^-?[0-9]+$/.test(text) ? Number(text) : undefined;
}

export const desiredReplicas = (rs: ReplicaSet): number | undefined => annotatedNumber(rs, desiredAnnotation);
export const annotatedMax = (rs: ReplicaSet): number | undefined => annotatedNumber(rs, maxAnnotation);

/** The size that the Deployment had when its ReplicaSets were last scaled differs from what it wants now. */
export const isScalingEvent = (d: Deployment, sets: readonly ReplicaSet[]): boolean =>
  sets.some(rs => isScaledUp(rs) && (desiredReplicas(rs) ?? wantedReplicas(d)) !== wantedReplicas(d));

/** Annotations of a ReplicaSet that is being scaled. */
export const scaleAnnotations = (d: Deployment): Annotations => ({
  [desiredAnnotation]: String(wantedReplicas(d)),
  [maxAnnotation]: String(wantedReplicas(d) + maxSurge(d)),
});

/** The annotations the current ReplicaSet should have: the Deployment's own, the revision and those it had before. */
export function currentAnnotations(
  d: Deployment,
  rs: { metadata: { annotations?: Annotations } },
  revision: WholeNumber,
): Annotations {
  const next: Record<string, string> = { ...rs.metadata.annotations };
  for (const [k, v] of Object.entries(d.metadata.annotations ?? {})) if (!notCopied.has(k)) next[k] = v;
  const before = revisionOf(rs);
  if (before === undefined || before >= revision) return next;
  next[revisionAnnotation] = String(revision);
  const text = rs.metadata.annotations?.[revisionAnnotation];
  if (text) {
    const history = next[historyAnnotation] ? next[historyAnnotation].split(',') : [];
    history.push(text);
    while (history.length > 1 && history.join().length > historyLimitChars) history.shift();
    next[historyAnnotation] = history.join();
  }
  return next;
}

/** The ReplicaSet for the Deployment's template. */
export function newReplicaSet(d: Deployment, owner: OwnerReference, revision: WholeNumber): Draft<ReplicaSet> {
  const { template, selector, minReadySeconds } = d.spec;
  const hash = hashOf(template, d.status?.collisionCount);
  const labels = { ...template.metadata?.labels, [hashLabel]: hash };
  return {
    metadata: {
      name: `${d.metadata.name}-${hash}`,
      namespace: d.metadata.namespace!,
      labels,
      annotations: { ...currentAnnotations(d, { metadata: {} }, revision), ...scaleAnnotations(d) },
      ownerReferences: [owner],
    },
    spec: {
      replicas: 0,
      ...(minReadySeconds ? { minReadySeconds } : {}),
      selector: withLabel(selector, hash),
      template: cloneDeep({ ...template, metadata: { ...template.metadata, labels } }) as never,
    },
  };
}

function withLabel(selector: LabelSelector, hash: string): Draft<LabelSelector> {
  return { ...cloneDeep(selector), matchLabels: { ...selector.matchLabels, [hashLabel]: hash } };
}

/** Old ReplicaSets beyond the history limit that have no pods, the lowest revisions first. */
export function expendable(d: Deployment, old: readonly ReplicaSet[]): ReplicaSet[] {
  const limit = d.spec?.revisionHistoryLimit;
  if (limit === undefined || limit >= 2 ** 31 - 1) return [];
  const alive = old.filter(rs => !rs.metadata.deletionTimestamp);
  const excess = alive.length - limit;
  if (excess <= 0) return [];
  return alive
    .toSorted((a, b) => compareWhole(revisionOf(a) ?? 0, revisionOf(b) ?? 0) || byAge(a, b))
    .slice(0, excess)
    .filter(
      rs =>
        !isScaledUp(rs) &&
        !rs.status?.replicas &&
        (rs.metadata.generation ?? 0) <= (rs.status?.observedGeneration ?? 0),
    );
}
