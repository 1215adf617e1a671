// Writes of roles and bindings by users who hold less than they hand out are refused. Kubernetes does this in the
// storage of the RBAC kinds; here it is the last word of admission.
import type { ClusterRole, ClusterRoleBinding } from '../../api/type/rbac-v1.ts';
import { checkBindingWrite, checkRoleWrite, type EscalationDependencies } from '../authz/escalation.ts';
import type { AdmissionPlugin } from './admission.ts';

const roles = new Set(['roles', 'clusterroles']);
const bindings = new Set(['rolebindings', 'clusterrolebindings']);

export function rbacEscalation(dependencies: EscalationDependencies): AdmissionPlugin {
  return {
    name: 'RBACEscalation',
    handles: ({ resource, operation, subresource }) =>
      resource.group === 'rbac.authorization.k8s.io' &&
      subresource === '' &&
      (operation === 'CREATE' || operation === 'UPDATE'),
    async validate({ resource, user, object, old }) {
      let error: Error | undefined;
      if (roles.has(resource.resource))
        error = await checkRoleWrite(
          dependencies,
          user,
          object as unknown as ClusterRole,
          old as unknown as ClusterRole | undefined,
        );
      else if (bindings.has(resource.resource))
        error = await checkBindingWrite(
          dependencies,
          user,
          object as unknown as ClusterRoleBinding,
          old as unknown as ClusterRoleBinding | undefined,
        );
      if (error) throw error;
    },
  };
}
