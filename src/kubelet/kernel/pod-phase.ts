import type { Container, ContainerStatus, Pod, PodStatus } from '../../api/type/core-v1.ts';
import { isSidecar, policyOf, restartsAfter } from './restart-policy.ts';

type Phase = NonNullable<PodStatus['phase']>;

interface Count {
  waiting: number;
  running: number;
  stopped: number;
  succeeded: number;
  unknown: number;
}

/**
 * The phase that container statuses mean. `terminal`: nothing of the pod runs or will run again.
 * A pod whose sidecars still run has not ended yet.
 */
export function phaseOf(
  pod: Pod,
  init: readonly ContainerStatus[],
  main: readonly ContainerStatus[],
  terminal: boolean,
): Phase {
  const byName = (list: readonly ContainerStatus[], c: Container) => list.find(s => s.name === c.name);
  const initState = initPhase(pod, c => byName(init, c), terminal);
  const count: Count = { waiting: 0, running: 0, stopped: 0, succeeded: 0, unknown: 0 };
  for (const c of pod.spec.containers) tally(count, byName(main, c));
  if (initState.failed) return 'Failed';
  const mainStarted = count.running > 0 || count.stopped > 0;
  if (initState.pending && !mainStarted) return 'Pending';
  if (count.waiting > 0) return 'Pending';
  if (count.running > 0 && count.unknown === 0) return 'Running';
  if (count.running === 0 && count.stopped > 0 && count.unknown === 0)
    return ended(pod, main, count, terminal, initState);
  return 'Pending';
}

function tally(count: Count, status: ContainerStatus | undefined): void {
  const state = status?.state;
  if (!status || !state) count.unknown++;
  else if (state.running) count.running++;
  else if (state.terminated) {
    count.stopped++;
    if (state.terminated.exitCode === 0) count.succeeded++;
  } else if (state.waiting) {
    if (status.lastState?.terminated) count.stopped++;
    else count.waiting++;
  } else count.unknown++;
}

function ended(
  pod: Pod,
  main: readonly ContainerStatus[],
  count: Count,
  terminal: boolean,
  init: { readonly sidecarRuns: boolean },
): Phase {
  if (terminal) return count.stopped === count.succeeded ? 'Succeeded' : 'Failed';
  const again = pod.spec.containers.some(c => {
    const exit = main.find(s => s.name === c.name)?.state?.terminated?.exitCode;
    return exit === undefined || restartsAfter(pod, c, exit, false);
  });
  if (again || init.sidecarRuns) return 'Running';
  return count.stopped === count.succeeded ? 'Succeeded' : 'Failed';
}

function initPhase(pod: Pod, statusOf: (c: Container) => ContainerStatus | undefined, terminal: boolean) {
  let pending = false;
  let failed = false;
  let sidecarRuns = false;
  for (const c of pod.spec.initContainers ?? []) {
    const status = statusOf(c);
    if (isSidecar(c)) {
      if (status?.state?.running) sidecarRuns = true;
      if (!status?.started && !terminal) pending = true;
      continue;
    }
    const exit = status?.state?.terminated?.exitCode ?? undefined;
    if (exit === undefined) {
      const last = status?.lastState?.terminated?.exitCode;
      pending = true;
      if (terminal || (last !== undefined && last !== 0 && policyOf(pod, c, true) === 'Never')) failed ||= terminal;
    } else if (exit !== 0) {
      if (terminal || !restartsAfter(pod, c, exit, true)) failed = true;
      else pending = true;
    }
  }
  return { pending, failed, sidecarRuns };
}
