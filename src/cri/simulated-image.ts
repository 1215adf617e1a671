import { createHash } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { fullReference } from './image-archive.ts';
import type { RuntimeError } from './runtime-error.ts';
import { nanoseconds } from './simulated-container.ts';
import type * as cri from './type.ts';

export interface SimulatedImageOptions {
  readonly clock: Clock;
  /** By image reference: PullImage takes so long, or fails with this error. Default: at once. */
  readonly pull?: (
    image: string,
    sandbox?: cri.PodSandboxConfig,
    auth?: cri.AuthConfig,
  ) => { delayMs?: number; error?: RuntimeError };
}

/** The images of a simulated runtime: whatever is pulled exists. */
export class SimulatedImages {
  readonly #options: SimulatedImageOptions;
  readonly #clock: Clock;
  readonly #images = new Map<string, cri.Image>();

  constructor(options: SimulatedImageOptions) {
    this.#options = options;
    this.#clock = options.clock;
  }

  async PullImage(request: cri.PullImageRequest): Promise<cri.PullImageResponse> {
    const wanted = request.image?.image ?? '';
    const { delayMs, error } = this.#options.pull?.(wanted, request.sandbox_config, request.auth) ?? {};
    if (delayMs) await this.#clock.sleep(delayMs);
    if (error) throw error;
    const known = this.find(wanted);
    if (known) return { image_ref: known.id };
    const reference = fullReference(wanted);
    const hash = createHash('sha256').update(reference).digest('hex');
    const [repository] = reference.split(/@|:(?=[^/]*$)/);
    const id = `sha256:${hash}`;
    this.#images.set(id, {
      id,
      repo_tags: reference.includes('@') ? [] : [reference],
      repo_digests: [`${repository}@${id}`],
      size: 1 << 20,
      username: '',
      pinned: false,
    });
    return { image_ref: id };
  }

  async ImageStatus(request: cri.ImageStatusRequest): Promise<cri.ImageStatusResponse> {
    const image = this.find(request.image?.image ?? '');
    return image ? { image, info: {} } : { info: {} };
  }

  async ListImages(request: cri.ListImagesRequest = {}): Promise<cri.ListImagesResponse> {
    const wanted = request.filter?.image?.image;
    if (!wanted) return { images: [...this.#images.values()] };
    const image = this.find(wanted);
    return { images: image ? [image] : [] };
  }

  async RemoveImage(request: cri.RemoveImageRequest): Promise<cri.RemoveImageResponse> {
    const image = this.find(request.image?.image ?? '');
    if (image) this.#images.delete(image.id!);
    return {};
  }

  async ImageFsInfo(): Promise<cri.ImageFsInfoResponse> {
    return {
      image_filesystems: [
        {
          timestamp: nanoseconds(this.#clock),
          fs_id: { mountpoint: '/simulated' },
          used_bytes: { value: this.#images.size << 20 },
          inodes_used: { value: this.#images.size },
        },
      ],
    };
  }

  /** By id, digest or any spelling of its reference. */
  find(wanted: string): cri.Image | undefined {
    const byId = this.#images.get(wanted) ?? this.#images.get(`sha256:${wanted}`);
    if (byId || wanted === '') return byId;
    const reference = fullReference(wanted);
    for (const image of this.#images.values())
      if (image.repo_tags?.includes(reference) || image.repo_digests?.includes(reference)) return image;
    return undefined;
  }
}
