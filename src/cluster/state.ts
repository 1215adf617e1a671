// Where a cluster keeps what, and the record of what it is: state.json.
import { readdirSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { messageOf } from '../base/assert.ts';
import type { ClusterConfig } from './config.ts';
import { readIfThere, writeFileAtomic } from './host/file.ts';
import type { ProcessIdentity } from './host/process-identity.ts';

/** Everything of a cluster lies below these two directories. */
export interface ClusterPaths {
  readonly name: string;
  /** Kept over a reboot: store, keys, containers' file systems, logs. */
  readonly state: string;
  /** Sockets, and what containerd keeps of running containers. */
  readonly run: string;
  readonly stateFile: string;
  readonly lock: string;
  readonly pki: string;
  readonly store: string;
  readonly kubeconfig: string;
  readonly logs: string;
  readonly supervisorConfig: string;
  readonly controlSocket: string;
  /** Parent of all the cluster's pods, in every cgroup hierarchy. */
  readonly cgroup: string;
}

export const isRoot = (): boolean => process.getuid?.() === 0;

/** Parents of all clusters' directories. `K8TS_STATE_DIR` and `K8TS_RUN_DIR` replace them. */
export function baseDirectories(env: NodeJS.ProcessEnv = process.env): { state: string; run: string } {
  if (env.K8TS_STATE_DIR) {
    // What runs in the background does so in another directory.
    const state = resolve(env.K8TS_STATE_DIR);
    return { state, run: env.K8TS_RUN_DIR ? resolve(env.K8TS_RUN_DIR) : join(state, '.run') };
  }
  if (isRoot()) return { state: '/var/lib/k8ts', run: '/run/k8ts' };
  const data = env.XDG_DATA_HOME || join(homedir(), '.local', 'share');
  const run = env.XDG_RUNTIME_DIR;
  return {
    state: join(data, 'k8ts'),
    run: run ? join(run, 'k8ts') : join(tmpdir(), `k8ts-${process.getuid?.() ?? 'user'}`),
  };
}

export function clusterPaths(name: string, env: NodeJS.ProcessEnv = process.env): ClusterPaths {
  const base = baseDirectories(env);
  const state = join(base.state, name);
  const run = join(base.run, name);
  return {
    name,
    state,
    run,
    stateFile: join(state, 'state.json'),
    // Outside, so that removing the cluster does not remove the lock that guards the removal.
    lock: join(base.state, `.${name}.lock`),
    pki: join(state, 'pki'),
    store: join(state, 'store'),
    kubeconfig: join(state, 'admin.conf'),
    logs: join(state, 'log'),
    supervisorConfig: join(state, 'supervisor.json'),
    controlSocket: join(run, 'control.sock'),
    cgroup: `/k8ts/${name}`,
  };
}

export interface NodePaths {
  readonly state: string;
  readonly run: string;
  readonly config: string;
  readonly kubeconfig: string;
  readonly cgroup: string;
}

export function nodePaths(cluster: ClusterPaths, node: string): NodePaths {
  const state = join(cluster.state, node);
  return {
    state,
    run: join(cluster.run, node),
    config: join(state, 'agent.json'),
    kubeconfig: join(state, 'kubelet.conf'),
    cgroup: `${cluster.cgroup}/${node}`,
  };
}

export const stateVersion = 1;

/** A kubeconfig with our context, and whether we made the file or its directory. */
export interface MergedInto {
  readonly path: string;
  readonly madeFile: boolean;
  readonly madeDirectory: boolean;
}

export interface ClusterState {
  readonly version: typeof stateVersion;
  /** Version of k8ts that made it. */
  readonly k8ts: string;
  /** RFC 3339. */
  readonly created: string;
  readonly config: ClusterConfig;
  /** Node network of the lab; absent with simulated nodes. */
  readonly nodeCidr?: string;
  /** Port of the API on 127.0.0.1. */
  readonly apiPort: number;
  readonly supervisor?: ProcessIdentity;
  /** The user's kubeconfig that holds our context. */
  readonly kubeconfig?: MergedInto;
  /** Those it was put into before, under another KUBECONFIG. */
  readonly formerKubeconfigs?: readonly MergedInto[];
  /** Directories of other programs that were not there before this cluster. */
  readonly absentBefore: readonly string[];
  /** net.ipv4.ip_forward was 0 and egress set it. */
  readonly setForwarding?: boolean;
}

/** All files that hold our context, the current one first. */
export function kubeconfigsOf(state: ClusterState | undefined): MergedInto[] {
  return [...(state?.kubeconfig ? [state.kubeconfig] : []), ...(state?.formerKubeconfigs ?? [])];
}

/** With this file as the current one. What we made of a file stays known. */
export function withKubeconfig(state: ClusterState, file: MergedInto): ClusterState {
  const known = kubeconfigsOf(state);
  const former = known.filter(k => k.path !== file.path);
  const kubeconfig = known.find(k => k.path === file.path) ?? file;
  return { ...state, kubeconfig, ...(former.length ? { formerKubeconfigs: former } : {}) };
}

/** The record is there, but cannot be used. */
export class StateError extends Error {
  override name = 'StateError';
}

/** Undefined when there is no such cluster; StateError when its record is damaged or of a later version. */
export function readState(paths: ClusterPaths): ClusterState | undefined {
  const text = readRecord(paths);
  if (text === undefined) {
    if (!directoryHasData(paths.state)) return undefined;
    throw new StateError(`reading cluster ${paths.name}: ${paths.state} holds data but no state.json`);
  }
  let value: Partial<ClusterState>;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new StateError(`reading ${paths.stateFile}: it is damaged (${(error as Error).message})`);
  }
  if (typeof value?.version === 'number' && value.version > stateVersion)
    throw new StateError(`reading ${paths.stateFile}: a later version of k8ts (${value.k8ts}) made it: use that one`);
  if (!isWhole(value)) throw new StateError(`reading ${paths.stateFile}: it is damaged (fields are missing)`);
  if (value.config.name !== paths.name)
    throw new StateError(`reading ${paths.stateFile}: it is the record of another cluster, ${value.config.name}`);
  return value;
}

function readRecord(paths: ClusterPaths): string | undefined {
  try {
    return readIfThere(paths.stateFile);
  } catch (error) {
    throw new StateError(messageOf(error), { cause: error });
  }
}

function isWhole(value: Partial<ClusterState> | null): value is ClusterState {
  const config: Partial<ClusterConfig> = value?.config ?? {};
  return (
    value?.version === stateVersion &&
    typeof value.apiPort === 'number' &&
    typeof value.created === 'string' &&
    Array.isArray(value.absentBefore) &&
    typeof config.name === 'string' &&
    typeof config.nodes === 'number' &&
    Array.isArray(config.ports)
  );
}

export function writeState(paths: ClusterPaths, state: ClusterState): void {
  writeFileAtomic(paths.stateFile, `${JSON.stringify(state, undefined, 2)}\n`);
}

function directoryHasData(directory: string): boolean {
  try {
    return readdirSync(directory).length > 0;
  } catch {
    return false;
  }
}

/** Names of the clusters on this machine, in order. */
export function clusterNames(env: NodeJS.ProcessEnv = process.env): string[] {
  try {
    return readdirSync(baseDirectories(env).state, { withFileTypes: true })
      .filter(e => e.isDirectory() && !e.name.startsWith('.'))
      .map(e => e.name)
      .sort();
  } catch {
    return [];
  }
}
