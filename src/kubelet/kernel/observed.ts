// What the runtime says about one pod, in the kubelet's words.
import type { LifecycleHandler } from '../../api/type/core-v1.ts';
import type {
  Container as CriContainer,
  ContainerStatus as CriContainerStatus,
  PodSandboxStatus,
} from '../../cri/type.ts';
import { podNameLabel, podNamespaceLabel, podUidLabel, readContainerMarks } from './label.ts';

export type ObservedState = 'created' | 'running' | 'exited' | 'unknown';

export interface ObservedContainer {
  readonly id: string;
  readonly sandboxId: string;
  readonly name: string;
  readonly state: ObservedState;
  readonly createdAtMs: number;
  /** 0 when it never started. */
  readonly startedAtMs: number;
  /** 0 while it lives. */
  readonly finishedAtMs: number;
  readonly exitCode: number;
  readonly reason: string;
  readonly message: string;
  readonly hash: string;
  readonly restartCount: number;
  readonly image: string;
  readonly imageRef: string;
  readonly logPath: string;
  /** Paths in the container where mounts within are read-only as well. */
  readonly recursiveReadOnly?: readonly string[];
  readonly resources?: CriContainerStatus['resources'];
  readonly user?: CriContainerStatus['user'];
  readonly terminationMessagePath: string;
  readonly terminationMessagePolicy: string;
  /** Host file behind terminationMessagePath. */
  readonly terminationMessageFile?: string;
  readonly terminationGracePeriodSeconds?: number;
  readonly preStop?: LifecycleHandler;
}

export interface ObservedSandbox {
  readonly id: string;
  readonly attempt: number;
  readonly ready: boolean;
  readonly createdAtMs: number;
  readonly ips: readonly string[];
  readonly hostNetwork: boolean;
}

export interface ObservedPod {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
  /** Newest first. */
  readonly sandboxes: readonly ObservedSandbox[];
  /** Newest first. */
  readonly containers: readonly ObservedContainer[];
}

const stateNames: Readonly<Record<string, ObservedState>> = {
  CONTAINER_CREATED: 'created',
  CONTAINER_RUNNING: 'running',
  CONTAINER_EXITED: 'exited',
};

export const observedStateOf = (state: CriContainer['state']): ObservedState => stateNames[state ?? ''] ?? 'unknown';

const nsToMs = (ns: number | undefined) => (ns && ns > 0 ? Math.floor(ns / 1e6) : 0);

/** `sandboxId` comes from the list, which alone tells it. */
export function observeContainer(sandboxId: string, status: CriContainerStatus): ObservedContainer {
  const marks = readContainerMarks(status.labels, status.annotations);
  const path = marks?.terminationMessagePath ?? '';
  const file = path ? status.mounts?.find(m => m.container_path === path)?.host_path : undefined;
  return {
    id: status.id ?? '',
    sandboxId,
    name: marks?.name ?? status.metadata?.name ?? '',
    state: observedStateOf(status.state),
    createdAtMs: nsToMs(status.created_at),
    startedAtMs: nsToMs(status.started_at),
    finishedAtMs: nsToMs(status.finished_at),
    exitCode: status.exit_code ?? 0,
    reason: status.reason ?? '',
    message: status.message ?? '',
    hash: marks?.hash ?? '',
    restartCount: marks?.restartCount ?? 0,
    image: status.image?.image ?? '',
    imageRef: status.image_ref ?? '',
    logPath: status.log_path ?? '',
    recursiveReadOnly: (status.mounts ?? []).flatMap(m => (m.recursive_read_only ? (m.container_path ?? '') : [])),
    ...(status.resources ? { resources: status.resources } : {}),
    ...(status.user ? { user: status.user } : {}),
    terminationMessagePath: path,
    terminationMessagePolicy: marks?.terminationMessagePolicy ?? 'File',
    ...(file ? { terminationMessageFile: file } : {}),
    ...(marks?.terminationGracePeriodSeconds !== undefined
      ? { terminationGracePeriodSeconds: marks.terminationGracePeriodSeconds }
      : {}),
    ...(marks?.preStop ? { preStop: marks.preStop } : {}),
  };
}

export function observeSandbox(status: PodSandboxStatus): ObservedSandbox {
  const { network } = status;
  const ips = [network?.ip, ...(network?.additional_ips ?? []).map(a => a.ip)].filter((ip): ip is string => !!ip);
  return {
    id: status.id ?? '',
    attempt: status.metadata?.attempt ?? 0,
    ready: status.state === 'SANDBOX_READY',
    createdAtMs: nsToMs(status.created_at),
    ips,
    hostNetwork: status.linux?.namespaces?.options?.network === 'NODE',
  };
}

export interface PodIdentity {
  readonly uid: string;
  readonly name: string;
  readonly namespace: string;
}

/** The pod a sandbox or container belongs to; undefined when it is not Kubernetes'. */
export function podIdentityOf(object: { readonly labels?: Readonly<Record<string, string>> }): PodIdentity | undefined {
  const uid = object.labels?.[podUidLabel];
  if (!uid) return undefined;
  return { uid, name: object.labels?.[podNameLabel] ?? '', namespace: object.labels?.[podNamespaceLabel] ?? '' };
}

export const emptyObservedPod = (identity: PodIdentity): ObservedPod => ({
  uid: identity.uid,
  name: identity.name,
  namespace: identity.namespace,
  sandboxes: [],
  containers: [],
});

/** The newest container of a name. */
export function latestContainer(observed: ObservedPod, name: string): ObservedContainer | undefined {
  return observed.containers.find(c => c.name === name);
}

export const isAlive = (c: ObservedContainer) =>
  c.state === 'running' || c.state === 'unknown' || c.state === 'created';

export function hasRunning(observed: ObservedPod): boolean {
  return observed.containers.some(c => c.state === 'running' || c.state === 'unknown');
}
