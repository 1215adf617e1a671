import assert from 'node:assert/strict';
import { test } from 'node:test';
import { abacAuthorizer } from './abac.ts';
import type { Attributes } from './authorizer.ts';

const policy = (spec: object) =>
  JSON.stringify({ apiVersion: 'abac.authorization.kubernetes.io/v1beta1', kind: 'Policy', spec });

// The examples of Kubernetes' documentation.
const file = [
  '# who may do what',
  policy({ user: 'alice', namespace: '*', resource: '*', apiGroup: '*' }),
  policy({ user: 'kubelet', namespace: '*', resource: 'pods', readonly: true }),
  policy({ user: 'bob', namespace: 'projectCaribou', resource: 'pods', readonly: true }),
  policy({ group: 'system:authenticated', readonly: true, nonResourcePath: '*' }),
  policy({ user: 'ann', group: 'ops', nonResourcePath: '/debug/*' }),
  '',
].join('\n');
const abac = abacAuthorizer(file);

const ask = (name: string, verb: string, over: Partial<Attributes> = {}, ...groups: string[]) =>
  abac.authorize({
    user: { name, groups },
    ...{ verb, isResource: true, group: '', version: 'v1', resource: 'pods', subresource: '', namespace: 'ns' },
    ...{ name: '', path: '' },
    ...over,
  }).decision;
const onPath = (path: string) => ({ isResource: false, resource: '', namespace: '', path });

test('policies allow by user and group, resource, namespace, path and whether it only reads', () => {
  assert.equal(ask('alice', 'delete', { group: 'apps', resource: 'deployments' }), 'allow');
  assert.equal(ask('alice', 'get', onPath('/metrics')), 'noOpinion');
  assert.equal(ask('kubelet', 'watch'), 'allow');
  assert.equal(ask('kubelet', 'create'), 'noOpinion');
  assert.equal(ask('kubelet', 'get', { resource: 'secrets' }), 'noOpinion');
  assert.equal(ask('kubelet', 'get', { group: 'x' }), 'noOpinion');
  assert.equal(ask('bob', 'list', { namespace: 'projectCaribou' }), 'allow');
  assert.equal(ask('bob', 'list'), 'noOpinion');
  assert.equal(ask('eve', 'get', onPath('/version'), 'system:authenticated'), 'allow');
  assert.equal(ask('eve', 'post', onPath('/version'), 'system:authenticated'), 'noOpinion');
  assert.equal(ask('ann', 'post', onPath('/debug/pprof'), 'ops'), 'allow');
  assert.equal(ask('ann', 'post', onPath('/debug/pprof')), 'noOpinion');
  assert.equal(ask('ann', 'post', onPath('/debug'), 'ops'), 'noOpinion');
});

test('rules can be told; a line that is wrong is named', () => {
  assert.deepEqual(abac.rulesFor({ name: 'bob', groups: ['system:authenticated'] }, 'projectCaribou').rules, [
    { verbs: ['get', 'list', 'watch'], apiGroups: [''], resources: ['pods'] },
    { verbs: ['get', 'list', 'watch'], nonResourceURLs: ['*'] },
  ]);
  assert.throws(
    () => abacAuthorizer('\n{"kind":"Policy"}', 'p.jsonl'),
    /reading policy file p.jsonl, line 2: .*Policy of abac/,
  );
});
