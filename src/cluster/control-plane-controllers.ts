// The controllers, each acting as its own service account, over one shared set of informers.
import { featureGates } from '../api/feature-gates.ts';
import { runAll, type Service } from '../base/lifecycle.ts';
import { createInformerFactory } from '../client/informer-factory.ts';
import { knownControllers, longControllerNames } from '../controllers/controller-alias.ts';
import { allControllers } from '../controllers/index.ts';
import { runControllers } from '../engine/engine.ts';
import { selectControllers } from '../engine/select-controllers.ts';
import type { ControlPlaneContext } from './component-context.ts';

/** Throws for a name that no controller has, ours or Kubernetes'. */
export function checkControllerNames(select: readonly string[]): void {
  const all = allControllers({ clusterCa: '', podCidr: '10.244.0.0/16', balancesOnNodes: true });
  selectControllers(all, longControllerNames(select), [], knownControllers);
}

export function createControllers(context: ControlPlaneContext): Service {
  const { clock, random, metrics } = context;
  const log = context.log.with({ part: 'controllers' });
  const client = context.client({ userAgent: 'kube-controller-manager' });
  const informers = createInformerFactory(client, { clock, random, log });
  const controllers = allControllers({
    clusterCa: context.clusterCa,
    podCidr: context.config.podCidr,
    // There is no cloud provider; who brings another balancer selects `-service-lb-controller` or uses classes.
    balancesOnNodes: true,
    featureEnabled: featureGates(context.config.featureGates),
    ...(context.clusterSigning ? { clusterSigning: context.clusterSigning } : {}),
    ...(context.serviceAccountKey ? { serviceAccountKey: context.serviceAccountKey } : {}),
  });
  const select = longControllerNames(context.config.controllers ?? ['*']);
  // As kubeadm has it: what serves joining nodes runs.
  const offByDefault = ['selinux-warning-controller'];
  const engine: Service = {
    name: 'controllers',
    run: signal =>
      runControllers(
        controllers,
        { client, informers, clock, random, log, metrics, select, offByDefault, known: knownControllers },
        signal,
      ),
  };
  return {
    name: 'controllers',
    run: signal => runAll([engine, { name: 'informers', run: s => informers.run(s) }], signal),
  };
}
