import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatTime } from '../../api/meta.ts';
import { coreV1 } from '../../api/refs.ts';
import { StatusError } from '../../api/status.ts';
import { type ControllerBench, controllerBench } from '../../engine/controller-bench.ts';
import { nodeIpamController } from './node-ipam.ts';

const node = (name: string, ...podCIDRs: string[]) => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name },
  spec: podCIDRs.length ? { podCIDR: podCIDRs[0]!, podCIDRs } : {},
  status: { conditions: [{ type: 'Ready', status: 'True' }] },
});
const specs = (bench: ControllerBench) =>
  Object.fromEntries(bench.client.objects(coreV1.nodes).map(n => [n.metadata.name, n.spec?.podCIDRs?.join() ?? '']));

describe('node-ipam-controller', () => {
  it('gives each node a part, in turn, and honours what nodes have', async () => {
    await using bench = await controllerBench([nodeIpamController({ podCidr: '10.244.0.0/16' })], {
      objects: [node('a'), node('b', '10.244.1.0/24'), node('c')],
    });
    await bench.settle();
    assert.deepEqual(specs(bench), { a: '10.244.0.0/24', b: '10.244.1.0/24', c: '10.244.2.0/24' });
    assert.equal(bench.client.object(coreV1.nodes, 'a')?.spec?.podCIDR, '10.244.0.0/24');
    bench.client.remove(coreV1.nodes, 'a');
    bench.client.set(coreV1.nodes, node('d'));
    await bench.settle();
    assert.equal(specs(bench).d, '10.244.3.0/24');
    bench.client.clearActions();
    bench.client.set(coreV1.nodes, { ...node('d', '10.244.3.0/24'), status: { phase: 'Running' } });
    await bench.advance(600_000);
    assert.deepEqual(bench.client.writes(), []);
  });

  it('leaves a new node alone until its maker has written its status, or three seconds', async () => {
    await using bench = await controllerBench([nodeIpamController({ podCidr: '10.244.0.0/16' })], { objects: [] });
    await bench.settle();
    const creationTimestamp = formatTime(bench.clock.now());
    const fresh = (name: string) => ({ ...node(name), metadata: { name, creationTimestamp }, status: {} });
    bench.client.set(coreV1.nodes, fresh('a'));
    bench.client.set(coreV1.nodes, fresh('b'));
    await bench.advance(1000);
    assert.deepEqual(specs(bench), { a: '', b: '' });
    bench.client.set(coreV1.nodes, node('b'));
    await bench.settle();
    assert.deepEqual(specs(bench), { a: '', b: '10.244.0.0/24' });
    await bench.advance(3000);
    assert.deepEqual(specs(bench), { a: '10.244.1.0/24', b: '10.244.0.0/24' });
  });

  it('gives one of each family', async () => {
    await using bench = await controllerBench([nodeIpamController({ podCidr: '10.0.0.0/22,fd00:0:0:1::/56' })], {
      objects: [node('a'), node('b')],
    });
    await bench.settle();
    assert.deepEqual(specs(bench), { a: '10.0.0.0/24,fd00::/64', b: '10.0.1.0/24,fd00:0:0:1::/64' });
  });

  it('tells when there is none left, and goes on when there is again', async () => {
    await using bench = await controllerBench([nodeIpamController({ podCidr: '10.0.0.0/24' })], {
      objects: [node('a')],
    });
    await bench.settle();
    bench.client.set(coreV1.nodes, node('b'));
    await bench.settle();
    assert.deepEqual(bench.events(), ['Normal CIDRNotAvailable: Node b status is now: CIDRNotAvailable']);
    assert.equal(bench.client.objects(coreV1.events)[0]?.source?.component, 'cidrAllocator');
    bench.client.remove(coreV1.nodes, 'a');
    await bench.advance(2_000_000);
    assert.deepEqual(specs(bench), { b: '10.0.0.0/24' });
  });

  it('tries three times to write and then gives the part back', async () => {
    const broken = new StatusError(500, 'InternalError', 'no');
    await using bench = await controllerBench([nodeIpamController({ podCidr: '10.0.0.0/24' })], {
      objects: [node('a')],
      prepare: client => client.failNext('patch', coreV1.nodes, broken, { times: 3 }),
    });
    await bench.advance(1000);
    assert.deepEqual(bench.events(), ['Normal CIDRAssignmentFailed: Node a status is now: CIDRAssignmentFailed']);
    assert.deepEqual(specs(bench), { a: '10.0.0.0/24' });
  });

  it('neither leaks nor gives twice what a node had that went while it was written', async () => {
    await using bench = await controllerBench([nodeIpamController({ podCidr: '10.0.0.0/24' })], {
      objects: [node('a')],
    });
    await bench.settle();
    let gone = false;
    bench.client.react(a => {
      if (a.verb !== 'patch' || a.name !== 'b' || gone) return;
      gone = true;
      bench.client.remove(coreV1.nodes, 'b');
    });
    bench.client.remove(coreV1.nodes, 'a');
    await bench.settle();
    bench.client.set(coreV1.nodes, node('b'));
    await bench.advance(1000);
    assert.ok(gone);
    bench.client.set(coreV1.nodes, node('c'));
    bench.client.set(coreV1.nodes, node('d'));
    await bench.advance(1000);
    assert.deepEqual(Object.values(specs(bench)).sort(), ['', '10.0.0.0/24']);
  });

  it('leaves out the part that services use', async () => {
    const controller = nodeIpamController({ podCidr: '10.0.0.0/22', serviceCidrs: ['10.0.0.0/23', 'fd00::/112'] });
    await using bench = await controllerBench([controller], { objects: [node('a')] });
    await bench.settle();
    assert.deepEqual(specs(bench), { a: '10.0.2.0/24' });
  });

  it('refuses to start without sense', () => {
    assert.throws(() => nodeIpamController({ podCidr: 'x' }), /invalid CIDR address: x/);
    assert.throws(() => nodeIpamController({ podCidr: '10.0.0.0/25' }), /mask size of cluster CIDR must be less/);
    assert.throws(() => nodeIpamController({ podCidr: 'fd00::/40' }), /node CIDR size is too big/);
    assert.throws(() => nodeIpamController({ podCidr: '10.0.0.0/16,10.1.0.0/16' }), /not configured as dual stack/);
  });
});
