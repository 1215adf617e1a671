import type { Container, Pod } from '../api/type/core-v1.ts';
import { messageOf } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { type Rate, TokenBucket } from '../base/token-bucket.ts';
import type { ContainerRuntime } from '../cri/runtime.ts';
import type { Image, PodSandboxConfig } from '../cri/type.ts';
import type { CredentialProviders } from './image/credential-providers.ts';
import type { ImagePullRecords } from './image/image-pull-records.ts';
import { formatDuration } from './kernel/amount.ts';
import { type BackOffEntry, imageBackOff, nextBackOff, remainingBackOff } from './kernel/back-off.ts';
import {
  credentialsFor,
  type Keyring,
  parseImageName,
  type SourcedCredential,
  withDefaultTag,
} from './kernel/image-name.ts';
import type { PodEvents } from './pod-event.ts';

/** Why an image cannot be used, in the words of the container's waiting state. */
export class ImageError extends Error {
  override name = 'ImageError';
  readonly reason: string;
  /** Try again no sooner. */
  readonly retryInMs: number | undefined;

  constructor(reason: string, message: string, retryInMs?: number) {
    super(message);
    this.reason = reason;
    this.retryInMs = retryInMs;
  }
}

export interface ImageManagerOptions {
  readonly runtime: ContainerRuntime;
  readonly clock: Clock;
  readonly events: PodEvents;
  readonly records: ImagePullRecords;
  readonly parallelPulls: number;
  /** So many pulls begin; what comes faster fails, and is tried again. Default: all. */
  readonly pullRate?: Rate;
  /** Plugins that know credentials; tried after those of the pod. */
  readonly providers?: Pick<CredentialProviders, 'credentials' | 'accountOf'>;
  /** Told of each image fetched for a pod, with the monotonic clock's milliseconds before and after. */
  readonly onPulled?: (podUid: string, fromMs: number, toMs: number) => void;
}

export interface PullRequest {
  readonly pod: Pod;
  readonly container: Container;
  readonly keyrings: readonly Keyring[];
  readonly sandboxConfig: PodSandboxConfig;
  readonly runtimeHandler?: string;
  readonly signal: AbortSignal;
}

interface Failure {
  readonly entry: BackOffEntry;
  readonly error: string;
}

export class ImageManager {
  readonly #o: ImageManagerOptions;
  /** By pod uid and image. */
  readonly #failures = new Map<string, Failure>();
  readonly #queue: (() => void)[] = [];
  #pulling = 0;
  readonly #bucket: TokenBucket | undefined;
  /** When images were last wanted, for their collection. */
  readonly #usedAtMs = new Map<string, number>();

  constructor(options: ImageManagerOptions) {
    this.#o = options;
    const { clock, pullRate } = options;
    this.#bucket = pullRate && new TokenBucket(clock, pullRate.qps, pullRate.burst);
  }

  get records(): ImagePullRecords {
    return this.#o.records;
  }

  usedAtMs(imageId: string): number {
    return this.#usedAtMs.get(imageId) ?? 0;
  }

  forgetPod(uid: string): void {
    for (const key of this.#failures.keys()) if (key.startsWith(`${uid}_`)) this.#failures.delete(key);
  }

  /** What earlier runs have noted of pulls. */
  async restore(): Promise<void> {
    await this.#o.records.restore(async image => {
      const found = await this.#o.runtime.ImageStatus({ image: { image: withDefaultTag(image) } });
      return found.image?.id || undefined;
    });
  }

  /** Brings the image by the container's pull policy. Rejects with ImageError. */
  async ensure(request: PullRequest): Promise<Image> {
    const { pod, container } = request;
    const wanted = container.image ?? '';
    const parsed = parseImageName(wanted);
    if ('error' in parsed) {
      const message = `Failed to apply default image tag "${wanted}": couldn't parse image name "${wanted}": ${parsed.error}`;
      this.#o.events.container(pod, container, 'Warning', 'InspectFailed', message);
      throw new ImageError('InvalidImageName', message);
    }
    const name = withDefaultTag(wanted);
    const present = await this.#inspect(request, name);
    const policy = container.imagePullPolicy ?? (name.endsWith(':latest') ? 'Always' : 'IfNotPresent');
    const mayUse = present && policy !== 'Always' && !(await this.#mustPull(request, parsed.repository, present));
    if (mayUse) {
      const message = `Container image "${wanted}" already present on machine and can be accessed by the pod`;
      this.#o.events.container(pod, container, 'Normal', 'Pulled', message);
      return this.#used(present);
    }
    if (policy === 'Never') {
      const message = `Container image "${wanted}" is not present with pull policy of Never`;
      this.#o.events.container(pod, container, 'Warning', 'ErrImageNeverPull', message);
      throw new ImageError('ErrImageNeverPull', message);
    }
    return this.#used(await this.#pull(request, wanted, name));
  }

  async #mustPull({ pod, container, keyrings }: PullRequest, repository: string, { id = '' }: Image) {
    const { image = '' } = container;
    const { records, providers } = this.#o;
    const account = await providers?.accountOf(image, pod);
    return records.mustPull(image, repository, id, () => credentialsFor(image, keyrings), account);
  }

  #used(image: Image): Image {
    this.#usedAtMs.set(image.id ?? '', this.#o.clock.now());
    return image;
  }

  async #inspect({ pod, container, runtimeHandler }: PullRequest, name: string): Promise<Image | undefined> {
    try {
      const spec = { image: name, ...(runtimeHandler ? { runtime_handler: runtimeHandler } : {}) };
      const { image } = await this.#o.runtime.ImageStatus({ image: spec });
      return image?.id ? image : undefined;
    } catch (error) {
      const message = `Failed to inspect image "${container.image}": ${messageOf(error)}`;
      this.#o.events.container(pod, container, 'Warning', 'InspectFailed', message);
      throw new ImageError('ImageInspectError', message);
    }
  }

  async #pull(request: PullRequest, wanted: string, name: string): Promise<Image> {
    const { pod, container } = request;
    const { clock, events } = this.#o;
    const key = `${pod.metadata.uid}_${name}`;
    const failure = this.#failures.get(key);
    const waitMs = failure ? remainingBackOff(failure.entry, failure.entry.atMs, clock.now(), imageBackOff) : 0;
    if (failure && waitMs > 0) {
      const message = `Back-off pulling image "${wanted}"`;
      events.container(pod, container, 'Normal', 'BackOff', message);
      throw new ImageError('ImagePullBackOff', `${message}: ErrImagePull: ${failure.error}`, waitMs);
    }
    events.container(pod, container, 'Normal', 'Pulling', `Pulling image "${wanted}"`);
    const queuedMs = clock.monotonic();
    const release = await this.#slot(request.signal);
    try {
      const startedMs = clock.monotonic();
      const image = await this.#fetch(request, wanted, name);
      const now = clock.monotonic();
      this.#o.onPulled?.(pod.metadata.uid ?? '', queuedMs, now);
      const took = formatDuration(Math.round(now - startedMs));
      const whole = formatDuration(Math.round(now - queuedMs));
      const message = `Successfully pulled image "${wanted}" in ${took} (${whole} including waiting). Image size: ${image.size ?? 0} bytes.`;
      events.container(pod, container, 'Normal', 'Pulled', message);
      this.#failures.delete(key);
      return image;
    } catch (error) {
      if (request.signal.aborted) throw error;
      const text = messageOf(error);
      const entry = nextBackOff(failure?.entry, clock.now(), clock.now(), imageBackOff);
      this.#failures.set(key, { entry, error: text });
      events.container(pod, container, 'Warning', 'Failed', `Failed to pull image "${wanted}": ${text}`);
      // Soon after, the waiting state turns into ImagePullBackOff.
      throw new ImageError(reasonOfPull(text), text, 1000);
    } finally {
      release();
    }
  }

  async #slot(signal: AbortSignal): Promise<() => void> {
    if (this.#pulling >= this.#o.parallelPulls) await new Promise<void>(go => this.#queue.push(go));
    this.#pulling++;
    const release = () => {
      this.#pulling--;
      this.#queue.shift()?.();
    };
    if (!signal.aborted) return release;
    release();
    throw signal.reason;
  }

  /** Tries each credential that fits, none when none does. */
  async #fetch(request: PullRequest, wanted: string, name: string): Promise<Image> {
    const { records, providers } = this.#o;
    if (this.#bucket?.tryTake() === false) throw new Error('pull QPS exceeded');
    const own = credentialsFor(name, request.keyrings);
    const credentials = [...own, ...((await providers?.credentials(name, request.pod)) ?? [])];
    if (credentials.length === 0) return this.#fetchWith(request, wanted, name, [undefined]);
    await records.intend(wanted);
    try {
      return await this.#fetchWith(request, wanted, name, credentials);
    } finally {
      records.settle(wanted);
    }
  }

  async #fetchWith(
    { sandboxConfig, signal, runtimeHandler }: PullRequest,
    wanted: string,
    name: string,
    attempts: readonly (SourcedCredential | undefined)[],
  ): Promise<Image> {
    const { runtime, records } = this.#o;
    const spec = { image: name, ...(runtimeHandler ? { runtime_handler: runtimeHandler } : {}) };
    const errors: unknown[] = [];
    for (const c of attempts) {
      try {
        const auth = c && {
          username: c.username ?? '',
          password: c.password ?? '',
          identity_token: c.identityToken ?? '',
          registry_token: c.registryToken ?? '',
        };
        const pulled = await runtime.PullImage(
          { image: spec, sandbox_config: sandboxConfig, ...(auth ? { auth } : {}) },
          { signal },
        );
        const { image } = await runtime.ImageStatus({ image: spec });
        const brought: Image = image?.id ? image : { id: pulled.image_ref ?? '' };
        records.pulled(wanted, brought.id ?? '', c);
        return brought;
      } catch (error) {
        if (signal.aborted) throw error;
        errors.push(error);
      }
    }
    if (errors.length === 1) throw errors[0];
    throw new Error(`[${errors.map(messageOf).join(', ')}]`);
  }
}

// Runtimes lead with a reason of their own for what is not a plain failure to pull.
function reasonOfPull(text: string): string {
  for (const reason of ['RegistryUnavailable', 'SignatureValidationFailed']) if (text.startsWith(reason)) return reason;
  return 'ErrImagePull';
}
