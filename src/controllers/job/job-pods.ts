// What the Job controller does to pods.
import { batchV1, coreV1 } from '../../api/refs.ts';
import { isNotFound } from '../../api/status.ts';
import type { Job } from '../../api/type/batch-v1.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import type { ControllerContext } from '../../engine/controller.ts';
import { controllerRef } from '../../engine/controller-ref.ts';
import { Expectations } from '../../engine/expectations.ts';
import type { OwnWrites } from '../../engine/own-writes.ts';
import { slowStartBatch } from '../../engine/slow-start.ts';
import { isPodReady } from '../kernel/pod.ts';
import { createPod, deletePod } from '../pod-control.ts';
import { FinalizerRemovals } from './finalizer-removals.ts';
import { isTracked, newPod, trackingFinalizer } from './kernel/job-pod.ts';

export interface Deleted {
  readonly count: number;
  /** Of these, ready before. */
  readonly ready: number;
  readonly failure: { readonly error: unknown } | undefined;
}

export class JobPods {
  readonly expectations: Expectations;
  readonly removals = new FinalizerRemovals();
  readonly #context: ControllerContext;
  readonly #writes: OwnWrites;

  constructor(context: ControllerContext, writes: OwnWrites) {
    this.#context = context;
    this.#writes = writes;
    this.expectations = new Expectations(context.clock, (key, ms) => context.enqueue(key, ms));
  }

  /** How many came to be, and what stopped the rest. */
  async create(
    key: string,
    job: Job,
    indexes: readonly (number | undefined)[],
    kept: ReadonlyMap<number, Pod>,
  ): Promise<{ count: number; failed: number; failure: { error: unknown } | undefined }> {
    // Where versions are remembered, a pod that came and went unseen is not waited for.
    this.expectations.expectCreations(key, this.#writes.on ? 0 : indexes.length);
    const owner = controllerRef(job, batchV1.jobs);
    let refused = 0;
    const { successes, error } = await slowStartBatch(indexes.length, async i => {
      const index = indexes[i];
      const draft = newPod(job, owner, index, index === undefined ? undefined : kept.get(index));
      const pod = await createPod(this.#context, draft, job, batchV1.jobs);
      if (pod) return this.#writes.wrote(job, coreV1.pods, pod);
      refused++;
      this.expectations.creationObserved(key);
    });
    const count = successes - refused;
    if (successes === indexes.length) return { count, failed: 0, failure: undefined };
    // Nobody will see what failed, or was not tried.
    this.expectations.creationObserved(key, indexes.length - successes);
    return { count, failed: 1, failure: { error } };
  }

  /** With `uncounted` they lose their finalizer first, so that the job does not count them as failed. */
  async delete(key: string, job: Job, pods: readonly Pod[], uncounted: boolean): Promise<Deleted> {
    this.expectations.expectDeletions(
      key,
      pods.map(p => p.metadata.uid),
    );
    let ready = 0;
    let count = 0;
    let failure: { error: unknown } | undefined;
    await Promise.all(
      pods.map(async pod => {
        try {
          if (uncounted && isTracked(pod)) await this.#release(key, pod, job);
          this.#writes.wrote(job, coreV1.pods, await deletePod(this.#context, pod, job, batchV1.jobs));
          count++;
          if (isPodReady(pod)) ready++;
        } catch (error) {
          this.expectations.deletionObserved(key, pod.metadata.uid);
          if (!isNotFound(error)) failure ??= { error };
        }
      }),
    );
    return { count, ready, failure };
  }

  /** Takes the tracking finalizer from the pods; the uids of those that have it no longer. No job: it is gone. */
  async release(
    key: string,
    pods: readonly Pod[],
    job: Job | undefined,
  ): Promise<{ released: Set<string>; failure: { error: unknown } | undefined }> {
    const released = new Set<string>();
    let failure: { error: unknown } | undefined;
    await Promise.all(
      pods.map(async pod => {
        try {
          await this.#release(key, pod, job);
          released.add(pod.metadata.uid);
        } catch (error) {
          if (isNotFound(error)) released.add(pod.metadata.uid);
          else failure ??= { error };
        }
      }),
    );
    return { released, failure };
  }

  forget(key: string): void {
    this.expectations.forget(key);
    this.removals.forget(key);
  }

  async #release(key: string, pod: Pod, job: Job | undefined): Promise<void> {
    const { uid, name, namespace } = pod.metadata;
    this.removals.expect(key, [uid]);
    const metadata = { uid, '$deleteFromPrimitiveList/finalizers': [trackingFinalizer] };
    try {
      const released = await this.#context.client.patch(
        coreV1.pods,
        { namespace: namespace!, name },
        { type: 'strategic', body: { metadata } },
      );
      if (job) this.#writes.wrote(job, coreV1.pods, released);
    } catch (error) {
      this.removals.end(key, uid);
      throw error;
    }
  }
}
