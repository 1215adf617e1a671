// Leaders that cannot renew their lease. What this takes is waiting: each case has a cluster of its own at the same time.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { coordinationV1 } from '../../src/api/refs.ts';
import type { FaultyProxy } from './faulty-proxy.ts';
import { partsCluster } from './parts-cluster.ts';
import { eventually, makeWork, settled } from './work.ts';

const losses: Readonly<Record<string, (proxy: FaultyProxy) => void>> = {
  'is cut off from its server': proxy => {
    proxy.dark = true;
  },
  'gets no answer any more': proxy => {
    proxy.fault = () => ({ hang: true });
  },
};

describe('a leader', { concurrency: true }, () => {
  for (const [what, lose] of Object.entries(losses))
    test(`that ${what} makes room for another and ends`, async t => {
      const c = await partsCluster();
      t.after(() => c.stop());
      const holder = async () => {
        const lease = { namespace: 'kube-system', name: 'kube-controller-manager' };
        return (await c.client.get(coordinationV1.leases, lease)).spec?.holderIdentity ?? '';
      };
      await Promise.all([c.add('scheduler-a'), c.add('controllers-a')]);
      const leader = c.parts.get('controllers-a')!;
      await eventually(c, 'a leader', async () => leader.part.said().includes('successfully acquired lease'));
      const first = await holder();
      await c.add('controllers-b');
      await makeWork(c, 'work');
      lose(leader.proxy);
      await eventually(c, 'an end', async () => leader.restarts > 0);
      assert.match(leader.part.said(), /leadership is lost error="failed to renew lease/);
      await eventually(c, 'another leader', async () => (await holder()) !== first);
      await eventually(c, 'the work', () => settled(c, 'work'));
    });
});
