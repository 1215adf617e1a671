// The essence of the official suite's tests of services, endpoints and slices that need no traffic, on virtual time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { coreV1, discoveryV1 } from '../api/refs.ts';
import { conformanceBench } from './test-conformance.ts';

type Any = any;

const { client, until, namespace, get, remove, patch, gone } = conformanceBench('net', 17);
const port80 = { name: 'http', protocol: 'TCP', port: 80, targetPort: 80 };
const makeService = (ns: string, name: string, spec: object, metadata: object = {}): Promise<Any> =>
  client.create(coreV1.services, { metadata: { namespace: ns, name, ...metadata }, spec });
const slicesOf = async (ns: string, service: string): Promise<Any[]> =>
  (
    await client.list(discoveryV1.endpointslices, {
      namespace: ns,
      labelSelector: `kubernetes.io/service-name=${service}`,
    })
  ).items;
const managedBy = (slice: Any) => slice.metadata.labels['endpointslice.kubernetes.io/managed-by'];

/** What a watch of a service says from now on: type, and what is read of the object. */
async function follow(ns: string, read: (service: Any) => unknown) {
  const { metadata } = await client.list(coreV1.services, { namespace: ns });
  const seen: unknown[] = [];
  const handle = client.watch(
    coreV1.services,
    { namespace: ns, resourceVersion: metadata.resourceVersion },
    { onEvent: (type: string, service: Any) => seen.push([type, read(service)]), onClose() {} },
  );
  return { seen, stop: () => handle.stop() };
}

test('[sig-network] Services should complete a service status lifecycle', async () => {
  const ns = await namespace();
  const read = (s: Any) => [
    s.status.loadBalancer.ingress?.[0].ip,
    s.status.conditions?.[0].reason,
    s.metadata.annotations?.patchedstatus,
    s.metadata.labels['test-service'],
  ];
  const { seen, stop } = await follow(ns, read);
  const labels = { 'test-service-static': 'true' };
  const spec = { type: 'LoadBalancer', loadBalancerClass: 'example.com/internal-vip', ports: [port80] };
  await makeService(ns, 's', spec, { labels });
  const all = await client.list(coreV1.services, { labelSelector: 'test-service-static=true' });
  assert.deepEqual(
    all.items.map((s: Any) => s.metadata.name),
    ['s'],
  );
  assert.deepEqual((await client.getSubresource(coreV1.services, { namespace: ns, name: 's' }, 'status')).status, {
    loadBalancer: {},
  });
  const ingress = [{ ip: '203.0.113.1' }];
  await patch(
    coreV1.services,
    ns,
    's',
    { metadata: { annotations: { patchedstatus: 'true' } }, status: { loadBalancer: { ingress } } },
    { subresource: 'status' },
  );
  const current = await get(coreV1.services, ns, 's');
  assert.deepEqual(current.status.loadBalancer.ingress, [{ ip: '203.0.113.1', ipMode: 'VIP' }]);
  const condition = {
    type: 'StatusUpdate',
    status: 'True',
    reason: 'E2E',
    message: 'Set from e2e test',
    lastTransitionTime: '2026-01-01T00:00:00Z',
  };
  await client.updateStatus(coreV1.services, { ...current, status: { ...current.status, conditions: [condition] } });
  await client.patch(
    coreV1.services,
    { namespace: ns, name: 's' },
    { type: 'strategic', body: { metadata: { labels: { 'test-service': 'patched' } } } },
  );
  await remove(coreV1.services, ns, 's');
  await until(() => seen.length >= 5);
  stop();
  const ip = '203.0.113.1';
  assert.deepEqual(seen, [
    ['ADDED', [undefined, undefined, undefined, undefined]],
    ['MODIFIED', [ip, undefined, 'true', undefined]],
    ['MODIFIED', [ip, 'E2E', 'true', undefined]],
    ['MODIFIED', [ip, 'E2E', 'true', 'patched']],
    ['DELETED', [ip, 'E2E', 'true', 'patched']],
  ]);
});

test('[sig-network] Services should delete a collection of services', async () => {
  const ns = await namespace();
  for (const [name, kind] of [
    ['a', 'test'],
    ['b', 'test'],
    ['c', 'other'],
  ])
    await makeService(ns, name!, { type: 'ClusterIP', ports: [port80] }, { labels: { 'e2e-service': kind } });
  await client.deleteCollection(coreV1.services, { namespace: ns, labelSelector: 'e2e-service=test' });
  const left = await client.list(coreV1.services, { namespace: ns });
  assert.deepEqual(
    left.items.map((s: Any) => s.metadata.name),
    ['c'],
  );
  await until(async () => (await slicesOf(ns, 'a')).length + (await slicesOf(ns, 'b')).length === 0);
});

// [sig-network] EndpointSlice should create and delete EndpointSlices for a Service with a selector that matches no pods
// [sig-network] EndpointsController should create and delete Endpoints for a Service with a selector that matches no pods
test('a selector that matches no pods: an empty slice and empty Endpoints, which go with the service', async () => {
  const ns = await namespace();
  const ports = [{ name: 'example', port: 80, targetPort: 3000 }];
  const service = await makeService(ns, 'empty', {
    selector: { 'does-not-match-anything': 'endpoints-should-still-be-created' },
    ports,
  });
  await until(async () => (await slicesOf(ns, 'empty')).length === 1);
  const [slice] = await slicesOf(ns, 'empty');
  assert.deepEqual(
    [managedBy(slice), slice.endpoints ?? [], slice.addressType],
    ['endpointslice-controller.k8s.io', [], 'IPv4'],
  );
  assert.deepEqual(
    slice.metadata.ownerReferences.map((o: Any) => [o.kind, o.name, o.uid, o.controller]),
    [['Service', 'empty', service.metadata.uid, true]],
  );
  const endpoints = await until(() => get(coreV1.endpoints, ns, 'empty').catch(() => undefined));
  assert.equal(endpoints.subsets, undefined);
  await remove(coreV1.services, ns, 'empty');
  await until(async () => (await slicesOf(ns, 'empty')).length === 0 && gone(get(coreV1.endpoints, ns, 'empty')));
});

/** Ports and pods of Endpoints or slices: one line for each port of each address. */
const lines = (groups: readonly { ports: Any[]; of: Any[] }[]) =>
  groups
    .flatMap(g => g.ports.flatMap(p => g.of.map(o => `${p.name} ${p.port}/${p.protocol} ${o.targetRef.name}`)))
    .sort();
const linesOfSlices = async (ns: string, name: string) =>
  lines((await slicesOf(ns, name)).map(s => ({ ports: s.ports ?? [], of: s.endpoints ?? [] })));
const linesOfEndpoints = async (ns: string, name: string) =>
  lines(
    ((await get(coreV1.endpoints, ns, name)).subsets ?? []).map((s: Any) => ({
      ports: s.ports,
      of: s.addresses ?? [],
    })),
  );

// [sig-network] EndpointSlice should create Endpoints and EndpointSlices for Pods matching a Service
// [sig-network] EndpointsController should create Endpoints for Pods matching a Service
test('pods that match: by name of port, each with its own number, over several protocols', async () => {
  const ns = await namespace();
  const makePod = (name: string, labels: object, ports: object[]) =>
    client.create(coreV1.pods, {
      metadata: { namespace: ns, name, labels },
      spec: { containers: [{ name: 'c', image: 'i', ports }], terminationGracePeriodSeconds: 1 },
    });
  const tcp = (containerPort: number) => ({ name: 'example-name', containerPort, protocol: 'TCP' });
  const udp = { name: 'other-port', containerPort: 3001, protocol: 'UDP' };
  await makePod('pod1', { pod: 'one', shared1: 'true' }, [tcp(3000)]);
  await makePod('pod2', { pod: 'two', shared1: 'true' }, [tcp(3002), udp]);
  const ports = [{ name: 'example', port: 80, targetPort: 'example-name', protocol: 'TCP' }];
  const no = { name: 'no-match', port: 8080, targetPort: 'no-match', protocol: 'TCP' };
  const other = { name: 'example-udp', port: 80, targetPort: 'other-port', protocol: 'UDP' };
  await makeService(ns, 'one', { selector: { pod: 'one' }, ports: [...ports, no] });
  await makeService(ns, 'shared', { selector: { shared1: 'true' }, ports: [...ports, other], clusterIP: 'None' });
  const shared = ['example 3000/TCP pod1', 'example 3002/TCP pod2', 'example-udp 3001/UDP pod2'];
  const are = (name: string, wanted: string[]) =>
    until(async () =>
      [await linesOfSlices(ns, name), await linesOfEndpoints(ns, name).catch(() => [])].every(l =>
        isDeepStrictEqual(l, wanted),
      ),
    );
  await are('one', ['example 3000/TCP pod1']);
  await are('shared', shared);
  // Each combination of ports is a slice of its own, and a subset of its own.
  assert.equal((await slicesOf(ns, 'shared')).length, 2);
  assert.equal((await get(coreV1.endpoints, ns, 'shared')).subsets.length, 2);
  const pod = await get(coreV1.pods, ns, 'pod1');
  const [slice] = await slicesOf(ns, 'one');
  const { addresses, conditions, nodeName, targetRef } = slice.endpoints[0];
  assert.deepEqual(
    [addresses, conditions, nodeName, targetRef],
    [
      [pod.status.podIP],
      { ready: true, serving: true, terminating: false },
      pod.spec.nodeName,
      { kind: 'Pod', namespace: ns, name: 'pod1', uid: pod.metadata.uid },
    ],
  );
  await remove(coreV1.pods, ns, 'pod1');
  await are('one', []);
  await are('shared', shared.slice(1));
});

test('[sig-network] EndpointSliceMirroring should mirror a custom Endpoints resource through create update and delete', async () => {
  const ns = await namespace();
  await makeService(ns, 'custom', { ports: [port80] });
  const subset = (ip: string, port: number) => ({
    addresses: [{ ip }],
    ports: [{ name: 'http', port, protocol: 'TCP' }],
  });
  const metadata = { namespace: ns, name: 'custom' };
  await client.create(coreV1.endpoints, { metadata, subsets: [subset('10.1.2.3', 80)] });
  const mirrored = (ip: string, port: number) =>
    until(async () => {
      const [slice, ...more] = await slicesOf(ns, 'custom');
      return (
        more.length === 0 &&
        slice?.endpoints.length === 1 &&
        isDeepStrictEqual(slice.endpoints[0].addresses, [ip]) &&
        isDeepStrictEqual(slice.ports, [{ name: 'http', port, protocol: 'TCP' }]) &&
        slice
      );
    });
  const slice = await mirrored('10.1.2.3', 80);
  assert.equal(managedBy(slice), 'endpointslicemirroring-controller.k8s.io');
  assert.equal(slice.metadata.ownerReferences[0].kind, 'Endpoints');
  const read = await get(coreV1.endpoints, ns, 'custom');
  await client.update(coreV1.endpoints, { ...read, subsets: [subset('10.2.3.4', 81)] });
  await mirrored('10.2.3.4', 81);
  await remove(coreV1.endpoints, ns, 'custom');
  await until(async () => (await slicesOf(ns, 'custom')).length === 0);
});
