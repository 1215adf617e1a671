// The pod status a kubelet publishes, from the spec and what the runtime says.
import { formatTime } from '../../api/meta.ts';
import type {
  Container,
  ContainerState,
  ContainerStateTerminated,
  ContainerStatus,
  EphemeralContainer,
  Pod,
  PodCondition,
  PodStatus,
  ResourceRequirements,
  ResourceStatus,
  VolumeMountStatus,
} from '../../api/type/core-v1.ts';
import { latestContainer, type ObservedContainer, type ObservedPod } from './observed.ts';
import { mergeConditions, podConditions } from './pod-condition.ts';
import { phaseOf } from './pod-phase.ts';
import { qosClassOf } from './qos.ts';
import { isRestartingAll, mayRestartAll } from './restart-all.ts';
import { isSidecar, restartsAfter } from './restart-policy.ts';

export interface WaitingReason {
  readonly reason: string;
  readonly message: string;
}

export interface StatusInput {
  readonly pod: Pod;
  /** What was published last; conditions and what the runtime forgot are taken from it. */
  readonly previous: PodStatus;
  readonly observed: ObservedPod;
  readonly nowMs: number;
  /** Why a container does not start, by container name. */
  readonly waiting: ReadonlyMap<string, WaitingReason>;
  /** Whether probes let a running container count as started and ready. */
  isStarted(container: Container, observed: ObservedContainer): boolean;
  isReady(container: Container, observed: ObservedContainer): boolean;
  /** Ids of containers killed so that another takes their place. */
  readonly killedToRestart: ReadonlySet<string>;
  /** By container id. */
  readonly terminationMessages: ReadonlyMap<string, string>;
  readonly hostIps: readonly string[];
  /** Set when the kubelet ended the pod: eviction, deadline, rejection. */
  readonly verdict?: {
    readonly phase: 'Failed';
    readonly reason: string;
    readonly message: string;
    readonly rejected?: boolean;
  };
  /** Nothing of the pod runs or will run again. */
  readonly terminal: boolean;
  readonly runtimeName: string;
  /** What a running container has, by its id; default what its spec says. */
  /** Of the pod itself; absent while its group is not made. */
  readonly podResourcesInForce?: ResourceRequirements | undefined;
  resourcesInForce?(containerId: string): ResourceRequirements | undefined;
  /** Devices of a container and how they are; undefined when it has none. */
  deviceHealth?(container: Container): readonly ResourceStatus[] | undefined;
  /** Of a pod whose resources change while it runs. */
  readonly resizeConditions?: readonly Pick<PodCondition, 'type' | 'status' | 'reason' | 'message'>[];
}

export function makePodStatus(input: StatusInput): PodStatus {
  const { pod, previous, observed } = input;
  if (input.verdict?.rejected) return rejectedStatus(input);
  const { spec } = pod;
  const init = (spec.initContainers ?? []).map(c => containerStatus(input, c, previous.initContainerStatuses, 'init'));
  const main = spec.containers.map(c => containerStatus(input, c, previous.containerStatuses, 'main'));
  const ephemeral = (spec.ephemeralContainers ?? [])
    .map(c => containerStatus(input, c as Container, previous.ephemeralContainerStatuses, 'ephemeral'))
    .filter(
      s => input.observed.containers.some(o => o.name === s.name) || s.state?.waiting?.reason !== 'ContainerCreating',
    );
  const phase = decidePhase(input, init, main);
  const sandboxReady = !!observed.sandboxes[0]?.ready && (!!spec.hostNetwork || observed.sandboxes[0].ips.length > 0);
  const own = [
    ...podConditions({
      ...{ pod: { ...pod, status: previous }, phase, init, main, sandboxReady },
      ...(mayRestartAll(pod) ? { restartingAll: isRestartingAll(pod, observed) } : {}),
    }),
    ...(isEnd(phase) ? [] : (input.resizeConditions ?? [])),
  ];
  const now = formatTime(input.nowMs);
  const { generation } = pod.metadata;
  const podIps = podIpsOf(input);
  return {
    ...(generation !== undefined ? { observedGeneration: generation } : {}),
    phase,
    conditions: mergeConditions(previous.conditions ?? [], own, now, generation),
    ...messageOf(input, phase),
    ...(previous.nominatedNodeName ? { nominatedNodeName: previous.nominatedNodeName } : {}),
    ...(input.hostIps[0] ? { hostIP: input.hostIps[0], hostIPs: input.hostIps.map(ip => ({ ip })) } : {}),
    ...(podIps[0] ? { podIP: podIps[0], podIPs: podIps.map(ip => ({ ip })) } : {}),
    startTime: previous.startTime ?? now,
    ...(init.length ? { initContainerStatuses: init } : {}),
    containerStatuses: main,
    qosClass: previous.qosClass ?? qosClassOf(pod),
    ...(ephemeral.length ? { ephemeralContainerStatuses: ephemeral } : {}),
    ...(previous.resourceClaimStatuses ? { resourceClaimStatuses: previous.resourceClaimStatuses } : {}),
    ...(spec.resources
      ? { allocatedResources: spec.resources.requests ?? {}, resources: input.podResourcesInForce ?? spec.resources }
      : {}),
  };
}

/** Of a pod that the node did not let in: nothing of its containers, which would hide the reason. */
function rejectedStatus(input: StatusInput): PodStatus {
  const { pod, previous, nowMs } = input;
  const { generation } = pod.metadata;
  return {
    ...(generation !== undefined ? { observedGeneration: generation } : {}),
    phase: 'Failed',
    ...(previous.conditions ? { conditions: previous.conditions } : {}),
    ...messageOf(input, 'Failed'),
    startTime: previous.startTime ?? formatTime(nowMs),
    qosClass: previous.qosClass ?? qosClassOf(pod),
    ...(previous.resourceClaimStatuses ? { resourceClaimStatuses: previous.resourceClaimStatuses } : {}),
  };
}

const isEnd = (phase: PodStatus['phase']) => phase === 'Succeeded' || phase === 'Failed';

function decidePhase(input: StatusInput, init: readonly ContainerStatus[], main: readonly ContainerStatus[]) {
  const { pod, previous, observed, terminal, verdict } = input;
  // An end is final.
  if (isEnd(previous.phase)) return previous.phase;
  const alive = observed.containers.some(c => c.state === 'running' || c.state === 'unknown');
  const wanted = verdict?.phase ?? phaseOf(pod, init, main, terminal);
  // While something still runs, the end is not announced.
  return isEnd(wanted) && alive && !terminal ? (previous.phase ?? 'Running') : wanted;
}

function messageOf({ verdict, previous }: StatusInput, phase: PodStatus['phase']) {
  if (verdict) return { message: verdict.message, reason: verdict.reason };
  if (!isEnd(phase)) return {};
  return {
    ...(previous.message ? { message: previous.message } : {}),
    ...(previous.reason ? { reason: previous.reason } : {}),
  };
}

function podIpsOf({ pod, observed, previous, hostIps, terminal }: StatusInput): readonly string[] {
  if (pod.spec.hostNetwork) return observed.sandboxes.length || previous.podIP ? hostIps : [];
  const sandbox = observed.sandboxes[0];
  if (sandbox?.ips.length) return sandbox.ips;
  // The address of a pod that has ended, or whose new sandbox has none yet, stays until another replaces it.
  const keep = terminal || isEnd(previous.phase) || (sandbox && !sandbox.ready);
  return keep ? (previous.podIPs ?? []).flatMap(p => (p.ip ? [p.ip] : [])) : [];
}

type Kind = 'init' | 'main' | 'ephemeral';

function containerStatus(
  input: StatusInput,
  container: Container,
  previousList: readonly ContainerStatus[] | undefined,
  kind: Kind,
): ContainerStatus {
  const { observed, pod } = input;
  const previous = previousList?.find(s => s.name === container.name);
  const all = observed.containers.filter(c => c.name === container.name);
  const [latest, before] = all;
  const base = latest
    ? observedStatus(input, container, latest, before, previous, kind)
    : missingStatus(input, container, previous, kind);
  const mounts = volumeMountStatuses(container, pod, latest?.recursiveReadOnly);
  const health = input.deviceHealth?.(container) ?? previous?.allocatedResourcesStatus;
  return {
    ...base,
    ...(mounts.length && latest ? { volumeMounts: mounts } : {}),
    ...(health ? { allocatedResourcesStatus: health } : {}),
  };
}

const id = (input: StatusInput, c: ObservedContainer) => `${input.runtimeName}://${c.id}`;
const timeOf = (ms: number) => (ms > 0 ? formatTime(ms) : undefined);

/** Of all messages of a pod's containers together: each has the same share of it. */
const maxMessageBytes = 12 * 1024;

function withinShare({ spec }: Pod, message: string): string {
  const { containers, initContainers = [], ephemeralContainers = [] } = spec;
  const share = Math.floor(maxMessageBytes / (containers.length + initContainers.length + ephemeralContainers.length));
  if (message.length * 3 <= share) return message;
  const bytes = new TextEncoder().encode(message);
  // A character that is cut in two goes.
  return bytes.length <= share ? message : new TextDecoder().decode(bytes.subarray(0, share), { stream: true });
}

function terminatedState(input: StatusInput, c: ObservedContainer): ContainerStateTerminated {
  const message = withinShare(input.pod, input.terminationMessages.get(c.id) || c.message);
  const startedAt = timeOf(c.startedAtMs || c.createdAtMs);
  const finishedAt = timeOf(c.finishedAtMs);
  return {
    exitCode: c.exitCode,
    reason: c.reason || (c.exitCode === 0 ? 'Completed' : 'Error'),
    ...(message ? { message } : {}),
    ...(startedAt ? { startedAt } : {}),
    ...(finishedAt ? { finishedAt } : {}),
    containerID: id(input, c),
  };
}

function defaultWaiting(pod: Pod): ContainerState {
  return { waiting: { reason: pod.spec.initContainers?.length ? 'PodInitializing' : 'ContainerCreating' } };
}

function observedStatus(
  input: StatusInput,
  container: Container,
  latest: ObservedContainer,
  before: ObservedContainer | undefined,
  previous: ContainerStatus | undefined,
  kind: Kind,
): ContainerStatus {
  const { pod } = input;
  const waiting = input.waiting.get(container.name);
  const running = latest.state === 'running';
  const mayRestart = latest.state === 'exited' && kind !== 'ephemeral' && !input.terminal;
  const restarting = mayRestart && restartsAfter(pod, container, latest.exitCode, kind === 'init');
  // The API server holds an end that the policy calls final to be final: what begins again all the same must not show it.
  const replaced = mayRestart && !restarting && input.killedToRestart.has(latest.id);
  let state: ContainerState;
  let lastState = lastStateOf(input, before, previous);
  if (running)
    state = { running: { ...(timeOf(latest.startedAtMs) ? { startedAt: timeOf(latest.startedAtMs)! } : {}) } };
  else if (latest.state === 'exited') {
    const terminated = terminatedState(input, latest);
    if (replaced || (waiting && restarting)) {
      state = waiting ? { waiting } : defaultWaiting(pod);
      lastState = { terminated };
    } else state = { terminated };
  } else if (input.terminal) state = unlocated;
  else if (waiting) state = { waiting };
  else state = defaultWaiting(pod);
  const started = running && input.isStarted(container, latest);
  return {
    name: container.name,
    state,
    lastState,
    ready: readiness(input, container, latest, kind, started),
    restartCount: latest.restartCount,
    image: latest.image || container.image || '',
    imageID: latest.imageRef,
    containerID: id(input, latest),
    ...startedOf(kind, started),
    ...resourcesOf(container, running ? input.resourcesInForce?.(latest.id) : undefined),
    ...userOf(latest),
  };
}

/** Said only of containers that may have probes. */
const startedOf = (kind: Kind, started: boolean) => (kind === 'ephemeral' ? {} : { started });

function lastStateOf(input: StatusInput, before: ObservedContainer | undefined, previous: ContainerStatus | undefined) {
  if (before?.state === 'exited') return { terminated: terminatedState(input, before) };
  return previous?.lastState ?? {};
}

function readiness(
  input: StatusInput,
  container: Container,
  latest: ObservedContainer,
  kind: Kind,
  started: boolean,
): boolean {
  if (kind === 'init' && !isSidecar(container)) return latest.state === 'exited' && latest.exitCode === 0;
  if (kind === 'ephemeral') return false;
  return started && input.isReady(container, latest);
}

/** A container that does not run shows what it was granted. */
function resourcesOf(container: Container, inForce: ResourceRequirements | undefined) {
  const granted = container.resources?.requests;
  const { requests, limits } = inForce ?? container.resources ?? {};
  return {
    ...(granted && Object.keys(granted).length ? { allocatedResources: granted } : {}),
    resources: { ...(limits ? { limits } : {}), ...(requests ? { requests } : {}) },
  };
}

function userOf(latest: ObservedContainer) {
  const user = latest.user?.linux;
  if (!user) return {};
  return {
    user: {
      linux: {
        uid: user.uid ?? 0,
        gid: user.gid ?? 0,
        ...(user.supplemental_groups?.length ? { supplementalGroups: user.supplemental_groups } : {}),
      },
    },
  };
}

/** Whether a container should have been there when its pod ended: those behind an init container that never passed are not. */
function wasDue({ pod, observed }: StatusInput, container: Container, kind: Kind): boolean {
  const inits = pod.spec.initContainers ?? [];
  const seen = (c: Container) => latestContainer(observed, c.name);
  if (kind === 'init')
    return (
      inits.indexOf(container) <=
      Math.max(
        0,
        inits.findLastIndex(c => seen(c) !== undefined),
      )
    );
  const last = inits.at(-1);
  if (!last || pod.spec.containers.some(seen)) return true;
  const end = seen(last);
  return end !== undefined && (isSidecar(last) || (end.state === 'exited' && end.exitCode === 0));
}

const unknown = (message: string): ContainerState => ({
  terminated: { exitCode: 137, reason: 'ContainerStatusUnknown', message },
});

/** Of a container that has never started, or is lost, when its pod has ended. */
const unlocated = unknown('The container could not be located when the pod was terminated');

/** A container the runtime does not know: not created yet, or lost. */
function missingStatus(
  input: StatusInput,
  container: Container,
  previous: ContainerStatus | undefined,
  kind: Kind,
): ContainerStatus {
  const lost = previous?.state?.running !== undefined && !!previous.containerID;
  const image = previous?.image || container.image || '';
  const base = {
    name: container.name,
    ready: false,
    restartCount: previous?.restartCount ?? 0,
    image,
    imageID: previous?.imageID ?? '',
  };
  if (previous?.state?.terminated) return previous;
  if (input.terminal && wasDue(input, container, kind))
    return {
      ...base,
      state: unlocated,
      lastState: previous?.lastState ?? {},
      ...startedOf(kind, false),
    };
  const waiting = input.waiting.get(container.name);
  return {
    ...base,
    ...(lost ? { restartCount: base.restartCount + 1 } : {}),
    state: waiting ? { waiting } : defaultWaiting(input.pod),
    lastState: lost
      ? unknown('The container could not be located when the pod was deleted.  The container used to be Running')
      : (previous?.lastState ?? {}),
    ...startedOf(kind, false),
  };
}

function volumeMountStatuses(
  container: Container | EphemeralContainer,
  pod: Pod,
  recursive: readonly string[] = [],
): readonly VolumeMountStatus[] {
  const out: VolumeMountStatus[] = [];
  for (const m of container.volumeMounts ?? []) {
    if (!pod.spec.volumes?.some(v => v.name === m.name)) continue;
    out.push({
      name: m.name,
      mountPath: m.mountPath,
      ...(m.readOnly
        ? { readOnly: true, recursiveReadOnly: recursive.includes(m.mountPath) ? 'Enabled' : 'Disabled' }
        : {}),
    });
  }
  return out;
}
