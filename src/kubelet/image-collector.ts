import { messageOf } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { EventRecorder } from '../client/event-recorder.ts';
import type { ContainerRuntime } from '../cri/runtime.ts';
import type { Image } from '../cri/type.ts';
import type { Host } from './host/host.ts';
import type { ImageManager } from './image-manager.ts';
import { nodeReference } from './node/node-manager.ts';

export interface ImageCollectorOptions {
  readonly runtime: ContainerRuntime;
  readonly images: ImageManager;
  readonly host: Host;
  readonly clock: Clock;
  readonly log: Log;
  readonly events: EventRecorder;
  readonly nodeName: string;
  readonly highPercent: number;
  readonly lowPercent: number;
}

const everyMs = 300_000;
const minAgeMs = 120_000;

/** Removes images nobody uses when their disk gets full, the longest unused first. */
export class ImageCollector {
  readonly #o: ImageCollectorOptions;
  readonly #firstSeenMs = new Map<string, number>();

  constructor(options: ImageCollectorOptions) {
    this.#o = options;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#o.clock.sleep(everyMs, signal).catch(() => {});
      if (signal.aborted) return;
      try {
        await this.collect();
      } catch (error) {
        this.#o.events.event(nodeReference(this.#o.nodeName), 'Warning', 'ImageGCFailed', messageOf(error));
        this.#o.log.warn('image collection failed', { error: messageOf(error) });
      }
    }
  }

  /** Frees what the thresholds ask for; `all`: every unused image. */
  async collect(all = false): Promise<void> {
    const { runtime, host, highPercent, lowPercent } = this.#o;
    const unused = await this.#unused();
    const info = await runtime.ImageFsInfo({});
    const mountpoint = info.image_filesystems?.[0]?.fs_id?.mountpoint;
    const disk = mountpoint ? await host.disk(mountpoint) : undefined;
    let toFree = Number.POSITIVE_INFINITY;
    if (!all) {
      if (!disk) return;
      if (disk.capacityBytes === 0) {
        const message = 'invalid capacity 0 on image filesystem';
        this.#o.events.event(nodeReference(this.#o.nodeName), 'Warning', 'InvalidDiskCapacity', message);
        throw new Error(message);
      }
      const usedPercent = 100 - Math.floor((disk.availableBytes * 100) / disk.capacityBytes);
      if (usedPercent < highPercent) return;
      toFree = (disk.capacityBytes * (100 - lowPercent)) / 100 - disk.availableBytes;
    }
    const wanted = toFree;
    for (const image of unused) {
      if (toFree <= 0) break;
      await runtime.RemoveImage({ image: { image: image.id ?? '' } });
      toFree -= image.size ?? 0;
    }
    if (!all && toFree > 0) {
      const message = `Failed to garbage collect required amount of images. Attempted to free ${wanted} bytes, but only found ${wanted - toFree} bytes eligible to free.`;
      this.#o.events.event(nodeReference(this.#o.nodeName), 'Warning', 'FreeDiskSpaceFailed', message);
    }
  }

  async #unused(): Promise<readonly Image[]> {
    const { runtime, images, clock } = this.#o;
    const askedMs = clock.now();
    const [list, containers] = await Promise.all([runtime.ListImages({}), runtime.ListContainers({})]);
    const used = new Set((containers.containers ?? []).flatMap(c => [c.image_ref, c.image_id, c.image?.image]));
    const now = clock.now();
    const present = new Set<string>();
    const free = (list.images ?? []).filter(i => {
      const id = i.id ?? '';
      present.add(id);
      if (!this.#firstSeenMs.has(id)) this.#firstSeenMs.set(id, now);
      const names = [id, ...(i.repo_tags ?? []), ...(i.repo_digests ?? [])];
      const oldEnough = now - Math.max(this.#firstSeenMs.get(id)!, images.usedAtMs(id)) >= minAgeMs;
      return !i.pinned && !names.some(n => used.has(n)) && oldEnough;
    });
    images.records.prune(present, askedMs);
    for (const id of this.#firstSeenMs.keys()) if (!present.has(id)) this.#firstSeenMs.delete(id);
    return free.sort((a, b) => images.usedAtMs(a.id ?? '') - images.usedAtMs(b.id ?? ''));
  }
}
