import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cloneDeep, type Draft } from '../../api/meta.ts';
import { coreV1, discoveryV1 } from '../../api/refs.ts';
import type { Service } from '../../api/type/core-v1.ts';
import { type ControllerBench, controllerBench } from '../../engine/controller-bench.ts';
import { testNode } from '../test-nodes.ts';
import { writesBut } from '../test-pods.ts';
import { serviceLbController } from './service-lb.ts';

const finalizer = 'service.kubernetes.io/load-balancer-cleanup';
const node = (name: string, addresses: [string, string][], more = {}) => {
  const made = testNode(name, more);
  return { ...made, status: { ...made.status, addresses: addresses.map(([type, address]) => ({ type, address })) } };
};
const service = (name: string, spec: object = {}) =>
  ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: 'a', uid: `uid-${name}`, creationTimestamp: `2026-01-01T00:00:0${name.length}Z` },
    spec: { type: 'LoadBalancer', ipFamilies: ['IPv4'], ports: [{ port: 80, protocol: 'TCP' }], ...spec },
  }) as object as Draft<Service>;
const nodes = [
  node('m', [
    ['InternalIP', '10.0.0.2'],
    ['InternalIP', 'fd00::2'],
  ]),
  node('l', [['InternalIP', '10.0.0.1']]),
  node('x', [['InternalIP', '10.0.0.9']], { ready: 'False' }),
  node('y', [['InternalIP', '10.0.0.8']], {
    labels: { 'node.kubernetes.io/exclude-from-external-load-balancers': '' },
  }),
];
const start = (objects: object[]) => controllerBench([serviceLbController()], { objects: objects as [] });
const get = (bench: ControllerBench, name: string) => bench.client.object(coreV1.services, `a/${name}`);
const addresses = (bench: ControllerBench, name: string) =>
  (get(bench, name)?.status?.loadBalancer?.ingress ?? []).map(i => i.ip);
const edit = async (bench: ControllerBench, name: string, spec: object) => {
  const now = cloneDeep(get(bench, name)!);
  bench.client.set(coreV1.services, { ...now, spec: { ...now.spec, ...spec } } as Draft<Service>);
  await bench.settle();
};

describe('service-lb-controller', () => {
  it('gives the addresses of nodes that are ready and not excluded, keeps the service until it has let go, and rests', async () => {
    await using bench = await start([...nodes, service('s'), service('cluster', { type: 'ClusterIP' })]);
    assert.deepEqual(get(bench, 's')?.status?.loadBalancer?.ingress, [
      { ip: '10.0.0.1', ipMode: 'VIP' },
      { ip: '10.0.0.2', ipMode: 'VIP' },
    ]);
    assert.deepEqual(get(bench, 's')?.metadata.finalizers, [finalizer]);
    assert.deepEqual(bench.events(), [
      'Normal EnsuringLoadBalancer: Ensuring load balancer',
      'Normal EnsuredLoadBalancer: Ensured load balancer',
    ]);
    bench.client.clearActions();
    await bench.advance(600_000);
    assert.deepEqual(writesBut(bench.client), []);
    await bench.client.delete(coreV1.services, { namespace: 'a', name: 's' });
    await bench.settle();
    assert.equal(get(bench, 's'), undefined);
    assert.deepEqual(bench.events().slice(2), [
      'Normal DeletingLoadBalancer: Deleting load balancer',
      'Normal DeletedLoadBalancer: Deleted load balancer',
    ]);
  });

  it('follows the nodes', async () => {
    await using bench = await start([...nodes, service('s')]);
    bench.client.remove(coreV1.nodes, 'l');
    await bench.settle();
    assert.deepEqual(addresses(bench, 's'), ['10.0.0.2']);
    assert.equal(bench.events().at(-1), 'Normal UpdatedLoadBalancer: Updated load balancer with new hosts');
    bench.client.set(coreV1.nodes, node('z', [['ExternalIP', '192.0.2.1']]) as never);
    await bench.settle();
    assert.deepEqual(addresses(bench, 's'), ['192.0.2.1'], 'external addresses are preferred');
    bench.client.remove(coreV1.nodes, 'z');
    bench.client.remove(coreV1.nodes, 'm');
    await bench.settle();
    assert.deepEqual(addresses(bench, 's'), []);
    assert.ok(
      bench.events().includes('Warning UnAvailableLoadBalancer: There are no available nodes for LoadBalancer'),
    );
  });

  it('takes addresses of both families, and with local traffic only of nodes that have pods', async () => {
    const slice = {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 'e', namespace: 'a', labels: { 'kubernetes.io/service-name': 'local' } },
      endpoints: [
        { addresses: ['1.1.1.1'], nodeName: 'm', conditions: { ready: true } },
        { addresses: ['1.1.1.2'], nodeName: 'l', conditions: { ready: false } },
      ],
    };
    await using bench = await start([
      ...nodes,
      service('dual', { ipFamilies: ['IPv6', 'IPv4'] }),
      service('local', { externalTrafficPolicy: 'Local', ports: [{ port: 81 }] }),
      slice,
    ]);
    assert.deepEqual(addresses(bench, 'dual'), ['fd00::2', '10.0.0.1', '10.0.0.2']);
    assert.deepEqual(addresses(bench, 'local'), ['10.0.0.2']);
    bench.client.remove(discoveryV1.endpointslices, 'a/e');
    await bench.settle();
    assert.deepEqual(addresses(bench, 'local'), []);
  });

  it('leaves services with a class, and lets go of those that become others', async () => {
    const other = service('other', { loadBalancerClass: 'e.com/lb' });
    await using bench = await start([
      ...nodes,
      { ...other, metadata: { ...other.metadata, finalizers: [finalizer] } },
      service('s'),
    ]);
    await edit(bench, 's', { type: 'ClusterIP' });
    assert.deepEqual([addresses(bench, 's'), get(bench, 's')?.metadata.finalizers], [[], undefined]);
    assert.deepEqual(get(bench, 'other')?.metadata.finalizers, [finalizer]);
    await bench.client.delete(coreV1.services, { namespace: 'a', name: 'other' });
    await bench.settle();
    assert.ok(get(bench, 'other'), 'whose finalizer it is removes it');
  });

  it('gives a port to one service, to the next when that goes, and never those of the cluster', async () => {
    await using bench = await start([
      ...nodes,
      service('younger'),
      service('s'),
      service('udp', { ports: [{ port: 80, protocol: 'UDP' }] }),
      service('api', { ports: [{ port: 6443 }] }),
    ]);
    assert.equal(addresses(bench, 's').length, 2);
    assert.equal(addresses(bench, 'udp').length, 2);
    assert.deepEqual([addresses(bench, 'younger'), addresses(bench, 'api')], [[], []]);
    const failed = 'Warning SyncLoadBalancerFailed: Error syncing load balancer: failed to ensure load balancer:';
    assert.ok(bench.events().includes(`${failed} port 80/TCP of the nodes is taken by service a/s`));
    assert.ok(bench.events().includes(`${failed} port 6443/TCP of the nodes is taken by the cluster itself`));
    bench.client.clearActions();
    await bench.advance(600_000);
    assert.deepEqual(writesBut(bench.client), []);
    await bench.client.delete(coreV1.services, { namespace: 'a', name: 's' });
    await bench.settle();
    assert.equal(addresses(bench, 'younger').length, 2);
  });
});
