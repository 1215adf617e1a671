// The status of a ReplicaSet or ReplicationController.
import { semanticEqual } from '../../../api/rule/record.ts';
import type { ReplicaSetCondition, ReplicaSetStatus } from '../../../api/type/apps-v1.ts';
import type { Pod } from '../../../api/type/core-v1.ts';
import { byLabels, isPodAvailable, isPodReady } from '../../kernel/pod.ts';

export interface ReplicaStatusInput {
  readonly old: ReplicaSetStatus | undefined;
  readonly generation: number | bigint | undefined;
  readonly wanted: number;
  readonly templateLabels: Readonly<Record<string, string>> | undefined;
  readonly minReadySeconds: number;
  /** Active pods. */
  readonly pods: readonly Pod[];
  /** Pods on their way out; undefined for kinds that do not tell. */
  readonly terminating: number | undefined;
  /** Why pods could not be created or deleted. */
  readonly failure: string | undefined;
  readonly nowMs: number;
  /** `nowMs` as it is written. */
  readonly now: string;
}

/** The status to write; `old` itself when nothing has changed. Counts of zero are left out, but for the required one. */
export function replicaStatus(input: ReplicaStatusInput): ReplicaSetStatus | undefined {
  const { old, pods, generation, terminating } = input;
  let fullyLabeled = 0;
  let ready = 0;
  let available = 0;
  const wanted = Object.entries(input.templateLabels ?? {});
  const isFullyLabeled = byLabels(labels => wanted.every(([k, v]) => labels?.[k] === v));
  for (const pod of pods) {
    if (isFullyLabeled(pod)) fullyLabeled++;
    if (!isPodReady(pod)) continue;
    ready++;
    if (isPodAvailable(pod, input.minReadySeconds, input.nowMs)) available++;
  }
  const conditions = nextConditions(input);
  const next: ReplicaSetStatus = {
    replicas: pods.length,
    ...(fullyLabeled ? { fullyLabeledReplicas: fullyLabeled } : {}),
    ...(ready ? { readyReplicas: ready } : {}),
    ...(available ? { availableReplicas: available } : {}),
    ...(terminating === undefined ? {} : { terminatingReplicas: terminating }),
    ...(generation === undefined ? {} : { observedGeneration: generation }),
    ...(conditions.length > 0 ? { conditions } : {}),
  };
  return old && same(old, next) ? old : next;
}

const counts = [
  'replicas',
  'fullyLabeledReplicas',
  'readyReplicas',
  'availableReplicas',
  // A server may drop a count of zero that it does not know: no reason to write it again.
  'terminatingReplicas',
  'observedGeneration',
] as const;

function same(a: ReplicaSetStatus, b: ReplicaSetStatus): boolean {
  return counts.every(f => (a[f] ?? 0) === (b[f] ?? 0)) && semanticEqual(a.conditions, b.conditions);
}

/** ReplicaFailure comes with the first failure, keeps what it said then, and goes with the first success. */
function nextConditions({ old, pods, wanted, failure, now }: ReplicaStatusInput): readonly ReplicaSetCondition[] {
  const conditions = old?.conditions ?? [];
  const failed = conditions.some(c => c.type === 'ReplicaFailure');
  if (failure === undefined) return failed ? conditions.filter(c => c.type !== 'ReplicaFailure') : conditions;
  if (failed || pods.length === wanted) return conditions;
  const reason = pods.length < wanted ? 'FailedCreate' : 'FailedDelete';
  return [...conditions, { type: 'ReplicaFailure', status: 'True', lastTransitionTime: now, reason, message: failure }];
}
