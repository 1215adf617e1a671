import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding } from '../../api/type/rbac-v1.ts';
import { serviceAccountUser, serviceAccountUsername, type UserInfo } from '../authn/user.ts';
import { type Attributes, forbiddenMessage, superuserAuthorizer, unionAuthorizer } from './authorizer.ts';
import { checkBindingWrite, checkRoleWrite } from './escalation.ts';
import { FakeFeed } from './fake-feed.ts';
import { RbacAuthorizer } from './rbac.ts';
import { covers, ruleAllows } from './rule.ts';

const rule = (verbs: string[], resources: string[], more: Partial<PolicyRule> = {}): PolicyRule => ({
  verbs,
  apiGroups: [''],
  resources,
  ...more,
});
const user = (name: string, ...groups: string[]): UserInfo => ({ name, groups });
const roleOf = (name: string, rules: PolicyRule[], namespace?: string) => ({
  metadata: { name, ...(namespace ? { namespace } : {}) },
  rules,
});
const subject = (kind: string, name: string, namespace?: string) => ({
  kind,
  name,
  ...(namespace ? { namespace } : {}),
});
const bindingOf = (name: string, ref: [string, string], subjects: object[], namespace?: string) => ({
  metadata: { name, ...(namespace ? { namespace } : {}) },
  roleRef: { kind: ref[0], name: ref[1], apiGroup: 'rbac.authorization.k8s.io' },
  subjects,
});

function feeds() {
  return {
    roles: new FakeFeed<Role>(),
    clusterRoles: new FakeFeed<ClusterRole>(),
    roleBindings: new FakeFeed<RoleBinding>(),
    clusterRoleBindings: new FakeFeed<ClusterRoleBinding>(),
  };
}

const ask = (u: UserInfo, verb: string, resource: string, more: Partial<Attributes> = {}): Attributes => {
  const [plain, subresource = ''] = resource.split('/');
  return {
    user: u,
    verb,
    isResource: true,
    group: '',
    version: 'v1',
    resource: plain!,
    subresource,
    namespace: 'default',
    name: '',
    path: '',
    ...more,
  };
};

test('a cluster role binding counts everywhere, a role binding in its namespace; the reason says which', () => {
  const f = feeds();
  const rbac = new RbacAuthorizer(f);
  f.clusterRoles.put(roleOf('viewer', [rule(['get', 'list'], ['pods', 'pods/log', '*/scale'])]));
  f.roles.put(roleOf('editor', [rule(['*'], ['*'], { apiGroups: ['*'] })], 'team'));
  f.clusterRoleBindings.put(bindingOf('viewers', ['ClusterRole', 'viewer'], [subject('Group', 'dev')]));
  f.roleBindings.put(bindingOf('editors', ['Role', 'editor'], [subject('ServiceAccount', 'robot')], 'team'));
  f.roleBindings.put(bindingOf('guests', ['ClusterRole', 'viewer'], [subject('User', 'eve')], 'open'));
  const dev = user('ann', 'dev');
  assert.deepEqual(rbac.authorize(ask(dev, 'list', 'pods')), {
    decision: 'allow',
    reason: 'RBAC: allowed by ClusterRoleBinding "viewers" of ClusterRole "viewer" to Group "dev"',
  });
  assert.equal(rbac.authorize(ask(dev, 'list', 'pods', { namespace: '' })).decision, 'allow');
  assert.equal(rbac.authorize(ask(dev, 'get', 'pods/log')).decision, 'allow');
  assert.equal(rbac.authorize(ask(dev, 'get', 'deployments/scale')).decision, 'allow');
  assert.equal(rbac.authorize(ask(dev, 'get', 'pods/exec')).decision, 'noOpinion');
  assert.equal(rbac.authorize(ask(dev, 'get', 'pods', { group: 'x' })).decision, 'noOpinion');
  const robot = serviceAccountUser('team', 'robot');
  assert.deepEqual(rbac.authorize(ask(robot, 'delete', 'x/y', { namespace: 'team', group: 'z' })), {
    decision: 'allow',
    reason: 'RBAC: allowed by RoleBinding "editors/team" of Role "editor" to ServiceAccount "robot/team"',
  });
  assert.deepEqual(rbac.authorize(ask(robot, 'delete', 'pods')), { decision: 'noOpinion', reason: '' });
  assert.equal(rbac.authorize(ask(user('eve'), 'list', 'pods', { namespace: 'open' })).decision, 'allow');
  assert.equal(rbac.authorize(ask(user('eve'), 'list', 'pods')).decision, 'noOpinion');
});

test('names, paths and missing roles', () => {
  const f = feeds();
  const rbac = new RbacAuthorizer(f);
  f.clusterRoles.put(
    roleOf('r', [
      rule(['get'], ['secrets'], { resourceNames: ['a'] }),
      { verbs: ['get'], nonResourceURLs: ['/healthz', '/api/*'] },
    ]),
  );
  f.clusterRoleBindings.put(bindingOf('b', ['ClusterRole', 'r'], [subject('User', 'u')]));
  const u = user('u');
  assert.equal(rbac.authorize(ask(u, 'get', 'secrets', { name: 'a' })).decision, 'allow');
  assert.equal(rbac.authorize(ask(u, 'get', 'secrets', { name: 'b' })).decision, 'noOpinion');
  assert.equal(rbac.authorize(ask(u, 'get', 'secrets')).decision, 'noOpinion');
  const path = (p: string) =>
    rbac.authorize({ ...ask(u, 'get', ''), isResource: false, namespace: '', path: p }).decision;
  assert.deepEqual(['/healthz', '/api/v1', '/healthz/x', '/api'].map(path), [
    'allow',
    'allow',
    'noOpinion',
    'noOpinion',
  ]);
  f.clusterRoles.remove('r');
  f.roleBindings.put(bindingOf('c', ['Role', 'gone'], [subject('User', 'u')], 'default'));
  assert.equal(
    rbac.authorize(ask(u, 'get', 'secrets')).reason,
    'RBAC: [clusterrole.rbac.authorization.k8s.io "r" not found, role.rbac.authorization.k8s.io "gone" not found]',
  );
});

test('changes count at once', () => {
  const f = feeds();
  const rbac = new RbacAuthorizer(f);
  const u = user('u', 'g');
  const allowed = () => rbac.authorize(ask(u, 'get', 'pods')).decision === 'allow';
  f.clusterRoleBindings.put(bindingOf('b', ['ClusterRole', 'r'], [subject('User', 'u'), subject('Group', 'g')]));
  assert.ok(!allowed());
  f.clusterRoles.put(roleOf('r', [rule(['get'], ['pods'])]));
  assert.ok(allowed());
  f.clusterRoleBindings.put(bindingOf('b', ['ClusterRole', 'r'], [subject('Group', 'g')]));
  assert.ok(allowed());
  f.clusterRoleBindings.put(bindingOf('b', ['ClusterRole', 'r'], [subject('Group', 'h')]));
  assert.ok(!allowed());
  f.roleBindings.put(bindingOf('b', ['ClusterRole', 'r'], [subject('Group', 'g')], 'default'));
  assert.ok(allowed());
  f.clusterRoles.put(roleOf('r', [rule(['list'], ['pods'])]));
  assert.ok(!allowed());
  f.clusterRoles.put(roleOf('r', [rule(['*'], ['pods'])]));
  assert.ok(allowed());
  f.roleBindings.remove('default/b');
  assert.ok(!allowed());
});

test('the superuser and the refusal', () => {
  const union = unionAuthorizer([superuserAuthorizer, new RbacAuthorizer(feeds())]);
  assert.equal(union.authorize(ask(user('root', 'system:masters'), 'delete', 'x')).decision, 'allow');
  assert.deepEqual(union.authorize(ask(user('x'), 'list', 'pods')), { decision: 'noOpinion', reason: '' });
  assert.equal(
    forbiddenMessage(ask(user('x'), 'list', 'pods')),
    'pods is forbidden: User "x" cannot list resource "pods" in API group "" in the namespace "default"',
  );
  assert.equal(
    forbiddenMessage(ask(user('x'), 'get', 'deployments/scale', { group: 'apps', name: 'd', namespace: '' }), 'why'),
    'deployments.apps "d" is forbidden: User "x" cannot get resource "deployments/scale" in API group "apps" at the cluster scope: why',
  );
  assert.equal(
    forbiddenMessage({ ...ask(user('<x>'), 'get', ''), isResource: false, path: '/metrics' }),
    'forbidden: User "&lt;x&gt;" cannot get path "/metrics"',
  );
});

test('escalation: a role one does not hold, cannot escalate and cannot bind', async () => {
  const f = feeds();
  const rbac = new RbacAuthorizer(f);
  const d = { authorizer: unionAuthorizer([superuserAuthorizer, rbac]), rbac };
  f.clusterRoles.put(roleOf('pods', [rule(['get', 'list'], ['pods'])]));
  f.clusterRoles.put(roleOf('secrets', [rule(['get', 'list'], ['secrets', 'pods'])]));
  f.clusterRoleBindings.put(bindingOf('b', ['ClusterRole', 'pods'], [subject('User', 'u')]));
  const u = user('u', 'g', 'h');
  const check = async (role: object, who = u, old?: object) =>
    (await checkRoleWrite(d, who, role as Role, old as Role))?.message;
  const some = roleOf('mine', [rule(['get'], ['pods'])], 'team');
  const more = roleOf('mine', [rule(['list', 'get'], ['secrets', 'pods'], { resourceNames: ['a'] })], 'team');
  const message =
    'roles.rbac.authorization.k8s.io "mine" is forbidden: user "u" (groups=["g" "h"]) is attempting to grant RBAC permissions not currently held:\n' +
    '{APIGroups:[""], Resources:["secrets"], ResourceNames:["a"], Verbs:["list" "get"]}';
  assert.equal(await check(some), undefined);
  assert.equal(await check(more), message);
  assert.equal(await check(more, u, some), message);
  assert.equal(await check({ ...more, metadata: { ...more.metadata, labels: { a: 'b' } } }, u, more), undefined);
  assert.equal(await check(more, user('root', 'system:masters')), undefined);
  const aggregated = { metadata: { name: 'agg' }, aggregationRule: { clusterRoleSelectors: [{}] } };
  assert.equal(
    await check(aggregated),
    'clusterroles.rbac.authorization.k8s.io "agg" is forbidden: must have cluster-admin privileges to use the aggregationRule',
  );
  assert.match((await check({ metadata: { name: 'agg' } }, u, aggregated))!, /must have cluster-admin privileges/);
  assert.equal(await check(aggregated, u, aggregated), undefined);
  const bind = (binding: object, old?: object) => checkBindingWrite(d, u, binding as RoleBinding, old as RoleBinding);
  const target = (name: string) => bindingOf('x', ['ClusterRole', name], [subject('User', 'eve')], 'team');
  assert.equal(await bind(target('pods')), undefined);
  assert.match(
    (await bind(target('secrets')))!.message,
    /^rolebindings.rbac.authorization.k8s.io "x" is forbidden: user "u"/,
  );
  assert.equal((await bind(target('none')))!.message, 'clusterrole.rbac.authorization.k8s.io "none" not found');
  assert.equal(await bind(target('secrets'), target('secrets')), undefined);
  f.roles.put(
    roleOf(
      'manager',
      [rule(['bind', 'escalate'], ['roles', 'clusterroles'], { apiGroups: ['rbac.authorization.k8s.io'] })],
      'team',
    ),
  );
  f.roleBindings.put(bindingOf('m', ['Role', 'manager'], [subject('User', 'u')], 'team'));
  assert.equal(await bind(target('secrets')), undefined);
  assert.equal(await check(more), undefined);
  assert.ok(await check({ ...more, metadata: { name: 'mine', namespace: 'other' } }));
});

test('covers: wildcards, subresources, names, URLs', () => {
  const all = rule(['*'], ['*'], { apiGroups: ['*'] });
  const cases: [PolicyRule[], PolicyRule, boolean][] = [
    [[all], rule(['get'], ['pods/log']), true],
    [[all], { verbs: ['get'], nonResourceURLs: ['/x'] }, false],
    [[rule(['get'], ['pods']), rule(['list'], ['pods'])], rule(['get', 'list'], ['pods']), true],
    [[rule(['get'], ['pods'])], rule(['*'], ['pods']), false],
    [[rule(['get'], ['*/scale'])], rule(['get'], ['x/scale']), true],
    [[rule(['get'], ['pods'])], rule(['get'], ['pods/log']), false],
    [[rule(['get'], ['pods'], { resourceNames: ['a'] })], rule(['get'], ['pods']), false],
    [[rule(['get'], ['pods'])], rule(['get'], ['pods'], { resourceNames: ['a'] }), true],
    [[{ verbs: ['get'], nonResourceURLs: ['/a/*'] }], { verbs: ['get'], nonResourceURLs: ['/a/b', '/a/*'] }, true],
    [[{ verbs: ['get'], nonResourceURLs: ['/a/*'] }], { verbs: ['get'], nonResourceURLs: ['*'] }, false],
    [[{ verbs: ['*'], nonResourceURLs: ['*'] }], { verbs: ['get'], nonResourceURLs: ['/x'] }, true],
  ];
  for (const [owner, requested, expected] of cases)
    assert.equal(covers(owner, [requested]).covered, expected, JSON.stringify([owner, requested]));
});

const pick = (...values: string[]) => fc.constantFrom(...values);
const lists = (...values: string[]) => fc.uniqueArray(pick(...values), { minLength: 1, maxLength: 2 });
const anyRule: fc.Arbitrary<PolicyRule> = fc.oneof(
  fc.record(
    {
      verbs: lists('get', 'list', '*'),
      apiGroups: lists('', 'apps', '*'),
      resources: lists('pods', 'pods/log', '*/log', '*', 'x'),
      resourceNames: lists('a', 'b'),
    },
    { requiredKeys: ['verbs', 'apiGroups', 'resources'] },
  ),
  fc.record({ verbs: lists('get', '*'), nonResourceURLs: lists('/a', '/a/*', '*') }),
);
const anyRef = fc.record({ kind: pick('Role', 'ClusterRole'), name: pick('r1', 'r2') });
const anySubjects = fc.array(
  fc.record({ kind: pick('User', 'Group', 'ServiceAccount'), name: pick('u', 'g', 'sa'), namespace: pick('n1', 'n2') }),
  { maxLength: 2 },
);
const scope = pick('', 'n1', 'n2');
const step = fc.oneof(
  fc.record({
    put: fc.constant('role'),
    name: pick('r1', 'r2'),
    namespace: scope,
    rules: fc.array(anyRule, { maxLength: 2 }),
  }),
  fc.record({
    put: fc.constant('binding'),
    name: pick('b1', 'b2'),
    namespace: scope,
    roleRef: anyRef,
    subjects: anySubjects,
  }),
  fc.record({ remove: pick('role', 'binding'), name: pick('r1', 'r2', 'b1', 'b2'), namespace: scope }),
);
const question = fc.record({
  user: fc.constantFrom(user('u'), user('x', 'g'), user('u', 'g'), serviceAccountUser('n1', 'sa'), user('y')),
  verb: pick('get', 'list', 'delete'),
  isResource: fc.boolean(),
  group: pick('', 'apps'),
  version: pick('v1'),
  resource: pick('pods', 'x'),
  subresource: pick('', 'log'),
  namespace: scope,
  name: pick('', 'a', 'c'),
  path: pick('/a', '/a/b', '/c'),
});

test('random roles and bindings: the same answers as looking at everything', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(step, fc.array(question, { maxLength: 4 })), { maxLength: 25 }), steps => {
      const f = feeds();
      const rbac = new RbacAuthorizer(f);
      const roles = new Map<string, any>();
      const bindings = new Map<string, any>();
      for (const [s, questions] of steps) {
        apply(f, roles, bindings, s as any);
        for (const q of questions)
          assert.equal(rbac.authorize(q).decision === 'allow', naive(roles, bindings, q), JSON.stringify(q));
      }
    }),
    { numRuns: 300 },
  );
});

function apply(f: ReturnType<typeof feeds>, roles: Map<string, any>, bindings: Map<string, any>, s: any): void {
  const id = `${s.namespace}/${s.name}`;
  const what = s.put ?? s.remove;
  const feed: FakeFeed<any> =
    what === 'role' ? (s.namespace ? f.roles : f.clusterRoles) : s.namespace ? f.roleBindings : f.clusterRoleBindings;
  const model = what === 'role' ? roles : bindings;
  if (s.remove) {
    feed.remove(s.namespace ? id : s.name);
    model.delete(id);
    return;
  }
  const metadata = { name: s.name, ...(s.namespace ? { namespace: s.namespace } : {}) };
  const object =
    what === 'role' ? { metadata, rules: s.rules } : { metadata, roleRef: s.roleRef, subjects: s.subjects };
  feed.put(object);
  model.set(id, object);
}

function naive(roles: Map<string, any>, bindings: Map<string, any>, q: Attributes): boolean {
  for (const b of bindings.values()) {
    const namespace = b.metadata.namespace ?? '';
    if (namespace && namespace !== q.namespace) continue;
    const fits = b.subjects.some((s: any) =>
      s.kind === 'Group'
        ? q.user.groups.includes(s.name)
        : q.user.name === (s.kind === 'User' ? s.name : serviceAccountUsername(s.namespace, s.name)),
    );
    const role = roles.get(b.roleRef.kind === 'Role' ? `${namespace}/${b.roleRef.name}` : `/${b.roleRef.name}`);
    if (!fits || !role || (b.roleRef.kind === 'Role' && !namespace)) continue;
    if (role.rules.some((r: PolicyRule) => ruleAllows(r, q))) return true;
  }
  return false;
}
