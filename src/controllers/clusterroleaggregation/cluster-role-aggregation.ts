// clusterrole-aggregation-controller: ClusterRoles with an aggregationRule get the rules of the roles it selects.
import { cloneDeep } from '../../api/meta.ts';
import { rbacV1 } from '../../api/refs.ts';
import { StatusError } from '../../api/status.ts';
import type { ClusterRole } from '../../api/type/rbac-v1.ts';
import type { Controller, ControllerContext } from '../../engine/controller.ts';
import { aggregatedRules } from './kernel/aggregate.ts';

const name = 'clusterrole-aggregation-controller';

export function clusterRoleAggregationController(): Controller {
  return {
    name,
    queue: 'ClusterRoleAggregator',
    serviceAccount: name,
    watches: [
      {
        resource: rbacV1.clusterroles,
        // Any role may have come to be selected, or ceased to be, by any other.
        keys: (_role: ClusterRole, _old, context) =>
          context
            .lister(rbacV1.clusterroles)
            .list()
            .filter(r => r.aggregationRule)
            .map(r => r.metadata.name),
      },
    ],
    writes: ['clusterroles'],
    create: context => ({ reconcile: key => reconcile(key, context) }),
  };
}

async function reconcile(key: string, { client, lister }: ControllerContext): Promise<void> {
  const roles = lister(rbacV1.clusterroles);
  const role = roles.get(key);
  const rules = role && aggregatedRules(role, roles.list());
  if (!rules) return;
  try {
    const body = {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: key },
      rules,
    };
    await client.patch(
      rbacV1.clusterroles,
      { name: key },
      { type: 'apply', body, force: true },
      { fieldManager: name },
    );
  } catch (error) {
    // A server without apply.
    if (!(error instanceof StatusError && error.code === 415)) throw error;
    await client.update<ClusterRole>(rbacV1.clusterroles, cloneDeep({ ...role, rules }));
  }
}
