import type { Taint } from '../api/type/core-v1.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Random } from '../base/random.ts';
import type { Rate } from '../base/token-bucket.ts';
import type { Client } from '../client/client.ts';
import type { EventRecorder } from '../client/event-recorder.ts';
import type { InformerFactory } from '../client/informer.ts';
import type { ContainerRuntime } from '../cri/runtime.ts';
import type { PodCgroups } from './cgroup.ts';
import type { Host } from './host/host.ts';
import type { CredentialPlugins } from './image/credential-providers.ts';
import type { EvictionSettings, Signals } from './kernel/eviction.ts';
import type { VerificationPolicy } from './kernel/image-access.ts';
import type { ProbeNetwork } from './probe/network.ts';
import type { ShutdownGroup } from './shutdown/kernel/shutdown-plan.ts';
import type { ShutdownSource } from './shutdown/shutdown-source.ts';
import type { MachineTopology } from './topology/kernel/machine-topology.ts';
import type { ManagerSettings } from './topology/resource-managers.ts';
import type { TracerOptions, TracingSettings } from './tracing/kubelet-tracer.ts';

export interface MachineInfo {
  readonly machineId: string;
  readonly systemUuid: string;
  readonly bootId: string;
  readonly kernelVersion: string;
  readonly osImage: string;
  /** Go's names: linux; amd64, arm64. */
  readonly operatingSystem: string;
  readonly architecture: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly swapBytes: number;
  readonly ephemeralStorageBytes: number;
  /** Page size as in resource names to bytes: `{ '2Mi': 0 }`. */
  readonly hugepages: Readonly<Record<string, number>>;
}

export interface KubeletOptions {
  readonly nodeName: string;
  readonly client: Client;
  /** Of this node's credentials; the kubelet asks it for its pods, its node and services. Whoever made it runs it. */
  readonly informers: InformerFactory;
  readonly runtime: ContainerRuntime;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Default: one of its own, component kubelet. */
  readonly events?: EventRecorder;
  /** Default /var/lib/kubelet. */
  readonly rootDirectory?: string;
  /** Default /var/log/pods. Two kubelets on one machine need directories of their own. */
  readonly podLogsDirectory?: string;
  /** Where `<pod>_<namespace>_<container>-<id>.log` links go; absent: none are made. */
  readonly containerLogsDirectory?: string;
  /** A file or directory of manifests. */
  readonly staticPodPath?: string;
  /** Where else manifests are asked for; every 20 seconds unless told otherwise. */
  readonly staticPodUrl?: {
    readonly url: string;
    readonly headers?: Readonly<Record<string, readonly string[]>>;
    readonly everyMs?: number;
    readonly fetch?: typeof fetch;
  };
  /** As the gate CSIVolumeHealth; default false. */
  readonly volumeHealth?: boolean;
  readonly clusterDns: readonly string[];
  readonly clusterDomain: string;
  /** Default /etc/resolv.conf. */
  readonly resolvConf?: string;
  readonly maxPods?: number;
  /** No more than these times the cores, and than maxPods. */
  readonly podsPerCore?: number;
  /** Images that the node's status tells of, the largest; default 50, -1 is all. */
  readonly nodeStatusMaxImages?: number;
  /** Default: no pod cgroups; the runtime's default parent. */
  readonly cgroups?: PodCgroups;
  /** Default: the first global address of this machine. */
  readonly nodeIps?: readonly string[];
  /** Default: the node's name. */
  readonly hostname?: string;
  readonly nodeLabels?: Readonly<Record<string, string>>;
  readonly nodeAnnotations?: Readonly<Record<string, string>>;
  readonly registerNode?: boolean;
  readonly registerWithTaints?: readonly Taint[];
  readonly registerSchedulable?: boolean;
  readonly providerId?: string;
  /** Default: read from /proc and /sys. */
  readonly machine?: MachineInfo;
  /** Default: read from /sys, where a manager asks for it. */
  readonly topology?: MachineTopology;
  /** Managers of CPUs, memory and topology; default none. */
  readonly managers?: ManagerSettings;
  /** How pods end before the machine does; default: they do not. */
  readonly shutdown?: { readonly groups: readonly ShutdownGroup[]; readonly source: ShutdownSource };
  /** Where traces go; default nowhere. */
  readonly tracing?: TracingSettings & Pick<TracerOptions, 'exporter'>;
  readonly systemReserved?: Readonly<Record<string, string>>;
  readonly kubeReserved?: Readonly<Record<string, string>>;
  /** Signal to quantity or percentage. Default Kubernetes': memory.available<100Mi, nodefs.available<10%, … */
  readonly evictionHard?: Readonly<Record<string, string>>;
  /** Soft thresholds, how much more is to be got back, how long pressure is told; default none and five minutes. */
  readonly eviction?: Omit<EvictionSettings, 'hard'> & {
    readonly transitionMs?: number;
    /** The most that pods get to end when a soft threshold makes them; default 0. */
    readonly maxPodGraceSeconds?: number;
  };
  /** Default: read from this machine; simulated nodes give none. */
  readonly evictionSignals?: () => Promise<Signals>;
  /** Refuse to run beside swap. Default true. */
  readonly failSwapOn?: boolean;
  /** Refuse to run with control groups of version 1. Default false. */
  readonly failCgroupV1?: boolean;
  /** Refuse to run where the kernel's parameters are not as Kubernetes wants them. Default false. */
  readonly protectKernelDefaults?: boolean;
  /** Whether local storage is counted, and pods are held to what they may have of it. Default true. */
  readonly localStorageIsolation?: boolean;
  /** With control groups of version 2: containers get no swap (default), or a share of it. */
  readonly swapBehavior?: 'NoSwap' | 'LimitedSwap';
  /** Where the HTTPS server listens, for nodeInfo. Default 10250. */
  readonly port?: number;
  /** Default v1.36.2. */
  readonly version?: string;
  /** Default: the machine's own files and mounts. */
  readonly host?: Host;
  /** Whether plugins may register; default: where `host` is the machine's own. */
  readonly nodePlugins?: boolean;
  /** Default: real connections. */
  readonly probeNetwork?: ProbeNetwork;
  readonly seccompDefault?: boolean;
  /** Whether the host enforces AppArmor; default what its kernel says. */
  readonly appArmor?: boolean;
  /** Names, or prefixes that end in `*`, of sysctls that pods may set besides the safe ones. */
  readonly allowedUnsafeSysctls?: readonly string[];
  readonly enforceCpuQuota?: boolean;
  /** With control groups of version 2: a container out of memory loses a process, and not all. Default false. */
  readonly singleProcessOomKill?: boolean;
  /** Of CPU quotas; default 100 ms. */
  readonly cpuPeriodUs?: number;
  /** Users of a pod with a user namespace of its own, a multiple of 65536. */
  readonly userNamespaceIdsPerPod?: number;
  readonly containerLogMaxSizeBytes?: number;
  readonly containerLogMaxFiles?: number;
  /** Logs rotated at once; default 1. */
  readonly containerLogWorkers?: number;
  /** Between two looks at their size; default 10 seconds. */
  readonly containerLogMonitorMs?: number;
  /** Between two readings of static pods, beside what the directory tells; default 20 seconds. */
  readonly fileCheckMs?: number;
  /** Times of Kubernetes' defaults; shorter for tests. */
  readonly nodeStatusUpdateMs?: number;
  readonly nodeStatusReportMs?: number;
  readonly leaseDurationSeconds?: number;
  /** What the lease is renewed with, so that what else is asked does not hold it up. Default: `client`. */
  readonly heartbeat?: {
    /** Gives up a request in time for another before the lease is over. */
    readonly client: Client;
    /** Nobody answered twice. */
    onUnanswered(): void;
  };
  /** How often the runtime is asked for everything, beside its events. Default 10 s. */
  readonly relistMs?: number;
  /** How often leftovers, log sizes (unless that is set) and pressure are looked at; default 10 seconds. */
  readonly upkeepMs?: number;
  /** Who must show credentials for images that are there. Default NeverVerifyPreloadedImages: images a kubelet has pulled. */
  readonly imagePullCredentialsVerificationPolicy?: VerificationPolicy;
  /** With NeverVerifyAllowlistedImages: names without tag, or what they begin with and `/*`. */
  readonly preloadedImagesVerificationAllowlist?: readonly string[];
  /** Plugins that know credentials of registries; default none. */
  readonly credentialProviders?: CredentialPlugins;
  /** Default 5. */
  readonly parallelImagePulls?: number;
  /** Pulls that begin; default: as many as are asked for. */
  readonly imagePullRate?: Rate;
  /** Events that are written; default: as many as there are. */
  readonly eventRate?: Rate;
  readonly imageGcHighPercent?: number;
  readonly imageGcLowPercent?: number;
  /** Default two minutes. */
  readonly imageMinimumGcAgeMs?: number;
  /** Default 0: images do not go for their age. */
  readonly imageMaximumGcAgeMs?: number;
  /** Longest CrashLoopBackOff. */
  readonly maxContainerBackOffMs?: number;
}
