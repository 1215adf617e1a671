// Every controller of the control plane.
import type { Controller } from '../engine/controller.ts';
import { namespaceController } from './namespace/namespace.ts';
import { replicaSetController } from './replicaset/replicaset.ts';
import { replicationControllerController } from './replicaset/replication-controller.ts';
import { rootCaController } from './root-ca/root-ca.ts';
import { serviceAccountController } from './serviceaccount/service-account.ts';

export interface AllControllersOptions {
  /** Certificates in PEM form that verify the API server. */
  readonly clusterCa: string;
}

export function allControllers(options: AllControllersOptions): Controller[] {
  return [
    // Identity and namespaces.
    serviceAccountController(),
    rootCaController(options.clusterCa),
    namespaceController(),
    // Workloads.
    replicaSetController(),
    replicationControllerController(),
  ];
}
