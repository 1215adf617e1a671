import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { messageOf } from '../../base/assert.ts';
import { isLocked } from '../host/file.ts';
import { contextOf, removeFromKubeconfig } from '../kubeconfig-file.ts';
import { labNamespaces } from '../lab/lab.ts';
import { removeEmpty, removeSideDirectories } from '../lab/leftover.ts';
import {
  type ClusterPaths,
  type ClusterState,
  clusterNames,
  clusterPaths,
  isRoot,
  kubeconfigsOf,
  type MergedInto,
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
  // Where nothing is, not even the lock's directory is made, nor need it be writable.
  if (isLocked(paths.lock) || isThere(paths)) await removeFound(context, paths);
  else await tellAbsent(context, paths);
  removeEmpty(dirname(paths.state));
}

async function removeFound(context: CliContext, paths: ClusterPaths): Promise<void> {
  await withLock(paths, 'k8ts down', async () => {
    if (!isThere(paths)) return tellAbsent(context, paths);
    if (!isRoot() && labNamespaces(paths.name).length > 0)
      throw new CliError(
        `cluster ${paths.name} belongs to root`,
        exitCode.failure,
        `sudo k8ts down --name ${paths.name}`,
      );
    const state = readLeniently(paths);
    const phase = context.talk.phase(`removing cluster ${paths.name}`);
    await halt(context, paths, state);
    await removeData(context, paths, state);
    phase.done(`cluster ${paths.name} removed`);
  });
}

const isThere = (paths: ClusterPaths): boolean =>
  existsSync(paths.state) || existsSync(paths.run) || leftoversOf(paths).length > 0;

async function tellAbsent(context: CliContext, paths: ClusterPaths): Promise<void> {
  await removeFromKubeconfig(contextOf(paths.name), undefined, context.env, context.clock).catch(error =>
    context.talk.warn(messageOf(error)),
  );
  context.talk.say(`No cluster named ${paths.name}.`);
}

/** Undefined also when its record is damaged. */
function readLeniently(paths: ClusterPaths): ClusterState | undefined {
  try {
    return readState(paths);
  } catch (error) {
    if (!(error instanceof StateError)) throw error;
    return undefined;
  }
}

/** The files, the context, and what other programs made on our behalf. What the kubeconfig is in the way of comes last. */
export async function removeData(
  context: CliContext,
  paths: ClusterPaths,
  state: ClusterState | undefined,
): Promise<void> {
  // All but the record of what else there is. It makes room for what has to be written.
  for (const name of namesIn(paths.state))
    if (name !== basename(paths.stateFile)) rmSync(join(paths.state, name), { recursive: true, force: true });
  let refused: unknown;
  try {
    const files = kubeconfigsOf(state);
    for (const file of files.length ? files : [undefined]) {
      await removeFromKubeconfig(contextOf(paths.name), file, context.env, context.clock);
      if (file) handOnKubeconfig(context, paths, file);
    }
  } catch (error) {
    refused = error;
  }
  rmSync(paths.state, { recursive: true, force: true });
  if (state && isRoot()) {
    await removeSideDirectories(state.absentBefore);
    if (state.setForwarding && !handOnForwarding(context, paths)) writeFileSync(forwardingFile, '0');
  }
  if (refused)
    throw new CliError(
      `cluster ${paths.name} is removed, but its context may still be in a kubeconfig: ${messageOf(refused)}`,
      exitCode.failure,
      `then take it out: k8ts down --name ${paths.name}`,
    );
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** A kubeconfig that we made and that other clusters still use goes with the last of them. */
function handOnKubeconfig(context: CliContext, paths: ClusterPaths, file: MergedInto) {
  if (!file.madeFile || !existsSync(file.path)) return;
  for (const name of clusterNames(context.env)) {
    if (name === paths.name) continue;
    const other = clusterPaths(name, context.env);
    try {
      const state = readState(other);
      if (!state || !kubeconfigsOf(state).some(k => k.path === file.path)) continue;
      const handOn = (k: MergedInto) => (k.path === file.path ? file : k);
      writeState(other, {
        ...state,
        ...(state.kubeconfig ? { kubeconfig: handOn(state.kubeconfig) } : {}),
        ...(state.formerKubeconfigs ? { formerKubeconfigs: state.formerKubeconfigs.map(handOn) } : {}),
      });
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
