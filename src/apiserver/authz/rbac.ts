// Role-based access control over local copies of roles and bindings, indexed by subject.

import { type KubeObject, keyOf } from '../../api/meta.ts';
import { notFound } from '../../api/status.ts';
import type {
  ClusterRole,
  ClusterRoleBinding,
  PolicyRule,
  Role,
  RoleBinding,
  RoleRef,
  Subject,
} from '../../api/type/rbac-v1.ts';
import { append } from '../../base/append.ts';
import type { Informer } from '../../client/informer.ts';
import { serviceAccountUsername, type UserInfo } from '../authn/user.ts';
import type { Attributes, Authorizer, ResolvedRules, RuleResolver, Verdict } from './authorizer.ts';
import { RuleIndex } from './rule.ts';

/** What of an informer is needed: reads, and being told of changes. */
export type Feed<T extends KubeObject> = Pick<Informer<T>, 'lister' | 'addHandler'>;

export interface RbacFeeds {
  readonly roles: Feed<Role>;
  readonly clusterRoles: Feed<ClusterRole>;
  readonly roleBindings: Feed<RoleBinding>;
  readonly clusterRoleBindings: Feed<ClusterRoleBinding>;
}

type Binding = RoleBinding | ClusterRoleBinding;

/** A binding as it applies to one subject. */
interface Grant {
  readonly binding: Binding;
  readonly subject: Subject;
}

/** All that one user may do: cluster-wide, and by namespace as it is asked for. */
interface Permissions {
  readonly generation: number;
  readonly cluster: Resolved;
  readonly namespaces: Map<string, Resolved>;
}

interface Resolved {
  readonly index: RuleIndex<Grant>;
  /** Bindings whose role is missing. */
  readonly errors: readonly string[];
}

const noOpinion: Verdict = { decision: 'noOpinion', reason: '' };
const rememberedUsers = 10_000;

export class RbacAuthorizer implements Authorizer, RuleResolver {
  readonly #feeds: RbacFeeds;
  readonly #cluster = new SubjectIndex();
  readonly #namespaced = new Map<string, SubjectIndex>();
  // Raised by every change of a role or binding: what was resolved before is stale.
  #generation = 0;
  readonly #byIdentity = new WeakMap<UserInfo, Permissions>();
  readonly #byName = new Map<string, Permissions>();

  constructor(feeds: RbacFeeds) {
    this.#feeds = feeds;
    const changed = () => this.#changed();
    const touch = { onAdd: changed, onUpdate: changed, onDelete: changed };
    feeds.roles.addHandler(touch);
    feeds.clusterRoles.addHandler(touch);
    feeds.clusterRoleBindings.addHandler({
      onAdd: b => this.#set(this.#cluster, b),
      onUpdate: b => this.#set(this.#cluster, b),
      onDelete: b => this.#remove(this.#cluster, b),
    });
    feeds.roleBindings.addHandler({
      onAdd: b => this.#set(this.#indexOf(b), b),
      onUpdate: b => this.#set(this.#indexOf(b), b),
      onDelete: b => this.#removeNamespaced(b),
    });
  }

  authorize(a: Attributes): Verdict {
    const permissions = this.#permissionsOf(a.user);
    const everywhere = permissions.cluster.index.find(a);
    if (everywhere) return allow(everywhere);
    let errors = permissions.cluster.errors;
    if (a.namespace && this.#namespaced.has(a.namespace)) {
      const here = this.#resolveNamespace(permissions, a.user, a.namespace);
      const found = here.index.find(a);
      if (found) return allow(found);
      if (here.errors.length) errors = [...errors, ...here.errors];
    }
    if (!errors.length) return noOpinion;
    return { decision: 'noOpinion', reason: `RBAC: ${errors.length === 1 ? errors[0] : `[${errors.join(', ')}]`}` };
  }

  rulesFor(user: UserInfo, namespace: string): ResolvedRules {
    const rules: PolicyRule[] = [];
    const errors: string[] = [];
    for (const index of [this.#cluster, ...(namespace ? [this.#namespaced.get(namespace)] : [])]) {
      for (const grant of index?.grantsOf(user) ?? []) {
        const found = this.rulesOf(grant.binding.roleRef, grant.binding.metadata.namespace ?? '');
        if (typeof found === 'string') errors.push(found);
        else append(rules, found);
      }
    }
    return { rules, incomplete: false, errors };
  }

  /** The rules of a role as a binding in `namespace` ('' for a cluster role binding) refers to it, or why not. */
  rulesOf(ref: RoleRef, namespace: string): readonly PolicyRule[] | string {
    if (ref.kind === 'ClusterRole') {
      const role = this.#feeds.clusterRoles.lister.get(ref.name);
      return role ? (role.rules ?? []) : missingRole('clusterrole', ref.name);
    }
    if (ref.kind === 'Role') {
      const role = this.#feeds.roles.lister.get(`${namespace}/${ref.name}`);
      return role ? (role.rules ?? []) : missingRole('role', ref.name);
    }
    return `unsupported role reference kind: ${JSON.stringify(ref.kind)}`;
  }

  #permissionsOf(user: UserInfo): Permissions {
    const known = this.#byIdentity.get(user);
    if (known && known.generation === this.#generation) return known;
    const name = `${user.name}\0${user.groups.join('\0')}`;
    let permissions = this.#byName.get(name);
    if (!permissions) {
      permissions = {
        generation: this.#generation,
        cluster: this.#resolve(this.#cluster.grantsOf(user)),
        namespaces: new Map(),
      };
      if (this.#byName.size >= rememberedUsers) this.#byName.clear();
      this.#byName.set(name, permissions);
    }
    this.#byIdentity.set(user, permissions);
    return permissions;
  }

  #resolveNamespace(permissions: Permissions, user: UserInfo, namespace: string): Resolved {
    let resolved = permissions.namespaces.get(namespace);
    if (!resolved) {
      resolved = this.#resolve(this.#namespaced.get(namespace)?.grantsOf(user) ?? []);
      permissions.namespaces.set(namespace, resolved);
    }
    return resolved;
  }

  #resolve(grants: Iterable<Grant>): Resolved {
    const index = new RuleIndex<Grant>();
    const errors: string[] = [];
    for (const grant of grants) {
      const rules = this.rulesOf(grant.binding.roleRef, grant.binding.metadata.namespace ?? '');
      if (typeof rules === 'string') errors.push(rules);
      else index.add(rules, grant);
    }
    return { index, errors };
  }

  #indexOf(binding: Binding): SubjectIndex {
    const namespace = binding.metadata.namespace ?? '';
    let index = this.#namespaced.get(namespace);
    if (!index) {
      index = new SubjectIndex();
      this.#namespaced.set(namespace, index);
    }
    return index;
  }

  #set(index: SubjectIndex, binding: Binding): void {
    index.set(binding);
    this.#changed();
  }

  #remove(index: SubjectIndex, binding: Binding): void {
    index.remove(binding);
    this.#changed();
  }

  #removeNamespaced(binding: Binding): void {
    const index = this.#indexOf(binding);
    this.#remove(index, binding);
    if (index.empty) this.#namespaced.delete(binding.metadata.namespace ?? '');
  }

  #changed(): void {
    this.#generation++;
    this.#byName.clear();
  }
}

function missingRole(resource: string, name: string): string {
  return notFound({ group: 'rbac.authorization.k8s.io', resource }, name).message;
}

function allow(grant: Grant): Verdict {
  return { decision: 'allow', reason: reasonOf(grant) };
}

const reasons = new WeakMap<Grant, string>();

function reasonOf(grant: Grant): string {
  let reason = reasons.get(grant);
  if (reason === undefined) {
    const { binding, subject } = grant;
    const namespace = binding.metadata.namespace ?? '';
    const kind = namespace ? 'RoleBinding' : 'ClusterRoleBinding';
    const name = namespace ? `${binding.metadata.name}/${namespace}` : binding.metadata.name;
    const who = subject.kind === 'ServiceAccount' ? `${subject.name}/${subject.namespace || namespace}` : subject.name;
    reason = `RBAC: allowed by ${kind} ${JSON.stringify(name)} of ${binding.roleRef.kind} ${JSON.stringify(binding.roleRef.name)} to ${subject.kind} ${JSON.stringify(who)}`;
    reasons.set(grant, reason);
  }
  return reason;
}

/** Bindings of one scope by whom they are for. */
class SubjectIndex {
  readonly #grants = new Map<string, Map<string, Grant>>();
  readonly #bindings = new Map<string, Binding>();

  get empty(): boolean {
    return this.#bindings.size === 0;
  }

  set(binding: Binding): void {
    this.remove(binding);
    const key = keyOf(binding);
    this.#bindings.set(key, binding);
    for (const subject of binding.subjects ?? []) {
      const id = subjectId(subject, binding.metadata.namespace ?? '');
      if (!id) continue;
      const grants = this.#grants.get(id) ?? new Map<string, Grant>();
      this.#grants.set(id, grants);
      if (!grants.has(key)) grants.set(key, { binding, subject });
    }
  }

  remove(binding: Binding): void {
    const key = keyOf(binding);
    const old = this.#bindings.get(key);
    if (!old) return;
    this.#bindings.delete(key);
    for (const subject of old.subjects ?? []) {
      const id = subjectId(subject, old.metadata.namespace ?? '');
      const grants = id ? this.#grants.get(id) : undefined;
      grants?.delete(key);
      if (id && grants?.size === 0) this.#grants.delete(id);
    }
  }

  /** Each binding once, though several of its subjects may fit. */
  *grantsOf(user: UserInfo): Iterable<Grant> {
    const seen = new Set<Binding>();
    for (const id of [`U:${user.name}`, ...user.groups.map(g => `G:${g}`)]) {
      for (const grant of this.#grants.get(id)?.values() ?? []) {
        if (seen.has(grant.binding)) continue;
        seen.add(grant.binding);
        yield grant;
      }
    }
  }
}

/** Users and groups by name; a service account is the user it authenticates as. */
function subjectId(subject: Subject, bindingNamespace: string): string | undefined {
  switch (subject.kind) {
    case 'User':
      return `U:${subject.name}`;
    case 'Group':
      return `G:${subject.name}`;
    case 'ServiceAccount': {
      const namespace = subject.namespace || bindingNamespace;
      return namespace ? `U:${serviceAccountUsername(namespace, subject.name)}` : undefined;
    }
    default:
      return undefined;
  }
}
