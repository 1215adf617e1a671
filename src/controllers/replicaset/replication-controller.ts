import { nothing, selectorFromMap } from '../../api/label-selector.ts';
import { coreV1 } from '../../api/refs.ts';
import type { ReplicationController } from '../../api/type/core-v1.ts';
import type { Controller } from '../../engine/controller.ts';
import { type ReplicaOptions, type Replicated, replicaController } from './replica-engine.ts';

export function replicationControllerController({ waitsForOwnWrites }: ReplicaOptions = {}): Controller {
  return replicaController<ReplicationController & Replicated>({
    name: 'replicationcontroller-controller',
    queue: 'replicationmanager',
    serviceAccount: 'replication-controller',
    component: 'replication-controller',
    resource: coreV1.replicationcontrollers as never,
    selectorOf: rc => (rc.spec?.selector ? selectorFromMap(rc.spec.selector) : nothing()),
    tellsTerminating: false,
    waitsForOwnWrites,
  });
}
