import assert from 'node:assert/strict';
import { it } from 'node:test';
import { coreV1 } from '../../api/refs.ts';
import { controllerBench } from '../../engine/controller-bench.ts';
import { tokenCleanerController } from './token-cleaner.ts';

const token = (name: string, expiration?: string, more: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Secret',
  type: 'bootstrap.kubernetes.io/token',
  metadata: { name, namespace: 'kube-system' },
  data: expiration === undefined ? {} : { expiration: Buffer.from(expiration).toString('base64') },
  ...more,
});

it('deletes bootstrap tokens when their time has come', async () => {
  const objects = [
    token('forever'),
    token('hour', '2026-01-01T02:00:00+01:00'),
    token('nonsense', 'tomorrow'),
    token('elsewhere', '2025-01-01T00:00:00Z', { metadata: { name: 'elsewhere', namespace: 'a' } }),
    token('opaque', '2025-01-01T00:00:00Z', { type: 'Opaque' }),
  ];
  await using bench = await controllerBench([tokenCleanerController()], { objects });
  const names = () => bench.client.objects(coreV1.secrets).map(s => s.metadata.name);
  await bench.advance(3_599_000);
  assert.deepEqual(names(), ['elsewhere', 'forever', 'hour', 'opaque']);
  await bench.advance(1_000);
  assert.deepEqual(names(), ['elsewhere', 'forever', 'opaque']);
});
