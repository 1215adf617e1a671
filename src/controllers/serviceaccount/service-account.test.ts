import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { coreV1 } from '../../api/refs.ts';
import { StatusError } from '../../api/status.ts';
import { controllerBench } from '../../engine/controller-bench.ts';
import { serviceAccountController } from './service-account.ts';

const namespace = (name: string, phase: 'Active' | 'Terminating' = 'Active') => ({
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name },
  spec: { finalizers: ['kubernetes'] },
  status: { phase },
});

describe('service-account-controller', () => {
  it('gives every active namespace a default account, once', async () => {
    await using bench = await controllerBench([serviceAccountController()], {
      objects: [namespace('a'), namespace('b', 'Terminating')],
    });
    await bench.settle();
    assert.deepEqual(bench.client.writes(), ['create serviceaccounts a/default']);
    bench.client.set(coreV1.namespaces, { ...namespace('c') });
    await bench.settle();
    assert.ok(bench.client.object(coreV1.serviceaccounts, 'c/default'));
    bench.client.clearActions();
    bench.client.set(coreV1.namespaces, { ...namespace('c'), metadata: { name: 'c', labels: { x: 'y' } } });
    await bench.settle();
    await bench.advance(60_000);
    assert.deepEqual(bench.client.writes(), [], 'nothing missing, nothing written');
  });

  it('replaces one that is deleted, and stops when the namespace is ending', async () => {
    await using bench = await controllerBench([serviceAccountController()], { objects: [namespace('a')] });
    await bench.settle();
    bench.client.remove(coreV1.serviceaccounts, 'a/default');
    await bench.settle();
    assert.ok(bench.client.object(coreV1.serviceaccounts, 'a/default'));
    bench.client.failNext(
      'create',
      coreV1.serviceaccounts,
      new StatusError(403, 'Forbidden', 'no', { causes: [{ reason: 'NamespaceTerminating', message: 'x' }] }),
    );
    bench.client.clearActions();
    bench.client.remove(coreV1.serviceaccounts, 'a/default');
    await bench.advance(60_000);
    assert.deepEqual(bench.client.writes(), ['create serviceaccounts a/default'], 'not tried again');
  });
});
