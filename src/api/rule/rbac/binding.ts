// The rules of RoleBindings and ClusterRoleBindings.
import { type FieldErrors, type FieldPath, path } from '../../field-error.ts';
import type { Mutable } from '../../meta.ts';
import { isDns1123Subdomain, isPathSegmentName } from '../../name-rule.ts';
import type { Strategy } from '../../strategy.ts';
import type { ClusterRoleBinding, RoleBinding, Subject } from '../../type/rbac-v1.ts';
import { deepEqual } from '../record.ts';

const GROUP = 'rbac.authorization.k8s.io';
const ROLE_REF = path('roleRef');
const SUBJECTS = path('subjects');
const KINDS = ['ServiceAccount', 'User', 'Group'];

type Binding = RoleBinding | ClusterRoleBinding;

function defaults(binding: Mutable<Binding>): void {
  if (binding.roleRef) binding.roleRef.apiGroup ||= GROUP;
  for (const subject of binding.subjects ?? [])
    if (!subject.apiGroup && (subject.kind === 'User' || subject.kind === 'Group')) subject.apiGroup = GROUP;
}

function validateSubject(subject: Subject, namespaced: boolean, at: FieldPath, errors: FieldErrors): void {
  const { kind, name, namespace, apiGroup = '' } = subject;
  if (!name) errors.required(at.child('name'));
  if (kind === 'ServiceAccount') {
    if (name) for (const m of isDns1123Subdomain(name)) errors.invalid(at.child('name'), name, m);
    if (apiGroup) errors.notSupported(at.child('apiGroup'), apiGroup, ['']);
    if (!namespaced && !namespace) errors.required(at.child('namespace'));
  } else if (kind === 'User' || kind === 'Group') {
    if (apiGroup !== GROUP) errors.notSupported(at.child('apiGroup'), apiGroup, [GROUP]);
  } else errors.notSupported(at.child('kind'), kind, KINDS);
}

function strategy<T extends Binding>(kinds: readonly string[], namespaced: boolean): Strategy<T> {
  return {
    nameRule: 'pathSegment',
    allowCreateOnUpdate: true,
    default: binding => defaults(binding as Mutable<Binding>),
    validate({ roleRef, subjects }, errors) {
      const { apiGroup = '', kind, name } = roleRef;
      if (apiGroup !== GROUP) errors.notSupported(ROLE_REF.child('apiGroup'), apiGroup, [GROUP]);
      if (!kinds.includes(kind)) errors.notSupported(ROLE_REF.child('kind'), kind, kinds);
      if (!name) errors.required(ROLE_REF.child('name'));
      else for (const m of isPathSegmentName(name)) errors.invalid(ROLE_REF.child('name'), name, m);
      for (const [i, subject] of (subjects ?? []).entries())
        validateSubject(subject, namespaced, SUBJECTS.index(i), errors);
    },
    validateUpdate(now, old, errors) {
      if (!deepEqual(now.roleRef, old.roleRef)) errors.invalid(ROLE_REF, now.roleRef, 'cannot change roleRef');
    },
  };
}

export const roleBindingStrategy = strategy<RoleBinding>(['Role', 'ClusterRole'], true);
export const clusterRoleBindingStrategy = strategy<ClusterRoleBinding>(['ClusterRole'], false);
