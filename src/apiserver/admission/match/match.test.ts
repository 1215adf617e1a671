import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { KubeObject } from '../../../api/meta.ts';
import { builtinResources, resourceId } from '../../../api/resource.ts';
import type { NamedRuleWithOperations } from '../../../api/type/admissionregistration-v1.ts';
import type { AdmissionAttributes } from '../admission.ts';
import { isExempt, type MatchCriteria, matcherOf } from './match.ts';

const table = builtinResources();
const resources = new Map(table.resources.map(r => [resourceId(r), r]));
const namespaceOf = (name: string): KubeObject | undefined =>
  name === 'gone' ? undefined : ({ metadata: { name, labels: { env: name } } } as unknown as KubeObject);

function request(id: string, over: Partial<AdmissionAttributes> = {}): AdmissionAttributes {
  const resource = table.byId(id)!;
  return {
    operation: 'CREATE',
    resource,
    subresource: '',
    namespace: resource.namespaced ? 'prod' : '',
    name: 'x',
    user: { name: 'u', groups: [] },
    dryRun: false,
    object: { apiVersion: '', kind: resource.kind, metadata: { name: 'x', labels: { app: 'web' } } } as never,
    old: undefined,
    options: {},
    warn() {},
    ...over,
  };
}

const rule = (over: Partial<NamedRuleWithOperations> = {}): NamedRuleWithOperations => ({
  operations: ['*'],
  apiGroups: ['*'],
  apiVersions: ['*'],
  resources: ['*'],
  ...over,
});

const matched = (criteria: Partial<MatchCriteria>, attributes: AdmissionAttributes) =>
  matcherOf({ rules: [rule()], ...criteria }).match(attributes, { namespace: namespaceOf, resources });

test('rules: groups, versions, resources, subresources, operations, names and scope', () => {
  const pods = '/v1/pods';
  const cases: [Partial<NamedRuleWithOperations>, AdmissionAttributes, boolean][] = [
    [{}, request(pods), true],
    [{}, request(pods, { subresource: 'status' }), false],
    [{ resources: ['*/*'] }, request(pods, { subresource: 'status' }), true],
    [{ resources: ['pods/status'] }, request(pods, { subresource: 'status' }), true],
    [{ resources: ['pods/*'] }, request(pods, { subresource: 'exec' }), true],
    [{ resources: ['*/scale'] }, request(pods, { subresource: 'exec' }), false],
    [{ operations: ['UPDATE', 'DELETE'] }, request(pods), false],
    [{ apiGroups: ['apps'] }, request(pods), false],
    [{ apiVersions: ['v2'] }, request(pods), false],
    [{ resourceNames: ['y'] }, request(pods), false],
    [{ resourceNames: ['x', 'y'] }, request(pods), true],
    [{ scope: 'Cluster' }, request(pods), false],
    [{ scope: 'Namespaced' }, request(pods), true],
    [{ scope: 'Namespaced' }, request('/v1/nodes'), false],
    [{ scope: 'Cluster' }, request('/v1/namespaces', { namespace: 'x' }), true],
  ];
  for (const [over, attributes, expected] of cases)
    assert.equal(matched({ rules: [rule(over)] }, attributes) !== undefined, expected, JSON.stringify(over));
});

test('no rules match nothing, or all where the caller says so; exclusions win', () => {
  assert.equal(matched({ rules: [] }, request('/v1/pods')), undefined);
  assert.ok(matched({ rules: [], noRulesMatchAll: true }, request('/v1/pods')));
  assert.equal(matched({ excludeRules: [rule({ resources: ['pods'] })] }, request('/v1/pods')), undefined);
});

test('equivalent versions match unless the policy is Exact', () => {
  const rules = [rule({ apiGroups: ['autoscaling'], apiVersions: ['v1'], resources: ['horizontalpodautoscalers'] })];
  const attributes = request('autoscaling/v2/horizontalpodautoscalers');
  assert.deepEqual(matched({ rules }, attributes)?.kind, {
    group: 'autoscaling',
    version: 'v1',
    kind: 'HorizontalPodAutoscaler',
  });
  assert.equal(matched({ rules, matchPolicy: 'Exact' }, attributes), undefined);
  const events = [rule({ apiGroups: ['events.k8s.io'], resources: ['events'] })];
  assert.equal(matched({ rules: events }, request('/v1/events'))?.kind.group, 'events.k8s.io');
});

test('the kind of a subresource is its own', () => {
  const rules = [rule({ resources: ['*/*'] })];
  const match = matched({ rules }, request('apps/v1/deployments', { subresource: 'scale' }));
  assert.deepEqual(match?.kind, { group: 'autoscaling', version: 'v1', kind: 'Scale' });
});

test('namespaces are selected by their labels, a Namespace by its own, cluster-wide objects always', () => {
  const namespaceSelector = { matchLabels: { env: 'prod' } };
  assert.ok(matched({ namespaceSelector }, request('/v1/pods')));
  assert.equal(matched({ namespaceSelector }, request('/v1/pods', { namespace: 'dev' })), undefined);
  assert.ok(matched({ namespaceSelector }, request('/v1/nodes')));
  assert.equal(matched({ namespaceSelector }, request('/v1/namespaces', { name: 'prod' })), undefined);
  const deleted = { operation: 'DELETE', object: undefined, name: 'prod' } as const;
  assert.ok(matched({ namespaceSelector }, request('/v1/namespaces', deleted)));
  assert.throws(() => matched({ namespaceSelector }, request('/v1/pods', { namespace: 'gone' })), /"gone" not found/);
  const elsewhere = { namespaceSelector, rules: [rule({ resources: ['secrets'] })] };
  assert.equal(matched(elsewhere, request('/v1/pods', { namespace: 'gone' })), undefined);
});

test('objects are selected by their labels before or after', () => {
  const objectSelector = { matchLabels: { app: 'web' } };
  const plain = { metadata: { name: 'x' } } as never;
  assert.ok(matched({ objectSelector }, request('/v1/pods')));
  assert.equal(matched({ objectSelector }, request('/v1/pods', { object: plain })), undefined);
  const old = { metadata: { name: 'x', labels: { app: 'web' } } } as never;
  assert.ok(matched({ objectSelector }, request('/v1/pods', { object: plain, old })));
  assert.equal(matched({ objectSelector }, request('/v1/pods', { object: {} as never })), undefined);
});

test('the configuration of admission is exempt', () => {
  assert.ok(isExempt(request('admissionregistration.k8s.io/v1/mutatingwebhookconfigurations')));
  assert.ok(!isExempt(request('/v1/pods')));
});
