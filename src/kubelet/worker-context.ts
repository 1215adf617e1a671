// What the parts of a pod's life share, and what they tell each other.
import type { Pod, PodCondition } from '../api/type/core-v1.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { ContainerRuntime } from '../cri/runtime.ts';
import type { PodCgroups } from './cgroup.ts';
import type { ContainerKiller } from './container-killer.ts';
import type { ContainerStarter } from './container-starter.ts';
import type { PodCertificates } from './credential/pod-certificates.ts';
import type { TrustBundles } from './credential/trust-bundles.ts';
import type { NodeDevices } from './device/node-devices.ts';
import type { Host } from './host/host.ts';
import type { ImageManager } from './image-manager.ts';
import type { Rejection } from './kernel/admission.ts';
import type { ResourceSettings } from './kernel/container-config.ts';
import type { ResizeProblem } from './kernel/resize.ts';
import type { KubeletMetrics } from './kubelet-metrics.ts';
import type { ObjectCache } from './object-cache.ts';
import type { PodEvents } from './pod-event.ts';
import type { PodPaths } from './pod-path.ts';
import type { ProbeManager } from './probe/probe-manager.ts';
import type { RuntimeCache } from './runtime-cache.ts';
import type { SandboxStarter } from './sandbox-starter.ts';
import type { StatusManager } from './status-manager.ts';
import type { TokenManager } from './token-manager.ts';
import type { ResourceManagers } from './topology/resource-managers.ts';
import type { KubeletTracer } from './tracing/kubelet-tracer.ts';
import type { VolumeManager } from './volume/volume-manager.ts';

/** What all workers share. */
export interface WorkerContext {
  readonly runtime: ContainerRuntime;
  readonly runtimeName: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly host: Host;
  readonly paths: PodPaths;
  readonly events: PodEvents;
  readonly cache: RuntimeCache;
  readonly cgroups: PodCgroups;
  readonly sandboxes: SandboxStarter;
  readonly starter: ContainerStarter;
  readonly killer: ContainerKiller;
  readonly probes: ProbeManager;
  readonly volumes: VolumeManager;
  readonly statuses: StatusManager;
  readonly images: ImageManager;
  readonly objects: ObjectCache;
  readonly tokens: TokenManager;
  readonly trustBundles: TrustBundles;
  readonly certificates: PodCertificates;
  /** Absent: this node takes no plugins. */
  readonly devices: NodeDevices | undefined;
  /** Absent: nobody has CPUs or memory of its own. */
  readonly managers: ResourceManagers | undefined;
  readonly hostIps: readonly string[];
  readonly resources: ResourceSettings;
  readonly containerLogsDirectory: string | undefined;
  readonly maxContainerBackOffMs: number;
  readonly metrics: KubeletMetrics;
  /** An event of the node. */
  warnNode(reason: string, message: string): void;
  /** Absent: nobody follows what is done. */
  readonly tracer: KubeletTracer | undefined;
  /** Why pods with a network of their own cannot start now; empty when they can. */
  networkError(): string;
  /** Why the pod may not run here at all; asked once, before anything of it is made. `take` is called once it may. */
  rejection(pod: Pod, take: () => void): Rejection | undefined | Promise<Rejection | undefined>;
  /** Why a running pod cannot have the resources it asks now. */
  resizeProblem(pod: Pod): ResizeProblem | undefined;
  /** The pod has left no trace. */
  onGone(uid: string): void;
}

export interface Verdict {
  readonly phase: 'Failed';
  readonly reason: string;
  readonly message: string;
  /** It was not let in: nothing of it has ever been here. */
  readonly rejected?: boolean;
  readonly condition?: Pick<PodCondition, 'type' | 'status' | 'reason' | 'message'>;
}

export type Stage = 'sync' | 'terminating' | 'terminated';
