// The resources of one pod: those it may have now, and how they come into force in its cgroup and its containers.
import type { Container, Pod, ResourceRequirements } from '../api/type/core-v1.ts';
import { messageOf } from '../base/assert.ts';
import { linuxResources } from './kernel/container-config.ts';
import { podUidLabel } from './kernel/label.ts';
import type { ObservedPod } from './kernel/observed.ts';
import type { PodAction } from './kernel/pod-actions.ts';
import { withPodLimits } from './kernel/qos.ts';
import { memoryProblem, podMemoryProblem, shrinksMemory } from './kernel/resize.ts';
import { PodResources } from './pod-resources.ts';
import type { WorkerContext } from './worker-context.ts';

export class PodResizing {
  readonly resources = new PodResources();
  #cgroupFor: Pod['spec'] | undefined;
  /** The pod's own memory limit cannot be lowered now: its containers keep what they have of it. */
  #wholeWaits = false;
  readonly #c: WorkerContext;

  constructor(context: WorkerContext) {
    this.#c = context;
  }

  /** The pod with the resources it may have now. */
  grant(pod: Pod, observed: ObservedPod): Pod {
    this.resources.observe(pod, observed);
    const { begun, problem } = this.resources.review(pod, p => this.#c.resizeProblem(p));
    if (problem) this.#tell(pod, 'Warning', problem.reason, `Pod resize ${problem.reason}`, problem.message);
    if (begun) this.#tell(pod, 'Normal', 'Started', 'Pod resize started');
    this.#tellCompleted(pod, observed);
    return this.resources.granted(pod);
  }

  /** In a group of less than its containers use the kernel would kill them: they shrink first, then it is tried again. */
  async ensureCgroup(granted: Pod, observed: ObservedPod): Promise<void> {
    const pod = this.resources.covering(granted, observed);
    if (this.#cgroupFor === pod.spec) return;
    try {
      const problem = await this.#wholeProblem(granted);
      this.#wholeWaits = problem !== undefined;
      if (problem) return this.#fail(granted, problem);
      await this.#c.cgroups.ensure(pod, this.#c.managers?.unlimited(pod));
      this.#cgroupFor = pod.spec;
      this.resources.applyWhole(granted.spec.resources ?? {});
      this.#tellCompleted(granted, observed);
    } catch (error) {
      if (!this.#cgroupFor) {
        const message = `unable to ensure pod container exists: ${messageOf(error)}`;
        this.#c.events.pod(pod, 'Warning', 'FailedCreatePodContainer', message);
        throw error;
      }
      this.#c.log.debug('shrinking the cgroup of a pod waits', { pod: nameOf(pod), error: messageOf(error) });
    }
  }

  #tellCompleted(pod: Pod, observed: ObservedPod): void {
    if (this.resources.completed(pod, observed)) this.#tell(pod, 'Normal', 'Completed', 'Pod resize completed');
  }

  #tell(pod: Pod, type: 'Normal' | 'Warning', what: string, words: string, error?: string): void {
    this.#c.events.pod(pod, type, `Resize${what}`, `${words}: ${resizeText(pod, error)}`);
  }

  #fail(pod: Pod, message: string): void {
    if (this.resources.fail(message)) this.#tell(pod, 'Warning', 'Error', 'Pod resize error', message);
  }

  /** Why the pod's own memory limit cannot be lowered now. */
  async #wholeProblem({ metadata, spec }: Pod): Promise<string | undefined> {
    if (!shrinksMemory(this.resources.wholeInForce, spec.resources) || !this.resources.wholeInForce) return undefined;
    const filter = { label_selector: { [podUidLabel]: metadata.uid } };
    const { stats = [] } = await this.#c.runtime.ListContainerStats({ filter });
    const usedBytes = stats.reduce((sum, s) => sum + (s.memory?.working_set_bytes?.value ?? 0), 0);
    return podMemoryProblem(spec, usedBytes);
  }

  /** The cgroup is gone. */
  forgetCgroup(): void {
    this.#cgroupFor = undefined;
  }

  /** What containers that run are really held to, by name. */
  actual(granted: Pod, observed: ObservedPod): ReadonlyMap<string, ResourceRequirements> {
    const actual = new Map<string, ResourceRequirements>();
    for (const c of observed.containers) {
      const own = c.state === 'running' && this.resources.inForce(c.id);
      if (!own) continue;
      const has = this.#wholeWaits ? withPodLimits(granted.spec, own) : this.resources.effective(c.id);
      if (has) actual.set(c.name, has);
    }
    return actual;
  }

  /** False when it has to be tried again. */
  async resize(pod: Pod, { container, observed }: Extract<PodAction, { type: 'resize' }>): Promise<boolean> {
    const linux = linuxResources({ pod, container, ...this.#c.resources });
    try {
      const problem = await this.#memoryProblem(pod, container, observed.id);
      if (problem) throw new Error(problem);
      await this.#c.runtime.UpdateContainerResources({ container_id: observed.id, linux });
      this.resources.apply(observed.id, pod, container.resources ?? {});
      return true;
    } catch (error) {
      this.#fail(pod, messageOf(error));
      return false;
    }
  }

  async #memoryProblem({ spec }: Pod, { name, resources }: Container, id: string): Promise<string | undefined> {
    const wanted = withPodLimits(spec, resources);
    if (!shrinksMemory(this.resources.effective(id), wanted)) return undefined;
    const { stats } = await this.#c.runtime.ContainerStats({ container_id: id });
    return memoryProblem(name, wanted, stats?.memory?.working_set_bytes?.value ?? 0);
  }
}

const nameOf = ({ metadata: m }: Pod) => `${m.namespace}/${m.name}`;

/** What is wanted, by which generation, and what is in the way. */
const resizeText = ({ metadata: { generation }, spec }: Pod, error?: string) =>
  JSON.stringify({
    ...(spec.resources ? { resources: spec.resources } : {}),
    containers: spec.containers.map(c => ({ name: c.name, resources: c.resources ?? {} })),
    ...(generation === undefined ? {} : { generation }),
    ...(error === undefined ? {} : { error }),
  });
