// What `kubectl get pods` shows: the STATUS column is derived from phase, conditions and every container.
import { parseTime } from '../../api/meta.ts';
import type { ContainerStatus, Pod } from '../../api/type/core-v1.ts';
import { ageOf, humanDuration } from './human-duration.ts';
import { isTrue, none } from './text.ts';

interface Summary {
  ready: number;
  total: number;
  restarts: number;
  /** Latest end of a container that was restarted; 0 when there was none. */
  lastRestartMs: number;
  status: string;
}

export function podCells(pod: Pod, nowMs: number): readonly unknown[] {
  const s = podSummary(pod);
  const { spec, status } = pod;
  const restarts =
    s.restarts && s.lastRestartMs ? `${s.restarts} (${humanDuration(nowMs - s.lastRestartMs)} ago)` : `${s.restarts}`;
  const gates = spec.readinessGates ?? [];
  const passed = gates.filter(g => isTrue(status?.conditions, g.conditionType)).length;
  return [
    pod.metadata.name ?? '',
    `${s.ready}/${s.total}`,
    s.status,
    restarts,
    ageOf(pod.metadata.creationTimestamp, nowMs),
    status?.podIPs?.[0]?.ip || status?.podIP || none,
    spec.nodeName || none,
    status?.nominatedNodeName || none,
    gates.length ? `${passed}/${gates.length}` : none,
  ];
}

/** A finished pod's row says so, so that clients can hide it. */
export function podRowConditions(pod: Pod): readonly object[] | undefined {
  const phase = pod.status?.phase;
  if (phase !== 'Succeeded' && phase !== 'Failed') return undefined;
  const message = phase === 'Succeeded' ? 'The pod has completed successfully.' : 'The pod failed.';
  return [{ type: 'Completed', status: 'True', reason: phase, message }];
}

/** Ready count, restarts and the status word. */
export function podSummary(pod: Pod): Summary {
  const { spec, status } = pod;
  const sidecars = new Set((spec.initContainers ?? []).filter(c => c.restartPolicy === 'Always').map(c => c.name));
  const gated = status?.conditions?.some(c => c.type === 'PodScheduled' && c.reason === 'SchedulingGated');
  const s: Summary = {
    ready: 0,
    total: spec.containers.length + sidecars.size,
    restarts: 0,
    lastRestartMs: 0,
    status: gated ? 'SchedulingGated' : status?.reason || status?.phase || '',
  };
  const initializing = addInitContainers(s, pod, sidecars);
  if (!initializing) addContainers(s, pod);
  if (pod.metadata.deletionTimestamp) {
    if (status?.reason === 'NodeLost') s.status = 'Unknown';
    else if (status?.phase !== 'Succeeded' && status?.phase !== 'Failed') s.status = 'Terminating';
  }
  return s;
}

function addRestarts(s: Summary, c: ContainerStatus): void {
  s.restarts += c.restartCount;
  s.lastRestartMs = Math.max(s.lastRestartMs, parseTime(c.lastState?.terminated?.finishedAt) ?? 0);
}

/**
 * True while an init container holds the others back. Once they are through, only restarts of those that keep running
 * count.
 */
function addInitContainers(s: Summary, pod: Pod, sidecars: ReadonlySet<string>): boolean {
  const lasting: Summary = { ...s };
  const statuses = pod.status?.initContainerStatuses ?? [];
  let initializing = false;
  for (const [i, c] of statuses.entries()) {
    const sidecar = sidecars.has(c.name);
    addRestarts(s, c);
    if (sidecar) addRestarts(lasting, c);
    const { terminated, waiting } = c.state ?? {};
    if (terminated?.exitCode === 0) continue;
    if (sidecar && c.started) {
      if (c.ready) s.ready++;
      continue;
    }
    initializing = true;
    if (terminated) s.status = `Init:${terminated.reason || endText(terminated)}`;
    else if (waiting?.reason && waiting.reason !== 'PodInitializing') s.status = `Init:${waiting.reason}`;
    else s.status = `Init:${i}/${pod.spec.initContainers?.length ?? 0}`;
    break;
  }
  if (initializing && !isTrue(pod.status?.conditions, 'Initialized')) return true;
  s.restarts = lasting.restarts;
  s.lastRestartMs = lasting.lastRestartMs;
  return false;
}

const endText = ({ signal, exitCode }: { signal?: number; exitCode: number }): string =>
  signal ? `Signal:${signal}` : `ExitCode:${exitCode}`;

// The first container that has something to say decides.
function addContainers(s: Summary, pod: Pod): void {
  let running = false;
  let failure = '';
  for (const c of (pod.status?.containerStatuses ?? []).toReversed()) {
    addRestarts(s, c);
    const { terminated, waiting } = c.state ?? {};
    if (waiting?.reason) s.status = waiting.reason;
    else if (terminated) {
      s.status = terminated.reason || endText(terminated);
      if (terminated.exitCode !== 0) failure = s.status;
    } else if (c.ready && c.state?.running) {
      running = true;
      s.ready++;
    }
  }
  if (s.status !== 'Completed') return;
  if (running && isTrue(pod.status?.conditions, 'Ready')) s.status = 'Running';
  else if (failure) s.status = failure;
  else if (running) s.status = 'NotReady';
}
