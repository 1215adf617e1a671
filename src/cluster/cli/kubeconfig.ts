import { parse } from 'yaml';
import { readIfThere } from '../host/file.ts';
import { contextOf, mergeKubeconfig } from '../kubeconfig-file.ts';
import { writeState } from '../state.ts';
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
  const { clusters, users } = parse(text);
  const pem = (base64: string) => Buffer.from(base64, 'base64').toString();
  const merged = await mergeKubeconfig(
    contextOf(paths.name),
    {
      server: clusters[0].cluster.server,
      certificateAuthority: pem(clusters[0].cluster['certificate-authority-data']),
      clientCertificate: pem(users[0].user['client-certificate-data']),
      clientKey: pem(users[0].user['client-key-data']),
    },
    context.env,
    context.clock,
  );
  if (state.kubeconfig?.path !== merged.path) writeState(paths, { ...state, kubeconfig: merged });
  context.talk.say(`Context ${contextOf(paths.name)} is the current one of ${merged.path}`);
}
