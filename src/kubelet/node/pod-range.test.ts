import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coreV1 } from '../../api/refs.ts';
import { startTestNode } from '../test-node.ts';

test('pods get addresses of their node’s range', async t => {
  const node = await startTestNode();
  t.after(() => node.stop());
  const [there] = (await node.client.list(coreV1.nodes)).items;
  const key = { name: there!.metadata.name };
  const ranges = { podCIDR: '10.244.7.0/24', podCIDRs: ['10.244.7.0/24', 'fd00:7::/64'] };
  await node.client.patch(coreV1.nodes, key, { type: 'merge', body: { spec: ranges } });
  await node.pass(1000);
  await node.createPod({
    metadata: { namespace: 'default', name: 'a' },
    spec: { containers: [{ name: 'c', image: 'i' }] },
  });
  await node.pass(5000);
  const { podIPs = [] } = (await node.getPod('a')).status ?? {};
  assert.match(podIPs[0]?.ip ?? '', /^10\.244\.7\.\d+$/);
  assert.match(podIPs[1]?.ip ?? '', /^fd00:7::/);
});
