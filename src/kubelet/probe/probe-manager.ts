import type { Container, Pod, Probe } from '../../api/type/core-v1.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import { latestContainer, type ObservedContainer, type ObservedPod } from '../kernel/observed.ts';
import type { Verdict } from '../kernel/pod-actions.ts';
import {
  erroredMessage,
  initialProbeState,
  nextProbeState,
  type ProbeKind,
  type ProbeState,
  probeField,
  unhealthyMessage,
  warningMessage,
} from '../kernel/probe.ts';
import { isSidecar } from '../kernel/restart-policy.ts';
import type { PodEvents } from '../pod-event.ts';
import type { ProbeResult } from './network.ts';
import type { Prober } from './prober.ts';

export interface ProbeManagerOptions {
  readonly prober: Prober;
  readonly clock: Clock;
  readonly random: Random;
  readonly events: PodEvents;
  readonly hostIps: readonly string[];
  onVerdict(uid: string): void;
  /** Told of each attempt and how long it took. */
  onProbe?(pod: Pod, container: Container, kind: ProbeKind, result: ProbeResult['result'], seconds: number): void;
  /** The pod is probed no more, and of no attempt of its own is told from now on. */
  onGone?(uid: string): void;
}

const kinds: readonly ProbeKind[] = ['startup', 'liveness', 'readiness'];

interface Worker {
  readonly kind: ProbeKind;
  readonly containerId: string;
  pod: Pod;
  observed: ObservedContainer;
  podIp: string;
  state: ProbeState;
  timer: Timer | undefined;
  /** A verdict that ends the container, or a start that has succeeded: no more probing of this container. */
  done: boolean;
}

/** Probes running containers by their own timers; what it finds is asked for by container id. */
export class ProbeManager {
  readonly #o: ProbeManagerOptions;
  /** By pod uid, then by container id and kind. */
  readonly #pods = new Map<string, Map<string, Worker>>();

  constructor(options: ProbeManagerOptions) {
    this.#o = options;
  }

  /** Brings the workers in line with the pod's running containers. */
  sync(pod: Pod, observed: ObservedPod, terminating: boolean): void {
    const uid = observed.uid;
    const workers = this.#pods.get(uid) ?? new Map<string, Worker>();
    const wanted = new Set<string>();
    const podIp = pod.spec.hostNetwork ? this.#o.hostIps[0] : observed.sandboxes[0]?.ips[0];
    for (const container of probed(pod)) {
      const current = latestContainer(observed, container.name);
      if (current?.state !== 'running') continue;
      for (const kind of kinds) {
        const probe = container[probeField[kind]];
        if (!probe || (terminating && kind !== 'readiness')) continue;
        if (kind !== 'startup' && container.startupProbe && this.#verdict(workers, current.id, 'startup') !== 'success')
          continue;
        const key = `${current.id} ${kind}`;
        wanted.add(key);
        const worker = workers.get(key) ?? this.#create(workers, key, pod, container, current, kind);
        worker.pod = pod;
        worker.observed = current;
        worker.podIp = podIp ?? '';
      }
    }
    for (const [key, worker] of workers) {
      if (wanted.has(key)) continue;
      worker.timer?.cancel();
      workers.delete(key);
    }
    if (workers.size) this.#pods.set(uid, workers);
    else this.#pods.delete(uid);
  }

  remove(uid: string): void {
    for (const worker of this.#pods.get(uid)?.values() ?? []) worker.timer?.cancel();
    this.#pods.delete(uid);
    this.#o.onGone?.(uid);
  }

  stop(): void {
    for (const uid of [...this.#pods.keys()]) this.remove(uid);
  }

  verdicts(uid: string): ReadonlyMap<string, { readonly startup?: Verdict; readonly liveness?: Verdict }> {
    const out = new Map<string, { startup?: Verdict; liveness?: Verdict }>();
    for (const w of this.#pods.get(uid)?.values() ?? []) {
      if (w.kind === 'readiness') continue;
      const entry = out.get(w.containerId) ?? {};
      entry[w.kind] = w.state.verdict;
      out.set(w.containerId, entry);
    }
    return out;
  }

  isStarted(uid: string, container: Container, observed: ObservedContainer): boolean {
    if (!container.startupProbe) return true;
    return this.#verdict(this.#pods.get(uid), observed.id, 'startup') === 'success';
  }

  isReady(uid: string, container: Container, observed: ObservedContainer): boolean {
    if (!container.readinessProbe) return true;
    return this.#verdict(this.#pods.get(uid), observed.id, 'readiness') === 'success';
  }

  #verdict(workers: Map<string, Worker> | undefined, id: string, kind: ProbeKind): Verdict {
    return workers?.get(`${id} ${kind}`)?.state.verdict ?? 'unknown';
  }

  #create(
    workers: Map<string, Worker>,
    key: string,
    pod: Pod,
    container: Container,
    observed: ObservedContainer,
    kind: ProbeKind,
  ): Worker {
    const known = recovered(pod, observed, kind);
    const state = known ? { verdict: 'success' as const, last: 'success' as const, run: 1 } : initialProbeState(kind);
    const worker: Worker = {
      kind,
      containerId: observed.id,
      pod,
      observed,
      podIp: '',
      state,
      timer: undefined,
      done: known && kind === 'startup',
    };
    workers.set(key, worker);
    const probe = container[probeField[kind]]!;
    const initialMs = observed.startedAtMs + (probe.initialDelaySeconds ?? 0) * 1000 - this.#o.clock.now();
    // After a restart of the kubelet not everything is probed at once.
    const spreadMs = known ? this.#o.random.next() * periodMs(probe) : 0;
    if (!worker.done) this.#schedule(worker, Math.max(0, initialMs, spreadMs));
    return worker;
  }

  #schedule(worker: Worker, afterMs: number): void {
    worker.timer = this.#o.clock.after(afterMs, () => {
      worker.timer = undefined;
      void this.#probe(worker);
    });
  }

  async #probe(worker: Worker): Promise<void> {
    const container = probed(worker.pod).find(c => c.name === worker.observed.name);
    const probe = container?.[probeField[worker.kind]];
    if (!container || !probe) return;
    const startedMs = this.#o.clock.monotonic();
    const answer = await this.#attempt(worker, container, probe);
    if (!this.#isWanted(worker)) return;
    if (answer) this.#record(worker, probe, answer);
    if (worker.done) return;
    const took = this.#o.clock.monotonic() - startedMs;
    this.#schedule(worker, Math.max(0, periodMs(probe) - took));
  }

  #isWanted(worker: Worker): boolean {
    return this.#pods.get(uidOf(worker.pod))?.get(`${worker.containerId} ${worker.kind}`) === worker;
  }

  async #attempt(worker: Worker, container: Container, probe: Probe): Promise<'success' | 'failure' | undefined> {
    const { kind, pod } = worker;
    const target = { container, containerId: worker.containerId, podIp: worker.podIp };
    const startedMs = this.#o.clock.monotonic();
    const answer = await this.#o.prober.probe(probe, target);
    if (this.#isWanted(worker))
      this.#o.onProbe?.(pod, container, kind, answer.result, (this.#o.clock.monotonic() - startedMs) / 1000);
    switch (answer.result) {
      case 'success':
        return 'success';
      case 'warning':
        this.#o.events.container(pod, container, 'Warning', 'ProbeWarning', warningMessage(kind, answer.output));
        return 'success';
      case 'failure':
        this.#o.events.container(pod, container, 'Warning', 'Unhealthy', unhealthyMessage(kind, answer.output));
        return 'failure';
      case 'error':
        this.#o.events.container(pod, container, 'Warning', 'Unhealthy', erroredMessage(kind, answer.output));
        return undefined;
    }
  }

  #record(worker: Worker, probe: Probe, raw: 'success' | 'failure'): void {
    const before = worker.state.verdict;
    worker.state = nextProbeState(worker.state, raw, probe);
    const { verdict } = worker.state;
    const ends = verdict === 'failure' && worker.kind !== 'readiness';
    if (ends || (worker.kind === 'startup' && verdict === 'success')) worker.done = true;
    if (verdict !== before) this.#o.onVerdict(uidOf(worker.pod));
  }
}

const uidOf = (pod: Pod) => pod.metadata.uid ?? '';
const periodMs = (probe: Probe) => (probe.periodSeconds ?? 10) * 1000;

/** Containers that may have probes: the main ones and sidecars. */
function probed(pod: Pod): readonly Container[] {
  return [...(pod.spec.initContainers ?? []).filter(isSidecar), ...pod.spec.containers];
}

/** The published status already said so of this very container: a new kubelet does not take it back. */
function recovered(pod: Pod, observed: ObservedContainer, kind: ProbeKind): boolean {
  const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
  const status = statuses.find(s => s.name === observed.name);
  if (!status?.containerID?.endsWith(`//${observed.id}`)) return false;
  return kind === 'startup' ? status.started === true : kind === 'readiness' ? status.ready : false;
}
