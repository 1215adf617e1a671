import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ref } from '../api/ref.ts';
import { coreV1 } from '../api/refs.ts';
import type { NodeMetrics, PodMetrics } from '../api/type/metrics-v1beta1.ts';
import { createCluster, simulated, virtualClock } from './create-cluster.ts';

const podMetrics = ref<PodMetrics & { metadata: { name: string; namespace: string } }>(
  'metrics.k8s.io',
  'v1beta1',
  'pods',
  'PodMetrics',
  true,
);
const nodeMetrics = ref<NodeMetrics & { metadata: { name: string } }>(
  'metrics.k8s.io',
  'v1beta1',
  'nodes',
  'NodeMetrics',
  false,
);

test('usage of simulated pods and nodes is served as metrics.k8s.io', async () => {
  const cluster = await createCluster({ clock: virtualClock(), nodes: simulated(2), seed: 7 });
  try {
    await cluster.client.create(coreV1.pods, {
      metadata: { name: 'burner', namespace: 'default', labels: { app: 'burner' } },
      spec: { containers: [{ name: 'c', image: 'x:1' }] },
    });
    await cluster.until(async () => {
      const pod = await cluster.client.get(coreV1.pods, { namespace: 'default', name: 'burner' });
      return pod.status?.phase === 'Running';
    });
    await cluster.advance('30s');
    const { items } = await cluster.client.list(podMetrics as never, {
      namespace: 'default',
      labelSelector: 'app=burner',
    });
    const [burner] = items as unknown as PodMetrics[];
    assert.equal(items.length, 1);
    assert.deepEqual(
      burner!.containers.map(c => c.name),
      ['c'],
    );
    assert.match(burner!.containers[0]!.usage.cpu!, /^(1m|\d+n|\d+u)$/);
    assert.equal(burner!.containers[0]!.usage.memory, '1Mi');
    const none = await cluster.client.list(podMetrics as never, { labelSelector: 'app=other' });
    assert.equal(none.items.length, 0);
    const nodes = await cluster.client.list(nodeMetrics as never);
    assert.equal(nodes.items.length, 2);
  } finally {
    await cluster.stop();
  }
});
