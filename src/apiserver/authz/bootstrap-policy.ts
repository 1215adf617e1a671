// The roles and bindings every cluster starts with, from the facts of Kubernetes, and bringing a cluster up to them.
import type { Draft, KubeObject } from '../../api/meta.ts';
import type { ResourceRef } from '../../api/ref.ts';
import { coreV1, rbacV1 } from '../../api/refs.ts';
import { readFacts } from '../../api/resource.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../api/status.ts';
import type {
  ClusterRole,
  ClusterRoleBinding,
  PolicyRule,
  Role,
  RoleBinding,
  Subject,
} from '../../api/type/rbac-v1.ts';
import type { Client } from '../../client/client.ts';
import { covers } from './rule.ts';

export interface BootstrapPolicy {
  readonly clusterRoles: readonly ClusterRole[];
  readonly clusterRoleBindings: readonly ClusterRoleBinding[];
  readonly roles: readonly Role[];
  readonly roleBindings: readonly RoleBinding[];
}

interface RuleFact {
  readonly v: string[];
  readonly g?: string[];
  readonly r?: string[];
  readonly n?: string[];
  readonly u?: string[];
}
interface RoleFact {
  readonly name: string;
  readonly ns?: string;
  readonly labels?: Record<string, string>;
  readonly agg?: Record<string, string>[];
  readonly rules: RuleFact[];
}
interface BindingFact {
  readonly name: string;
  readonly ns?: string;
  readonly role: [kind: string, name: string];
  readonly subjects: ([kind: string, name: string] | [kind: string, namespace: string, name: string])[];
}
interface RbacFacts {
  readonly labels: Record<string, string>;
  readonly annotations: Record<string, string>;
  readonly clusterRoles: RoleFact[];
  readonly controllerRoles: RoleFact[];
  readonly clusterRoleBindings: BindingFact[];
  readonly controllerRoleBindings: BindingFact[];
  readonly roles: RoleFact[];
  readonly roleBindings: BindingFact[];
}

const apiGroup = 'rbac.authorization.k8s.io';
const autoupdate = 'rbac.authorization.kubernetes.io/autoupdate';
const writeAttempts = 5;
const atOnce = 32;

/** What controllers need that come with a feature gate which is off by default. */
const gatedControllers: Readonly<Record<string, readonly RoleFact[]>> = {
  StorageVersionAPI: [
    {
      name: 'system:controller:storage-version-garbage-collector',
      rules: [
        { v: ['get', 'list', 'watch'], g: ['coordination.k8s.io'], r: ['leases'] },
        { v: ['delete', 'get', 'list', 'watch'], g: ['internal.apiserver.k8s.io'], r: ['storageversions'] },
        { v: ['get', 'patch', 'update'], g: ['internal.apiserver.k8s.io'], r: ['storageversions/status'] },
      ],
    },
  ],
  ClusterTrustBundle: [
    {
      name: 'system:controller:kube-apiserver-serving-clustertrustbundle-publisher',
      rules: [
        { v: ['attest'], g: ['certificates.k8s.io'], r: ['signers'], n: ['kubernetes.io/kube-apiserver-serving'] },
        {
          v: ['create', 'delete', 'get', 'list', 'update', 'watch'],
          g: ['certificates.k8s.io'],
          r: ['clustertrustbundles'],
        },
        { v: ['create', 'patch', 'update'], g: ['', 'events.k8s.io'], r: ['events'] },
      ],
    },
  ],
  PodCertificateRequest: [
    {
      name: 'system:controller:podcertificaterequestcleaner',
      rules: [{ v: ['delete', 'get', 'list', 'watch'], g: ['certificates.k8s.io'], r: ['podcertificaterequests'] }],
    },
  ],
  DRAResourcePoolStatus: [
    {
      name: 'system:controller:resource-pool-status-request-controller',
      rules: [
        {
          v: ['delete', 'get', 'list', 'watch'],
          g: ['resource.k8s.io'],
          r: ['resourcepoolstatusrequests'],
        },
        { v: ['patch', 'update'], g: ['resource.k8s.io'], r: ['resourcepoolstatusrequests/status'] },
        { v: ['get', 'list', 'watch'], g: ['resource.k8s.io'], r: ['resourceclaims', 'resourceslices'] },
      ],
    },
  ],
  StorageVersionMigrator: [
    {
      name: 'system:controller:storage-version-migrator-controller',
      rules: [
        { v: ['list', 'patch'], g: ['*'], r: ['*'] },
        { v: ['patch', 'update'], g: ['storagemigration.k8s.io'], r: ['storageversionmigrations/status'] },
      ],
    },
  ],
};

const readVerbs = ['get', 'list', 'watch'];
const writeVerbs = ['create', 'delete', 'deletecollection', 'patch', 'update'];
const certificates = ['certificates.k8s.io'];
const scheduling = ['scheduling.k8s.io'];

/** What roles there are and what they may, with a gate that is off by default; roles that exist get the rules besides. */
const gatedRules: Readonly<Record<string, Readonly<Record<string, readonly RuleFact[]>>>> = {
  ClusterTrustBundle: {
    'system:cluster-trust-bundle-discovery': [{ v: readVerbs, g: certificates, r: ['clustertrustbundles'] }],
  },
  ClusterTrustBundleProjection: {
    'system:node': [{ v: readVerbs, g: certificates, r: ['clustertrustbundles'] }],
  },
  PodCertificateRequest: {
    'system:node': [{ v: ['create', ...readVerbs], g: certificates, r: ['podcertificaterequests'] }],
  },
  GenericWorkload: {
    'system:aggregate-to-edit': [{ v: writeVerbs, g: scheduling, r: ['podgroups', 'workloads'] }],
    'system:aggregate-to-view': [{ v: readVerbs, g: scheduling, r: ['podgroups', 'podgroups/status', 'workloads'] }],
    'system:kube-scheduler': [
      { v: readVerbs, g: scheduling, r: ['podgroups'] },
      { v: ['patch', 'update'], g: scheduling, r: ['podgroups/status'] },
    ],
  },
  DRADeviceTaintRules: {
    'system:kube-scheduler': [{ v: readVerbs, g: ['resource.k8s.io'], r: ['devicetaintrules'] }],
    'system:controller:device-taint-eviction-controller': [
      { v: readVerbs, g: ['resource.k8s.io'], r: ['devicetaintrules'] },
      { v: ['patch', 'update'], g: ['resource.k8s.io'], r: ['devicetaintrules/status'] },
    ],
  },
};

const gatedBindings: Readonly<Record<string, readonly BindingFact[]>> = {
  ClusterTrustBundle: [
    {
      name: 'system:cluster-trust-bundle-discovery',
      role: ['ClusterRole', 'system:cluster-trust-bundle-discovery'],
      subjects: [['Group', 'system:serviceaccounts']],
    },
  ],
};

/** Built anew at each call: read once at start. */
export function bootstrapPolicy(featureEnabled: (gate: string) => boolean = () => false): BootstrapPolicy {
  const facts = readFacts<RbacFacts>('rbac.json');
  const on = <T>(byGate: Readonly<Record<string, T>>) =>
    Object.entries(byGate).flatMap(([gate, value]) => (featureEnabled(gate) ? [value] : []));
  const gated = on(gatedControllers).flat();
  const clusterRoles = withRules([...facts.clusterRoles, ...facts.controllerRoles, ...gated], on(gatedRules));
  const metadataOf = (f: { name: string; ns?: string; labels?: Record<string, string> }) => ({
    name: f.name,
    ...(f.ns ? { namespace: f.ns } : {}),
    labels: { ...facts.labels, ...f.labels },
    annotations: facts.annotations,
  });
  const role = (kind: string) => (f: RoleFact) => ({
    kind,
    apiVersion: `${apiGroup}/v1`,
    metadata: metadataOf(f),
    ...(f.rules.length ? { rules: f.rules.map(ruleOf) } : {}),
    ...(f.agg ? { aggregationRule: { clusterRoleSelectors: f.agg.map(matchLabels => ({ matchLabels })) } } : {}),
  });
  const binding = (kind: string) => (f: BindingFact) => ({
    kind,
    apiVersion: `${apiGroup}/v1`,
    metadata: metadataOf(f),
    ...(f.subjects.length ? { subjects: f.subjects.map(subjectOf) } : {}),
    roleRef: { apiGroup, kind: f.role[0], name: f.role[1] },
  });
  return {
    clusterRoles: clusterRoles.map(role('ClusterRole')),
    clusterRoleBindings: [
      ...facts.clusterRoleBindings,
      ...facts.controllerRoleBindings,
      ...gated.map(ownBinding),
      ...on(gatedBindings).flat(),
    ].map(binding('ClusterRoleBinding')),
    roles: facts.roles.map(role('Role')),
    roleBindings: facts.roleBindings.map(binding('RoleBinding')),
  } as unknown as BootstrapPolicy;
}

function withRules(
  roles: readonly RoleFact[],
  additions: readonly Readonly<Record<string, readonly RuleFact[]>>[],
): readonly RoleFact[] {
  const byName = new Map(roles.map(r => [r.name, r]));
  for (const [name, rules] of additions.flatMap(a => Object.entries(a))) {
    const role = byName.get(name);
    byName.set(name, role ? { ...role, rules: [...role.rules, ...rules] } : { name, rules: [...rules] });
  }
  return [...byName.values()];
}

/** The rules of ClusterRole system:node, which the Node authorizer applies itself. */
export function nodeRules(policy: BootstrapPolicy = bootstrapPolicy()): readonly PolicyRule[] {
  return policy.clusterRoles.find(r => r.metadata.name === 'system:node')?.rules ?? [];
}

function ruleOf(f: RuleFact): PolicyRule {
  return {
    verbs: f.v,
    ...(f.g ? { apiGroups: f.g } : {}),
    ...(f.r ? { resources: f.r } : {}),
    ...(f.n ? { resourceNames: f.n } : {}),
    ...(f.u ? { nonResourceURLs: f.u } : {}),
  };
}

/** Of a controller's role to its service account of the same name. */
const ownBinding = ({ name }: RoleFact): BindingFact => ({
  name,
  role: ['ClusterRole', name],
  subjects: [['ServiceAccount', 'kube-system', name.slice('system:controller:'.length)]],
});

function subjectOf(f: BindingFact['subjects'][number]): Subject {
  const [kind, ...rest] = f;
  if (kind === 'ServiceAccount') return { kind, name: rest[1]!, namespace: rest[0]! };
  return { kind, apiGroup, name: rest[0]! };
}

/**
 * Creates what is missing and gives back what objects have lost; what somebody added stays, and an object with the
 * annotation autoupdate=false is left alone. Resolves when the cluster has at least the policy.
 */
export async function reconcile(
  client: Client,
  signal: AbortSignal,
  policy: BootstrapPolicy = bootstrapPolicy(),
): Promise<void> {
  const run = <T extends KubeObject>(resource: ResourceRef<T>, wanted: readonly T[], complete: Complete<T>) =>
    reconcileKind(client, signal, resource, wanted, complete);
  await Promise.all([
    run(rbacV1.clusterroles, policy.clusterRoles, completeRole),
    run(rbacV1.clusterrolebindings, policy.clusterRoleBindings, completeBinding),
    run(rbacV1.roles, policy.roles, completeRole),
    run(rbacV1.rolebindings, policy.roleBindings, completeBinding),
  ]);
}

/** The object to write, 'recreate' when no update can get there, undefined when nothing is missing. */
type Complete<T> = (existing: T, wanted: T) => T | 'recreate' | undefined;

async function reconcileKind<T extends KubeObject>(
  client: Client,
  signal: AbortSignal,
  resource: ResourceRef<T>,
  wanted: readonly T[],
  complete: Complete<T>,
): Promise<void> {
  signal.throwIfAborted();
  const existing = new Map((await client.list(resource)).items.map(o => [idOf(o), o]));
  const queue = wanted.filter(w => {
    const found = existing.get(idOf(w));
    return !found || (!isProtected(found) && complete(found, w) !== undefined);
  });
  const worker = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      signal.throwIfAborted();
      await reconcileOne(client, resource, next, existing.get(idOf(next)), complete);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

async function reconcileOne<T extends KubeObject>(
  client: Client,
  resource: ResourceRef<T>,
  wanted: T,
  listed: T | undefined,
  complete: Complete<T>,
): Promise<void> {
  const { name = '', namespace } = wanted.metadata;
  const key = { name, ...(namespace ? { namespace } : {}) };
  let existing = listed;
  for (let attempt = 1; ; attempt++) {
    try {
      if (!existing) {
        await client.create(resource, wanted as Draft<T>);
        return;
      }
      const next = isProtected(existing) ? undefined : complete(existing, wanted);
      if (next === undefined) return;
      if (next !== 'recreate') {
        await client.update(resource, next as Draft<T>);
        return;
      }
      const { uid } = existing.metadata;
      await client.delete(resource, key, uid ? { preconditions: { uid } } : {});
      existing = undefined;
    } catch (error) {
      const missing = isNotFound(error);
      if (attempt >= writeAttempts || !(missing || isConflict(error) || isAlreadyExists(error))) throw error;
      if (missing && !existing && namespace) await ensureNamespace(client, namespace);
      existing = await client.get(resource, key).catch(e => (isNotFound(e) ? undefined : Promise.reject(e)));
    }
  }
}

async function ensureNamespace(client: Client, name: string): Promise<void> {
  await client.create(coreV1.namespaces, { metadata: { name } }).catch(error => {
    if (!isAlreadyExists(error)) throw error;
  });
}

const idOf = (o: KubeObject) => `${o.metadata.namespace ?? ''}/${o.metadata.name}`;
const isProtected = (o: KubeObject) => o.metadata.annotations?.[autoupdate] === 'false';

/** Labels and annotations somebody changed stay as they are; absent ones are added. */
function completeMetadata<T extends KubeObject>(existing: T, wanted: T): T {
  const { labels = {}, annotations = {} } = existing.metadata;
  const merged = {
    labels: { ...wanted.metadata.labels, ...labels },
    annotations: { ...wanted.metadata.annotations, ...annotations },
  };
  const count = (o: object) => Object.keys(o).length;
  if (count(merged.labels) === count(labels) && count(merged.annotations) === count(annotations)) return existing;
  return { ...existing, metadata: { ...existing.metadata, ...merged } };
}

/** One that is not to be aggregated loses its selectors. */
export function completeRole<T extends Role | ClusterRole>(existing: T, wanted: T): T | undefined {
  let next = completeMetadata(existing, wanted);
  const wantedSelectors = selectorsOf(wanted);
  if (wantedSelectors) {
    const selectors = selectorsOf(existing) ?? [];
    const known = new Set(selectors.map(s => JSON.stringify(s)));
    const missing = wantedSelectors.filter(s => !known.has(JSON.stringify(s)));
    if (missing.length) next = { ...next, aggregationRule: { clusterRoleSelectors: [...selectors, ...missing] } };
  } else if (selectorsOf(existing)?.length) {
    const { aggregationRule: _, ...plain } = next as ClusterRole;
    next = plain as T;
  }
  const { missing } = covers(existing.rules ?? [], wanted.rules ?? []);
  if (missing.length) next = { ...next, rules: [...(existing.rules ?? []), ...missing] };
  return next === existing ? undefined : next;
}

const selectorsOf = (role: Role | ClusterRole) =>
  'aggregationRule' in role ? role.aggregationRule?.clusterRoleSelectors : undefined;

/** What a binding refers to cannot be changed: such a one is deleted and made again. */
export function completeBinding<T extends RoleBinding | ClusterRoleBinding>(
  existing: T,
  wanted: T,
): T | 'recreate' | undefined {
  const { roleRef: a } = existing;
  const { roleRef: b } = wanted;
  if (a.kind !== b.kind || a.name !== b.name || (a.apiGroup ?? '') !== (b.apiGroup ?? '')) return 'recreate';
  const next = completeMetadata(existing, wanted);
  const idOfSubject = (s: Subject) => JSON.stringify([s.kind, s.apiGroup ?? '', s.namespace ?? '', s.name]);
  const known = new Set((existing.subjects ?? []).map(idOfSubject));
  const missing = (wanted.subjects ?? []).filter(s => {
    const id = idOfSubject(s);
    return !known.has(id) && known.add(id);
  });
  if (missing.length) return { ...next, subjects: [...(existing.subjects ?? []), ...missing] };
  return next === existing ? undefined : next;
}
