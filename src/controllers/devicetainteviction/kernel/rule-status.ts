// What a DeviceTaintRule says of the evictions it causes. Worded as Kubernetes words it: people and tools read it.
import { formatTime } from '../../../api/meta.ts';
import type { Condition } from '../../../api/type/meta-v1.ts';
import type { DeviceTaintRule } from '../../../api/type/resource-v1beta2.ts';

export interface RuleFigures {
  /** Devices in slices that it selects. */
  readonly published: number;
  /** Devices of claims that it selects. */
  readonly allocated: number;
  readonly pendingPods: number;
  readonly pendingNamespaces: number;
  /** Since the controller started. */
  readonly evicted: number;
}

const conditionType = 'EvictionInProgress';
const count = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`;
const namespaces = (n: number) => (n === 1 ? '1 namespace' : `${n} different namespaces`);

export const evictionCondition = ({ status }: DeviceTaintRule): Condition | undefined =>
  status?.conditions?.find(c => c.type === conditionType);

/** Of an effect that evicts nothing the status is written once for each generation. */
export const isSettled = (rule: DeviceTaintRule): boolean =>
  rule.spec.taint.effect !== 'NoExecute' &&
  evictionCondition(rule)?.observedGeneration === (rule.metadata.generation ?? 0);

/** The conditions to write; undefined when they are as they should be. */
export function ruleConditions(rule: DeviceTaintRule, figures: RuleFigures, nowMs: number): Condition[] | undefined {
  const { status, reason, message } = wanted(rule, figures);
  const observedGeneration = Number(rule.metadata.generation ?? 0);
  const old = evictionCondition(rule);
  if (
    old?.status === status &&
    old.reason === reason &&
    old.message === message &&
    old.observedGeneration === observedGeneration
  )
    return undefined;
  const lastTransitionTime = old?.status === status ? old.lastTransitionTime : formatTime(nowMs);
  const now: Condition = { type: conditionType, status, observedGeneration, lastTransitionTime, reason, message };
  return [...(rule.status?.conditions ?? []).filter(c => c.type !== conditionType), now];
}

function wanted(
  { spec }: DeviceTaintRule,
  { published, allocated, pendingPods, pendingNamespaces, evicted }: RuleFigures,
): Pick<Condition, 'status' | 'reason' | 'message'> {
  const done = evicted > 0 ? `${count(evicted, 'pod')} evicted since starting the controller.` : '';
  const say = (text: string) => [text, done].filter(Boolean).join(' ');
  const where = namespaces(pendingNamespaces);
  switch (spec.taint.effect) {
    case 'NoExecute': {
      if (!pendingPods) return { status: 'False', reason: 'Completed', message: done };
      const need = pendingPods === 1 ? '1 pod needs' : `${pendingPods} pods need`;
      return { status: 'True', reason: 'PodsPendingEviction', message: say(`${need} to be evicted in ${where}.`) };
    }
    case 'None': {
      const devices = `${count(published, 'published device')} selected. ${count(allocated, 'allocated device')} selected.`;
      const pods = `${count(pendingPods, 'pod')} would be evicted in ${where} if the effect was NoExecute.`;
      const once = 'This information will not be updated again. Recreate the DeviceTaintRule to trigger an update.';
      return { status: 'False', reason: 'NoEffect', message: say(`${devices} ${pods} ${once}`) };
    }
    default:
      return {
        ...{ status: 'False', reason: 'OtherEffect' },
        message: say('Eviction only happens for the NoExecute effect.'),
      };
  }
}
