// The essence of the official suite's tests of service accounts, reviews and certificates.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { authenticationV1, authorizationV1, certificatesV1, coreV1 } from '../api/refs.ts';
import { emptyCertificateRequest, generatePrivateKey } from '../base/certificate-request.ts';
import { pemText } from '../base/pem.ts';
import { conformanceBench, refused, podSpec as spec } from './test-conformance.ts';

type Any = any;

const { cluster, client, until, namespace, get, remove, gone, makePod } = conformanceBench('a', 15);

test('[sig-auth] ServiceAccounts should run through the lifecycle of a ServiceAccount', async () => {
  const ns = await namespace();
  await client.create(coreV1.serviceaccounts, { metadata: { namespace: ns, name: 'sa', labels: { static: ns } } });
  const patched = await client.patch(
    coreV1.serviceaccounts,
    { namespace: ns, name: 'sa' },
    { type: 'strategic', body: { automountServiceAccountToken: false } },
  );
  assert.equal(patched.automountServiceAccountToken, false);
  assert.equal((await client.list(coreV1.serviceaccounts, { labelSelector: `static=${ns}` })).items.length, 1);
  await client.deleteCollection(coreV1.serviceaccounts, { namespace: ns, labelSelector: `static=${ns}` });
  assert.ok(await gone(get(coreV1.serviceaccounts, ns, 'sa')));
});

test('[sig-auth] ServiceAccounts should update a ServiceAccount', async () => {
  const ns = await namespace();
  const made = await client.create(coreV1.serviceaccounts, {
    metadata: { namespace: ns, name: 'sa' },
    automountServiceAccountToken: false,
  });
  const updated = await client.update(coreV1.serviceaccounts, { ...made, automountServiceAccountToken: true });
  assert.equal(updated.automountServiceAccountToken, true);
});

test('[sig-auth] ServiceAccounts should guarantee kube-root-ca.crt exist in any namespace', async () => {
  const ns = await namespace();
  const read = () => until(async () => get(coreV1.configmaps, ns, 'kube-root-ca.crt').catch(() => undefined));
  const first = await read();
  assert.match(first.data['ca.crt'], /BEGIN CERTIFICATE/);
  await remove(coreV1.configmaps, ns, 'kube-root-ca.crt');
  await read();
  await client.update(coreV1.configmaps, {
    metadata: { namespace: ns, name: 'kube-root-ca.crt' },
    data: { 'ca.crt': '' },
  });
  await until(
    async () => (await get(coreV1.configmaps, ns, 'kube-root-ca.crt')).data['ca.crt'] === first.data['ca.crt'],
  );
});

test('[sig-auth] ServiceAccounts should create a serviceAccountToken and ensure a successful TokenReview', async () => {
  const ns = await namespace();
  await client.create(coreV1.serviceaccounts, { metadata: { namespace: ns, name: 'sa' } });
  const token = (await client.createSubresource(coreV1.serviceaccounts, { namespace: ns, name: 'sa' }, 'token', {
    spec: { audiences: null, expirationSeconds: 3600 },
  })) as Any;
  assert.ok(token.status.token);
  const { status } = await client.create(authenticationV1.tokenreviews, { spec: { token: token.status.token } });
  assert.equal(status.authenticated, true);
  assert.equal(status.error, undefined);
  assert.equal(status.user.username, `system:serviceaccount:${ns}:sa`);
  assert.deepEqual([...status.user.groups].sort(), [
    'system:authenticated',
    'system:serviceaccounts',
    `system:serviceaccounts:${ns}`,
  ]);
  assert.ok(status.user.extra['authentication.kubernetes.io/credential-id'][0].startsWith('JTI='));
});

test('[sig-auth] ServiceAccounts should allow opting out of API token automount', async () => {
  const ns = await namespace();
  for (const [name, mount] of [
    ['default-sa', undefined],
    ['mount', true],
    ['nomount', false],
  ] as const)
    await client.create(coreV1.serviceaccounts, {
      metadata: { namespace: ns, name },
      ...(mount === undefined ? {} : { automountServiceAccountToken: mount }),
    });
  for (const [account, asked, mounted] of [
    ['default-sa', undefined, true],
    ['mount', undefined, true],
    ['nomount', undefined, false],
    ['default-sa', true, true],
    ['mount', true, true],
    ['nomount', true, true],
    ['default-sa', false, false],
    ['mount', false, false],
    ['nomount', false, false],
  ] as const) {
    const made = await makePod(
      ns,
      `${account}-${asked}`,
      spec({ serviceAccountName: account, ...(asked === undefined ? {} : { automountServiceAccountToken: asked }) }),
    );
    const has =
      made.spec.containers[0].volumeMounts?.some(
        (m: Any) => m.mountPath === '/var/run/secrets/kubernetes.io/serviceaccount',
      ) ?? false;
    assert.equal(has, mounted, `${account} ${asked}`);
  }
});

test('[sig-auth] SubjectReview should support SubjectReview API operations', async () => {
  const ns = await namespace();
  const resourceAttributes = { verb: 'list', resource: 'configmaps', namespace: ns, version: 'v1' };
  const review = { spec: { user: 'e2e', resourceAttributes } };
  const subject = await client.create(authorizationV1.subjectaccessreviews, review);
  assert.equal(subject.status.allowed, false);
  const local = await client.create(authorizationV1.localsubjectaccessreviews, {
    metadata: { namespace: ns },
    ...review,
  });
  assert.equal(local.status.allowed, false);
  const self = await client.create(authorizationV1.selfsubjectaccessreviews, { spec: { resourceAttributes } });
  assert.equal(self.status.allowed, true);
});

test('[sig-auth] Certificates API [Privileged:ClusterAdmin] should support CSR API operations', async () => {
  const der = emptyCertificateRequest(await generatePrivateKey('ECDSAP256'));
  const request = Buffer.from(pemText('CERTIFICATE REQUEST', der)).toString('base64');
  const csr = certificatesV1.certificatesigningrequests;
  const make = (name: string) =>
    client.create(csr, {
      metadata: { name, labels: { csr: 'e2e' } },
      spec: { request, signerName: 'example.com/e2e', usages: ['client auth'] },
    });
  const made = await make('one');
  assert.equal(made.spec.username, 'system:apiserver');
  const approval = { type: 'Approved', status: 'True', reason: 'E2E', message: 'approved' };
  const approved = await client.updateSubresource(csr, { name: 'one' }, 'approval', {
    ...made,
    status: { conditions: [approval] },
  });
  assert.equal(approved.status.conditions[0].type, 'Approved');
  const patched = await client.patch(
    csr,
    { name: 'one' },
    {
      type: 'merge',
      body: {
        metadata: { annotations: { patchedapproval: 'true' } },
        status: { conditions: [{ ...approval, type: 'ApprovalPatch' }, approval] },
      },
    },
    { subresource: 'approval' },
  );
  assert.equal(patched.metadata.annotations.patchedapproval, 'true');
  await assert.rejects(
    client.updateSubresource(csr, { name: 'one' }, 'approval', { ...patched, status: { conditions: [] } }),
    refused(422, /updates may not remove a condition of type "Approved"/),
  );
  const certificate = Buffer.from('-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n').toString('base64');
  await assert.rejects(
    client.patch(csr, { name: 'one' }, { type: 'merge', body: { status: { certificate } } }, { subresource: 'status' }),
    refused(422, /status\.certificate/),
  );
  const status = await client.patch(
    csr,
    { name: 'one' },
    {
      type: 'merge',
      body: { status: { conditions: [...patched.status.conditions, { ...approval, type: 'StatusUpdate' }] } },
    },
    { subresource: 'status' },
  );
  assert.equal(status.status.conditions.at(-1).type, 'StatusUpdate');
  await client.delete(csr, { name: 'one' });
  await make('two');
  await client.deleteCollection(csr, { labelSelector: 'csr=e2e' });
  assert.equal((await client.list(csr, { labelSelector: 'csr=e2e' })).items.length, 0);
});

test('[sig-auth] ServiceAccounts ServiceAccountIssuerDiscovery should support OIDC discovery of service account issuer', async () => {
  // The paths answer over HTTPS only; who may read them is in the bootstrap policy.
  const { url, kubeconfig } = await cluster.listen();
  const { users, clusters } = JSON.parse(kubeconfig) as Any;
  const { caller } = await import('../apiserver/test-caller.ts');
  const decode = (text: string) => Buffer.from(text, 'base64').toString();
  const api = caller({
    url,
    ca: decode(clusters[0].cluster['certificate-authority-data']),
    cert: decode(users[0].user['client-certificate-data']),
    key: decode(users[0].user['client-key-data']),
  });
  const discovered = await api.expect(200, 'GET', '/.well-known/openid-configuration');
  const ns = await namespace();
  const token = (await client.createSubresource(coreV1.serviceaccounts, { namespace: ns, name: 'default' }, 'token', {
    spec: { audiences: ['oidc-discovery-test'] },
  })) as Any;
  const [head, body] = token.status.token
    .split('.')
    .slice(0, 2)
    .map((part: string) => JSON.parse(Buffer.from(part, 'base64url').toString()));
  assert.equal(body.iss, discovered.issuer);
  assert.deepEqual(body.aud, ['oidc-discovery-test']);
  const jwks = await api.expect(200, 'GET', '/openid/v1/jwks');
  assert.ok(jwks.keys.some((k: Any) => k.kid === head.kid && k.use === 'sig'));
  assert.ok(discovered.id_token_signing_alg_values_supported.includes(head.alg));
  api.close();
});
