// Desired pod and observed runtime state to the next actions. Pure; the worker carries them out and asks again.
import type { Container, EphemeralContainer, Pod, ResourceRequirements } from '../../api/type/core-v1.ts';
import { formatDuration } from './amount.ts';
import { type BackOffEntry, containerBackOff, remainingBackOff } from './back-off.ts';
import { containerHash } from './container-hash.ts';
import {
  hasRunning,
  latestContainer,
  type ObservedContainer,
  type ObservedPod,
  type ObservedSandbox,
} from './observed.ts';
import { withPodLimits } from './qos.ts';
import { changedResources } from './resize.ts';
import { restartAllEpoch } from './restart-all.ts';
import { isSidecar, mayRestart, restartsAfter } from './restart-policy.ts';

export type ContainerKind = 'init' | 'main' | 'ephemeral';
export type Verdict = 'unknown' | 'success' | 'failure';
export type KillReason = 'liveness' | 'startup' | 'changed' | 'resize' | 'restart-all' | 'unknown' | 'pod';

export type PodAction =
  | { readonly type: 'create-sandbox'; readonly attempt: number }
  | { readonly type: 'kill-pod' }
  | {
      readonly type: 'start';
      readonly kind: ContainerKind;
      readonly container: Container | EphemeralContainer;
      readonly sandbox: ObservedSandbox;
      readonly restartCount: number;
      /** When the failure that is being recovered from happened; feeds the back-off. */
      readonly failedAtMs?: number;
    }
  | {
      readonly type: 'kill';
      readonly observed: ObservedContainer;
      readonly kind: ContainerKind;
      readonly container: Container;
      readonly reason: KillReason;
      readonly message: string;
      /** Another is to take its place, however this one ends. */
      readonly restarts: boolean;
    }
  | {
      readonly type: 'back-off';
      readonly kind: ContainerKind;
      readonly container: Container;
      readonly remainingMs: number;
      /** For the waiting state. */
      readonly message: string;
    }
  | { readonly type: 'resize'; readonly container: Container; readonly observed: ObservedContainer };

export interface PodPlan {
  readonly actions: readonly PodAction[];
  /** Ask again no later than in so many milliseconds. */
  readonly againInMs?: number;
}

export interface PlanInput {
  readonly pod: Pod;
  readonly observed: ObservedPod;
  readonly nowMs: number;
  /** By container id: what the startup and liveness probes say. Absent: unknown. */
  readonly verdicts: ReadonlyMap<string, { readonly startup?: Verdict; readonly liveness?: Verdict }>;
  /** By container hash: a container with another image starts anew. */
  readonly backOff: ReadonlyMap<string, BackOffEntry>;
  /**
   * Ids of containers the kubelet killed in order to restart them, and has not held back since: they do not wait for
   * their own end, and start again whatever their exit code.
   */
  readonly killedToRestart: ReadonlySet<string>;
  /** By container name: the resources in force, the pod's limits among them, where known. */
  readonly actualResources?: ReadonlyMap<string, ResourceRequirements>;
}

interface Planning extends PlanInput {
  readonly sandbox: ObservedSandbox;
  /** Containers of this sandbox and of the current round of the pod, newest first. */
  readonly current: readonly ObservedContainer[];
  readonly actions: PodAction[];
  againInMs: number;
}

export function planPod(input: PlanInput): PodPlan {
  const { pod, observed } = input;
  const sandbox = observed.sandboxes[0];
  if (!sandbox || !isUsable(pod, observed)) return planSandbox(input, sandbox);
  const epochMs = restartAllEpoch(pod, observed);
  const inSandbox = observed.containers.filter(c => c.sandboxId === sandbox.id);
  const outdated = inSandbox.filter(c => c.createdAtMs < epochMs && (c.state === 'running' || c.state === 'unknown'));
  if (outdated.length) return { actions: outdated.flatMap(c => killForRestartAll(pod, c)) };
  const planning: Planning = {
    ...input,
    sandbox,
    current: inSandbox.filter(c => c.createdAtMs >= epochMs),
    actions: [],
    againInMs: Number.POSITIVE_INFINITY,
  };
  planEphemeral(planning);
  const init = planInit(planning);
  if (init === 'failed') return { actions: [{ type: 'kill-pod' }] };
  if (init === 'done') planMain(planning);
  return {
    actions: planning.actions,
    ...(planning.againInMs < Number.POSITIVE_INFINITY ? { againInMs: planning.againInMs } : {}),
  };
}

/** One ready sandbox with the pod's kind of network and, unless that is the host's, an address. */
function isUsable(pod: Pod, observed: ObservedPod): boolean {
  const [latest] = observed.sandboxes;
  if (!latest?.ready || observed.sandboxes.filter(s => s.ready).length > 1) return false;
  const hostNetwork = pod.spec.hostNetwork ?? false;
  return latest.hostNetwork === hostNetwork && (hostNetwork || latest.ips.length > 0);
}

function planSandbox(input: PlanInput, latest: ObservedSandbox | undefined): PodPlan {
  const { observed } = input;
  const leftovers = hasRunning(observed) || observed.sandboxes.some(s => s.ready);
  const kill: readonly PodAction[] = leftovers ? [{ type: 'kill-pod' }] : [];
  if (!needsSandbox(input)) return { actions: kill };
  return { actions: [...kill, { type: 'create-sandbox', attempt: latest ? latest.attempt + 1 : 0 }] };
}

function needsSandbox(input: PlanInput): boolean {
  const { pod, observed } = input;
  const { spec } = pod;
  if (observed.containers.length === 0) return true;
  const anyMayRestart =
    spec.containers.some(c => mayRestart(pod, c, false)) || spec.initContainers?.some(c => mayRestart(pod, c, true));
  if (!anyMayRestart || hasFailedForGood(pod, observed)) return false;
  return spec.containers.some(c => {
    const last = latestContainer(observed, c.name);
    return last?.state !== 'exited' || startsAgain(input, c, last, false);
  });
}

/** Whether a container that has exited is to run again. */
function startsAgain(p: PlanInput, container: Container, last: ObservedContainer, isInit: boolean): boolean {
  return p.killedToRestart.has(last.id) || restartsAfter(p.pod, container, last.exitCode, isInit);
}

function hasFailedForGood(pod: Pod, observed: ObservedPod): boolean {
  return !!pod.spec.initContainers?.some(c => {
    const last = latestContainer(observed, c.name);
    return last?.state === 'exited' && last.exitCode !== 0 && !restartsAfter(pod, c, last.exitCode, true);
  });
}

function killForRestartAll(pod: Pod, observed: ObservedContainer): readonly PodAction[] {
  const { initContainers, containers, ephemeralContainers } = pod.spec;
  const named = (list: readonly { readonly name: string }[] | undefined) => list?.find(c => c.name === observed.name);
  const init = named(initContainers);
  const container = init ?? named(containers) ?? named(ephemeralContainers);
  if (!container) return [];
  const message = `Container ${observed.name} is being killed because all containers of the pod restart`;
  const kind = init ? 'init' : named(containers) ? 'main' : 'ephemeral';
  const kill = { type: 'kill', observed, kind, container, reason: 'restart-all', message } as const;
  return [{ ...kill, restarts: kind !== 'ephemeral' }];
}

const inRound = (p: Planning, name: string) => p.current.find(c => c.name === name);

function planEphemeral(p: Planning): void {
  for (const container of p.pod.spec.ephemeralContainers ?? []) {
    if (!latestContainer(p.observed, container.name))
      p.actions.push({ type: 'start', kind: 'ephemeral', container, sandbox: p.sandbox, restartCount: 0 });
  }
}

/** Plans the init containers. done: the main containers may run. failed: the pod has failed for good. */
function planInit(p: Planning): 'done' | 'pending' | 'failed' {
  const inits = p.pod.spec.initContainers ?? [];
  const mainSeen = p.pod.spec.containers.some(c => inRound(p, c.name));
  const finished = mainSeen && !inits.some(isSidecar);
  if (finished || inits.length === 0) return 'done';
  let reached = mainSeen ? inits.length : inits.findLastIndex(c => inRound(p, c.name));
  // Sidecars before the furthest point run on, whatever else is going on.
  for (let i = 0; i < Math.min(reached, inits.length); i++) if (isSidecar(inits[i]!)) maintainSidecar(p, inits[i]!);
  if (mainSeen) return 'done';
  if (reached < 0) {
    start(p, 'init', inits[0]!);
    return 'pending';
  }
  for (; reached < inits.length; reached++) {
    const container = inits[reached]!;
    if (!inRound(p, container.name)) {
      start(p, 'init', container);
      return 'pending';
    }
    const state = isSidecar(container) ? maintainSidecar(p, container) : runOnce(p, container);
    if (state !== 'passed') return state;
  }
  return 'done';
}

function runOnce(p: Planning, container: Container): 'passed' | 'pending' | 'failed' {
  const status = inRound(p, container.name)!;
  // One that runs comes to its end whatever has become of its definition.
  if (status.state === 'running') {
    if (resizeOf(p, container).length) p.actions.push({ type: 'resize', container, observed: status });
    return 'pending';
  }
  if (status.state === 'unknown') {
    killUnknown(p, 'init', container, status);
    return 'pending';
  }
  if (status.state === 'exited' && status.exitCode === 0 && !p.killedToRestart.has(status.id)) return 'passed';
  if (status.state === 'exited' && !startsAgain(p, container, status, true)) return 'failed';
  start(p, 'init', container);
  return 'pending';
}

/** Keeps a sidecar running. passed: it has started, and what follows it may start. */
function maintainSidecar(p: Planning, container: Container): 'passed' | 'pending' {
  const status = inRound(p, container.name);
  if (!status || status.state === 'exited' || status.state === 'created') {
    start(p, 'init', container);
    return 'pending';
  }
  if (status.state === 'unknown') {
    killUnknown(p, 'init', container, status);
    return 'pending';
  }
  if (killIfUnfit(p, 'init', container, status)) return 'pending';
  planResize(p, 'init', container, status);
  return !container.startupProbe || p.verdicts.get(status.id)?.startup === 'success' ? 'passed' : 'pending';
}

function planMain(p: Planning): void {
  let kept = 0;
  const before = p.actions.length;
  for (const container of p.pod.spec.containers) {
    const status = inRound(p, container.name);
    // A container of an earlier sandbox that has done its work does not run again.
    const last = status ?? latestFromEarlierSandbox(p, container.name);
    if (status?.state === 'running') {
      if (!killIfUnfit(p, 'main', container, status)) {
        kept++;
        planResize(p, 'main', container, status);
      }
    } else if (status?.state === 'unknown') {
      killUnknown(p, 'main', container, status);
      kept++;
    } else if (last?.state !== 'exited' || startsAgain(p, container, last, false)) {
      start(p, 'main', container);
    }
  }
  const mainActions = p.actions.slice(before).length;
  if (kept === 0 && mainActions === 0) {
    p.actions.length = 0;
    p.actions.push({ type: 'kill-pod' });
  }
}

function latestFromEarlierSandbox(p: Planning, name: string): ObservedContainer | undefined {
  const last = latestContainer(p.observed, name);
  return last && last.sandboxId !== p.sandbox.id ? last : undefined;
}

/** Starts the container, or notes how long its back-off still lasts. */
function start(p: Planning, kind: ContainerKind, container: Container): void {
  const dead = p.observed.containers.filter(c => c.name === container.name && c.state === 'exited');
  const last = latestContainer(p.observed, container.name);
  const failure = dead.find(c => c !== last || !p.killedToRestart.has(c.id));
  // One killed to restart waits for the failure before its own; without its remains, for when that was recovered from.
  const failedAtMs = failure
    ? failure.finishedAtMs || failure.createdAtMs
    : dead.length
      ? p.backOff.get(containerHash(container))?.atMs
      : undefined;
  if (failedAtMs !== undefined) {
    const entry = p.backOff.get(containerHash(container));
    const remainingMs = remainingBackOff(entry, failedAtMs, p.nowMs, containerBackOff);
    if (entry && remainingMs > 0) {
      const { metadata } = p.pod;
      const message = `back-off ${formatDuration(entry.delayMs)} restarting failed container=${container.name} pod=${metadata.name}_${metadata.namespace}(${metadata.uid})`;
      p.actions.push({ type: 'back-off', kind, container, remainingMs, message });
      p.againInMs = Math.min(p.againInMs, remainingMs);
      return;
    }
  }
  p.actions.push({
    type: 'start',
    kind,
    container,
    sandbox: p.sandbox,
    restartCount: last ? last.restartCount + 1 : 0,
    ...(failedAtMs !== undefined ? { failedAtMs } : {}),
  });
}

/** Plans the kill of a running container that must not go on; true when it did. */
function killIfUnfit(p: Planning, kind: ContainerKind, container: Container, observed: ObservedContainer): boolean {
  const verdict = p.verdicts.get(observed.id);
  const restarts = mayRestart(p.pod, container, kind === 'init');
  const kill = (reason: KillReason, what: string, again: boolean) => {
    const message = `${kind === 'init' ? 'Init container' : 'Container'} ${container.name} ${what}`;
    p.actions.push({
      type: 'kill',
      observed,
      kind,
      container,
      reason,
      message: again ? `${message}, will be restarted` : message,
      restarts: again,
    });
    return true;
  };
  if (observed.hash && observed.hash !== containerHash(container)) return kill('changed', 'definition changed', true);
  if (verdict?.liveness === 'failure') return kill('liveness', 'failed liveness probe', restarts);
  if (verdict?.startup === 'failure') return kill('startup', 'failed startup probe', restarts);
  return false;
}

function killUnknown(p: Planning, kind: ContainerKind, container: Container, observed: ObservedContainer): void {
  const message = `${kind === 'init' ? 'Init container' : 'Container'} is in "unknown" state, try killing it before restart`;
  p.actions.push({ type: 'kill', observed, kind, container, reason: 'unknown', message, restarts: false });
}

/** What of a container that runs differs from what it was granted. */
function resizeOf(p: Planning, container: Container): readonly ('cpu' | 'memory')[] {
  const actual = p.actualResources?.get(container.name);
  return actual ? changedResources(actual, withPodLimits(p.pod.spec, container.resources)) : [];
}

function planResize(p: Planning, kind: ContainerKind, container: Container, observed: ObservedContainer): void {
  const changed = resizeOf(p, container);
  if (!changed.length) return;
  const restart = container.resizePolicy?.some(
    r => r.restartPolicy === 'RestartContainer' && changed.includes(r.resourceName as 'cpu' | 'memory'),
  );
  if (restart) {
    const message = `Container ${container.name} resize requires restart, will be restarted`;
    p.actions.push({ type: 'kill', observed, kind, container, reason: 'resize', message, restarts: true });
  } else p.actions.push({ type: 'resize', container, observed });
}
