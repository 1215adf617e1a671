import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { contextOf, removeFromKubeconfig } from '../kubeconfig-file.ts';
import { labNamespaces } from '../lab/lab.ts';
import { removeEmpty, removeSideDirectories } from '../lab/leftover.ts';
import {
  type ClusterPaths,
  type ClusterState,
  clusterNames,
  clusterPaths,
  isRoot,
  readState,
  StateError,
  writeState,
} from '../state.ts';
import { type CliContext, pathsOf } from './context.ts';
import { needsEgress } from './egress.ts';
import { CliError, exitCode } from './exit.ts';
import { forwardingFile, halt, leftoversOf, withLock } from './lifecycle.ts';

export interface DownOptions {
  readonly name?: string;
  readonly all?: boolean;
}

/** Removes a cluster with everything it made; none there: succeeds. */
export async function down(context: CliContext, options: DownOptions): Promise<void> {
  if (options.all && options.name !== undefined)
    throw new CliError('--all and --name exclude each other', exitCode.usage);
  const names = options.all ? clusterNames(context.env) : [options.name];
  if (names.length === 0) context.talk.say('No clusters.');
  for (const name of names) await removeCluster(context, pathsOf(name, context.env));
}

async function removeCluster(context: CliContext, paths: ClusterPaths): Promise<void> {
  await withLock(paths, 'k8ts down', async () => {
    const { state, damaged } = readLeniently(paths);
    const found = state !== undefined || damaged || existsSync(paths.run) || leftoversOf(paths).length > 0;
    if (!found) {
      await removeFromKubeconfig(contextOf(paths.name), undefined, context.env, context.clock);
      context.talk.say(`No cluster named ${paths.name}.`);
      return;
    }
    if (!isRoot() && labNamespaces(paths.name).length > 0)
      throw new CliError(
        `cluster ${paths.name} belongs to root`,
        exitCode.failure,
        `sudo k8ts down --name ${paths.name}`,
      );
    const phase = context.talk.phase(`removing cluster ${paths.name}`);
    await halt(context, paths, state);
    await removeData(context, paths, state);
    phase.done(`cluster ${paths.name} removed`);
  });
  removeEmpty(dirname(paths.state));
}

function readLeniently(paths: ClusterPaths): { state?: ClusterState; damaged: boolean } {
  try {
    const state = readState(paths);
    return state ? { state, damaged: false } : { damaged: false };
  } catch (error) {
    if (!(error instanceof StateError)) throw error;
    return { damaged: true };
  }
}

/** The files, the context, and what other programs made on our behalf. */
export async function removeData(
  context: CliContext,
  paths: ClusterPaths,
  state: ClusterState | undefined,
): Promise<void> {
  await removeFromKubeconfig(contextOf(paths.name), state?.kubeconfig, context.env, context.clock);
  if (state?.kubeconfig) handOnKubeconfig(context, paths, state.kubeconfig);
  rmSync(paths.state, { recursive: true, force: true });
  if (!state || !isRoot()) return;
  await removeSideDirectories(state.absentBefore);
  if (state.setForwarding && !handOnForwarding(context, paths)) writeFileSync(forwardingFile, '0');
}

/** A kubeconfig that we made and that other clusters still use goes with the last of them. */
function handOnKubeconfig(context: CliContext, paths: ClusterPaths, file: NonNullable<ClusterState['kubeconfig']>) {
  if (!file.madeFile || !existsSync(file.path)) return;
  for (const name of clusterNames(context.env)) {
    if (name === paths.name) continue;
    const other = clusterPaths(name, context.env);
    try {
      const state = readState(other);
      if (state?.kubeconfig?.path !== file.path) continue;
      writeState(other, { ...state, kubeconfig: file });
      return;
    } catch (error) {
      if (!(error instanceof StateError)) throw error;
    }
  }
}

/** True when another cluster needs the forwarding that this one switched on; the last of them switches it off. */
function handOnForwarding(context: CliContext, paths: ClusterPaths): boolean {
  for (const name of clusterNames(context.env)) {
    if (name === paths.name) continue;
    const other = clusterPaths(name, context.env);
    try {
      const state = readState(other);
      if (!state || !needsEgress(state.config)) continue;
      writeState(other, { ...state, setForwarding: true });
    } catch (error) {
      // Whether that one needs it, nobody can say.
      if (!(error instanceof StateError)) throw error;
    }
    return true;
  }
  return false;
}
