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
  /** Younger images stay, however full the disk is. */
  readonly minAgeMs: number;
  /** Images that nobody has used for longer go, however empty the disk is; 0: never. */
  readonly maxAgeMs: number;
  onRemoved(reason: 'age' | 'space'): void;
}

interface UnusedImage {
  readonly image: Image;
  /** When it was last used or, if it never was, first seen. */
  readonly sinceMs: number;
}

const everyMs = 300_000;

/** Removes images nobody uses when they are too old or their disk gets full, the longest unused first. */
export class ImageCollector {
  readonly #o: ImageCollectorOptions;
  readonly #firstSeenMs = new Map<string, number>();
  /** When a container was last seen to have it. */
  readonly #usedMs = new Map<string, number>();

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
    const unused = await this.#removeOld(await this.#unused());
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
    for (const { image } of unused) {
      if (toFree <= 0) break;
      await this.#remove(image, 'space');
      toFree -= image.size ?? 0;
    }
    if (!all && toFree > 0) {
      const message = `Failed to garbage collect required amount of images. Attempted to free ${wanted} bytes, but only found ${wanted - toFree} bytes eligible to free.`;
      this.#o.events.event(nodeReference(this.#o.nodeName), 'Warning', 'FreeDiskSpaceFailed', message);
    }
  }

  /** Returns what is left. */
  async #removeOld(unused: readonly UnusedImage[]): Promise<readonly UnusedImage[]> {
    const { clock, maxAgeMs } = this.#o;
    if (maxAgeMs <= 0) return unused;
    const isOld = ({ sinceMs }: UnusedImage) => clock.now() - sinceMs > maxAgeMs;
    for (const old of unused.filter(isOld)) await this.#remove(old.image, 'age');
    return unused.filter(u => !isOld(u));
  }

  async #remove(image: Image, reason: 'age' | 'space'): Promise<void> {
    await this.#o.runtime.RemoveImage({ image: { image: image.id ?? '' } });
    this.#o.onRemoved(reason);
  }

  /** Those of some age, the longest unused first. */
  async #unused(): Promise<readonly UnusedImage[]> {
    const { runtime, images, clock, minAgeMs } = this.#o;
    const askedMs = clock.now();
    const [list, containers] = await Promise.all([runtime.ListImages({}), runtime.ListContainers({})]);
    const used = new Set((containers.containers ?? []).flatMap(c => [c.image_ref, c.image_id, c.image?.image]));
    const now = clock.now();
    const present = new Set<string>();
    const free = (list.images ?? []).flatMap((image): UnusedImage[] => {
      const { id = '', repo_tags = [], repo_digests = [], pinned } = image;
      present.add(id);
      const firstSeenMs = this.#firstSeenMs.getOrInsert(id, now);
      const isUsed = [id, ...repo_tags, ...repo_digests].some(n => used.has(n));
      if (isUsed) this.#usedMs.set(id, now);
      if (pinned || isUsed) return [];
      return [{ image, sinceMs: Math.max(firstSeenMs, images.usedAtMs(id), this.#usedMs.get(id) ?? 0) }];
    });
    images.records.prune(present, askedMs);
    for (const known of [this.#firstSeenMs, this.#usedMs])
      for (const id of known.keys()) if (!present.has(id)) known.delete(id);
    return free.filter(u => now - u.sinceMs >= minAgeMs).sort((a, b) => a.sinceMs - b.sinceMs);
  }
}
