// `k8ts why pod NAME`: what is known about a pod, and what it waits for.
import { isForbidden, isNotFound } from '../../api/status.ts';
import { messageOf } from '../../base/assert.ts';
import { httpClient } from '../../client/http-client.ts';
import { accessTo, type ClusterAccess, loadKubeconfig } from '../../client/kubeconfig.ts';
import { report } from '../why/kernel/report.ts';
import { gatherFacts } from '../why/why-pod.ts';
import type { CliContext } from './context.ts';
import { CliError, exitCode } from './exit.ts';

export interface WhyOptions {
  readonly kubeconfig?: string;
  readonly namespace?: string;
}

export async function whyPod(context: CliContext, name: string, options: WhyOptions): Promise<void> {
  let access: ClusterAccess;
  try {
    access = accessTo(loadKubeconfig(options.kubeconfig ? { path: options.kubeconfig } : {}), context.clock);
  } catch (error) {
    throw new CliError(`reading the kubeconfig: ${messageOf(error)}`, exitCode.failure);
  }
  const client = httpClient({ ...access, clock: context.clock, userAgent: 'k8ts' });
  try {
    const namespace = options.namespace ?? access.namespace;
    context.print(report(await gatherFacts(client, context.clock, namespace, name)));
  } catch (error) {
    if (isNotFound(error)) throw new CliError(messageOf(error), exitCode.notFound);
    if (isForbidden(error)) throw new CliError(messageOf(error), exitCode.failure);
    throw error;
  } finally {
    client.close();
  }
}
