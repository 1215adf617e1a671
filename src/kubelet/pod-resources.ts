import type { Pod, PodCondition, ResourceRequirements } from '../api/type/core-v1.ts';
import type { ObservedPod } from './kernel/observed.ts';
import { withPodLimits } from './kernel/qos.ts';
import {
  askedResources,
  changedResources,
  type Grants,
  ofPod,
  publishedGrants,
  type ResizeProblem,
  resizableContainers,
  shrinksMemory,
  withGrants,
} from './kernel/resize.ts';

export type ResizeCondition = Pick<PodCondition, 'type' | 'status' | 'reason' | 'message'>;

interface InForce {
  readonly own: ResourceRequirements;
  /** With the pod's limits where it has none of its own. */
  readonly effective: ResourceRequirements;
}

/** What one pod was granted of the node, and what its running containers have got of that. */
export class PodResources {
  #grants: Grants | undefined;
  /** Asked for again and again, of every pod when one comes. */
  #granted: { readonly asked: Pod; readonly by: Grants; readonly pod: Pod } | undefined;
  /** By container id. */
  readonly #inForce = new Map<string, InForce>();
  /** What the pod as a whole has. */
  #whole: ResourceRequirements | undefined;
  #problem: ResizeProblem | undefined;
  #error = '';
  #underWay = false;

  /** The pod with what it was granted in place of what it asks. */
  granted(pod: Pod): Pod {
    this.#grants ??= publishedGrants(pod);
    if (this.#granted?.asked !== pod || this.#granted.by !== this.#grants)
      this.#granted = { asked: pod, by: this.#grants, pod: withGrants(pod, this.#grants) };
    return this.#granted.pod;
  }

  /** Call after each look at the runtime: a container that is new has got what the pod was granted. */
  observe(pod: Pod, observed: ObservedPod): void {
    const running = new Set<string>();
    const granted = this.granted(pod);
    for (const c of resizableContainers(granted)) {
      const now = observed.containers.find(o => o.name === c.name && o.state === 'running');
      if (!now) continue;
      running.add(now.id);
      if (!this.#inForce.has(now.id)) this.#force(now.id, granted, published(pod, now.id) ?? c.resources ?? {});
    }
    for (const id of this.#inForce.keys()) if (!running.has(id)) this.#inForce.delete(id);
  }

  /**
   * Grants what the spec asks unless `problemOf` names a reason against it. `begun`: it differs from what was granted
   * before; `problem`: a new reason why not.
   */
  review(pod: Pod, problemOf: (pod: Pod) => ResizeProblem | undefined): { begun?: boolean; problem?: ResizeProblem } {
    if (this.granted(pod) === pod) {
      this.#problem = undefined;
      return {};
    }
    const before = this.#problem;
    this.#problem = problemOf(pod);
    if (this.#problem) return before?.message === this.#problem.message ? {} : { problem: this.#problem };
    this.#grants = askedResources(pod);
    this.#error = '';
    this.#underWay = true;
    return { begun: true };
  }

  /** The granted pod with memory limits no lower than those in force: what its group must hold until they are lowered. */
  covering(granted: Pod, observed: ObservedPod): Pod {
    const wider = new Map<string, ResourceRequirements>();
    for (const c of resizableContainers(granted)) {
      const now = observed.containers.find(o => o.name === c.name && o.state === 'running');
      const has = now && this.inForce(now.id);
      if (!has || !shrinksMemory(has, c.resources)) continue;
      const { memory: _, ...limits } = c.resources?.limits ?? {};
      const memory = has.limits?.memory;
      wider.set(c.name, { ...c.resources, limits: { ...limits, ...(memory ? { memory } : {}) } });
    }
    if (wider.size && granted.spec.resources) wider.set(ofPod, granted.spec.resources);
    return wider.size ? withGrants(granted, wider) : granted;
  }

  /** No resize is asked for, refused or under way. */
  get isSettled(): boolean {
    return !this.#problem && !this.#error && !this.#underWay;
  }

  /** It has to be tried again. */
  get deferred(): boolean {
    return this.#problem !== undefined || this.#error !== '';
  }

  /** Of the pod itself, once its group is made. */
  get wholeInForce(): ResourceRequirements | undefined {
    return this.#whole;
  }

  applyWhole(resources: ResourceRequirements): void {
    if (this.#whole && changedResources(this.#whole, resources).length > 0) this.#error = '';
    this.#whole = resources;
  }

  inForce(containerId: string): ResourceRequirements | undefined {
    return this.#inForce.get(containerId)?.own;
  }

  /** What it is held to: of what it does not limit itself, to the limits of its pod. */
  effective(containerId: string): ResourceRequirements | undefined {
    return this.#inForce.get(containerId)?.effective;
  }

  /** A container has got these resources, and the limits of its pod beside them. */
  apply(containerId: string, pod: Pod, own: ResourceRequirements): void {
    this.#force(containerId, pod, own);
    this.#error = '';
  }

  #force(containerId: string, { spec }: Pod, own: ResourceRequirements): void {
    this.#inForce.set(containerId, { own, effective: withPodLimits(spec, own) ?? own });
  }

  /** Whether this is the first failure of the resize under way. */
  fail(message: string): boolean {
    const first = !this.#error;
    this.#error = message;
    return first;
  }

  /** True once, when everything that was granted is in force. */
  completed(pod: Pod, observed: ObservedPod): boolean {
    if (!this.#underWay || this.#pendingOf(pod, observed)) return false;
    this.#underWay = false;
    return true;
  }

  conditions(pod: Pod, observed: ObservedPod): readonly ResizeCondition[] {
    const out: ResizeCondition[] = [];
    if (this.#problem) out.push({ type: 'PodResizePending', status: 'True', ...this.#problem });
    if (this.#pendingOf(pod, observed)) {
      const error = this.#error ? { reason: 'Error', message: this.#error } : {};
      out.push({ type: 'PodResizeInProgress', status: 'True', ...error });
    }
    return out;
  }

  #pendingOf(pod: Pod, observed: ObservedPod): boolean {
    const granted = this.granted(pod);
    if (this.#whole && changedResources(this.#whole, granted.spec.resources).length > 0) return true;
    return resizableContainers(granted).some(c => {
      const now = observed.containers.find(o => o.name === c.name && o.state === 'running');
      const has = now && this.effective(now.id);
      return has !== undefined && changedResources(has, withPodLimits(granted.spec, c.resources)).length > 0;
    });
  }
}

function published(pod: Pod, containerId: string): ResourceRequirements | undefined {
  const statuses = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])];
  return statuses.find(s => s.containerID?.endsWith(`//${containerId}`) && s.state?.running)?.resources;
}
