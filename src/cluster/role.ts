// The configuration files that `k8ts server` and `k8ts agent` read. JSON; `k8ts up` writes them.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ApiServerFiles } from './api-server-fields.ts';
import type { KubeletFiles } from './kubelet-files.ts';
import type { SchedulerFiles } from './scheduler-settings.ts';
import type { PodBehaviour } from './simulation/pod-behaviour.ts';
import type { StoreConfig } from './store-config.ts';

export interface ServerConfig {
  readonly cluster: string;
  readonly pkiDirectory: string;
  readonly storeDirectory: string;
  /** Default: lmdb, in `storeDirectory`. */
  readonly store?: StoreConfig;
  /** Controllers and scheduler run only while this control plane leads. Default: when the store is one that others share. */
  readonly leaderElect?: boolean;
  /** A port to open here; absent: only what the supervisor hands over. */
  readonly listen?: { readonly host: string; readonly port: number };
  /** Where pods and nodes reach this server. */
  readonly advertise: { readonly address: string; readonly port: number };
  /** Names and addresses of its certificate, besides the usual ones. */
  readonly serverNames: readonly string[];
  readonly serverAddresses: readonly string[];
  readonly podCidr: string;
  readonly serviceCidr: string;
  readonly clusterDomain: string;
  /** Parts to run beside the API server (controllers, scheduler, dns service, …). Default: all. */
  readonly components?: readonly string[];
  /** Which controllers run, as --controllers of Kubernetes: `*`, NAME, -NAME. Default: all. */
  readonly controllers?: readonly string[];
  /** Switched by hand; others are as Kubernetes has them. */
  readonly featureGates?: Readonly<Record<string, boolean>>;
  /** As --runtime-config of Kubernetes. */
  readonly runtimeConfig?: Readonly<Record<string, boolean>>;
  /** Files that configure the API server. */
  readonly apiServer?: ApiServerFiles;
  /** Files that configure the scheduler. */
  readonly scheduler?: SchedulerFiles;
  /** Nodes whose kubelets show certificates of this cluster's authority; others' are not verified. Default: none does. */
  readonly verifiedNodes?: readonly string[];
  /** Nodes without containers to run in this process. */
  readonly simulatedNodes: number;
  /** How their pods live; default: they run at once and until they are stopped. */
  readonly behaviours?: readonly PodBehaviour[];
  /** The storage class that nodes serve from their own disks is there from the start. */
  readonly localStorage?: boolean;
  readonly maxPods: number;
}

export interface AgentConfig {
  readonly cluster: string;
  readonly nodeName: string;
  readonly nodeAddress: string;
  /** The link that the nodes share. */
  readonly link: string;
  readonly server: string;
  /** PEM of the CA. */
  readonly certificateAuthority: string;
  /** PEM; system:node:NAME. */
  readonly kubelet: { readonly certificate: string; readonly key: string };
  /** PEM; for the kubelet's own port. */
  readonly kubeletServing: { readonly certificate: string; readonly key: string };
  /** PEM; system:kube-proxy. */
  readonly proxy: { readonly certificate: string; readonly key: string };
  /** PEM; k8ts:local-storage:NAME. Absent: the node makes no volumes. */
  readonly localStorage?: { readonly certificate: string; readonly key: string };
  /** Kept over a reboot. */
  readonly stateDirectory: string;
  /** Sockets and what containerd keeps of running containers. */
  readonly runDirectory: string;
  /** Parent of the node's pods. */
  readonly cgroup: string;
  readonly podCidr: string;
  readonly nodeCidr?: string;
  readonly serviceCidr: string;
  readonly clusterDns: string;
  readonly clusterDomain: string;
  readonly resolvConf: string;
  readonly maxPods: number;
  /** Files that configure the kubelet. */
  readonly kubeletFiles?: KubeletFiles;
  /** Switched by hand; others are as Kubernetes has them. */
  readonly featureGates?: Readonly<Record<string, boolean>>;
}

/** Connections to `listener` (handed over by the supervisor) go to `port` of `host`. */
export interface ForwardConfig {
  readonly forwards: readonly { readonly listener: string; readonly host: string; readonly port: number }[];
}

/** Throws an error that names the file. */
export function readRoleConfig<T>(file: string): T {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T;
  } catch (error) {
    throw new Error(`reading ${file}: ${(error as Error).message}`, { cause: error });
  }
}

/** What the server is doing first, in its own words. */
export const openingStore = 'opening the store';

/** Where a node's containerd listens. */
export const containerdSocket = (runDirectory: string): string => join(runDirectory, 'containerd.sock');

/** Word that names the node's network to CNI, and its cached results on this machine. */
export const cniNetworkName = (cluster: string, node: string): string => `k8ts-${cluster}-${node}`;
