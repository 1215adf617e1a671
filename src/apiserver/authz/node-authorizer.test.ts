import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseFieldSelector } from '../../api/field-selector.ts';
import type { UserInfo } from '../authn/user.ts';
import type { Attributes } from './authorizer.ts';
import { nodeRules } from './bootstrap-policy.ts';
import { FakeFeed } from './fake-feed.ts';
import { followingGraph, NodeAuthorizer, type NodeFeeds } from './node-authorizer.ts';

const node1: UserInfo = { name: 'system:node:n1', groups: ['system:nodes', 'system:authenticated'] };

function world() {
  const feeds = {
    pods: new FakeFeed<any>(),
    persistentVolumes: new FakeFeed<any>(),
    volumeAttachments: new FakeFeed<any>(),
    resourceSlices: new FakeFeed<any>(),
    podCertificateRequests: new FakeFeed<any>(),
  };
  const authorizer = new NodeAuthorizer(followingGraph(feeds as NodeFeeds), nodeRules());
  /** `verb [group/]resource[/sub] [namespace/]name` */
  const ask = (text: string, more: Partial<Attributes> & { selector?: string; by?: UserInfo } = {}) => {
    const [verb, what, where = ''] = text.split(' ') as [string, string, string?];
    const [full, group = ''] = what.split('@');
    const [resource, subresource = ''] = full!.split('/');
    const [namespace, name] = where.includes('/') ? where.split('/') : ['', where];
    const { selector, by = node1, ...rest } = more;
    const verdict = authorizer.authorize({
      user: by,
      isResource: true,
      version: 'v1',
      path: '',
      ...{ verb, group, resource: resource!, subresource, namespace: namespace!, name: name! },
      ...(selector ? { fieldSelector: parseFieldSelector(selector) } : {}),
      ...rest,
    });
    return verdict.decision === 'allow' ? 'allow' : verdict.reason;
  };
  return { feeds, authorizer, ask };
}

const pod = (name: string, nodeName: string, uid = 'u') => ({
  metadata: { namespace: 'ns', name, uid },
  spec: {
    nodeName,
    serviceAccountName: 'robot',
    volumes: [
      { secret: { secretName: 'password' } },
      { configMap: { name: 'settings' } },
      { persistentVolumeClaim: { claimName: 'data' } },
    ],
    resourceClaims: [{ name: 'gpu', resourceClaimTemplateName: 't' }],
  },
});
const unrelated = "no relationship found between node 'n1' and this object";

test('a node reads what its pods need, from the binding on and until the pod is gone', () => {
  const { feeds, ask } = world();
  const questions = [
    'get secrets ns/password',
    'watch configmaps ns/settings',
    'get persistentvolumeclaims ns/data',
    'get persistentvolumes pv',
    'get secrets keys/stage',
    'get serviceaccounts ns/robot',
    'create serviceaccounts/token ns/robot',
    'get pods ns/p',
    'patch persistentvolumeclaims/status ns/data',
  ];
  const all = (answer: string) => {
    for (const q of questions) assert.equal(ask(q), answer, q);
  };
  feeds.persistentVolumes.put({
    metadata: { name: 'pv' },
    spec: {
      claimRef: { namespace: 'ns', name: 'data' },
      csi: { nodeStageSecretRef: { namespace: 'keys', name: 'stage' } },
    },
  });
  all(unrelated);
  feeds.pods.put(pod('p', ''));
  all(unrelated);
  feeds.pods.put(pod('p', 'n1'));
  all('allow');
  assert.equal(ask('get resourceclaims@resource.k8s.io ns/made'), unrelated);
  feeds.pods.put({
    ...pod('p', 'n1'),
    status: { resourceClaimStatuses: [{ name: 'gpu', resourceClaimName: 'made' }] },
  });
  assert.equal(ask('get resourceclaims@resource.k8s.io ns/made'), 'allow');
  feeds.pods.put(pod('q', 'n2'));
  assert.equal(ask('get pods ns/q'), unrelated);
  feeds.pods.put(pod('p', 'n2', 'new'));
  all(unrelated);
  feeds.pods.put(pod('p', 'n1'));
  feeds.pods.remove('ns/p');
  all(unrelated);
});

test('what a node may not do with what it may read', () => {
  const { feeds, ask } = world();
  feeds.pods.put(pod('p', 'n1'));
  assert.equal(ask('update secrets ns/password'), 'can only read resources of this type');
  assert.equal(ask('list secrets', { namespace: '' }), 'can only read namespaced object of this type');
  assert.equal(ask('list secrets', { namespace: 'ns' }), 'No Object name found');
  assert.equal(
    ask('list persistentvolumeclaims', { namespace: 'ns' }),
    'can only get individual resources of this type',
  );
  assert.equal(ask('delete serviceaccounts ns/robot'), 'can only create tokens for individual service accounts');
  assert.equal(ask('delete pods ns/p'), 'allow');
  assert.equal(ask('create pods/exec ns/p'), '');
  assert.equal(ask('update pods/status ns/p'), 'allow');
  assert.equal(ask('create pods/eviction ns/p'), 'allow');
  assert.equal(ask('get secrets ns/password', { by: { name: 'system:node:n1', groups: [] } }), '');
  assert.equal(
    ask('get secrets ns/password', { by: { ...node1, name: 'system:node:' } }),
    'unknown node for user "system:node:"',
  );
});

test('pods and nodes: only its own', () => {
  const { feeds, ask } = world();
  feeds.pods.put(pod('p', 'n1'));
  assert.equal(ask('list pods', { selector: 'spec.nodeName=n1' }), 'allow');
  assert.equal(ask('watch pods', { selector: 'spec.nodeName=n1,status.phase!=Failed' }), 'allow');
  for (const selector of ['spec.nodeName=n2', 'spec.nodeName!=n2', '', 'status.phase=Running'])
    assert.equal(ask('list pods', { selector }), 'can only list/watch pods with spec.nodeName field selector');
  assert.equal(ask('watch pods ns/p'), 'allow');
  assert.equal(ask('watch pods ns/other'), unrelated);
  assert.equal(ask('get nodes n1'), 'allow');
  assert.equal(ask('get nodes n2'), "node 'n1' cannot read 'n2', only its own Node object");
  assert.equal(ask('list nodes'), "node 'n1' cannot read all nodes, only its own Node object");
  assert.equal(ask('create nodes'), 'allow');
  assert.equal(ask('patch nodes/status n1'), 'allow');
  assert.equal(ask('delete nodes n1'), '');
});

test('leases, CSI nodes, volume attachments, resource slices', () => {
  const { feeds, ask } = world();
  const lease = 'leases@coordination.k8s.io';
  assert.equal(ask(`update ${lease} kube-node-lease/n1`), 'allow');
  assert.equal(ask(`create ${lease} kube-node-lease/`), 'allow');
  assert.match(ask(`update ${lease} kube-node-lease/n2`), /same name as the requesting node/);
  assert.match(ask(`get ${lease} kube-system/n1`), /"kube-node-lease" system namespace/);
  assert.match(ask(`list ${lease} kube-node-lease/n1`), /can only get, create, update, patch, or delete/);
  assert.equal(ask('create csinodes@storage.k8s.io'), 'allow');
  assert.match(ask('get csinodes@storage.k8s.io n2'), /same name/);
  feeds.volumeAttachments.put({ metadata: { name: 'va' }, spec: { nodeName: 'n1' } });
  assert.equal(ask('get volumeattachments@storage.k8s.io va'), 'allow');
  feeds.volumeAttachments.remove('va');
  assert.equal(ask('get volumeattachments@storage.k8s.io va'), unrelated);
  const slices = 'resourceslices@resource.k8s.io';
  feeds.resourceSlices.put({ metadata: { name: 's' }, spec: { nodeName: 'n1' } });
  feeds.resourceSlices.put({ metadata: { name: 'far' }, spec: { nodeName: 'n2' } });
  assert.equal(ask(`update ${slices} s`), 'allow');
  assert.equal(ask(`update ${slices} far`), unrelated);
  assert.equal(ask(`create ${slices}`), 'allow');
  assert.equal(ask(`deletecollection ${slices}`, { selector: 'spec.nodeName=n1' }), 'allow');
  assert.match(ask(`list ${slices}`), /nodeName field selector/);
});

test('everything else as system:node says', () => {
  const { ask, authorizer } = world();
  assert.equal(ask('list services'), 'allow');
  assert.equal(ask('create events ns/'), 'allow');
  assert.equal(ask('create certificatesigningrequests@certificates.k8s.io'), 'allow');
  assert.equal(ask('list runtimeclasses@node.k8s.io'), 'allow');
  assert.equal(ask('delete services ns/x'), '');
  assert.equal(ask('list deployments@apps'), '');
  assert.deepEqual(authorizer.rulesFor(node1), {
    rules: [],
    incomplete: true,
    errors: ['node authorizer does not support user rule resolution'],
  });
  assert.equal(authorizer.rulesFor({ name: 'x', groups: [] }).incomplete, false);
});

test('certificate requests: those that name the node', () => {
  const { feeds, ask } = world();
  const at = 'podcertificaterequests@certificates.k8s.io';
  const request = { metadata: { namespace: 'ns', name: 'r' }, spec: { nodeName: 'n1' } };
  assert.equal(ask(`create ${at} ns/`), 'allow');
  assert.equal(ask(`get ${at} ns/r`), unrelated);
  feeds.podCertificateRequests.put(request);
  assert.equal(ask(`get ${at} ns/r`), 'allow');
  feeds.podCertificateRequests.remove('ns/r');
  assert.equal(ask(`get ${at} ns/r`), unrelated);
  assert.equal(ask(`list ${at}`, { selector: 'spec.nodeName=n1' }), 'allow');
  assert.match(ask(`watch ${at}`, { selector: 'spec.nodeName=n2' }), /nodeName field selector/);
  assert.match(ask(`update ${at} ns/r`), /only the following verbs/);
  assert.match(ask('get podcertificaterequests/status@certificates.k8s.io ns/r'), /cannot authorize/);
});
