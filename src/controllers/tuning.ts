// What of the controllers can be set, as by kube-controller-manager's flags.
import type { AttachDetachOptions } from './attachdetach/attach-detach.ts';
import type { EndpointSliceOptions } from './endpointslice/endpointslice.ts';
import type { EndpointSliceMirroringOptions } from './endpointslice-mirroring/endpointslice-mirroring.ts';
import type { PodCidrOptions } from './nodeipam/kernel/node-cidrs.ts';
import type { NodeLifecycleOptions } from './nodelifecycle/node-lifecycle.ts';
import type { VolumeBinderOptions } from './persistentvolume-binder/persistentvolume-binder.ts';
import type { PodAutoscalerOptions } from './podautoscaler/horizontal-pod-autoscaler.ts';
import type { PodGcOptions } from './podgc/pod-gc.ts';

/** Everything defaults to what Kubernetes has. */
export interface ControllerTuning {
  readonly nodeLifecycle?: NodeLifecycleOptions;
  readonly podGc?: PodGcOptions;
  readonly autoscaler?: PodAutoscalerOptions;
  readonly endpointSlice?: EndpointSliceOptions;
  readonly mirroring?: EndpointSliceMirroringOptions;
  readonly volumeBinder?: VolumeBinderOptions;
  readonly attachDetach?: AttachDetachOptions;
  /** The longest life of certificates asked for through the API. */
  readonly signingTtlMs?: number;
  readonly nodeCidrs?: Omit<PodCidrOptions, 'podCidr'>;
}
