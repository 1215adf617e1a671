// Makes one pod's status of all that is known of it, and hands it on; changes meanwhile go together.
import type { Container, Pod, PodStatus } from '../api/type/core-v1.ts';
import type { ObservedPod } from './kernel/observed.ts';
import { makePodStatus, type WaitingReason } from './kernel/pod-status.ts';
import type { PodResources } from './pod-resources.ts';
import type { StatusSources } from './status-manager.ts';
import { terminationMessage } from './termination-message.ts';
import type { Stage, Verdict, WorkerContext } from './worker-context.ts';

/** What a pod's worker knows at present. */
export interface PodView {
  readonly uid: string;
  readonly name: string;
  readonly pod: Pod | undefined;
  readonly stage: Stage;
  readonly verdict: Verdict | undefined;
  readonly removed: boolean;
  readonly stopped: boolean;
  readonly waiting: Map<string, WaitingReason>;
  readonly killedToRestart: ReadonlySet<string>;
  readonly resources: PodResources;
  observed(): ObservedPod;
}

export class StatusPublisher {
  readonly #c: WorkerContext;
  readonly #v: PodView;
  /** Termination messages by container id. */
  readonly #messages = new Map<string, string>();
  #publishing: Promise<void> | undefined;
  #publishAgain = false;
  /** Of what the last status was made, if it was simple. */
  #made: (StatusSources & { readonly pod: Pod; readonly observed: ObservedPod }) | undefined;

  constructor(context: WorkerContext, view: PodView) {
    this.#c = context;
    this.#v = view;
  }

  /** The container is removed. */
  forget(containerId: string): void {
    this.#messages.delete(containerId);
  }

  /** What is under way. */
  async end(): Promise<void> {
    await this.#publishing;
  }

  /** Publishes soon; changes meanwhile are published together. */
  publish(): void {
    if (this.#v.stopped) return;
    void this.publishNow().catch(error => this.#c.log.warn('making pod status failed', { pod: this.#v.name, error }));
  }

  /** Resolves when what was known at the call is published. */
  async publishNow(): Promise<void> {
    if (this.#publishing) {
      this.#publishAgain = true;
      return this.#publishing;
    }
    this.#publishing = this.#publishLoop();
    return this.#publishing;
  }

  async #publishLoop(): Promise<void> {
    try {
      do {
        this.#publishAgain = false;
        await this.#makeStatus();
      } while (this.#publishAgain);
    } finally {
      // At once, not a turn later: who asks in between must start a new round.
      this.#publishing = undefined;
    }
  }

  async #makeStatus(): Promise<void> {
    const { pod, uid, stage, verdict } = this.#v;
    if (!pod || this.#v.removed) return;
    const observed = this.#v.observed();
    if (this.#isMade(pod, observed)) return;
    for (const c of observed.containers) {
      if (c.state === 'exited' && !this.#messages.has(c.id))
        this.#messages.set(c.id, await terminationMessage(this.#c.host, c));
      if (c.state === 'running') this.#v.waiting.delete(c.name);
    }
    const { probes, statuses, devices } = this.#c;
    const terminal = stage === 'terminated';
    if (!terminal) probes.sync(pod, observed, stage !== 'sync');
    this.#v.resources.observe(pod, observed);
    const status = makePodStatus({
      pod: this.#v.resources.granted(pod),
      previous: statuses.current(pod),
      observed,
      nowMs: this.#c.clock.now(),
      waiting: this.#v.waiting,
      killedToRestart: this.#v.killedToRestart,
      isStarted: (c, o) => probes.isStarted(uid, c, o),
      isReady: (c, o) => probes.isReady(uid, c, o),
      terminationMessages: this.#messages,
      hostIps: this.#c.hostIps,
      ...(verdict ? { verdict } : {}),
      terminal,
      runtimeName: this.#c.runtimeName,
      ...(devices ? { deviceHealth: c => devices.health(pod, c) } : {}),
      podResourcesInForce: this.#v.resources.wholeInForce,
      resourcesInForce: id => this.#v.resources.inForce(id),
      resizeConditions: this.#v.resources.conditions(pod, observed),
    });
    const made = verdict?.condition ? withCondition(pod, status, verdict.condition, this.#c.clock.now()) : status;
    statuses.set(uid, made, !verdict && this.#startsContainers(observed));
    this.#made = this.#isSimple(pod, observed)
      ? { pod, observed, api: statuses.sourcesOf(uid).api, own: made }
      : undefined;
  }

  /** Whether the status is the one made last: a start is looked at twice, when the runtime tells and when the step ends. */
  #isMade(pod: Pod, observed: ObservedPod): boolean {
    const made = this.#made;
    if (made?.pod !== pod || made.observed !== observed || !this.#isSimple(pod, observed)) return false;
    const { api, own } = this.#c.statuses.sourcesOf(this.#v.uid);
    return api === made.api && own === made.own;
  }

  /** Whether a sandbox is all there is so far: what comes of its first container follows, mostly at once. */
  #startsContainers({ sandboxes, containers }: ObservedPod): boolean {
    const { stage, waiting } = this.#v;
    return stage === 'sync' && sandboxes.length > 0 && containers.length === 0 && waiting.size === 0;
  }

  /** Whether nothing but the pod and what is observed of it goes into its status. */
  #isSimple(pod: Pod, observed: ObservedPod): boolean {
    const { stage, verdict, waiting, killedToRestart, resources } = this.#v;
    return (
      stage === 'sync' &&
      !verdict &&
      waiting.size === 0 &&
      killedToRestart.size === 0 &&
      resources.isSettled &&
      !this.#c.devices &&
      observed.containers.every(c => c.state !== 'exited') &&
      ![...(pod.spec.initContainers ?? []), ...pod.spec.containers].some(isProbed)
    );
  }
}

const isProbed = (c: Container): boolean => !!(c.startupProbe ?? c.readinessProbe ?? c.livenessProbe);

function withCondition(
  { metadata: { generation } }: Pod,
  status: PodStatus,
  condition: NonNullable<Verdict['condition']>,
  nowMs: number,
): PodStatus {
  if (status.conditions?.some(c => c.type === condition.type && c.status === condition.status)) return status;
  const lastTransitionTime = `${new Date(nowMs).toISOString().slice(0, 19)}Z`;
  const others = (status.conditions ?? []).filter(c => c.type !== condition.type);
  const observed = generation === undefined ? {} : { observedGeneration: generation };
  return { ...status, conditions: [...others, { ...condition, ...observed, lastTransitionTime }] };
}
