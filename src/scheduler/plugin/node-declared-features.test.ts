import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coreV1 } from '../../api/refs.ts';
import { schedulerBench, testNode, testPod } from '../test-cluster.ts';

const restartPolicyRules = [{ action: 'RestartAllContainers', exitCodes: { operator: 'In', values: [9] } }];

test('a pod that restarts as a whole waits for a node that can', async () => {
  await using b = await schedulerBench({ objects: [testNode('a')] });
  assert.equal(await b.place(testPod('plain')), 'a');
  assert.equal(await b.place(testPod('p', { container: { restartPolicyRules } })), '');
  assert.match(
    b.condition('p')?.message ?? '',
    /1 node declared features check failed - unsatisfied requirements: RestartAllContainersOnContainerExits\./,
  );
  const declaredFeatures = ['RestartAllContainersOnContainerExits'];
  b.client.set(coreV1.nodes, testNode('a', { status: { declaredFeatures } }));
  await b.clock.advance(3000);
  await b.settle();
  assert.equal(b.nodeOf('p'), 'a');
});

test('a pod of the network of its node with users of its own waits for a node that can', async () => {
  await using b = await schedulerBench({ objects: [testNode('a')] });
  assert.equal(await b.place(testPod('p', { spec: { hostUsers: false, hostNetwork: true } })), '');
  assert.match(b.condition('p')?.message ?? '', /unsatisfied requirements: UserNamespacesHostNetworkSupport\./);
});

test('switched off, nobody asks what nodes declare', async () => {
  const featureEnabled = (gate: string) => gate !== 'NodeDeclaredFeatures';
  await using b = await schedulerBench({ objects: [testNode('a')], featureEnabled });
  assert.equal(await b.place(testPod('p', { container: { restartPolicyRules } })), 'a');
});
