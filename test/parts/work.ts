// What components are given to do, and whether it is done.
import assert from 'node:assert/strict';
import { appsV1, batchV1, coreV1 } from '../../src/api/refs.ts';
import { systemClock } from '../../src/base/clock.ts';
import type { PartsCluster } from './parts-cluster.ts';

type Any = any;

const patienceMs = 90_000;

export async function eventually(c: PartsCluster, what: string, holds: () => Promise<boolean>): Promise<void> {
  const endMs = systemClock.monotonic() + patienceMs;
  while (!(await holds())) {
    const logs = [...c.parts.values()].map(({ part }) => part.said().slice(-2000)).join('\n');
    assert.ok(systemClock.monotonic() < endMs, `not in time: ${what}\n${logs}`);
    await systemClock.sleep(100);
  }
}

const template = (app: string, image: string, more: object = {}) => ({
  metadata: { labels: { app } },
  spec: { containers: [{ name: 'c', image }], ...more },
});

export async function makeWork({ client }: PartsCluster, namespace: string): Promise<void> {
  await client.create(coreV1.namespaces, { metadata: { name: namespace } });
  const selector = { matchLabels: { app: 'web' } };
  await client.create(appsV1.deployments, {
    metadata: { name: 'web', namespace },
    spec: { replicas: 3, selector, template: template('web', 'a') },
  } as Any);
  await client.create(batchV1.jobs, {
    metadata: { name: 'ix', namespace },
    spec: {
      ...{ completions: 2, parallelism: 2, completionMode: 'Indexed' },
      template: template('ix', 'work', { restartPolicy: 'Never' }),
    },
  } as Any);
}

export async function settled({ client }: PartsCluster, namespace: string): Promise<boolean> {
  const { status } = await client.get(appsV1.deployments, { namespace, name: 'web' });
  const job = await client.get(batchV1.jobs, { namespace, name: 'ix' });
  const pods = (await client.list(coreV1.pods, { namespace })).items;
  const held = pods.some(p => p.metadata.labels?.app === 'ix' && p.metadata.finalizers?.length);
  const web = pods.filter(p => p.metadata.labels?.app === 'web');
  const right = status?.availableReplicas === 3 && status.replicas === 3 && web.length === 3;
  return right && job.status?.succeeded === 2 && !held;
}
