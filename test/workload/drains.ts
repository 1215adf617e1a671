// A node is drained under load by the stock kubectl, as its disruption budget allows.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Deployment } from '../../src/api/type/apps-v1.ts';
import type { ClusterAccess } from '../cluster-access.ts';
import { appsPath, complete, createAnswering, createNodePort, kubectl, podsOf } from './objects.ts';
import { visit } from './visitors.ts';

const replicas = 4;
const minAvailable = 3;

export function drainTests(c: () => ClusterAccess, site: () => string, nodePort: number): void {
  test('a drain under load turns nobody away and keeps to the budget', async () => {
    await createAnswering(c(), 'kept', replicas, {});
    await createNodePort(c(), 'kept', nodePort);
    await complete(c(), 'kept');
    await kubectl(c(), 'create', 'pdb', 'kept', '--selector=app=kept', `--min-available=${minAvailable}`);
    const there = (await podsOf(c(), 'kept')).filter(p => p.spec.nodeName === 'node-2');
    assert.equal(there.length, 2, 'spread over both nodes');
    const visitors = await visit(site());
    const counts = c().watch<Deployment>(`${appsPath(c(), 'deployments')}?watch=1`);
    try {
      const words = await kubectl(c(), 'drain', 'node-2', '--pod-selector=app=kept', '--timeout=60s');
      for (const pod of there) assert.ok(words.includes(`evicting pod ${c().namespace}/${pod.metadata.name}`), words);
      // The second has to wait for the first one's successor.
      assert.match(
        words,
        /error when evicting pods\/"kept-\S+" -n "drains" \(will retry after 5s\): Cannot evict pod as it would violate the pod's disruption budget\./,
      );
      assert.match(words, /node\/node-2 drained\n/);
    } finally {
      counts.stop();
      await kubectl(c(), 'uncordon', 'node-2');
    }
    await complete(c(), 'kept');
    assert.deepEqual(await visitors.leave(), ['one']);
    const fewest = Math.min(...counts.seen.map(e => e.object.status?.availableReplicas ?? 0));
    assert.equal(fewest, minAvailable);
    const nodes = (await podsOf(c(), 'kept')).map(p => p.spec.nodeName);
    assert.deepEqual(nodes, Array(replicas).fill('node-1'));
  });
}
