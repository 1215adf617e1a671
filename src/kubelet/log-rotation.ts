import { basename, dirname, join } from 'node:path';
import { messageOf } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { ContainerRuntime } from '../cri/runtime.ts';
import type { Host } from './host/host.ts';
import type { RuntimeCache } from './runtime-cache.ts';

export interface LogRotationOptions {
  readonly runtime: ContainerRuntime;
  readonly cache: RuntimeCache;
  readonly host: Host;
  readonly clock: Clock;
  readonly log: Log;
  readonly maxBytes: number;
  readonly maxFiles: number;
  /** Rotated at once; default one. */
  readonly workers?: number;
  /** Between two looks. */
  readonly everyMs: number;
}

/** Keeps the logs of running containers below their size: `0.log`, `0.log.<time>`, `0.log.<time>.gz`. */
export class LogRotation {
  readonly #o: LogRotationOptions;

  constructor(options: LogRotationOptions) {
    this.#o = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#o.clock.sleep(this.#o.everyMs, signal).catch(() => {});
      if (!signal.aborted) await this.check();
    }
  }

  async check(): Promise<void> {
    const running = [...this.#o.cache.pods()].flatMap(pod =>
      pod.containers.filter(c => c.state === 'running' && c.logPath),
    );
    const work = async () => {
      for (let c = running.shift(); c; c = running.shift()) await this.#look(c.id, c.logPath);
    };
    await Promise.all(Array.from({ length: this.#o.workers ?? 1 }, work));
  }

  async #look(id: string, path: string): Promise<void> {
    try {
      const info = await this.#o.host.info(path);
      if (info && info.sizeBytes >= this.#o.maxBytes) await this.#rotate(id, path);
    } catch (error) {
      this.#o.log.warn('rotating a container log failed', { path, error: messageOf(error) });
    }
  }

  async #rotate(id: string, path: string): Promise<void> {
    const { host, clock, runtime, maxFiles } = this.#o;
    const stamp = new Date(clock.now()).toISOString().slice(0, 19).replace(/[-:]/g, '').replace('T', '-');
    const rotated = `${path}.${stamp}`;
    const dir = dirname(path);
    const older = (await host.list(dir)).filter(n => n.startsWith(`${basename(path)}.`) && !n.endsWith('.tmp')).sort();
    // With the current file and the one made now, the rest may keep two less.
    const surplus = older.slice(0, Math.max(0, older.length - (maxFiles - 2)));
    for (const name of surplus) await host.remove(join(dir, name));
    for (const name of older)
      if (!surplus.includes(name) && !name.endsWith('.gz')) await host.compress(join(dir, name));
    await host.rename(path, rotated);
    try {
      await runtime.ReopenContainerLog({ container_id: id });
    } catch (error) {
      // The runtime still writes to the renamed file.
      await host.rename(rotated, path);
      throw error;
    }
  }
}
