// Holds running containers to the CPUs that are theirs now: what they share shrinks and grows.
import type { Pod } from '../../api/type/core-v1.ts';
import { messageOf } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import { abortsWith, type Service } from '../../base/lifecycle.ts';
import type { Log } from '../../base/log.ts';
import type { ContainerRuntime } from '../../cri/runtime.ts';
import { isRuntimeNotFound } from '../../cri/runtime-error.ts';
import type { RuntimeCache } from '../runtime-cache.ts';

export interface CpuReconcilerOptions {
  readonly runtime: ContainerRuntime;
  readonly cache: RuntimeCache;
  readonly clock: Clock;
  readonly log: Log;
  readonly everyMs: number;
  pods(): readonly Pod[];
  /** Takes back what pods held that are gone. */
  settle(): Promise<void>;
  cpusOf(uid: string, container: string): string;
}

export class CpuReconciler implements Service {
  readonly name = 'cpu manager';
  readonly #o: CpuReconcilerOptions;
  /** What running containers were told last, by id. */
  readonly #told = new Map<string, string>();
  #wake: (() => void) | undefined;
  #hastened = false;

  constructor(options: CpuReconcilerOptions) {
    this.#o = options;
  }

  /** Looks now and not when the period is over. */
  hasten(): void {
    this.#hastened = true;
    this.#wake?.();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, everyMs, log } = this.#o;
    while (!signal.aborted) {
      this.#hastened = false;
      await this.#settle().catch(error => log.warn('reconciling CPUs failed', { error: messageOf(error) }));
      if (this.#hastened) continue;
      const { controller, release } = abortsWith(signal);
      this.#wake = () => controller.abort();
      await clock.sleep(everyMs, controller.signal).catch(() => {});
      this.#wake = undefined;
      release();
    }
  }

  async #settle(): Promise<void> {
    await this.#o.settle();
    const running = new Set<string>();
    for (const pod of this.#o.pods()) {
      const uid = pod.metadata.uid ?? '';
      for (const c of this.#o.cache.get(uid)?.containers ?? []) {
        if (c.state !== 'running') continue;
        running.add(c.id);
        await this.#tell(c.id, this.#o.cpusOf(uid, c.name));
      }
    }
    for (const id of this.#told.keys()) if (!running.has(id)) this.#told.delete(id);
  }

  async #tell(id: string, cpus: string): Promise<void> {
    const { runtime, log } = this.#o;
    // None are left to share: where it ran it runs on.
    if (!cpus || this.#told.get(id) === cpus) return;
    try {
      await runtime.UpdateContainerResources({ container_id: id, linux: { cpuset_cpus: cpus } });
      this.#told.set(id, cpus);
    } catch (error) {
      if (!isRuntimeNotFound(error))
        log.warn('setting CPUs of a container failed', { id, cpus, error: messageOf(error) });
    }
  }
}
