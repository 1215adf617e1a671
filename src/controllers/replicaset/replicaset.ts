import { selectorFromLabelSelector } from '../../api/label-selector.ts';
import { appsV1 } from '../../api/refs.ts';
import type { ReplicaSet } from '../../api/type/apps-v1.ts';
import type { Controller } from '../../engine/controller.ts';
import { type ReplicaOptions, replicaController } from './replica-engine.ts';

export function replicaSetController({ waitsForOwnWrites }: ReplicaOptions = {}): Controller {
  return replicaController<ReplicaSet>({
    name: 'replicaset-controller',
    queue: 'replicaset',
    serviceAccount: 'replicaset-controller',
    component: 'replicaset-controller',
    resource: appsV1.replicasets,
    selectorOf: rs => selectorFromLabelSelector(rs.spec?.selector),
    tellsTerminating: true,
    waitsForOwnWrites,
  });
}
