// Five minutes without an API server, beginning at any moment of a pod's life.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coordinationV1, coreV1 } from '../api/refs.ts';
import { startTestNode, type TestNode } from './test-node.ts';

const outageMs = 300_000;
const configured = {
  metadata: { name: 'app' },
  spec: {
    containers: [{ name: 'app', image: 'example.com/app:1', envFrom: [{ configMapRef: { name: 'settings' } }] }],
  },
};

/** Nobody answers, watches break; the remedy. */
function cut({ client }: TestNode): () => void {
  const heal = client.react(() => new Error('connect ECONNREFUSED'));
  client.dropWatches(new Error('connection closed'));
  return heal;
}

test('a container that ends meanwhile starts again with what it is configured with, and all is told afterwards', async () => {
  const t = await startTestNode();
  try {
    await t.client.create(coreV1.configmaps, {
      metadata: { name: 'settings', namespace: 'default' },
      data: { A: '1' },
    });
    await t.createPod(configured);
    await t.pass(5_000);
    const [first] = (await t.runtime.ListContainers({})).containers ?? [];
    const heal = cut(t);
    await t.pass(20_000);
    await t.runtime.StopContainer({ container_id: first!.id, timeout: 0 } as never);
    await t.pass(outageMs);
    const now = (await t.runtime.ListContainers({})).containers ?? [];
    assert.ok(
      now.some(c => c.id !== first!.id && c.state === 'CONTAINER_RUNNING'),
      JSON.stringify(now.map(c => c.state)),
    );
    heal();
    await t.pass(60_000);
    const { status } = await t.getPod('app');
    assert.equal(status?.containerStatuses?.[0]?.restartCount, 1);
    assert.equal(status?.conditions?.find(c => c.type === 'Ready')?.status, 'True');
    const lease = await t.client.get(coordinationV1.leases, { namespace: 'kube-node-lease', name: 'node-a' });
    assert.ok(t.clock.now() - Date.parse(lease.spec?.renewTime ?? '') < 11_000);
  } finally {
    await t.stop();
  }
});

test('a pod that is deleted meanwhile goes, one that comes meanwhile runs, whenever the connection broke', async () => {
  const t = await startTestNode();
  try {
    for (const beforeMs of [0, 1, 20, 300]) {
      const name = `old-${beforeMs}`;
      await t.createPod({ ...configured, metadata: { name }, spec: { containers: [{ name: 'app', image: 'a:1' }] } });
      await t.pass(beforeMs);
      const heal = cut(t);
      await t.pass(outageMs);
      heal();
      const { uid } = (await t.getPod(name)).metadata;
      await t.client.delete(coreV1.pods, { namespace: 'default', name }, { gracePeriodSeconds: 1 });
      await t.createPod({
        metadata: { name: `new-${beforeMs}` },
        spec: { containers: [{ name: 'app', image: 'a:1' }] },
      });
      await t.pass(90_000);
      assert.ok(!(await t.podExists(name)), name);
      assert.equal((await t.getPod(`new-${beforeMs}`)).status?.phase, 'Running');
      const sandboxes = (await t.runtime.ListPodSandbox({})).items ?? [];
      assert.ok(!sandboxes.some(s => s.metadata?.uid === uid));
    }
  } finally {
    await t.stop();
  }
});
