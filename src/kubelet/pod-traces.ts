// What one pod leaves on its node: sandboxes, dead containers, logs and directories; and how it goes.
import { basename, dirname, join } from 'node:path';
import type { Pod } from '../api/type/core-v1.ts';
import { messageOf } from '../base/assert.ts';
import { isRuntimeNotFound } from '../cri/runtime-error.ts';
import type { ObservedContainer, ObservedPod, ObservedSandbox } from './kernel/observed.ts';
import { identityOf } from './pod-path.ts';
import type { WorkerContext } from './worker-context.ts';

export class PodTraces {
  readonly #uid: string;
  readonly #c: WorkerContext;
  readonly #onRemoved: (containerId: string) => void;

  constructor(uid: string, context: WorkerContext, onRemoved: (containerId: string) => void) {
    this.#uid = uid;
    this.#c = context;
    this.#onRemoved = onRemoved;
  }

  async stopSandboxes(pod: Pod | undefined, observed: ObservedPod): Promise<void> {
    const { runtime, events } = this.#c;
    try {
      await Promise.all(
        observed.sandboxes
          .filter(s => s.ready)
          .map(s => runtime.StopPodSandbox({ pod_sandbox_id: s.id }, { timeoutMs: 120_000 })),
      );
    } catch (error) {
      if (pod) events.pod(pod, 'Warning', 'FailedKillPod', `error killing pod: ${messageOf(error)}`);
      throw error;
    }
  }

  /** Keeps one dead container a name and the last sandbox; what is older goes. */
  async prune(observed: ObservedPod): Promise<void> {
    const seen = new Set<string>();
    const dead = observed.containers.filter(c => {
      if (c.state !== 'exited') return false;
      if (seen.has(c.name)) return true;
      seen.add(c.name);
      return false;
    });
    const kept = new Set(observed.containers.filter(c => !dead.includes(c)).map(c => c.sandboxId));
    const sandboxes = observed.sandboxes.slice(1).filter(s => !s.ready && !kept.has(s.id));
    if (!dead.length && !sandboxes.length) return;
    await this.#collecting(async () => {
      await Promise.all(dead.map(c => this.#removeWithLogs(c, observed)));
      await this.#removeSandboxes(sandboxes);
    });
    await this.#c.cache.refresh(this.#uid);
  }

  async #collecting(act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      this.#c.warnNode('ContainerGCFailed', messageOf(error));
      throw error;
    }
  }

  async #removeSandboxes(sandboxes: readonly ObservedSandbox[]): Promise<void> {
    await Promise.all(sandboxes.map(s => ignoreMissing(this.#c.runtime.RemovePodSandbox({ pod_sandbox_id: s.id }))));
  }

  async #removeContainer(id: string): Promise<void> {
    await ignoreMissing(this.#c.runtime.RemoveContainer({ container_id: id }));
    this.#onRemoved(id);
  }

  /** With all that was rotated of its log: a pod that goes on crashing would fill the disk. */
  async #removeWithLogs(container: ObservedContainer, observed: ObservedPod): Promise<void> {
    const { host } = this.#c;
    await this.#removeContainer(container.id);
    await this.#removeLogLink(container, observed);
    if (!container.logPath) return;
    const [directory, log] = [dirname(container.logPath), basename(container.logPath)];
    for (const name of await host.list(directory))
      if (name === log || name.startsWith(`${log}.`)) await host.remove(join(directory, name));
  }

  /** Every trace of a pod whose object is gone. */
  async removeAll(pod: Pod | undefined): Promise<void> {
    const { cache, host, paths } = this.#c;
    const observed = await cache.refresh(this.#uid);
    await this.#collecting(async () => {
      await Promise.all(observed.containers.map(c => this.#removeContainer(c.id)));
      await this.#removeSandboxes(observed.sandboxes);
    });
    const identity = pod ? identityOf(pod) : observed;
    if (identity.name) await host.remove(paths.podLogs(identity));
    for (const c of observed.containers) await this.#removeLogLink(c, observed);
    await host.remove(paths.pod(this.#uid));
    await cache.refresh(this.#uid);
  }

  async #removeLogLink(container: ObservedContainer, { name, namespace }: ObservedPod): Promise<void> {
    const dir = this.#c.containerLogsDirectory;
    if (dir) await this.#c.host.remove(join(dir, `${name}_${namespace}_${container.name}-${container.id}.log`));
  }
}

async function ignoreMissing(promise: Promise<unknown>): Promise<void> {
  try {
    await promise;
  } catch (error) {
    if (!isRuntimeNotFound(error)) throw error;
  }
}
