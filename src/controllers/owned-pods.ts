// Makes and deletes the pods of owners of one kind, and remembers what of that the informers have not shown yet.
// Where the versions of what was written are remembered, creations need not be counted: a pod that came and went unseen
// would be waited for.
import type { Draft, KubeObject } from '../api/meta.ts';
import type { ResourceRef } from '../api/ref.ts';
import { coreV1 } from '../api/refs.ts';
import { isNotFound } from '../api/status.ts';
import type { Pod } from '../api/type/core-v1.ts';
import type { ControllerContext } from '../engine/controller.ts';
import { controllerOf } from '../engine/controller-ref.ts';
import { Expectations } from '../engine/expectations.ts';
import type { OwnWrites } from '../engine/own-writes.ts';
import { slowStartBatch } from '../engine/slow-start.ts';
import { createPod, deletePod } from './pod-control.ts';
import { ownerKey } from './pod-owner.ts';

export type Failure = { readonly error: unknown } | undefined;

export class OwnedPods<O extends KubeObject> {
  readonly #context: ControllerContext;
  readonly #resource: ResourceRef<O>;
  readonly #writes: OwnWrites;
  /** By key of the owner. */
  readonly expectations: Expectations;

  constructor(context: ControllerContext, resource: ResourceRef<O>, writes: OwnWrites) {
    this.#context = context;
    this.#resource = resource;
    this.#writes = writes;
    this.expectations = new Expectations(context.clock, (key, ms) => context.enqueue(key, ms));
    const created = (pod: Pod) => this.#keyed(pod, key => this.expectations.creationObserved(key));
    const gone = (pod: Pod) => this.#keyed(pod, key => this.expectations.deletionObserved(key, pod.metadata.uid));
    context.observe(coreV1.pods, {
      onAdd: pod => (pod.metadata.deletionTimestamp ? gone(pod) : created(pod)),
      onUpdate: pod => pod.metadata.deletionTimestamp && gone(pod),
      onDelete: gone,
    });
  }

  /** Call before creating or deleting. */
  expect(key: string, creations: number, deletions: readonly Pod[]): void {
    const uids = deletions.map(p => p.metadata.uid);
    this.expectations.expect(key, this.#writes.on ? 0 : creations, uids);
  }

  /** As many as there is anything to make of, few at first; what fails, or is not tried then, is expected no longer. */
  async create(key: string, owner: O, count: number, draft: (index: number) => Draft<Pod>): Promise<Failure> {
    const { successes, error } = await slowStartBatch(count, async i => {
      const pod = await createPod(this.#context, draft(i), owner, this.#resource);
      if (pod) this.#writes.wrote(owner, coreV1.pods, pod);
      else this.expectations.creationObserved(key);
    });
    if (successes === count) return undefined;
    this.expectations.creationObserved(key, count - successes);
    return { error };
  }

  /** All of them; the first failure. */
  async delete(key: string, owner: O, pods: readonly Pod[]): Promise<Failure> {
    let failure: Failure;
    await Promise.all(
      pods.map(async pod => {
        try {
          this.#writes.wrote(owner, coreV1.pods, await deletePod(this.#context, pod, owner, this.#resource));
        } catch (error) {
          this.expectations.deletionObserved(key, pod.metadata.uid);
          if (!isNotFound(error)) failure ??= { error };
        }
      }),
    );
    return failure;
  }

  #keyed(pod: Pod, observed: (key: string) => void): void {
    const lister = this.#context.lister(this.#resource);
    const key = ownerKey(controllerOf(pod), pod.metadata.namespace!, this.#resource, lister);
    if (key) observed(key);
  }
}
