// `k8ts controllers graph`: who watches and writes what.
import { allControllers } from '../../controllers/index.ts';
import { controllerGraph } from '../../engine/graph.ts';
import type { CliContext } from './context.ts';

export function graph(context: Pick<CliContext, 'print'>): void {
  // What is on only with these is shown all the same.
  const controllers = allControllers({
    clusterCa: '',
    podCidr: '10.244.0.0/16',
    clusterSigning: { certificatePem: '', keyPem: '' },
    serviceAccountKey: ' ',
    balancesOnNodes: true,
  });
  context.print(controllerGraph(controllers));
}
