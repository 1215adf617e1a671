// Who may speak for signers: trust bundles and the certificates of pods.
import assert from 'node:assert/strict';
import type { KeyObject } from 'node:crypto';
import { after, before, test } from 'node:test';
import { formatTime } from '../../api/meta.ts';
import { certificatesV1beta1, coreV1, rbacV1 } from '../../api/refs.ts';
import { StatusError } from '../../api/status.ts';
import { emptyCertificateRequest, generatePrivateKey } from '../../base/certificate-request.ts';
import type { Client } from '../../client/client.ts';
import { startTestServer, type TestServer } from '../test-server.ts';

const bundles = certificatesV1beta1.clustertrustbundles;
const requests = certificatesV1beta1.podcertificaterequests;
let server: TestServer;
let admin: Client;
let signer: Client;
let node: Client;
let ca: string;
let key: KeyObject;

before(async () => {
  server = await startTestServer({
    featureGates: { ClusterTrustBundle: true, PodCertificateRequest: true },
    runtimeConfig: { 'certificates.k8s.io/v1beta1': true },
  });
  admin = server.server.client({ userAgent: 'test' });
  signer = await server.http({ name: 'signer' });
  node = await server.http({ name: 'system:node:n1', groups: ['system:nodes'] });
  ca = server.ca;
  key = await generatePrivateKey('ED25519');
  await admin.create(rbacV1.clusterroles, {
    metadata: { name: 'signer' },
    rules: [
      { apiGroups: ['certificates.k8s.io'], resources: ['*'], verbs: ['get', 'list', 'create', 'update'] },
      {
        apiGroups: ['certificates.k8s.io'],
        resources: ['signers'],
        resourceNames: ['example.com/a'],
        verbs: ['attest'],
      },
      { apiGroups: ['certificates.k8s.io'], resources: ['signers'], resourceNames: ['example.org/*'], verbs: ['sign'] },
    ],
  });
  await admin.create(rbacV1.clusterrolebindings, {
    metadata: { name: 'signer' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'signer' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'signer' }],
  });
});
after(() => server.stop());

async function refusal(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof StatusError, String(error));
    return `${error.code} ${error.message}`;
  }
  assert.fail('expected a refusal');
}

const bundle = (name: string, signerName?: string) =>
  ({ metadata: { name }, spec: { trustBundle: ca, ...(signerName ? { signerName } : {}) } }) as any;

test('only who may attest for a signer writes its trust bundles', async () => {
  const made = await signer.create(bundles, bundle('example.com:a:v1', 'example.com/a'));
  await signer.create(bundles, bundle('nobody'));
  assert.equal(
    await refusal(signer.create(bundles, bundle('example.com:b:v1', 'example.com/b'))),
    '403 clustertrustbundles.certificates.k8s.io "example.com:b:v1" is forbidden: user not permitted to attest for signerName "example.com/b"',
  );
  const b = await admin.create(bundles, bundle('example.com:b:v1', 'example.com/b'));
  assert.match(
    await refusal(signer.update(bundles, { ...b, spec: { ...b.spec, trustBundle: `# \n${ca}` } } as any)),
    /^403/,
  );
  const owned = { ...b, metadata: { ...b.metadata, finalizers: ['example.com/x'] } };
  await signer.update(bundles, owned as any);
  assert.match(
    await refusal(admin.update(bundles, { ...made, spec: { ...made.spec, signerName: 'example.com/b' } } as any)),
    /^422 .*field is immutable/,
  );
  const found = await admin.list(bundles, { fieldSelector: 'spec.signerName=example.com/a' });
  assert.deepEqual(
    found.items.map(i => i.metadata.name),
    ['example.com:a:v1'],
  );
});

async function place() {
  const namespace = 'default';
  const account = await admin
    .get(coreV1.serviceaccounts, { namespace, name: 'default' })
    .catch(() => admin.create(coreV1.serviceaccounts, { metadata: { namespace, name: 'default' } }));
  const machine = await admin.create(coreV1.nodes, { metadata: { name: 'n1' } } as any);
  const pod = await admin.create(coreV1.pods, {
    metadata: { namespace, name: 'p' },
    spec: { nodeName: 'n1', containers: [{ name: 'c', image: 'x' }] },
  } as any);
  const spec = {
    ...{ signerName: 'example.com/a', podName: 'p', podUID: pod.metadata.uid },
    ...{ serviceAccountName: 'default', serviceAccountUID: account.metadata.uid },
    ...{ nodeName: 'n1', nodeUID: machine.metadata.uid },
    stubPKCS10Request: emptyCertificateRequest(key).toBase64(),
  };
  return (name: string, more: object = {}) => ({ metadata: { namespace, name }, spec: { ...spec, ...more } }) as any;
}

test('a node asks for its own pods only, and only who may sign answers', async () => {
  const request = await place();
  const made = await node.create(requests, request('r1'));
  assert.equal(made.spec.maxExpirationSeconds, 86400);
  const wrong = async (more: object) =>
    (await refusal(node.create(requests, request('r2', more)))).replace(/^.*?forbidden: /, '');
  assert.equal(
    await wrong({ nodeName: 'n2' }),
    'PodCertificateRequest.Spec.NodeName="n2", which is not the requesting node "n1"',
  );
  assert.match(await wrong({ podUID: 'x' }), /contains pod UID \("x"\) which differs from/);
  assert.match(await wrong({ serviceAccountUID: 'x' }), /contains service account UID/);
  assert.match(await wrong({ serviceAccountName: 'x' }), /contains service account name/);
  assert.match(await wrong({ nodeUID: 'x' }), /contains node UID/);
  assert.match(await wrong({ podName: 'x' }), /pod "x" not found/);
  const theirs = await admin.create(requests, request('r3', { signerName: 'example.org/b' }));
  const mine = await node.list(requests, { fieldSelector: 'spec.nodeName=n1' });
  assert.deepEqual(
    mine.items.map(i => i.metadata.name),
    ['r1', 'r3'],
  );
  const ours = await admin.list(requests, { fieldSelector: 'spec.signerName=example.org/b,spec.podName=p' });
  assert.deepEqual(
    ours.items.map(i => i.metadata.name),
    ['r3'],
  );
  assert.equal(
    await refusal(signer.updateStatus(requests, denied(made))),
    '422 PodCertificateRequest.certificates.k8s.io "r1" is invalid: spec.signerName: Forbidden: User "signer" is not permitted to "sign" for signer "example.com/a"',
  );
  const answered = await signer.updateStatus(requests, denied(theirs));
  assert.equal(answered.status.conditions?.[0]?.reason, 'UnsupportedKeyType');
});

const refused = { type: 'Denied', status: 'True', reason: 'UnsupportedKeyType', message: '' };
const denied = (request: object) =>
  ({ ...request, status: { conditions: [{ ...refused, lastTransitionTime: formatTime(0) }] } }) as any;
