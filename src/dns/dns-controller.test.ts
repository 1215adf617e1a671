import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Draft } from '../api/meta.ts';
import { coreV1, discoveryV1 } from '../api/refs.ts';
import { isForbidden } from '../api/status.ts';
import type { Node, Service } from '../api/type/core-v1.ts';
import type { EndpointSlice } from '../api/type/discovery-v1.ts';
import { startTestServer } from '../apiserver/test-server.ts';
import { controllerBench } from '../engine/controller-bench.ts';
import { ensureDnsAccess } from './dns-access.ts';
import { dnsController, dnsServiceAccount } from './dns-controller.ts';
import { maxEndpointsPerSlice, planSlices } from './kernel/slice-plan.ts';

const node = (
  name: string,
  address: string,
  ready = true,
  annotations: object = { 'k8ts.dev/serves-dns': 'true' },
) => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name, annotations },
  status: {
    addresses: [{ type: 'InternalIP', address }],
    conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
  },
});
const controller = dnsController({ clusterDns: '10.96.0.10' });
const key = 'kube-system/kube-dns';

test('the service leads to the ready nodes that serve DNS, each for itself', async () => {
  await using bench = await controllerBench([controller], {
    objects: [
      node('a', '10.8.0.1'),
      node('b', '10.8.0.2', false),
      node('kwok', '127.0.0.1'),
      node('theirs', '10.8.0.9', true, {}),
    ],
  });
  const service = bench.client.object<Service>(coreV1.services, key)!;
  assert.equal(service.spec.clusterIP, '10.96.0.10');
  assert.deepEqual(service.metadata.labels, {
    'k8s-app': 'kube-dns',
    'kubernetes.io/cluster-service': 'true',
    'kubernetes.io/name': 'CoreDNS',
  });
  assert.equal(service.spec.selector, undefined);
  const endpoints = () =>
    bench.client
      .objects<EndpointSlice>(discoveryV1.endpointslices)
      .flatMap(s => s.endpoints ?? [])
      .map(e => `${e.addresses[0]} for ${e.hints?.forNodes?.map(n => n.name)}`);
  assert.deepEqual(endpoints(), ['10.8.0.1 for a']);
  bench.client.set(coreV1.nodes, node('b', '10.8.0.2') as Draft<Node>);
  await bench.settle();
  assert.deepEqual(endpoints(), ['10.8.0.1 for a', '10.8.0.2 for b']);
  bench.client.remove(coreV1.nodes, 'a');
  await bench.settle();
  assert.deepEqual(endpoints(), ['10.8.0.2 for b']);
  bench.client.clearActions();
  await bench.advance(600_000);
  assert.deepEqual(bench.client.writes(), []);
});

test('what others change is put right, what others own is left alone', async () => {
  await using bench = await controllerBench([controller], { objects: [node('a', '10.8.0.1')] });
  bench.client.remove(coreV1.services, key);
  bench.client.remove(discoveryV1.endpointslices, 'kube-system/kube-dns-1');
  await bench.settle();
  const service = bench.client.object<Service>(coreV1.services, key)!;
  assert.equal(bench.client.objects(discoveryV1.endpointslices).length, 1);
  bench.client.set(coreV1.services, { ...(service as Draft<Service>), spec: { clusterIP: '10.96.0.99' } });
  await bench.settle();
  assert.equal(bench.client.object<Service>(coreV1.services, key)!.spec.clusterIP, '10.96.0.10');
  const own = {
    ...(service as Draft<Service>),
    spec: { clusterIP: '10.96.0.10', selector: { 'k8s-app': 'kube-dns' } },
  };
  bench.client.set(coreV1.services, own);
  bench.client.clearActions();
  bench.client.set(coreV1.nodes, node('b', '10.8.0.2') as Draft<Node>);
  await bench.settle();
  assert.deepEqual(bench.client.writes(), []);
});

test('slices stay small, complete and where they are', () => {
  const nodeNumbers = fc.uniqueArray(fc.integer({ min: 0, max: 350 }), { maxLength: 320, minLength: 150 });
  const nodes = (numbers: readonly number[]) =>
    numbers.map(n => node(`n${n}`, `10.0.${n >> 8}.${n & 255}`) as unknown as Node);
  fc.assert(
    fc.property(nodeNumbers, nodeNumbers, (first, second) => {
      const before = planSlices(nodes(first), [], 4).create as EndpointSlice[];
      assert.deepEqual(planSlices(nodes(first), before, 4), { create: [], update: [], delete: [] });
      const plan = planSlices(nodes(second), before, 4);
      const changed = new Map(plan.update.map(s => [s.metadata!.name, s]));
      const after = [
        ...before.filter(s => !plan.delete.includes(s)).map(s => changed.get(s.metadata.name!) ?? s),
        ...plan.create,
      ] as EndpointSlice[];
      const names = after.flatMap(s => (s.endpoints ?? []).map(e => e.nodeName));
      assert.deepEqual(names.toSorted(), second.map(n => `n${n}`).sort());
      assert.ok(after.every(s => s.endpoints!.length > 0 && s.endpoints!.length <= maxEndpointsPerSlice));
      assert.equal(new Set(after.map(s => s.metadata.name)).size, after.length);
    }),
    { numRuns: 30 },
  );
});

test('the access granted is enough for the controller and no more', async () => {
  const test = await startTestServer();
  try {
    const admin = await test.http();
    await ensureDnsAccess(admin);
    await ensureDnsAccess(admin);
    const own = test.server.client({ userAgent: 'dns', serviceAccount: dnsServiceAccount });
    const created = await own.create<Service>(coreV1.services, {
      metadata: { name: 'kube-dns', namespace: 'kube-system' },
      spec: { clusterIP: '10.96.0.10', trafficDistribution: 'PreferSameNode', ports: [{ name: 'dns', port: 53 }] },
    });
    await own.update(coreV1.services, created as Draft<Service>);
    await own.list(coreV1.nodes);
    const slice = planSlices([node('a', '10.8.0.1') as unknown as Node], [], 4).create[0]!;
    const stored = await own.create<EndpointSlice>(discoveryV1.endpointslices, slice);
    assert.deepEqual(planSlices([node('a', '10.8.0.1') as unknown as Node], [stored], 4).update, []);
    await own.delete(discoveryV1.endpointslices, { namespace: 'kube-system', name: 'kube-dns-1' });
    await assert.rejects(own.list(coreV1.services), isForbidden);
    await assert.rejects(own.delete(coreV1.services, { namespace: 'kube-system', name: 'x' }), isForbidden);
    await assert.rejects(own.list(coreV1.secrets), isForbidden);
    const proxy = await test.http({ name: 'system:kube-proxy' });
    await proxy.list(coreV1.namespaces);
  } finally {
    await test.stop();
  }
});
