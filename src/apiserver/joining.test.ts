import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coreV1, rbacV1 } from '../api/refs.ts';
import { ensureJoining } from './joining.ts';
import { startTestServer } from './test-server.ts';

test('joiners find the server, may ask for certificates and nothing else', async () => {
  const { server, stop } = await startTestServer();
  try {
    const client = server.client({ userAgent: 'test' });
    await ensureJoining(client, { url: 'https://192.0.2.1:6443', ca: 'PEM' });
    const key = { namespace: 'kube-public', name: 'cluster-info' };
    const first = await client.get(coreV1.configmaps, key);
    assert.match(first.data!.kubeconfig!, /server: https:\/\/192\.0\.2\.1:6443\n/);
    await client.patch(coreV1.configmaps, key, { type: 'merge', body: { data: { 'jws-kubeconfig-abcdef': 'x' } } });
    await ensureJoining(client, { url: 'https://192.0.2.2:6443', ca: 'PEM' });
    const second = await client.get(coreV1.configmaps, key);
    assert.match(second.data!.kubeconfig!, /192\.0\.2\.2/);
    assert.equal(second.data!['jws-kubeconfig-abcdef'], 'x');
    const { items } = await client.list(rbacV1.clusterrolebindings);
    const ours = items
      .filter(b => b.metadata.name.startsWith('kubeadm:'))
      .map(b => `${b.metadata.name} ${b.roleRef.name}`);
    assert.deepEqual(ours, [
      'kubeadm:get-nodes kubeadm:get-nodes',
      'kubeadm:kubelet-bootstrap system:node-bootstrapper',
      'kubeadm:node-autoapprove-bootstrap system:certificates.k8s.io:certificatesigningrequests:nodeclient',
      'kubeadm:node-autoapprove-certificate-rotation system:certificates.k8s.io:certificatesigningrequests:selfnodeclient',
    ]);
  } finally {
    await stop();
  }
});
