// Nobody hands out more than they hold: the checks on writes of roles and bindings.
import { forbidden, notFound, type StatusError } from '../../api/status.ts';
import type { ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding } from '../../api/type/rbac-v1.ts';
import { systemPrivilegedGroup, type UserInfo } from '../authn/user.ts';
import type { Authorizer, RuleResolver } from './authorizer.ts';
import type { RbacAuthorizer } from './rbac.ts';
import { compact, covers, describeRule } from './rule.ts';

export interface EscalationDependencies {
  readonly authorizer: Authorizer;
  readonly rbac: RuleResolver & Pick<RbacAuthorizer, 'rulesOf'>;
}

const rbacGroup = 'rbac.authorization.k8s.io';
const everything: readonly PolicyRule[] = [
  { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
  { verbs: ['*'], nonResourceURLs: ['*'] },
];

/** Why `user` may not create (or change `old` into) this role; undefined when they may. */
export async function checkRoleWrite(
  dependencies: EscalationDependencies,
  user: UserInfo,
  role: Role | ClusterRole,
  old?: Role | ClusterRole,
): Promise<StatusError | undefined> {
  const { name = '', namespace = '' } = role.metadata;
  const resource = namespace ? 'roles' : 'clusterroles';
  const aggregates = selectorsOf(role).length > 0 || (old !== undefined && selectorsOf(old).length > 0);
  if (old && same(old.rules ?? [], role.rules ?? []) && same(selectorsOf(old), selectorsOf(role))) return undefined;
  if (user.groups.includes(systemPrivilegedGroup)) return undefined;
  if (await may(dependencies, user, 'escalate', resource, namespace, name)) return undefined;
  const error = confirmNoEscalation(dependencies.rbac, user, namespace, role.rules ?? []);
  if (error) return forbidden({ group: rbacGroup, resource }, name, error);
  // Whoever sets selectors gathers rules that others write later.
  if (aggregates && confirmNoEscalation(dependencies.rbac, user, namespace, everything))
    return forbidden(
      { group: rbacGroup, resource },
      name,
      'must have cluster-admin privileges to use the aggregationRule',
    );
  return undefined;
}

const selectorsOf = (role: Role | ClusterRole) =>
  ('aggregationRule' in role ? role.aggregationRule?.clusterRoleSelectors : undefined) ?? [];

/** Why `user` may not create (or change `old` into) this binding; undefined when they may. */
export async function checkBindingWrite(
  dependencies: EscalationDependencies,
  user: UserInfo,
  binding: RoleBinding | ClusterRoleBinding,
  old?: RoleBinding | ClusterRoleBinding,
): Promise<StatusError | undefined> {
  const { name = '', namespace = '' } = binding.metadata;
  const { roleRef } = binding;
  if (old && same(old.subjects ?? [], binding.subjects ?? []) && same(old.roleRef, roleRef)) return undefined;
  if (user.groups.includes(systemPrivilegedGroup)) return undefined;
  const roles = roleRef.kind === 'Role' ? 'roles' : 'clusterroles';
  if (await may(dependencies, user, 'bind', roles, namespace, roleRef.name)) return undefined;
  const rules = dependencies.rbac.rulesOf(roleRef, namespace);
  if (typeof rules === 'string')
    return notFound({ group: rbacGroup, resource: roleRef.kind === 'Role' ? 'role' : 'clusterrole' }, roleRef.name);
  const error = confirmNoEscalation(dependencies.rbac, user, namespace, rules);
  const resource = namespace ? 'rolebindings' : 'clusterrolebindings';
  return error ? forbidden({ group: rbacGroup, resource }, name, error) : undefined;
}

/** The message that lists what the user lacks; undefined when they hold all of `rules` in `namespace`. */
export function confirmNoEscalation(
  resolver: RuleResolver,
  user: UserInfo,
  namespace: string,
  rules: readonly PolicyRule[],
): string | undefined {
  const owned = resolver.rulesFor(user, namespace);
  const { covered, missing } = covers(owned.rules, rules);
  if (covered) return undefined;
  const list = [...new Set(compact(missing).map(describeRule))].sort().join('\n');
  const groups = user.groups.map(g => JSON.stringify(g)).join(' ');
  const errors = owned.errors.length ? `; resolution errors: [${owned.errors.join(', ')}]` : '';
  return `user ${JSON.stringify(user.name)} (groups=[${groups}]) is attempting to grant RBAC permissions not currently held:\n${list}${errors}`;
}

async function may(
  { authorizer }: EscalationDependencies,
  user: UserInfo,
  verb: string,
  resource: string,
  namespace: string,
  name: string,
): Promise<boolean> {
  const attributes = { isResource: true, group: rbacGroup, version: 'v1', subresource: '', path: '' };
  return (await authorizer.authorize({ ...attributes, user, verb, resource, namespace, name })).decision === 'allow';
}

// Both come from the same decoder, which writes fields in one order.
const same = (a: unknown, b: unknown) => JSON.stringify(a) === JSON.stringify(b);
