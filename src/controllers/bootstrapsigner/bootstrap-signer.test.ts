import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { it } from 'node:test';
import { coreV1 } from '../../api/refs.ts';
import { controllerBench } from '../../engine/controller-bench.ts';
import { bootstrapSignerController } from './bootstrap-signer.ts';

const encode = (values: Record<string, string>) =>
  Object.fromEntries(Object.entries(values).map(([k, v]) => [k, Buffer.from(v).toString('base64')]));
const token = (id: string, more: Record<string, string> = {}) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  type: 'bootstrap.kubernetes.io/token',
  metadata: { name: `bootstrap-token-${id}`, namespace: 'kube-system' },
  data: encode({ 'token-id': id, 'token-secret': '0123456789abcdef', 'usage-bootstrap-signing': 'true', ...more }),
});
const info = (data: Record<string, string>) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'cluster-info', namespace: 'kube-public' },
  data,
});

it('keeps a signature of each token that is for signing, and of no other', async () => {
  const objects = [
    info({ kubeconfig: 'hello', 'jws-kubeconfig-gone00': 'x' }),
    token('abcdef'),
    token('notfor', { 'usage-bootstrap-signing': 'false' }),
    token('ended0', { expiration: '2025-01-01T00:00:00Z' }),
  ];
  await using bench = await controllerBench([bootstrapSignerController()], { objects });
  await bench.settle();
  const data = () => bench.client.object(coreV1.configmaps, 'kube-public/cluster-info')!.data!;
  assert.deepEqual(Object.keys(data()).sort(), ['jws-kubeconfig-abcdef', 'kubeconfig']);
  const [header, content, signature] = data()['jws-kubeconfig-abcdef']!.split('.');
  assert.equal(Buffer.from(header!, 'base64url').toString(), '{"alg":"HS256","kid":"abcdef"}');
  assert.equal(content, '');
  const signed = `${header}.${Buffer.from('hello').toString('base64url')}`;
  assert.equal(signature, createHmac('sha256', '0123456789abcdef').update(signed).digest('base64url'));
  bench.client.clearActions();
  await bench.advance(60_000);
  assert.deepEqual(bench.client.writes(), []);
  bench.client.remove(coreV1.secrets, 'kube-system/bootstrap-token-abcdef');
  await bench.settle();
  assert.deepEqual(data(), { kubeconfig: 'hello' });
});
