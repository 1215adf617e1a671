import assert from 'node:assert/strict';
import { it } from 'node:test';
import { coreV1 } from '../../api/refs.ts';
import { controllerBench } from '../../engine/controller-bench.ts';
import { heartbeat, testNode } from '../test-nodes.ts';
import { TtlStep } from './kernel/ttl-step.ts';
import { ttlController } from './ttl.ts';

it('annotates nodes, and again when the cluster has grown', async () => {
  const objects = Array.from({ length: 100 }, (_, i) => testNode(`n${i}`));
  await using bench = await controllerBench([ttlController()], { objects });
  await bench.settle();
  const ttl = (name: string) =>
    bench.client.object(coreV1.nodes, name)!.metadata.annotations!['node.alpha.kubernetes.io/ttl'];
  assert.equal(ttl('n99'), '0');
  bench.client.set(coreV1.nodes, testNode('late'));
  await bench.settle();
  assert.equal(ttl('late'), '15');
  heartbeat(bench.client, 'n0');
  await bench.settle();
  assert.equal(ttl('n0'), '15');
  bench.client.clearActions();
  heartbeat(bench.client, 'n0');
  await bench.settle();
  assert.deepEqual(bench.client.writes(), []);
});

it('climbs and descends with a margin', () => {
  const step = new TtlStep();
  const seconds: number[] = [];
  for (let n = 1; n <= 2001; n++) {
    step.add();
    if ([100, 101, 500, 501, 1000, 1001, 2000, 2001].includes(n)) seconds.push(step.seconds);
  }
  assert.deepEqual(seconds, [0, 15, 15, 30, 30, 60, 60, 300]);
  seconds.length = 0;
  for (let n = 2000; n >= 0; n--) {
    step.remove();
    if ([1800, 1799, 900, 899, 450, 449, 90, 89].includes(n)) seconds.push(step.seconds);
  }
  assert.deepEqual(seconds, [300, 60, 60, 30, 30, 15, 15, 0]);
});
