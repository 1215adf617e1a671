import assert from 'node:assert/strict';
import { test } from 'node:test';
import { builtinResources } from '../../api/resource.ts';
import { createCertificateRequest, generateEcKey } from '../../base/x509.ts';
import type { WatchCache } from '../registry/watch-cache.ts';
import type { AdmissionAttributes, Operation } from './admission.ts';
import { nodeRestriction } from './node-restriction.ts';

const stored: Readonly<Record<string, object>> = {
  n1: { metadata: { uid: 'node-uid' } },
  'ns/mine': { metadata: { uid: 'pod-uid' }, spec: { nodeName: 'n1' } },
  'ns/theirs': { metadata: {}, spec: { nodeName: 'n2' } },
};
const cache = { latest: (key: string) => stored[key] && { object: stored[key] } } as unknown as WatchCache;
const all = { pods: cache, nodes: cache, serviceAccounts: cache, tokenAudience: undefined };

interface Write {
  readonly operation?: Operation;
  readonly subresource?: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly object?: object;
  readonly old?: object;
  readonly anyNodeName?: boolean;
}

/** What node n1 is told; '' when it may. */
async function said(id: string, write: Write): Promise<string> {
  const { operation = 'UPDATE', subresource = '', namespace = 'ns', name = 'x', anyNodeName = false } = write;
  const attributes = {
    operation,
    resource: builtinResources().byId(id),
    subresource,
    namespace,
    name,
    user: { name: 'system:node:n1', groups: ['system:nodes'] },
    object: write.object,
    old: write.old,
  } as unknown as AdmissionAttributes;
  const plugin = nodeRestriction({ ...all, anyNodeName });
  assert.ok(plugin.handles(attributes));
  try {
    await plugin.mutate!(attributes);
    return '';
  } catch (error) {
    const { code, message } = error as { code: number; message: string };
    return `${code} ${message}`;
  }
}

const pods = '/v1/pods';

test('a node makes mirror pods of its own', async () => {
  const owner = { apiVersion: 'v1', kind: 'Node', name: 'n1', uid: 'node-uid', controller: true };
  const mirror = (ownerReferences: object[], spec: object = {}) => ({
    metadata: { annotations: { 'kubernetes.io/config.mirror': 'x' }, ownerReferences },
    spec: { nodeName: 'n1', containers: [], ...spec },
  });
  const made = (object: object) => said(pods, { operation: 'CREATE', object });
  const head = '403 pods "x" is forbidden: node';
  assert.equal(await made(mirror([owner])), '');
  assert.equal(
    await made({ metadata: {}, spec: { nodeName: 'n1' } }),
    '403 pods "x" is forbidden: pod does not have "kubernetes.io/config.mirror" annotation, node "n1" can only create mirror pods',
  );
  assert.equal(
    await made(mirror([owner], { nodeName: 'n2' })),
    `${head} "n1" can only create pods with spec.nodeName set to itself`,
  );
  assert.equal(await made(mirror([])), `${head} "n1" can only create pods with an owner reference set to itself`);
  assert.equal(
    await made(mirror([owner, owner])),
    `${head} "n1" can only create pods with a single owner reference set to itself`,
  );
  assert.equal(
    await made(mirror([{ ...owner, controller: false }])),
    `${head} "n1" can only create pods with a controller owner reference set to itself`,
  );
  assert.equal(
    await made(mirror([{ ...owner, blockOwnerDeletion: true }])),
    `${head} "n1" must not set blockOwnerDeletion on an owner reference`,
  );
  assert.equal(
    await made(mirror([{ ...owner, uid: 'other' }])),
    `${head} n1 UID mismatch: expected other got node-uid`,
  );
  assert.equal(
    await said(pods, { object: mirror([owner]), old: mirror([owner]) }),
    '403 pods "x" is forbidden: unexpected operation "UPDATE", node "n1" can only create and delete mirror pods',
  );
});

test('a node ends and evicts its own pods', async () => {
  assert.equal(await said(pods, { operation: 'DELETE', name: 'mine' }), '');
  assert.equal(await said(pods, { operation: 'DELETE', name: 'gone' }), '404 pod "gone" not found');
  assert.equal(
    await said(pods, { operation: 'DELETE', name: 'theirs' }),
    '403 pods "theirs" is forbidden: node "n1" can only delete pods with spec.nodeName set to itself',
  );
  const evict = (name: string) =>
    said(pods, { operation: 'CREATE', subresource: 'eviction', name, object: { metadata: { name } } });
  assert.equal(await evict('mine'), '');
  assert.equal(await evict('gone'), '404 pod "gone" not found');
  assert.match(await evict('theirs'), /: node n1 can only evict pods with spec.nodeName set to itself$/);
  assert.equal(
    await said(pods, { subresource: 'resize', object: {} }),
    `403 pods "x" is forbidden: unexpected pod subresource "resize", only 'status' and 'eviction' are allowed`,
  );
});

test('of a pod a node says how it is, not which devices it has', async () => {
  const pod = (status: object, metadata: object = {}) => ({ metadata, spec: { nodeName: 'n1' }, status });
  const update = (before: object, object: object) => said(pods, { subresource: 'status', old: before, object });
  const claims = { resourceClaimStatuses: [{ name: 'c', resourceClaimName: 'r' }] };
  assert.equal(await update(pod(claims), pod({ ...claims, phase: 'Running' })), '');
  assert.match(await update(pod({}), pod(claims)), /: node "n1" cannot update resource claim statuses$/);
  assert.match(
    await update(pod({}), pod({ extendedResourceClaimStatus: { resourceClaimName: 'r', requestMappings: [] } })),
    /: node "n1" cannot update extended resource claim status$/,
  );
  assert.match(await update(pod({}), pod({}, { labels: { a: 'b' } })), /cannot update labels through pod status$/);
});

test('of a claim a node says how large it is', async () => {
  const claims = '/v1/persistentvolumeclaims';
  const claim = (status: object, metadata: object = {}) => ({ metadata, spec: {}, status });
  const update = (object: object) => said(claims, { subresource: 'status', old: claim({ phase: 'Bound' }), object });
  assert.equal(
    await update(
      claim({ phase: 'Bound', capacity: { storage: '1Gi' }, conditions: [], allocatedResourceStatuses: {} }),
    ),
    '',
  );
  const why = /is not allowed to update fields other than status.capacity and status.conditions: /;
  assert.match(await update(claim({ phase: 'Lost' })), why);
  assert.match(await update(claim({ phase: 'Bound' }, { finalizers: ['a/b'] })), why);
  assert.match(await said(claims, { object: claim({}), old: claim({}) }), /: may only update PVC status$/);
});

test('of its own objects only', async () => {
  const own = 'can only access CSINode with the same name as the requesting node';
  const csiNodes = 'storage.k8s.io/v1/csinodes';
  assert.equal(await said(csiNodes, { operation: 'CREATE', name: '', object: { metadata: { name: 'n1' } } }), '');
  for (const operation of ['UPDATE', 'DELETE'] as const)
    assert.ok((await said(csiNodes, { operation, name: 'n2' })).endsWith(own), operation);
  const leases = 'coordination.k8s.io/v1/leases';
  assert.equal(await said(leases, { namespace: 'kube-node-lease', name: 'n1' }), '');
  assert.match(await said(leases, { name: 'n1' }), /can only access leases in the "kube-node-lease" system namespace$/);
  assert.match(await said(leases, { namespace: 'kube-node-lease' }), /can only access node lease with the same name/);
  const slices = 'resource.k8s.io/v1/resourceslices';
  const slice = (nodeName?: string) => ({ metadata: {}, spec: { nodeName } });
  assert.equal(await said(slices, { operation: 'CREATE', object: slice('n1') }), '');
  assert.match(
    await said(slices, { operation: 'CREATE', object: slice() }),
    /can only create ResourceSlice with the same NodeName as the requesting node$/,
  );
  assert.equal(await said(slices, { operation: 'DELETE', old: slice('n1') }), '');
  assert.match(
    await said(slices, { operation: 'DELETE', old: slice('n2') }),
    /can only delete ResourceSlice with the same NodeName as the requesting node$/,
  );
});

test('of its Node it does not choose where its configuration, its taints and owners come from', async () => {
  const nodes = '/v1/nodes';
  const node = (spec: object = {}, metadata: object = {}) => ({ metadata: { name: 'n1', ...metadata }, spec });
  const update = (object: object) => said(nodes, { name: 'n1', object, old: node() });
  assert.equal(
    await update(node({}, { labels: { 'kubernetes.io/os': 'linux', 'x.kubelet.kubernetes.io/y': '1' } })),
    '',
  );
  assert.match(
    await update(node({ configSource: { configMap: {} } })),
    /node "n1" is not allowed to update configSource to a new non-nil configSource$/,
  );
  assert.match(
    await update(node({ taints: [{ key: 'a', effect: 'NoSchedule' }] })),
    /is not allowed to modify taints$/,
  );
  assert.match(await update(node({}, { ownerReferences: [{}] })), /is not allowed to modify ownerReferences$/);
  assert.match(
    await update(node({}, { labels: { 'b.k8s.io/x': '1', 'a.kubernetes.io/x': '1' } })),
    /: is not allowed to modify labels: a.kubernetes.io\/x, b.k8s.io\/x$/,
  );
});

test('tokens are of its own pods', async () => {
  const token = (boundObjectRef: object) =>
    said('/v1/serviceaccounts', { operation: 'CREATE', subresource: 'token', object: { spec: { boundObjectRef } } });
  const mine = { apiVersion: 'v1', kind: 'Pod', name: 'mine', uid: 'pod-uid' };
  assert.equal(await token(mine), '');
  assert.match(await token({ ...mine, apiVersion: 'v2' }), /: node requested token not bound to a pod$/);
  assert.equal(await token({ ...mine, name: 'gone' }), '404 pod "gone" not found');
});

test('a node asks for certificates in its own name', async () => {
  const { keyPem } = generateEcKey();
  const request = async (commonName: string, signerName = 'kubernetes.io/kubelet-serving', anyNodeName = false) => {
    const requestPem = await createCertificateRequest(keyPem, { commonName, organizations: ['system:nodes'] });
    const object = { metadata: {}, spec: { signerName, request: Buffer.from(requestPem).toString('base64') } };
    return said('certificates.k8s.io/v1/certificatesigningrequests', { operation: 'CREATE', object, anyNodeName });
  };
  assert.equal(await request('system:node:n1'), '');
  assert.match(await request('system:node:n2'), /: can only create a node CSR with CN=system:node:n1$/);
  assert.match(
    await request('system:node:n2', 'kubernetes.io/kube-apiserver-client-kubelet'),
    /can only create a node CSR/,
  );
  assert.equal(await request('system:node:n2', 'example.com/x'), '');
  assert.equal(await request('system:node:n2', undefined, true), '');
});
