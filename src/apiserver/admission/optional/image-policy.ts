// ImagePolicyWebhook: a server elsewhere says whether a pod's images may run.
import { parseDocument } from 'yaml';
import type { Mutable } from '../../../api/meta.ts';
import { formatDuration } from '../../../api/scalar.ts';
import { forbidden } from '../../../api/status.ts';
import type { Pod } from '../../../api/type/core-v1.ts';
import type { ImageReviewSpec, ImageReviewStatus } from '../../../api/type/imagepolicy-v1alpha1.ts';
import { messageOf } from '../../../base/assert.ts';
import type { Clock } from '../../../base/clock.ts';
import { Lru } from '../../../client/lru.ts';
import { type ReviewKind, readReview } from '../../extension/review-answer.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission.ts';

export interface ImagePolicy {
  /** A kubeconfig that leads to the server and says who this one is. */
  readonly kubeConfigFile: string;
  /** How long an answer is believed; 0: not at all. */
  readonly allowMs: number;
  readonly denyMs: number;
  /** Before the server is asked a second time. */
  readonly retryMs: number;
  /** Whether images may run that it could not be asked about. */
  readonly defaultAllow: boolean;
}

const fields = ['kubeConfigFile', 'allowTTL', 'denyTTL', 'retryBackoff', 'defaultAllow'];

/** Throws an error with Kubernetes' words for what is no such configuration. */
export function readImagePolicy(text: string): ImagePolicy {
  const document = parseDocument(text);
  if (document.errors[0]) throw new Error(document.errors[0].message);
  const { imagePolicy: given } = (document.toJS() ?? {}) as { imagePolicy?: Readonly<Record<string, unknown>> };
  const unknown = Object.keys(given ?? {}).find(name => !fields.includes(name));
  if (unknown) throw new Error(`strict decoding error: unknown field "imagePolicy.${unknown}"`);
  const { kubeConfigFile, allowTTL, denyTTL, retryBackoff, defaultAllow } = given ?? {};
  if (!kubeConfigFile) throw new Error('imagePolicy.kubeConfigFile: Required value');
  return {
    kubeConfigFile: String(kubeConfigFile),
    allowMs: span(allowTTL, 1000, 1000, 1_800_000, 300_000),
    denyMs: span(denyTTL, 1000, 1000, 1_800_000, 30_000),
    retryMs: span(retryBackoff, 1, 1, 300_000, 500),
    defaultAllow: defaultAllow === true,
  };
}

/** -1 is none, 0 what is usual. */
function span(value: unknown, unitMs: number, minMs: number, maxMs: number, usualMs: number): number {
  if (value === -1) return 0;
  if (value === undefined || value === 0) return usualMs;
  const ms = typeof value === 'number' ? value * unitMs : Number.NaN;
  if (ms >= minMs && ms <= maxMs) return ms;
  const said = Number.isNaN(ms) ? JSON.stringify(value) : shown(ms);
  throw new Error(`valid value is between ${shown(minMs)} and ${shown(maxMs)}, got ${said}`);
}

const shown = (ms: number) => formatDuration(ms * 1e6);

export interface ImagePolicyDeps {
  readonly policy: ImagePolicy;
  /** Posts JSON, again where that may help; rejects when the server cannot be asked. */
  post(body: unknown, timeoutMs: number, retryMs: number): Promise<unknown>;
  readonly clock: Clock;
}

const kindOfReview: ReviewKind = { group: 'imagepolicy.k8s.io', version: 'v1alpha1', kind: 'ImageReview' };
const timeoutMs = 30_000;
const mostKept = 1024;
const auditPrefix = 'imagepolicywebhook.image-policy.k8s.io/';
const failedOpen = 'alpha.image-policy.k8s.io/failed-open';

export function imagePolicyWebhook({ policy, post, clock }: ImagePolicyDeps): AdmissionPlugin {
  const kept = new Lru<{ readonly status: ImageReviewStatus; readonly untilMs: number }>(mostKept);

  async function review(spec: ImageReviewSpec): Promise<ImageReviewStatus> {
    const key = JSON.stringify(spec);
    const known = kept.get(key);
    if (known && known.untilMs > clock.monotonic()) return known.status;
    const { kind, group, version } = kindOfReview;
    const body = {
      kind,
      apiVersion: `${group}/${version}`,
      metadata: {},
      spec,
      status: { allowed: false },
    };
    const answer = await post(body, timeoutMs, policy.retryMs);
    const status = readReview<{ readonly status?: ImageReviewStatus }>(answer, kindOfReview).status ?? {};
    const forMs = status.allowed ? policy.allowMs : policy.denyMs;
    if (forMs > 0) kept.set(key, { status, untilMs: clock.monotonic() + forMs });
    return status;
  }

  return {
    name: 'ImagePolicyWebhook',
    handles: ({ operation, resource, subresource }) =>
      (operation === 'CREATE' || operation === 'UPDATE') &&
      resource.group === '' &&
      resource.resource === 'pods' &&
      (subresource === '' || subresource === 'ephemeralcontainers'),
    async validate(attributes) {
      const { object, resource, name } = attributes;
      const pod = object as unknown as Mutable<Pod>;
      let status: ImageReviewStatus;
      try {
        status = await review(specOf(attributes, pod));
      } catch (error) {
        if (!policy.defaultAllow) throw forbidden(resource, name, messageOf(error));
        attributes.annotate?.(`${auditPrefix}failed-open`, 'true');
        pod.metadata.annotations = { ...pod.metadata.annotations, [failedOpen]: 'true' };
        return;
      }
      for (const [key, value] of Object.entries(status.auditAnnotations ?? {}))
        attributes.annotate?.(auditPrefix + key, value);
      if (status.allowed) return;
      throw forbidden(
        resource,
        name,
        status.reason
          ? `image policy webhook backend denied one or more images: ${status.reason}`
          : 'one or more images rejected by webhook backend',
      );
    },
  };
}

function specOf({ subresource, namespace }: AdmissionAttributes, { spec, metadata }: Mutable<Pod>): ImageReviewSpec {
  const containers =
    subresource === 'ephemeralcontainers'
      ? (spec.ephemeralContainers ?? [])
      : [...spec.containers, ...(spec.initContainers ?? [])];
  const told = Object.entries(metadata.annotations ?? {}).filter(([key]) => key.includes('.image-policy.k8s.io/'));
  return {
    containers: containers.map(({ image }) => (image ? { image } : {})),
    ...(told.length ? { annotations: Object.fromEntries(told) } : {}),
    namespace,
  };
}
