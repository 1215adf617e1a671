// The status of a Deployment: counts, Available, Progressing, ReplicaFailure.
import { formatTime, parseTime } from '../../../api/meta.ts';
import { semanticEqual } from '../../../api/rule/record.ts';
import type { Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet } from '../../../api/type/apps-v1.ts';
import { maxUnavailable, wantedReplicas } from './amount.ts';
import { availableOf, sizeOf, sum } from './replica-sets.ts';

type Conditions = readonly DeploymentCondition[];

export const progressDeadlineSeconds = (d: Deployment): number | undefined => {
  const seconds = d.spec?.progressDeadlineSeconds;
  return seconds === undefined || seconds >= 2 ** 31 - 1 ? undefined : seconds;
};

export const conditionOf = (status: DeploymentStatus | undefined, type: string): DeploymentCondition | undefined =>
  status?.conditions?.find(c => c.type === type);

/** Same status and reason: stays as it is. Otherwise it moves to the end, with a new transition for a new status. */
export function withCondition(conditions: Conditions, wanted: DeploymentCondition, nowMs: number): Conditions {
  const have = conditions.find(c => c.type === wanted.type);
  if (have && have.status === wanted.status && have.reason === wanted.reason) return conditions;
  const { type, status, reason, message } = wanted;
  const now = formatTime(nowMs);
  const lastTransitionTime = have?.status === status ? have.lastTransitionTime : (wanted.lastTransitionTime ?? now);
  const next: DeploymentCondition = {
    type,
    status,
    lastUpdateTime: wanted.lastUpdateTime ?? now,
    ...(lastTransitionTime ? { lastTransitionTime } : {}),
    ...(reason ? { reason } : {}),
    ...(message ? { message } : {}),
  };
  return [...without(conditions, type), next];
}

const without = (conditions: Conditions, type: string): Conditions =>
  conditions.some(c => c.type === type) ? conditions.filter(c => c.type !== type) : conditions;

/** Everything but Progressing and ReplicaFailure, which stay as they are. */
export function countedStatus(
  d: Deployment,
  current: ReplicaSet | undefined,
  all: readonly ReplicaSet[],
  nowMs: number,
): DeploymentStatus {
  const replicas = sum(all, rs => rs.status?.replicas ?? 0);
  const available = sum(all, availableOf);
  const unavailable = Math.max(0, sum(all, sizeOf) - available);
  const terminating = all.some(rs => rs.status?.terminatingReplicas === undefined)
    ? undefined
    : sum(all, rs => rs.status!.terminatingReplicas!);
  const { collisionCount } = d.status ?? {};
  const conditions = withCondition(d.status?.conditions ?? [], availability(d, available), nowMs);
  return trimmed({
    observedGeneration: d.metadata.generation,
    replicas,
    updatedReplicas: current?.status?.replicas,
    readyReplicas: sum(all, rs => rs.status?.readyReplicas ?? 0),
    availableReplicas: available,
    unavailableReplicas: unavailable,
    terminatingReplicas: terminating,
    conditions,
    collisionCount,
  });
}

function availability(d: Deployment, available: number): DeploymentCondition {
  const enough = available >= wantedReplicas(d) - maxUnavailable(d);
  return {
    type: 'Available',
    status: enough ? 'True' : 'False',
    reason: enough ? 'MinimumReplicasAvailable' : 'MinimumReplicasUnavailable',
    message: enough ? 'Deployment has minimum availability.' : 'Deployment does not have minimum availability.',
  };
}

/** As it is stored: counts of zero are left out, but for those that tell zero from unknown. */
function trimmed(status: { [K in keyof DeploymentStatus]: DeploymentStatus[K] | undefined }): DeploymentStatus {
  const kept = Object.entries(status).filter(
    ([k, v]) => v !== undefined && (v !== 0 || k === 'terminatingReplicas' || k === 'collisionCount'),
  );
  return Object.fromEntries(kept) as DeploymentStatus;
}

/** A server may drop a terminatingReplicas of zero that it does not know. */
export const sameStatus = (a: DeploymentStatus | undefined, b: DeploymentStatus): boolean =>
  semanticEqual(
    { ...a, terminatingReplicas: a?.terminatingReplicas ?? 0 },
    { ...b, terminatingReplicas: b.terminatingReplicas ?? 0 },
  );

export function isComplete(d: Deployment, status: DeploymentStatus | undefined): boolean {
  const wanted = wantedReplicas(d);
  return (
    (status?.updatedReplicas ?? 0) === wanted &&
    (status?.replicas ?? 0) === wanted &&
    (status?.availableReplicas ?? 0) === wanted &&
    (status?.observedGeneration ?? 0) >= (d.metadata.generation ?? 0)
  );
}

/** The status of a Deployment that rolls out, with what its progress and its ReplicaSets' failures say. */
export function rolloutStatus(
  d: Deployment,
  current: ReplicaSet | undefined,
  all: readonly ReplicaSet[],
  nowMs: number,
): DeploymentStatus {
  const counted = countedStatus(d, current, all, nowMs);
  let conditions = progress(d, counted, current, nowMs);
  const failure = replicaFailure(current, all);
  conditions = failure ? withCondition(conditions, failure, nowMs) : without(conditions, 'ReplicaFailure');
  const { conditions: _, ...rest } = counted;
  return conditions.length > 0 ? { ...rest, conditions } : rest;
}

function progress(d: Deployment, status: DeploymentStatus, current: ReplicaSet | undefined, nowMs: number): Conditions {
  const conditions = status.conditions ?? [];
  if (progressDeadlineSeconds(d) === undefined) return without(conditions, 'Progressing');
  const before = conditionOf(d.status, 'Progressing');
  const who = current ? `ReplicaSet "${current.metadata.name}"` : `Deployment "${d.metadata.name}"`;
  // Done is done: what happens to the pods of a finished rollout is not its progress.
  if ((status.replicas ?? 0) === (status.updatedReplicas ?? 0) && before?.reason === 'NewReplicaSetAvailable')
    return conditions;
  const set = (to: string, reason: string, message: string, base: Conditions, lastTransitionTime?: string) =>
    withCondition(
      base,
      { type: 'Progressing', status: to, reason, message, ...(lastTransitionTime ? { lastTransitionTime } : {}) },
      nowMs,
    );
  if (isComplete(d, status))
    return set('True', 'NewReplicaSetAvailable', `${who} has successfully progressed.`, conditions);
  if (hasProgressed(d.status, status)) {
    // Said anew each time, because its time of update is what the deadline counts from.
    const since = before?.status === 'True' ? before.lastTransitionTime : undefined;
    return set('True', 'ReplicaSetUpdated', `${who} is progressing.`, without(conditions, 'Progressing'), since);
  }
  if (hasTimedOut(d, status, nowMs))
    return set('False', 'ProgressDeadlineExceeded', `${who} has timed out progressing.`, conditions);
  return conditions;
}

function hasProgressed(old: DeploymentStatus | undefined, next: DeploymentStatus): boolean {
  const count = (
    s: DeploymentStatus | undefined,
    f: 'updatedReplicas' | 'readyReplicas' | 'availableReplicas' | 'replicas',
  ) => s?.[f] ?? 0;
  const outdated = (s: DeploymentStatus | undefined) => count(s, 'replicas') - count(s, 'updatedReplicas');
  return (
    count(next, 'updatedReplicas') > count(old, 'updatedReplicas') ||
    outdated(next) < outdated(old) ||
    count(next, 'readyReplicas') > count(old, 'readyReplicas') ||
    count(next, 'availableReplicas') > count(old, 'availableReplicas')
  );
}

function hasTimedOut(d: Deployment, status: DeploymentStatus, nowMs: number): boolean {
  const condition = conditionOf(status, 'Progressing');
  const deadline = progressDeadlineSeconds(d);
  if (!condition || deadline === undefined || condition.reason === 'NewReplicaSetAvailable') return false;
  if (condition.reason === 'ProgressDeadlineExceeded') return true;
  const from = parseTime(condition.lastUpdateTime);
  return from !== undefined && from + deadline * 1000 < nowMs;
}

/** Milliseconds until the deadline must be looked at again; undefined when it does not matter. */
export function untilDeadlineMs(d: Deployment, status: DeploymentStatus, nowMs: number): number | undefined {
  const condition = conditionOf(status, 'Progressing');
  const deadline = progressDeadlineSeconds(d);
  if (!condition || deadline === undefined || d.spec?.paused) return undefined;
  if (condition.reason === 'ProgressDeadlineExceeded' || isComplete(d, status)) return undefined;
  if (condition.reason === 'NewReplicaSetAvailable') return undefined;
  const from = parseTime(condition.lastUpdateTime);
  // One second more: times are written without fractions, and the deadline must be over.
  return from === undefined ? undefined : Math.max(1000, from + deadline * 1000 + 1000 - nowMs);
}

/** The current ReplicaSet's failure, or else one of another. */
function replicaFailure(current: ReplicaSet | undefined, all: readonly ReplicaSet[]): DeploymentCondition | undefined {
  for (const rs of current ? [current, ...all] : all) {
    const found = rs.status?.conditions?.find(c => c.type === 'ReplicaFailure');
    const at = found?.lastTransitionTime;
    if (found) return { ...found, ...(at ? { lastUpdateTime: at } : {}) };
  }
  return undefined;
}

/** What a deployment says of the ReplicaSet for its template; nothing when it has no deadline. */
export function withProgress(
  d: Deployment,
  status: 'True' | 'False',
  reason: 'NewReplicaSetCreated' | 'FoundNewReplicaSet' | 'ReplicaSetCreateError',
  message: string,
  nowMs: number,
): Conditions {
  const conditions = d.status?.conditions ?? [];
  if (progressDeadlineSeconds(d) === undefined) return conditions;
  return withCondition(conditions, { type: 'Progressing', status, reason, message }, nowMs);
}

/** Progressing while paused, and when going on; undefined when nothing needs to be said. */
export function pauseCondition(d: Deployment): DeploymentCondition | undefined {
  const condition = conditionOf(d.status, 'Progressing');
  if (progressDeadlineSeconds(d) === undefined || condition?.reason === 'ProgressDeadlineExceeded') return undefined;
  const isSaid = condition?.reason === 'DeploymentPaused';
  if (d.spec?.paused && !isSaid)
    return { type: 'Progressing', status: 'Unknown', reason: 'DeploymentPaused', message: 'Deployment is paused' };
  if (!d.spec?.paused && isSaid)
    return { type: 'Progressing', status: 'Unknown', reason: 'DeploymentResumed', message: 'Deployment is resumed' };
  return undefined;
}
