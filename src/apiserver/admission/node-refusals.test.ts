// What NodeRestriction refuses through the whole server to a node that the authorizers let do everything.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emptyCertificateRequest, generatePrivateKey } from '../../base/certificate-request.ts';
import { testApi } from '../test-api.ts';
import { type Json, mergePatch } from '../test-caller.ts';

const api = testApi({
  featureGates: { PodCertificateRequest: true },
  runtimeConfig: { 'certificates.k8s.io/v1beta1': true },
});
const at = '/api/v1/namespaces/default';
const asNode = { 'impersonate-user': 'system:node:n1', 'impersonate-group': 'system:nodes' };
const mirror = { 'kubernetes.io/config.mirror': 'x' };

const bare = (name: string, spec: object = {}, metadata: object = {}) => ({
  metadata: { name, ...metadata },
  spec: { nodeName: 'n1', automountServiceAccountToken: false, containers: [{ name: 'c', image: 'x' }], ...spec },
});

interface Case {
  readonly method?: string;
  readonly path: string;
  readonly body?: object;
  readonly why: string;
  readonly headers?: Record<string, string>;
}

async function refuses(cases: readonly Case[]): Promise<void> {
  for (const { method = 'POST', path, body, why, headers } of cases) {
    const patch = method === 'PATCH' ? mergePatch : {};
    const reply = await api.send(method, path, body, { ...asNode, ...patch, ...headers });
    assert.equal(reply.code, 403, `${why}: ${JSON.stringify(reply.object)}`);
    const { message } = reply.object;
    assert.ok(message.endsWith(`is forbidden: ${why}`), `${why}: ${message}`);
  }
}

test('nodes and pods of others, and what their own may not be', async () => {
  await api.expect(201, 'POST', '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings', {
    metadata: { name: 'nodes' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name: 'system:nodes' }],
  });
  await api.expect(201, 'POST', `${at}/serviceaccounts`, { metadata: { name: 'default' } });
  const node = await api.expect(201, 'POST', '/api/v1/nodes', { metadata: { name: 'n1' } });
  await api.expect(201, 'POST', '/api/v1/nodes', { metadata: { name: 'n2' } });
  await api.expect(201, 'POST', `${at}/pods`, bare('theirs', { nodeName: 'n2' }));
  await api.expect(201, 'POST', `${at}/pods`, bare('mine'));
  const owner = { apiVersion: 'v1', kind: 'Node', name: 'n1', uid: node.metadata.uid, controller: true };
  const mirrored = (owners: readonly object[], spec: object = {}) =>
    bare('m', spec, { annotations: mirror, ownerReferences: owners });
  const own = 'node "n1" can only create pods with an owner reference set to itself';
  const configSource = { configMap: { name: 'c', namespace: 'd', kubeletConfigKey: 'k' } };
  const labels = { 'node-restriction.kubernetes.io/a': 'b', 'x.k8s.io/a': 'b', free: 'x' };
  await refuses([
    { path: `${at}/pods`, body: mirrored([]), why: own },
    { path: `${at}/pods`, body: mirrored([{ ...owner, name: 'n2' }]), why: own },
    { path: `${at}/pods`, body: mirrored([{ ...owner, kind: 'Pod' }]), why: own },
    { path: `${at}/pods`, body: mirrored([{ ...owner, apiVersion: 'v2' }]), why: own },
    {
      path: `${at}/pods`,
      body: mirrored([{ ...owner, uid: 'u' }]),
      why: `node n1 UID mismatch: expected u got ${owner.uid}`,
    },
    {
      path: `${at}/pods`,
      body: mirrored([owner], { nodeName: 'n2' }),
      why: 'node "n1" can only create pods with spec.nodeName set to itself',
    },
    {
      path: `${at}/pods/theirs/status`,
      method: 'PATCH',
      body: { status: { phase: 'Running' } },
      why: 'node "n1" can only update pod status for pods with spec.nodeName set to itself',
    },
    {
      path: `${at}/pods/theirs`,
      method: 'DELETE',
      why: 'node "n1" can only delete pods with spec.nodeName set to itself',
    },
    {
      path: `${at}/pods/theirs/eviction`,
      body: { metadata: { name: 'theirs' } },
      why: 'node n1 can only evict pods with spec.nodeName set to itself',
    },
    {
      path: `${at}/pods/mine/binding`,
      body: { target: { name: 'n1' } },
      why: `unexpected pod subresource "binding", only 'status' and 'eviction' are allowed`,
    },
    {
      path: '/api/v1/nodes',
      body: { metadata: { name: 'n1' }, spec: { configSource } },
      why: 'node "n1" is not allowed to create pods with a non-nil configSource',
    },
    {
      path: '/api/v1/nodes',
      body: { metadata: { name: 'n1', labels } },
      why: 'node "n1" is not allowed to set the following labels: node-restriction.kubernetes.io/a, x.k8s.io/a',
    },
    {
      path: '/api/v1/nodes',
      body: { metadata: { name: 'n3' } },
      why: 'node "n1" is not allowed to modify node "n3"',
    },
    {
      path: '/api/v1/nodes/n2',
      method: 'PATCH',
      body: { metadata: { labels: { free: 'y' } } },
      why: 'node "n1" is not allowed to modify node "n2"',
    },
    { path: '/api/v1/nodes/n2', method: 'DELETE', why: 'node "n1" is not allowed to modify node "n2"' },
    {
      path: '/api/v1/namespaces/default/configmaps',
      body: { metadata: { name: 'c' } },
      headers: { 'impersonate-user': 'system:node:' },
      why: 'could not determine node from user "system:node:"',
    },
  ]);
  await api.expect(201, 'POST', `${at}/pods`, mirrored([owner]), asNode);
});

test('tokens are of its own pods, by their uid', async () => {
  const token = (name: string, uid: string | undefined): Case => {
    const boundObjectRef = { apiVersion: 'v1', kind: 'Pod', name, ...(uid ? { uid } : {}) };
    const body = { spec: { audiences: [], boundObjectRef } };
    return { path: `${at}/serviceaccounts/default/token`, body, why: '' };
  };
  const uidOf = async (name: string) => (await api.expect(200, 'GET', `${at}/pods/${name}`)).metadata.uid as string;
  const [mine, theirs] = [await uidOf('mine'), await uidOf('theirs')];
  await refuses([
    { ...token('theirs', theirs), why: 'node requested token bound to a pod scheduled on a different node' },
    { ...token('mine', undefined), why: 'node requested token with a pod binding without a uid' },
    {
      ...token('mine', theirs),
      why: `the UID in the bound object reference (${theirs}) does not match the UID in record. The object might have been deleted and then recreated`,
    },
    {
      path: `${at}/serviceaccounts/default/token`,
      body: { spec: { audiences: [] } },
      why: 'node requested token not bound to a pod',
    },
  ]);
  const { path, body } = token('mine', mine);
  await api.expect(201, 'POST', path, body, asNode);
});

test('certificates are asked for by pods of its own that it runs for others', async () => {
  const key = await generatePrivateKey('ED25519');
  const stubPKCS10Request = Buffer.from(await emptyCertificateRequest(key)).toString('base64');
  const uid = async (path: string): Promise<string> => (await api.expect(200, 'GET', path)).metadata.uid;
  const [mine, theirs, mirrorUid] = [
    await uid(`${at}/pods/mine`),
    await uid(`${at}/pods/theirs`),
    await uid(`${at}/pods/m`),
  ];
  const usual: Json = {
    signerName: 'example.com/a',
    podName: 'mine',
    podUID: mine,
    serviceAccountName: 'default',
    serviceAccountUID: await uid(`${at}/serviceaccounts/default`),
    nodeName: 'n1',
    nodeUID: await uid('/api/v1/nodes/n1'),
    stubPKCS10Request,
  };
  const path = '/apis/certificates.k8s.io/v1beta1/namespaces/default/podcertificaterequests';
  const asked = (spec: object, why: string): Case => ({
    path,
    body: { metadata: { name: 'r' }, spec: { ...usual, ...spec } },
    why,
  });
  const differs = (what: string, said: string, is: string) =>
    `PodCertificateRequest for pod "mine" contains ${what} ("${said}") which differs from the actual ${what} ("${is}")`;
  const other = '00000000-0000-0000-0000-000000000000';
  await refuses([
    asked({ nodeName: 'n2' }, 'PodCertificateRequest.Spec.NodeName="n2", which is not the requesting node "n1"'),
    asked({ podName: 'gone' }, 'pod "gone" not found'),
    asked({ podUID: theirs }, differs('pod UID', theirs, mine)),
    asked(
      { podName: 'theirs', podUID: theirs },
      'PodCertificateRequest for pod "theirs", which is not bound to the requesting node "n1"',
    ),
    asked({ podName: 'm', podUID: mirrorUid }, 'pod "m" is a mirror pod, which must not ask for certificates'),
    asked({ serviceAccountName: 'b' }, differs('service account name', 'b', 'default')),
    asked({ serviceAccountUID: other }, differs('service account UID', other, usual.serviceAccountUID)),
    asked({ nodeUID: other }, differs('node UID', other, usual.nodeUID)),
  ]);
  await api.expect(201, 'POST', path, { metadata: { name: 'r' }, spec: usual }, asNode);
  await refuses([{ path: `${path}/r`, method: 'DELETE', why: 'unexpected operation DELETE' }]);
});
