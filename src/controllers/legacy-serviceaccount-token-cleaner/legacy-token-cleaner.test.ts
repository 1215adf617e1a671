import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coreV1 } from '../../api/refs.ts';
import { controllerBench } from '../../engine/controller-bench.ts';
import { legacyTokenCleanerController } from './legacy-token-cleaner.ts';

const day = 86_400_000;
const startMs = Date.UTC(2026, 0, 10);
const secret = (name: string, labels: Record<string, string> = {}, created = '2025-01-01T00:00:00Z') => ({
  apiVersion: 'v1',
  kind: 'Secret',
  type: 'kubernetes.io/service-account-token',
  metadata: {
    name,
    namespace: 'a',
    creationTimestamp: created,
    labels,
    annotations: { 'kubernetes.io/service-account.name': 'sa', 'kubernetes.io/service-account.uid': 'u' },
  },
});
const used = 'kubernetes.io/legacy-token-last-used';
const invalid = 'kubernetes.io/legacy-token-invalid-since';

function objects(since: string) {
  return [
    {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'kube-apiserver-legacy-service-account-token-tracking', namespace: 'kube-system' },
      data: { since },
    },
    {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: 'sa', namespace: 'a', uid: 'u' },
      secrets: ['idle', 'used', 'mounted', 'long', 'fresh', 'odd'].map(name => ({ name })),
    },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'p', namespace: 'a' },
      spec: { containers: [], volumes: [{ name: 'v', secret: { secretName: 'mounted' } }] },
    },
    secret('idle', { [used]: '2025-12-01' }),
    secret('used', { [used]: '2026-01-05' }),
    secret('mounted'),
    secret('manual'),
    secret('long', { [invalid]: '2025-12-01' }),
    secret('fresh', {}, '2026-01-09T00:00:00Z'),
    secret('odd', { [used]: 'yesterday' }),
  ];
}

test('tokens out of use are made invalid, then deleted', async () => {
  const controller = legacyTokenCleanerController({ periodMs: 10 * day });
  await using bench = await controllerBench([controller], { startMs, objects: objects('2025-06-01') });
  await bench.settle();
  const labels = (name: string) => bench.client.object(coreV1.secrets, `a/${name}`)?.metadata.labels;
  assert.equal(labels('idle')?.[invalid], '2026-01-10');
  assert.equal(labels('long'), undefined);
  for (const name of ['used', 'mounted', 'manual', 'fresh', 'odd'])
    assert.equal(labels(name)?.[invalid], undefined, name);
  await bench.advance(10 * day);
  assert.ok(labels('idle'));
  await bench.advance(2 * day);
  assert.equal(labels('idle'), undefined);
  assert.equal(labels('used')?.[invalid], '2026-01-16');
});

test('nothing happens before uses have been noted for long enough', async () => {
  const controller = legacyTokenCleanerController({ periodMs: 10 * day });
  await using bench = await controllerBench([controller], { startMs, objects: objects('2026-01-05') });
  await bench.settle();
  assert.deepEqual(bench.client.writes(), []);
});
