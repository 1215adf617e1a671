// What brings a kubelet's images and takes them away, put together from its options.
import { join } from 'node:path';
import type { EventRecorder } from '../client/event-recorder.ts';
import type { Host } from './host/host.ts';
import { CredentialProviders } from './image/credential-providers.ts';
import { ImagePullRecords } from './image/image-pull-records.ts';
import { ImageCollector } from './image-collector.ts';
import { ImageManager } from './image-manager.ts';
import { checkVerification } from './kernel/image-access.ts';
import type { KubeletMetrics } from './kubelet-metrics.ts';
import type { KubeletOptions } from './option.ts';
import type { PodEvents } from './pod-event.ts';
import type { PodPaths } from './pod-path.ts';
import type { TokenManager } from './token-manager.ts';

interface ImagesOwner {
  readonly options: KubeletOptions;
  readonly paths: PodPaths;
  readonly metrics: KubeletMetrics;
}

interface ImagesBase {
  readonly host: Host;
  readonly events: PodEvents;
  readonly recorder: EventRecorder;
  readonly tokens: TokenManager;
}

export function makeImages(owner: ImagesOwner, base: ImagesBase): ImageManager {
  const { options: o } = owner;
  const { runtime, client, clock, log } = o;
  const records = makePullRecords(owner, base.host);
  return new ImageManager({
    ...{ runtime, clock, events: base.events, records, parallelPulls: o.parallelImagePulls ?? 5 },
    ...(o.imagePullRate ? { pullRate: o.imagePullRate } : {}),
    ...(o.credentialProviders
      ? {
          providers: new CredentialProviders({
            ...{ ...o.credentialProviders, client, tokens: base.tokens, clock, log },
            onAsked: (name, seconds, failed) => owner.metrics.pluginAsked(name, seconds, failed),
          }),
        }
      : {}),
    onPulled: (uid, fromMs, toMs) => owner.metrics.times.pulled(uid, fromMs, toMs),
  });
}

function makePullRecords({ options: o, paths }: ImagesOwner, host: Host): ImagePullRecords {
  const policy = o.imagePullCredentialsVerificationPolicy ?? 'NeverVerifyPreloadedImages';
  const allowlist = o.preloadedImagesVerificationAllowlist ?? [];
  checkVerification(policy, allowlist);
  const { clock, log } = o;
  return new ImagePullRecords({ directory: join(paths.root, 'image_manager'), host, clock, log, policy, allowlist });
}

export function makeCollector(
  { options: o, metrics }: ImagesOwner,
  base: ImagesBase,
  images: ImageManager,
): ImageCollector {
  const { runtime, clock, log, nodeName } = o;
  return new ImageCollector({
    ...{ runtime, images, host: base.host, clock, log, events: base.recorder, nodeName },
    highPercent: o.imageGcHighPercent ?? 85,
    lowPercent: o.imageGcLowPercent ?? 80,
    minAgeMs: o.imageMinimumGcAgeMs ?? 120_000,
    maxAgeMs: o.imageMaximumGcAgeMs ?? 0,
    onRemoved: reason => metrics.imageRemoved(reason),
  });
}
