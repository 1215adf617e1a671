import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coreV1 } from '../api/refs.ts';
import { caller } from '../apiserver/test-caller.ts';
import { createCluster } from './create-cluster.ts';

test('the use of a token from a Secret is noted', async () => {
  const cluster = await createCluster();
  try {
    const { client } = cluster;
    const key = { namespace: 'kube-system', name: 'kube-apiserver-legacy-service-account-token-tracking' };
    const { since } = (await client.get(coreV1.configmaps, key)).data!;
    assert.match(since!, /^\d{4}-\d\d-\d\d$/);
    await client.create(coreV1.serviceaccounts, { metadata: { namespace: 'default', name: 'robot' } });
    const name = { namespace: 'default', name: 'robot-token' };
    await client.create(coreV1.secrets, {
      metadata: { ...name, annotations: { 'kubernetes.io/service-account.name': 'robot' } },
      type: 'kubernetes.io/service-account-token',
    });
    const data = await cluster.until(async () => (await client.get(coreV1.secrets, name)).data?.token);
    const { url, kubeconfig } = await cluster.listen();
    const ca = JSON.parse(kubeconfig).clusters[0].cluster['certificate-authority-data'];
    const plain = (text: string) => Buffer.from(text, 'base64').toString();
    const api = caller({ url, ca: plain(ca), token: plain(data) });
    const review = { kind: 'SelfSubjectReview', apiVersion: 'authentication.k8s.io/v1' };
    const me = await api.expect(201, 'POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', review);
    assert.equal(me.status.userInfo.username, 'system:serviceaccount:default:robot');
    api.close();
    await cluster.until(
      async () =>
        (await client.get(coreV1.secrets, name)).metadata.labels?.['kubernetes.io/legacy-token-last-used'] === since,
    );
    assert.match(await cluster.metrics.text(), /serviceaccount_legacy_tokens_total 1/);
  } finally {
    await cluster.stop();
  }
});
