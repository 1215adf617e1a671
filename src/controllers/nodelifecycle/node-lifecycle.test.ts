import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cloneDeep, type Draft } from '../../api/meta.ts';
import { coreV1 } from '../../api/refs.ts';
import { modified, StatusError } from '../../api/status.ts';
import type { Node, Pod } from '../../api/type/core-v1.ts';
import { type ControllerBench, controllerBench } from '../../engine/controller-bench.ts';
import { heartbeat, renewLease, taintsOf, testNode } from '../test-nodes.ts';
import { nodeLifecycleController } from './node-lifecycle.ts';

const readyPod = (name: string, nodeName: string): Draft<Pod> => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'a' },
  spec: { nodeName, containers: [] },
  status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
});

/** Time passes, in steps of five seconds, while the kubelets of these nodes renew their leases. */
async function pass(bench: ControllerBench, seconds: number, alive: readonly string[]): Promise<void> {
  for (let s = 0; s < seconds; s += 5) {
    for (const name of alive) renewLease(bench.client, name);
    await bench.advance(5_000);
  }
}

const conditions = (bench: ControllerBench, name: string) =>
  Object.fromEntries(
    bench.client.object(coreV1.nodes, name)!.status!.conditions!.map(c => [c.type, `${c.status} ${c.reason}`]),
  );
const podReady = (bench: ControllerBench, name: string) =>
  bench.client.object(coreV1.pods, `a/${name}`)?.status?.conditions?.[0]?.status;
const executed = (bench: ControllerBench, names: readonly string[]) =>
  names.filter(n => taintsOf(bench.client, n).some(t => t.endsWith(':NoExecute')));
const names = (prefix: string, count: number) => Array.from({ length: count }, (_, i) => `${prefix}${i}`);

describe('node-lifecycle-controller', () => {
  it('declares a silent node unknown, marks its pods, taints it, and takes all back', async () => {
    await using bench = await controllerBench([nodeLifecycleController()], {
      objects: [testNode('a'), testNode('b'), readyPod('p', 'b'), readyPod('q', 'a')],
    });
    await bench.settle();
    assert.ok(bench.events().includes('Normal RegisteredNode: Node a event: Registered Node a in Controller'));
    assert.equal(bench.client.objects(coreV1.events)[0]?.source?.component, 'node-controller');
    await pass(bench, 50, ['a']);
    assert.equal(conditions(bench, 'b').Ready, 'True KubeletPosted');
    await pass(bench, 5, ['a']);
    assert.deepEqual(conditions(bench, 'b'), {
      MemoryPressure: 'Unknown NodeStatusUnknown',
      DiskPressure: 'Unknown NodeStatusUnknown',
      PIDPressure: 'Unknown NodeStatusUnknown',
      Ready: 'Unknown NodeStatusUnknown',
    });
    const ready = bench.client.object(coreV1.nodes, 'b')!.status!.conditions!.at(-1)!;
    assert.equal(ready.message, 'Kubelet stopped posting node status.');
    assert.equal(ready.lastHeartbeatTime, '2026-01-01T00:00:00Z');
    assert.ok(bench.events().includes('Normal NodeNotReady: Node b status is now: NodeNotReady'));
    assert.ok(bench.events().includes('Warning NodeNotReady: Node is not ready'));
    assert.deepEqual([podReady(bench, 'p'), podReady(bench, 'q')], ['False', 'True']);
    assert.deepEqual(taintsOf(bench.client, 'b'), ['unreachable:NoSchedule']);
    await pass(bench, 5, ['a']);
    assert.deepEqual(taintsOf(bench.client, 'b'), ['unreachable:NoSchedule', 'unreachable:NoExecute']);
    assert.ok(bench.client.object(coreV1.nodes, 'b')!.spec!.taints!.every(t => t.timeAdded));
    heartbeat(bench.client, 'b');
    await pass(bench, 10, ['a', 'b']);
    assert.deepEqual(taintsOf(bench.client, 'b'), []);
    bench.client.clearActions();
    await pass(bench, 300, ['a', 'b']);
    assert.deepEqual(bench.client.writes(), [], 'nothing to say about healthy nodes');
  });

  it('follows a node that says itself that it is not ready, and swaps the taint when it falls silent', async () => {
    await using bench = await controllerBench([nodeLifecycleController()], { objects: [testNode('a'), testNode('b')] });
    await bench.settle();
    heartbeat(bench.client, 'b', { Ready: 'False' });
    await pass(bench, 10, ['a', 'b']);
    assert.deepEqual(taintsOf(bench.client, 'b').sort(), ['not-ready:NoExecute', 'not-ready:NoSchedule']);
    await pass(bench, 65, ['a']);
    assert.deepEqual(taintsOf(bench.client, 'b').sort(), ['unreachable:NoExecute', 'unreachable:NoSchedule']);
  });

  it('gives a node that never posted a minute', async () => {
    const newcomer = { ...testNode('b'), status: {} };
    await using bench = await controllerBench([nodeLifecycleController()], { objects: [testNode('a'), newcomer] });
    await pass(bench, 60, ['a']);
    assert.equal(bench.client.object(coreV1.nodes, 'b')!.status!.conditions, undefined);
    await pass(bench, 5, ['a']);
    assert.equal(conditions(bench, 'b').Ready, 'Unknown NodeStatusNeverUpdated');
    assert.equal(conditions(bench, 'b').DiskPressure, 'Unknown NodeStatusNeverUpdated');
    assert.equal(conditions(bench, 'b').NetworkUnavailable, undefined);
  });

  it('counts a posted status as a sign of life without any lease', async () => {
    await using bench = await controllerBench([nodeLifecycleController()], { objects: [testNode('a')] });
    for (let i = 0; i < 30; i++) {
      await bench.advance(10_000);
      heartbeat(bench.client, 'a');
    }
    assert.equal(conditions(bench, 'a').Ready, 'True KubeletPosted');
  });

  it('taints by condition and cordon, and keeps taints of others', async () => {
    const node = testNode('a', {
      labels: { 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'arm64', 'beta.kubernetes.io/arch': 'x' },
    });
    node.spec = { unschedulable: true, taints: [{ key: 'mine', effect: 'NoSchedule' }] };
    await using bench = await controllerBench([nodeLifecycleController()], { objects: [node] });
    await bench.settle();
    assert.deepEqual(
      bench.client.object(coreV1.nodes, 'a')!.spec!.taints!.map(t => t.key),
      ['mine', 'node.kubernetes.io/unschedulable'],
    );
    const labels = bench.client.object(coreV1.nodes, 'a')!.metadata.labels!;
    assert.equal(labels['beta.kubernetes.io/os'], 'linux');
    assert.equal(labels['beta.kubernetes.io/arch'], 'arm64');
    heartbeat(bench.client, 'a', { MemoryPressure: 'True', DiskPressure: 'True', PIDPressure: 'True', Ready: 'False' });
    const next = cloneDeep(bench.client.object(coreV1.nodes, 'a')!) as Draft<Node>;
    next.spec!.unschedulable = false;
    next.status!.conditions!.push({ type: 'NetworkUnavailable', status: 'True' });
    bench.client.set(coreV1.nodes, next);
    await bench.settle();
    assert.deepEqual(
      bench.client.object(coreV1.nodes, 'a')!.spec!.taints!.map(t => t.key.replace('node.kubernetes.io/', '')),
      ['mine', 'memory-pressure', 'disk-pressure', 'pid-pressure', 'not-ready', 'network-unavailable'],
    );
  });

  it('evicts nobody when no node is ready, and gives everyone time when some are again', async () => {
    await using bench = await controllerBench([nodeLifecycleController()], {
      objects: ['a', 'b', 'c'].map(n => testNode(n)),
    });
    await pass(bench, 200, []);
    assert.equal(conditions(bench, 'c').Ready, 'Unknown NodeStatusUnknown');
    assert.deepEqual(executed(bench, ['a', 'b', 'c']), []);
    heartbeat(bench.client, 'a');
    await pass(bench, 5, ['a']);
    assert.deepEqual(taintsOf(bench.client, 'a'), []);
    await pass(bench, 10, ['a']);
    assert.equal(executed(bench, ['b', 'c']).length, 1, 'the rate counts anew');
    await pass(bench, 10, ['a']);
    assert.deepEqual(executed(bench, ['a', 'b', 'c']), ['b', 'c']);
  });

  it('taints one node in ten seconds', async () => {
    const [up, down] = [names('up', 6), names('down', 4)];
    await using bench = await controllerBench([nodeLifecycleController()], {
      objects: [...up, ...down].map(n => testNode(n)),
    });
    await pass(bench, 60, up);
    assert.equal(executed(bench, down).length, 1);
    await pass(bench, 10, up);
    assert.equal(executed(bench, down).length, 2);
    await pass(bench, 20, up);
    assert.deepEqual(executed(bench, down), down);
  });

  it('stops in a small zone that is mostly down, while another zone goes on', async () => {
    const zone = (z: string) => ({ labels: { 'topology.kubernetes.io/zone': z } });
    const [good, bad] = [names('good', 3), names('bad', 4)];
    await using bench = await controllerBench([nodeLifecycleController()], {
      objects: [...good.map(n => testNode(n, zone('g'))), ...bad.map(n => testNode(n, zone('b')))],
    });
    await pass(bench, 300, ['good0', 'good1', 'bad0']);
    assert.deepEqual(executed(bench, good), ['good2']);
    assert.deepEqual(executed(bench, bad), [], '3 of 4 down');
  });

  it('goes slowly in a large zone that is mostly down', async () => {
    const all = names('n', 60);
    await using bench = await controllerBench([nodeLifecycleController()], { objects: all.map(n => testNode(n)) });
    await pass(bench, 60, all.slice(0, 10));
    const first = executed(bench, all).length;
    await pass(bench, 200, all.slice(0, 10));
    assert.equal(executed(bench, all).length - first, 2);
  });

  it('marks a pod that comes to a node that is not ready', async () => {
    await using bench = await controllerBench([nodeLifecycleController()], {
      objects: [testNode('a'), testNode('b', { ready: 'False' })],
    });
    await pass(bench, 10, ['a', 'b']);
    bench.client.set(coreV1.pods, readyPod('late', 'b'));
    await bench.settle();
    assert.equal(podReady(bench, 'late'), 'False');
  });

  it('tries again what failed', async () => {
    await using bench = await controllerBench([nodeLifecycleController()], {
      objects: [testNode('a'), testNode('b'), readyPod('p', 'b')],
    });
    await bench.settle();
    const broken = new StatusError(500, 'InternalError', 'no');
    bench.client.failNext('update', coreV1.nodes, modified({ group: '', resource: 'nodes' }, 'b'), { times: 2 });
    bench.client.failNext('patch', coreV1.pods, broken, { times: 1 });
    await pass(bench, 55, ['a']);
    await bench.advance(100);
    assert.equal(conditions(bench, 'b').Ready, 'Unknown NodeStatusUnknown');
    assert.equal(podReady(bench, 'p'), 'True');
    await pass(bench, 5, ['a']);
    assert.equal(podReady(bench, 'p'), 'False');
  });

  it('says goodbye', async () => {
    await using bench = await controllerBench([nodeLifecycleController()], { objects: [testNode('a')] });
    await bench.settle();
    bench.client.remove(coreV1.nodes, 'a');
    await bench.advance(5_000);
    assert.ok(bench.events().includes('Normal RemovingNode: Node a event: Removing Node a from Controller'));
  });
});
