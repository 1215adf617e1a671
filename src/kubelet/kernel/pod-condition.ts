import type { ContainerStatus, Pod, PodCondition, PodStatus } from '../../api/type/core-v1.ts';
import { isSidecar } from './restart-policy.ts';

/** Condition types whose writer is the kubelet. */
export const ownedConditions = [
  'PodReadyToStartContainers',
  'Initialized',
  'Ready',
  'ContainersReady',
  'PodScheduled',
  'PodResizePending',
  'PodResizeInProgress',
  'AllContainersRestarting',
] as const;

const owned = new Set<string>(ownedConditions);

type Bare = Pick<PodCondition, 'type' | 'status' | 'reason' | 'message'>;

interface ConditionInput {
  readonly pod: Pod;
  readonly phase: PodStatus['phase'];
  readonly init: readonly ContainerStatus[];
  readonly main: readonly ContainerStatus[];
  readonly sandboxReady: boolean;
  /** Absent: the pod never restarts as a whole. */
  readonly restartingAll?: boolean;
}

/** The kubelet's conditions in Kubernetes' order, without times. */
export function podConditions(input: ConditionInput): readonly Bare[] {
  const containersReady = containersReadyCondition(input);
  return [
    { type: 'PodReadyToStartContainers', status: input.sandboxReady ? 'True' : 'False' },
    initializedCondition(input),
    readyCondition(input, containersReady),
    containersReady,
    { type: 'PodScheduled', status: 'True' },
    ...restartingAllCondition(input),
  ];
}

function restartingAllCondition({ phase, restartingAll }: ConditionInput): readonly Bare[] {
  if (restartingAll === undefined) return [];
  const ended = phase === 'Succeeded' || phase === 'Failed';
  return [{ type: 'AllContainersRestarting', status: restartingAll && !ended ? 'True' : 'False' }];
}

function initializedCondition({ pod, phase, init, main }: ConditionInput): Bare {
  const type = 'Initialized';
  const specs = pod.spec.initContainers ?? [];
  if (specs.length === 0) return { type, status: 'True', ...(phase === 'Succeeded' ? { reason: 'PodCompleted' } : {}) };
  const unknown: string[] = [];
  const incomplete: string[] = [];
  for (const c of specs) {
    const status = init.find(s => s.name === c.name);
    if (!status) unknown.push(c.name);
    else if (isSidecar(c) ? !status.started : !status.ready) incomplete.push(c.name);
  }
  if (phase === 'Succeeded' && unknown.length === 0) return { type, status: 'True', reason: 'PodCompleted' };
  // Once a main container has run, initialisation is over for good.
  const mainRan = main.some(s => s.started || s.state?.running || s.state?.terminated || s.lastState?.terminated);
  if ((!unknown.length && !incomplete.length) || mainRan) return { type, status: 'True' };
  return {
    type,
    status: 'False',
    reason: 'ContainersNotInitialized',
    message: describe('incomplete', unknown, incomplete),
  };
}

function describe(what: string, unknown: readonly string[], bad: readonly string[]): string {
  const parts: string[] = [];
  if (unknown.length) parts.push(`containers with unknown status: [${unknown.join(' ')}]`);
  if (bad.length) parts.push(`containers with ${what} status: [${bad.join(' ')}]`);
  return parts.join(', ');
}

function containersReadyCondition({ pod, phase, init, main }: ConditionInput): Bare {
  const type = 'ContainersReady';
  const unknown: string[] = [];
  const unready: string[] = [];
  const check = (name: string, status: ContainerStatus | undefined) => {
    if (!status) unknown.push(name);
    else if (!status.ready) unready.push(name);
  };
  for (const c of pod.spec.initContainers ?? [])
    if (isSidecar(c))
      check(
        c.name,
        init.find(s => s.name === c.name),
      );
  for (const c of pod.spec.containers)
    check(
      c.name,
      main.find(s => s.name === c.name),
    );
  if (phase === 'Succeeded' && !unknown.length) return { type, status: 'False', reason: 'PodCompleted' };
  if (phase === 'Failed' && !unknown.length) return { type, status: 'False', reason: 'PodFailed' };
  if (!unknown.length && !unready.length) return { type, status: 'True' };
  return { type, status: 'False', reason: 'ContainersNotReady', message: describe('unready', unknown, unready) };
}

function readyCondition({ pod }: ConditionInput, containersReady: Bare): Bare {
  const type = 'Ready';
  if (containersReady.status !== 'True') return { ...containersReady, type };
  const messages: string[] = [];
  for (const { conditionType } of pod.spec.readinessGates ?? []) {
    const condition = pod.status?.conditions?.find(c => c.type === conditionType);
    if (!condition) messages.push(`corresponding condition of pod readiness gate "${conditionType}" does not exist.`);
    else if (condition.status !== 'True')
      messages.push(`the status of pod readiness gate "${conditionType}" is not "True", but ${condition.status}`);
  }
  if (!messages.length) return { type, status: 'True' };
  return { type, status: 'False', reason: 'ReadinessGatesNotReady', message: messages.join(', ') };
}

/**
 * The condition list to publish: what others wrote stays, ours get times. `lastTransitionTime` moves only when the
 * status does.
 */
export function mergeConditions(
  old: readonly PodCondition[],
  own: readonly Bare[],
  now: string,
  generation: number | bigint | undefined,
): readonly PodCondition[] {
  const mine = own.map(c => {
    const before = old.find(o => o.type === c.type);
    return {
      type: c.type,
      ...(generation !== undefined ? { observedGeneration: generation } : {}),
      status: c.status,
      lastProbeTime: null as unknown as string,
      lastTransitionTime: before && before.status === c.status ? (before.lastTransitionTime ?? now) : now,
      ...(c.reason ? { reason: c.reason } : {}),
      ...(c.message ? { message: c.message } : {}),
    } satisfies PodCondition;
  });
  const kept = old.filter(o => !owned.has(o.type));
  return [...mine, ...kept];
}
