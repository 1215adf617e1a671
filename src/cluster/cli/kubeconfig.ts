import { parse } from 'yaml';
import { messageOf } from '../../base/assert.ts';
import { readIfThere } from '../host/file.ts';
import { contextOf, type KubeconfigCluster, mergeKubeconfig, planMerge } from '../kubeconfig-file.ts';
import { type ClusterPaths, withKubeconfig, writeState } from '../state.ts';
import { type CliContext, mustState, pathsOf } from './context.ts';
import { CliError, exitCode } from './exit.ts';

export interface KubeconfigOptions {
  readonly name?: string;
  readonly merge?: boolean;
}

/** Prints the cluster's kubeconfig, or puts it into the user's own again. */
export async function kubeconfig(context: CliContext, options: KubeconfigOptions): Promise<void> {
  const paths = pathsOf(options.name, context.env);
  const state = mustState(paths, context.env);
  const text = readIfThere(paths.kubeconfig);
  if (text === undefined)
    throw new CliError(`cluster ${paths.name} has never run`, exitCode.notFound, `k8ts start --name ${paths.name}`);
  if (!options.merge) return context.print(text);
  const cluster = clusterIn(text, paths);
  // First the record, then the file, as `up` does.
  writeState(paths, withKubeconfig(state, planMerge(context.env)));
  const merged = await mergeKubeconfig(contextOf(paths.name), cluster, context.env, context.clock);
  context.talk.say(`Context ${contextOf(paths.name)} is the current one of ${merged.path}`);
}

function clusterIn(text: string, paths: ClusterPaths): KubeconfigCluster {
  try {
    const { clusters, users } = parse(text);
    const pem = (base64: string) => Buffer.from(base64, 'base64').toString();
    return {
      server: clusters[0].cluster.server,
      certificateAuthority: pem(clusters[0].cluster['certificate-authority-data']),
      clientCertificate: pem(users[0].user['client-certificate-data']),
      clientKey: pem(users[0].user['client-key-data']),
    };
  } catch (error) {
    throw new CliError(
      `reading ${paths.kubeconfig}: it is damaged (${messageOf(error).split('\n')[0]})`,
      exitCode.failure,
      `it is made anew by: k8ts stop --name ${paths.name}; k8ts start --name ${paths.name}`,
    );
  }
}
