// What plugins of admission are told by an AdmissionConfiguration, PodSecurity apart.
import type { LimitedResource } from './limited-resources.ts';
import type { EventLimit } from './optional/event-rate-limit.ts';
import type { ImagePolicy } from './optional/image-policy.ts';
import type { NodeSelectors } from './optional/pod-node-selector.ts';
import type { PodTolerations } from './optional/pod-toleration-restriction.ts';

export interface AdmissionSettings {
  /** EventRateLimit is of no use without. */
  readonly eventLimits?: readonly EventLimit[];
  /** ImagePolicyWebhook is of no use without. */
  readonly imagePolicy?: ImagePolicy;
  /** Kubeconfig files that say who this server is to webhooks that change objects, and to those that check them. */
  readonly mutatingWebhooks?: string;
  readonly validatingWebhooks?: string;
  readonly nodeSelectors?: NodeSelectors;
  readonly podTolerations?: PodTolerations;
  /** What ResourceQuota lets nobody use without a quota for it. */
  readonly limitedResources?: readonly LimitedResource[];
}
