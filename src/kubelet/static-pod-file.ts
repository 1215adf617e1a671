// Static pods from a file or a directory of manifests on this machine.
import { join } from 'node:path';
import type { Pod } from '../api/type/core-v1.ts';
import { messageOf } from '../base/assert.ts';
import type { Clock, Timer } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Host } from './host/host.ts';
import type { ManifestReader } from './static-pod-manifest.ts';

export interface StaticPodFileOptions {
  readonly host: Host;
  readonly clock: Clock;
  readonly log: Log;
  readonly manifests: ManifestReader;
  readonly path: string;
  /** Between two readings, beside what the directory tells. */
  readonly rereadMs: number;
  /** All there are now, each time they are read. */
  onRead(pods: readonly Pod[]): void;
}

const settleMs = 200;

export class StaticPodFiles {
  readonly #o: StaticPodFileOptions;
  #timer: Timer | undefined;

  constructor(options: StaticPodFileOptions) {
    this.#o = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    let unwatch: (() => void) | undefined;
    while (!signal.aborted) {
      try {
        unwatch ??= this.#o.host.watch(this.#o.path, () => this.#soon());
      } catch {
        // A directory that comes later is found by reading again.
      }
      await this.#read();
      await this.#o.clock.sleep(this.#o.rereadMs, signal).catch(() => {});
    }
    unwatch?.();
    this.#timer?.cancel();
  }

  #soon(): void {
    this.#timer ??= this.#o.clock.after(settleMs, () => {
      this.#timer = undefined;
      void this.#read();
    });
  }

  /** While the directory cannot be read, what was read last holds. */
  async #read(): Promise<void> {
    const { log, path } = this.#o;
    let files: readonly string[];
    try {
      files = await this.#files();
    } catch (error) {
      log.error('reading the static pods of a path failed', { path, error: messageOf(error) });
      return;
    }
    const pods: Pod[] = [];
    for (const file of files) {
      try {
        const text = await this.#o.host.readFile(file);
        if (text !== undefined) pods.push(...this.#o.manifests.read(text, { source: 'file', at: file }));
      } catch (error) {
        log.error('reading a static pod manifest failed', { file, error: messageOf(error) });
      }
    }
    this.#o.onRead(pods);
  }

  async #files(): Promise<readonly string[]> {
    const { host, path } = this.#o;
    const info = await host.info(path);
    if (info?.kind === 'file') return [path];
    const names = info ? await host.list(path) : [];
    return names
      .filter(n => !n.startsWith('.'))
      .sort()
      .map(n => join(path, n));
  }
}
