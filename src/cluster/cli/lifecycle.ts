// Bringing a cluster's machinery up and down; what `up`, `start`, `stop` and `down` have in common.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { messageOf } from '../../base/assert.ts';
import { forgetCniResults } from '../../cri/cni.ts';
import { loadBridgeFilter } from '../host/bridge-filter.ts';
import { exec } from '../host/exec.ts';
import { LockedError, lockFile, removeDeadTemporaries, writeFileAtomic } from '../host/file.ts';
import { isAlive, signalProcess } from '../host/process-identity.ts';
import { contextOf, type KubeconfigCluster, kubeconfigText, mergeKubeconfig, planMerge } from '../kubeconfig-file.ts';
import { maxLabNodes, nodeNameOf } from '../lab/kernel/lab-plan.ts';
import { createLab, destroyLab, labIsUp, labNamespaces } from '../lab/lab.ts';
import {
  killLeftovers,
  leftoverProcesses,
  removeCgroup,
  removeEmpty,
  removeEmptyCgroup,
  removeShimSockets,
  unmountBelow,
} from '../lab/leftover.ts';
import { labPlanOf, prepare, serverChild } from '../prepare.ts';
import { cniNetworkName } from '../role.ts';
import { type ClusterPaths, type ClusterState, isRoot, withKubeconfig, writeState } from '../state.ts';
import { askSupervisor } from '../supervisor/control.ts';
import { startSupervisor } from '../supervisor/daemon.ts';
import type { CliContext } from './context.ts';
import { CliError, exitCode } from './exit.ts';

/** Runs `act` while no other command changes this cluster. */
export async function withLock<T>(paths: ClusterPaths, what: string, act: () => Promise<T>): Promise<T> {
  let release: () => void;
  try {
    release = lockFile(paths.lock, what);
  } catch (error) {
    if (!(error instanceof LockedError)) throw error;
    const { owner } = error;
    if (!owner.pid)
      throw new CliError(error.message, exitCode.failure, 'remove that file when no k8ts works on the cluster');
    throw new CliError(
      `cluster ${paths.name} is being worked on by ${JSON.stringify(owner.what)} (process ${owner.pid})`,
      undefined,
      'wait for it to end and try again',
    );
  }
  try {
    removeDeadTemporaries(paths.lock);
    return await act();
  } finally {
    release();
  }
}

export const isRunning = (state: ClusterState): boolean => state.supervisor !== undefined && isAlive(state.supervisor);

/** It runs, but whoever cleans up behind others has taken away what it is asked by. */
export const withoutSocket = (paths: ClusterPaths): CliError =>
  new CliError(
    `cluster ${paths.name} runs, but cannot be asked: ${paths.controlSocket} is gone`,
    exitCode.failure,
    `k8ts stop --name ${paths.name}; k8ts start --name ${paths.name}`,
  );

/** Makes network, keys and processes; the state as it is then. On failure nothing of this start is left. */
export async function bringUp(context: CliContext, paths: ClusterPaths, state: ClusterState): Promise<ClusterState> {
  const { config, nodeCidr } = state;
  // A file that cannot be merged into is told of before anything has begun.
  const planned = planMerge(context.env);
  const preparing = context.talk.phase(nodeCidr === undefined ? 'preparing keys' : 'preparing network and keys');
  let admin: Omit<KubeconfigCluster, 'server'>;
  try {
    const preparation = {
      paths,
      config,
      ...(nodeCidr === undefined ? {} : { nodeCidr }),
      apiPort: state.apiPort,
      // Once somebody has been told the port, it stays.
      anyApiPort: state.kubeconfig === undefined && config.apiPort === undefined,
      main: context.main,
      clock: context.clock,
      random: context.random,
    };
    const [made, lacking] = await settleAll([prepare(preparation), bringUpLab(state)]);
    admin = made;
    preparing.done();
    if (lacking) context.talk.warn(lacking);
  } catch (error) {
    preparing.failed();
    throw error;
  }
  const { identity, ports } = await startSupervisor(context.main, paths.supervisorConfig, paths.logs);
  const apiPort = ports[`${serverChild}/api`] ?? state.apiPort;
  const cluster = { ...admin, server: `https://127.0.0.1:${apiPort}` };
  writeFileAtomic(paths.kubeconfig, kubeconfigText(contextOf(paths.name), cluster));
  // First the record, then the file: who dies in between leaves nothing that `down` does not know of.
  const running = withKubeconfig({ ...state, apiPort, supervisor: identity }, planned);
  writeState(paths, running);
  await mergeKubeconfig(contextOf(paths.name), cluster, context.env, context.clock);
  return running;
}

/** Like Promise.all, but waits for all before it rejects: nothing goes on in the background. */
async function settleAll<A, B>(promises: readonly [Promise<A>, Promise<B>]): Promise<[A, B]> {
  const [a, b] = await Promise.allSettled(promises);
  if (a.status === 'rejected') throw a.reason;
  if (b.status === 'rejected') throw b.reason;
  return [a.value, b.value];
}

// The kernel loads it by itself where it is a module. Without it no service, not even DNS, could be reached.
async function checkPacketRules(): Promise<void> {
  await exec('unshare', ['--net', 'nft', 'list', 'tables']).catch(error => {
    throw new CliError(
      `services need nftables, which this kernel refuses: ${messageOf(error).split('\n')[0]}`,
      exitCode.failure,
      'modprobe nf_tables, or a kernel that has it; k8ts doctor looks at the rest',
    );
  });
}

/** What the machine lacks that the lab can do without. */
async function bringUpLab(state: ClusterState): Promise<string | undefined> {
  if (state.nodeCidr === undefined) return undefined;
  const plan = labPlanOf(state.config, state.nodeCidr);
  const [lacking] = await Promise.all([loadBridgeFilter({ onlyNamespaces: true }), checkPacketRules()]);
  if (labIsUp(plan) && !state.config.egress) return lacking;
  await destroyLab(state.config.name);
  await createLab(state.config.name, plan);
  if (state.setForwarding) writeFileSync(forwardingFile, '1');
  return lacking;
}

export const forwardingFile = '/proc/sys/net/ipv4/ip_forward';

/** Ends processes, containers, mounts, cgroups and network; the cluster's data stays. Works from the name alone. */
export async function halt(context: CliContext, paths: ClusterPaths, state: ClusterState | undefined): Promise<void> {
  await stopSupervisor(context, paths, state);
  if (process.platform === 'linux') {
    await killLeftovers({ directories: [paths.state, paths.run], cgroup: paths.cgroup }, context.clock);
    if (isRoot()) await clearMachine(context, paths, state);
  }
  rmSync(paths.run, { recursive: true, force: true });
  removeEmpty(dirname(paths.run));
}

async function clearMachine(context: CliContext, paths: ClusterPaths, state: ClusterState | undefined): Promise<void> {
  removeShimSockets(paths.run);
  await unmountBelow([paths.state, paths.run]);
  const names = state ? Array.from({ length: state.config.nodes }, (_, i) => nodeNameOf(i)) : [];
  await Promise.all([
    // The parent of all clusters' cgroups goes with the last one.
    removeCgroup(paths.cgroup, context.clock).then(() => removeEmptyCgroup(dirname(paths.cgroup))),
    destroyLab(paths.name),
    ...(names.length ? names : allNodeNames()).map(n => forgetCniResults(cniNetworkName(paths.name, n))),
  ]);
}

const allNodeNames = () => Array.from({ length: maxLabNodes }, (_, i) => nodeNameOf(i));

const stopTimeoutMs = 25_000;

/** Asks it to stop and waits; kills it when it does not. */
async function stopSupervisor(
  context: CliContext,
  paths: ClusterPaths,
  state: ClusterState | undefined,
): Promise<void> {
  const identity = state?.supervisor;
  try {
    const signal = AbortSignal.timeout(stopTimeoutMs);
    for await (const _ of askSupervisor(paths.controlSocket, { op: 'stop' }, signal));
  } catch {
    // Nobody listens: it is gone, or it is about to be.
  }
  if (!identity) return;
  signalProcess(identity, 'SIGTERM');
  const deadline = context.clock.monotonic() + 2000;
  while (isAlive(identity)) {
    if (context.clock.monotonic() > deadline) signalProcess(identity, 'SIGKILL');
    await context.clock.sleep(5);
  }
}

/** What is there of a cluster although no record says so. */
export function leftoversOf(paths: ClusterPaths): string[] {
  if (process.platform !== 'linux') return [];
  const found: string[] = [];
  const processes = leftoverProcesses({ directories: [paths.state, paths.run], cgroup: paths.cgroup });
  if (processes.length) found.push(`${processes.length} processes`);
  const namespaces = labNamespaces(paths.name);
  if (namespaces.length) found.push(`${namespaces.length} network namespaces`);
  return found;
}

/** The last lines of a component's log. */
export function lastWords(paths: ClusterPaths, component: string, count = 5): string[] {
  try {
    return readFileSync(`${paths.logs}/${component}.log`, 'utf8').trimEnd().split('\n').slice(-count);
  } catch {
    return [];
  }
}
