import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { coreV1 } from '../../api/refs.ts';
import { controllerBench } from '../../engine/controller-bench.ts';
import { rootCaController } from './root-ca.ts';

const namespace = (name: string, phase: 'Active' | 'Terminating' = 'Active') => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name },
  spec: { finalizers: ['kubernetes'] },
  status: { phase },
});

describe('root-ca-certificate-publisher-controller', () => {
  it('publishes the authority, repairs it, and then rests', async () => {
    await using bench = await controllerBench([rootCaController('PEM')], {
      objects: [namespace('a'), namespace('b', 'Terminating')],
    });
    const { client } = bench;
    await bench.settle();
    assert.deepEqual(client.writes(), ['create configmaps a/kube-root-ca.crt']);
    const made = client.object(coreV1.configmaps, 'a/kube-root-ca.crt')!;
    assert.deepEqual(made.data, { 'ca.crt': 'PEM' });
    assert.match(made.metadata.annotations!['kubernetes.io/description']!, /^Contains a CA bundle/);
    client.set(coreV1.configmaps, { metadata: { name: 'kube-root-ca.crt', namespace: 'a' }, data: { x: 'y' } });
    await bench.settle();
    assert.deepEqual(client.object(coreV1.configmaps, 'a/kube-root-ca.crt')!.data, { 'ca.crt': 'PEM' });
    client.remove(coreV1.configmaps, 'a/kube-root-ca.crt');
    await bench.settle();
    assert.ok(client.object(coreV1.configmaps, 'a/kube-root-ca.crt'));
    client.clearActions();
    client.set(coreV1.namespaces, { ...namespace('a'), metadata: { name: 'a', labels: { x: 'y' } } });
    await bench.advance(60_000);
    assert.deepEqual(client.writes(), []);
  });
});
