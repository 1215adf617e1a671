import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyOf } from '../../api/meta.ts';
import { readFacts } from '../../api/resource.ts';
import { alreadyExists, conflict, notFound } from '../../api/status.ts';
import type { Client } from '../../client/client.ts';
import { serviceAccountUser } from '../authn/user.ts';
import { bootstrapPolicy, reconcile } from './bootstrap-policy.ts';
import { FakeFeed } from './fake-feed.ts';
import { RbacAuthorizer } from './rbac.ts';

const facts = readFacts<any>('rbac.json');
const policy = bootstrapPolicy();

/** As much of an API server as reconcile talks to: namespaces must exist, updates need the current version. */
function fakeServer() {
  const objects = new Map<string, any>();
  const log: string[] = [];
  let revision = 0;
  const idOf = (r: { resource: string }, key: string) => `${r.resource} ${key}`;
  const client = {
    async list(r: any) {
      return { metadata: {}, items: [...objects].filter(([k]) => k.startsWith(`${r.resource} `)).map(([, o]) => o) };
    },
    async get(r: any, key: any) {
      const found = objects.get(idOf(r, keyOf({ metadata: key })));
      if (!found) throw notFound(r, key.name);
      return found;
    },
    async create(r: any, o: any) {
      const { namespace, name } = o.metadata;
      if (namespace && !objects.has(`namespaces ${namespace}`))
        throw notFound({ group: '', resource: 'namespaces' }, namespace);
      const id = idOf(r, keyOf(o));
      if (objects.has(id)) throw alreadyExists(r, name);
      objects.set(id, { ...o, metadata: { ...o.metadata, uid: `uid-${++revision}`, resourceVersion: `${revision}` } });
      log.push(`create ${id}`);
    },
    async update(r: any, o: any) {
      const id = idOf(r, keyOf(o));
      const old = objects.get(id);
      if (!old) throw notFound(r, o.metadata.name);
      if (old.metadata.resourceVersion !== o.metadata.resourceVersion) throw conflict(r, o.metadata.name, 'changed');
      objects.set(id, { ...o, metadata: { ...o.metadata, resourceVersion: `${++revision}` } });
      log.push(`update ${id}`);
    },
    async delete(r: any, key: any) {
      log.push(`delete ${idOf(r, keyOf({ metadata: key }))}`);
      objects.delete(idOf(r, keyOf({ metadata: key })));
    },
  };
  return { client: client as unknown as Client, objects, log, touch: () => `${++revision}` };
}

const signal = new AbortController().signal;

/** An object of the policy in the form of the facts; throws for what they have no word for. */
function factOf({ kind, apiVersion, metadata, ...object }: any) {
  const { name, namespace, labels, annotations, ...rest } = metadata;
  assert.deepEqual([apiVersion, rest, annotations], ['rbac.authorization.k8s.io/v1', {}, facts.annotations], name);
  const { 'kubernetes.io/bootstrapping': bootstrapping, ...others } = labels;
  assert.deepEqual({ 'kubernetes.io/bootstrapping': bootstrapping }, facts.labels, name);
  const head = { name, ...(namespace ? { ns: namespace } : {}) };
  const own = Object.keys(others).length ? { labels: others } : {};
  if (kind.endsWith('Binding')) {
    const { roleRef, subjects = [], ...more } = object;
    assert.deepEqual([more, roleRef.apiGroup], [{}, 'rbac.authorization.k8s.io'], name);
    return { ...head, ...own, role: [roleRef.kind, roleRef.name], subjects: subjects.map(subjectFact) };
  }
  const { rules = [], aggregationRule, ...more } = object;
  assert.deepEqual(more, {}, name);
  const agg = aggregationRule?.clusterRoleSelectors.map(({ matchLabels, ...m }: any) => {
    assert.deepEqual(m, {}, name);
    return matchLabels;
  });
  return { ...head, ...own, ...(agg ? { agg } : {}), rules: rules.map(ruleFact) };
}

function subjectFact({ kind, name, namespace, apiGroup }: any): string[] {
  assert.equal(apiGroup, kind === 'ServiceAccount' ? undefined : 'rbac.authorization.k8s.io', name);
  return kind === 'ServiceAccount' ? [kind, namespace, name] : [kind, name];
}

const short: Record<string, string> = { verbs: 'v', apiGroups: 'g', resources: 'r', resourceNames: 'n' };
const ruleFact = (rule: object) =>
  Object.fromEntries(Object.entries(rule).map(([field, list]) => [short[field] ?? 'u', list]));

const byName = (list: readonly any[]) => new Map(list.map(f => [`${f.ns ?? ''}/${f.name}`, f]));

test('every role and binding says exactly what the facts say', () => {
  const { clusterRoles, controllerRoles, clusterRoleBindings, controllerRoleBindings } = facts;
  for (const [kind, ours, wanted] of [
    ['ClusterRole', policy.clusterRoles, [...clusterRoles, ...controllerRoles]],
    ['ClusterRoleBinding', policy.clusterRoleBindings, [...clusterRoleBindings, ...controllerRoleBindings]],
    ['Role', policy.roles, facts.roles],
    ['RoleBinding', policy.roleBindings, facts.roleBindings],
  ] as const) {
    assert.ok(ours.every((o: any) => o.kind === kind));
    assert.equal(ours.length, wanted.length);
    assert.deepEqual(byName(ours.map(factOf)), byName(wanted));
  }
});

test('with all gates on too; what controllers get is not in the facts', () => {
  const on = bootstrapPolicy(() => true);
  const ours = byName(on.clusterRoles.map(factOf));
  const usual = byName(policy.clusterRoles.map(factOf));
  const sorted = ({ rules, ...fact }: any) => ({ ...fact, rules: rules.map((r: any) => JSON.stringify(r)).sort() });
  const isOther = ([id, fact]: [string, unknown]) => JSON.stringify(fact) !== JSON.stringify(usual.get(id));
  const differing = [...ours].filter(entry => isOther(entry) && !entry[0].startsWith('/system:controller:'));
  assert.deepEqual(
    new Map(differing.map(([id, fact]) => [id, sorted(fact)])),
    byName(facts.clusterRolesAllGates.map(sorted)),
  );
});

test('a new cluster gets all of it, with the namespaces, and then nothing more', async () => {
  const { client, objects, log } = fakeServer();
  await reconcile(client, signal);
  const total = Object.values(policy).reduce((n, list) => n + list.length, 0);
  assert.equal(log.filter(l => l.startsWith('create')).length, total + 2);
  assert.ok(objects.has('namespaces kube-system') && objects.has('namespaces kube-public'));
  log.length = 0;
  await reconcile(client, signal);
  assert.deepEqual(log, []);
});

test('lost rules, subjects, labels and roles come back; additions and protected objects stay', async () => {
  const { client, objects, log } = fakeServer();
  await reconcile(client, signal);
  log.length = 0;
  const change = (id: string, fn: (o: any) => any) => objects.set(id, { ...fn(objects.get(id)) });
  const extra = { verbs: ['get'], apiGroups: ['x'], resources: ['y'] };
  change('clusterroles system:kube-dns', o => ({ ...o, rules: [extra] }));
  change('clusterroles view', o => ({ ...o, aggregationRule: { clusterRoleSelectors: [] }, rules: [extra] }));
  change('clusterroles edit', o => ({ ...o, rules: [extra] }));
  change('clusterroles system:heapster', o => ({
    ...o,
    rules: [],
    metadata: { ...o.metadata, annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'false' } },
  }));
  change('clusterrolebindings system:discovery', o => ({ ...o, subjects: [{ kind: 'User', name: 'guest' }] }));
  change('clusterrolebindings system:basic-user', o => ({ ...o, roleRef: { ...o.roleRef, name: 'cluster-admin' } }));
  change('rolebindings kube-public/system:controller:bootstrap-signer', o => ({
    ...o,
    metadata: { ...o.metadata, labels: { mine: 'x' } },
  }));
  objects.delete('clusterroles system:node');
  await reconcile(client, signal);
  assert.deepEqual(log.sort(), [
    'create clusterrolebindings system:basic-user',
    'create clusterroles system:node',
    'delete clusterrolebindings system:basic-user',
    'update clusterrolebindings system:discovery',
    'update clusterroles system:kube-dns',
    'update clusterroles view',
    'update rolebindings kube-public/system:controller:bootstrap-signer',
  ]);
  assert.deepEqual(objects.get('clusterroles system:kube-dns').rules, [
    extra,
    ...['endpoints', 'services'].flatMap(resource =>
      ['list', 'watch'].map(verb => ({ verbs: [verb], apiGroups: [''], resources: [resource] })),
    ),
  ]);
  assert.deepEqual(objects.get('clusterroles view').rules, [extra]);
  assert.deepEqual(
    objects.get('clusterrolebindings system:discovery').subjects.map((s: any) => s.name),
    ['guest', 'system:authenticated'],
  );
  assert.deepEqual(objects.get('rolebindings kube-public/system:controller:bootstrap-signer').metadata.labels, {
    'kubernetes.io/bootstrapping': 'rbac-defaults',
    mine: 'x',
  });
});

test('a conflict is read again and tried again; an abort ends it', async () => {
  const { client, objects, log, touch } = fakeServer();
  await reconcile(client, signal);
  const id = 'clusterroles system:kube-dns';
  objects.set(id, { ...objects.get(id), rules: [] });
  log.length = 0;
  const update = client.update;
  let first = true;
  client.update = (async (r: any, o: any) => {
    if (first)
      objects.set(id, { ...objects.get(id), metadata: { ...objects.get(id).metadata, resourceVersion: touch() } });
    first = false;
    return update.call(client, r, o);
  }) as Client['update'];
  await reconcile(client, signal);
  assert.deepEqual(log, [`update ${id}`]);
  await assert.rejects(reconcile(client, AbortSignal.abort(new Error('stop'))), /stop/);
});

test('the default policy, asked', () => {
  const rbac = new RbacAuthorizer({
    clusterRoles: new FakeFeed(policy.clusterRoles),
    clusterRoleBindings: new FakeFeed(policy.clusterRoleBindings),
    roles: new FakeFeed(policy.roles),
    roleBindings: new FakeFeed(policy.roleBindings),
  });
  const ask = (user: any, verb: string, group: string, resource: string, namespace = '', name = '', subresource = '') =>
    rbac.authorize({
      user,
      verb,
      group,
      resource,
      namespace,
      name,
      subresource,
      version: 'v1',
      isResource: true,
      path: '',
    }).decision;
  const deployments = serviceAccountUser('kube-system', 'deployment-controller');
  assert.equal(ask(deployments, 'create', 'apps', 'replicasets', 'x'), 'allow');
  assert.equal(ask(deployments, 'create', '', 'secrets', 'x'), 'noOpinion');
  const scheduler = { name: 'system:kube-scheduler', groups: ['system:authenticated'] };
  assert.equal(ask(scheduler, 'create', '', 'pods', 'x', 'p', 'binding'), 'allow');
  assert.equal(ask(scheduler, 'update', 'coordination.k8s.io', 'leases', 'kube-system', 'kube-scheduler'), 'allow');
  assert.equal(ask(scheduler, 'update', 'coordination.k8s.io', 'leases', 'kube-system', 'other'), 'allow');
  assert.equal(ask(scheduler, 'update', 'coordination.k8s.io', 'leases', 'default', 'other'), 'noOpinion');
  const anybody = { name: 'joe', groups: ['system:authenticated'] };
  assert.equal(ask(anybody, 'create', 'authorization.k8s.io', 'selfsubjectaccessreviews'), 'allow');
  assert.equal(ask(anybody, 'list', '', 'pods', 'default'), 'noOpinion');
});

test('a gate brings its own only', () => {
  const withGates = bootstrapPolicy(gate => gate === 'ClusterTrustBundle' || gate === 'DRADeviceTaintRules');
  const rulesOf = (p: typeof policy, name: string) => p.clusterRoles.find(r => r.metadata.name === name)?.rules ?? [];
  const bound = withGates.clusterRoleBindings.find(b => b.metadata.name === 'system:cluster-trust-bundle-discovery');
  assert.equal(bound?.subjects?.[0]?.name, 'system:serviceaccounts');
  const evicts = 'system:controller:device-taint-eviction-controller';
  assert.equal(rulesOf(withGates, evicts).length, rulesOf(policy, evicts).length + 2);
  const read = (name: string, resource: string) =>
    rulesOf(withGates, name).some(r => r.resources?.includes(resource) && r.verbs.includes('list'));
  assert.deepEqual(
    [
      ['system:cluster-trust-bundle-discovery', 'clustertrustbundles'],
      ['system:kube-scheduler', 'devicetaintrules'],
      ['system:node', 'clustertrustbundles'],
      ['system:kube-scheduler', 'podgroups'],
      ['system:aggregate-to-view', 'workloads'],
    ].map(([name, resource]) => read(name!, resource!)),
    [true, true, false, false, false],
  );
});
