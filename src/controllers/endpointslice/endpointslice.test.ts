import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Draft } from '../../api/meta.ts';
import { coreV1, discoveryV1 } from '../../api/refs.ts';
import { internalError } from '../../api/status.ts';
import type { Pod, Service } from '../../api/type/core-v1.ts';
import type { FakeClient } from '../../client/fake-client.ts';
import { type ControllerBench, controllerBench } from '../../engine/controller-bench.ts';
import { writesBut } from '../test-pods.ts';
import { endpointSliceController } from './endpointslice.ts';

const service = (spec: object = {}, metadata: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'a', ...metadata },
  spec: {
    clusterIP: '10.0.0.1',
    ipFamilies: ['IPv4'],
    selector: { app: 'web' },
    ports: [{ name: 'http', protocol: 'TCP', port: 80, targetPort: 'web' }],
    ...spec,
  },
});
const node = (name: string, zone?: string, cpu = '4') => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name, labels: zone ? { 'topology.kubernetes.io/zone': zone } : {} },
  status: { allocatable: { cpu }, conditions: [{ type: 'Ready', status: 'True' }] },
});
const ready = (status: 'True' | 'False', lastTransitionTime = '2026-01-01T00:00:00Z') => [
  { type: 'Ready', status, lastTransitionTime },
];
function pod(i: number, more: { spec?: object; status?: object; metadata?: object } = {}): Draft<Pod> {
  const ip = `10.1.${i >> 8}.${i & 255}`;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `p${i}`, namespace: 'a', labels: { app: 'web' }, ...more.metadata },
    spec: {
      nodeName: 'n1',
      containers: [{ name: 'c', image: 'i', ports: [{ name: 'web', containerPort: 8080 }] }],
      ...more.spec,
    },
    status: { phase: 'Running', podIP: ip, podIPs: [{ ip }], conditions: ready('True'), ...more.status },
  } as Draft<Pod>;
}
const slices = (bench: ControllerBench) => bench.client.objects(discoveryV1.endpointslices);
const start = (objects: object[], max = 100, prepare?: (client: FakeClient) => void) =>
  controllerBench([endpointSliceController({ maxPerSlice: max })], {
    objects: objects as [],
    ...(prepare ? { prepare } : {}),
  });

describe('endpointslice-controller', () => {
  it('makes a slice as Kubernetes writes it', async () => {
    const headless = service({ clusterIP: 'None' }, { labels: { team: 'x' }, uid: 'u1' });
    const named = pod(1, { spec: { hostname: 'h', subdomain: 'web' }, metadata: { uid: 'p1' } });
    await using bench = await start([headless, node('n1', 'z1'), named]);
    const [slice] = slices(bench);
    assert.match(slice!.metadata.name, /^web-[a-z0-9]{5}$/);
    assert.deepEqual(slice!.metadata.labels, {
      team: 'x',
      'service.kubernetes.io/headless': '',
      'kubernetes.io/service-name': 'web',
      'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
    });
    assert.deepEqual(slice!.metadata.ownerReferences, [
      { apiVersion: 'v1', kind: 'Service', name: 'web', uid: 'u1', controller: true, blockOwnerDeletion: true },
    ]);
    assert.deepEqual(slice!.metadata.annotations, {
      'endpoints.kubernetes.io/last-change-trigger-time': '2026-01-01T00:00:00Z',
    });
    assert.deepEqual(slice!.ports, [{ name: 'http', protocol: 'TCP', port: 8080 }]);
    assert.deepEqual(slice!.endpoints, [
      {
        addresses: ['10.1.0.1'],
        conditions: { ready: true, serving: true, terminating: false },
        hostname: 'h',
        targetRef: { kind: 'Pod', namespace: 'a', name: 'p1', uid: 'p1' },
        nodeName: 'n1',
        zone: 'z1',
      },
    ]);
    bench.client.clearActions();
    await bench.advance(60_000);
    assert.deepEqual(writesBut(bench.client), [], 'rests');
  });

  it('follows readiness and termination, and publishes all when asked to', async () => {
    await using bench = await start([
      service(),
      node('n1'),
      pod(1),
      pod(2, { status: { conditions: ready('False') } }),
    ]);
    const conditions = () => slices(bench)[0]!.endpoints!.map(e => Object.values(e.conditions!).join());
    assert.deepEqual(conditions(), ['true,true,false', 'false,false,false']);
    bench.client.set(coreV1.pods, pod(1, { metadata: { deletionTimestamp: '2026-01-01T00:00:09Z' } }));
    bench.client.set(coreV1.pods, pod(2));
    await bench.settle();
    assert.deepEqual(conditions(), ['false,true,true', 'true,true,false']);
    bench.client.set(coreV1.services, service({ publishNotReadyAddresses: true }) as never);
    await bench.settle();
    assert.deepEqual(conditions(), ['true,true,true', 'true,true,false']);
    bench.client.set(coreV1.pods, pod(1, { status: { phase: 'Succeeded' } }));
    await bench.settle();
    assert.deepEqual(conditions(), ['true,true,false']);
    bench.client.remove(coreV1.pods, 'a/p2');
    await bench.settle();
    assert.deepEqual(
      slices(bench).map(s => [s.endpoints?.length, s.ports?.length]),
      [[0, 0]],
      'one empty slice remains',
    );
    bench.client.clearActions();
    await bench.advance(60_000);
    assert.deepEqual(writesBut(bench.client), []);
  });

  it('makes slices a family and a port number', async () => {
    const dual = service({ ipFamilies: ['IPv4', 'IPv6'] });
    const two = { podIPs: [{ ip: '10.1.0.1' }, { ip: 'fd00::1' }] };
    const other = { containers: [{ name: 'c', image: 'i', ports: [{ name: 'web', containerPort: 9090 }] }] };
    await using bench = await start([dual, node('n1'), pod(1, { status: two }), pod(2, { spec: other })]);
    const text = () =>
      slices(bench)
        .map(s => `${s.addressType} ${s.ports!.map(p => p.port)} ${s.endpoints!.flatMap(e => e.addresses)}`)
        .sort();
    assert.deepEqual(text(), ['IPv4 8080 10.1.0.1', 'IPv4 9090 10.1.0.2', 'IPv6 8080 fd00::1']);
    bench.client.set(coreV1.services, service({ ipFamilies: ['IPv6'] }) as never);
    await bench.settle();
    assert.deepEqual(text(), ['IPv6 8080 fd00::1']);
  });

  it('fills slices and changes as few as it can', async () => {
    const pods = Array.from({ length: 25 }, (_, i) => pod(i + 1));
    await using bench = await start([service(), node('n1'), ...pods], 10);
    assert.deepEqual(
      slices(bench)
        .map(s => s.endpoints!.length)
        .sort(),
      [10, 10, 5],
    );
    bench.client.clearActions();
    bench.client.set(coreV1.pods, pod(26));
    await bench.settle();
    assert.equal(writesBut(bench.client).length, 1, 'the new one goes into the slice with room');
    bench.client.clearActions();
    bench.client.remove(coreV1.pods, 'a/p3');
    bench.client.set(coreV1.pods, pod(27));
    await bench.settle();
    const all = slices(bench).flatMap(s => s.endpoints!.map(e => e.targetRef!.name));
    assert.equal(new Set(all).size, 26);
    assert.equal(all.length, 26);
  });

  it('reuses what it would delete, removes what is not its service’s, leaves other managers alone', async () => {
    const stale = (name: string, managedBy: string, uid: string) => ({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: {
        name,
        namespace: 'a',
        labels: { 'kubernetes.io/service-name': 'web', 'endpointslice.kubernetes.io/managed-by': managedBy },
        ownerReferences: [{ apiVersion: 'v1', kind: 'Service', name: 'web', uid }],
      },
      addressType: 'IPv4',
      endpoints: [{ addresses: ['1.2.3.4'] }],
      ports: [{ name: 'old', port: 1 }],
    });
    const ours = 'endpointslice-controller.k8s.io';
    await using bench = await start([
      service({}, { uid: 'u' }),
      node('n1'),
      pod(1),
      stale('reused', ours, 'u'),
      stale('former', ours, 'gone'),
      stale('theirs', 'someone', 'u'),
    ]);
    assert.deepEqual(
      slices(bench).map(s => `${s.metadata.name} ${s.endpoints![0]!.addresses[0]}`),
      ['reused 10.1.0.1', 'theirs 1.2.3.4'],
    );
    bench.client.remove(discoveryV1.endpointslices, 'a/reused');
    await bench.settle();
    assert.equal(slices(bench).length, 2, 'made again when somebody deletes it');
    const mine = slices(bench).find(s => s.metadata.name !== 'theirs')!;
    bench.client.set(discoveryV1.endpointslices, { ...mine, endpoints: [] } as never);
    await bench.settle();
    assert.equal(slices(bench).find(s => s.metadata.name !== 'theirs')!.endpoints!.length, 1);
  });

  it('waits for nodes it does not know, tells of failures, and leaves services without selectors', async () => {
    await using bench = await start(
      [service(), pod(1), { ...service({ selector: undefined }), metadata: { name: 'manual', namespace: 'a' } }],
      100,
    );
    assert.deepEqual(slices(bench)[0]!.endpoints, []);
    assert.match(bench.events()[0]!, /Warning FailedToUpdateEndpointSlices: .*a\/web: skipping Pod p1.*Node n1 Not F/);
    bench.client.failNext('update', discoveryV1.endpointslices, internalError('broken'));
    bench.client.set(coreV1.nodes, node('n1', 'z') as never);
    await bench.settle();
    assert.ok(
      bench.events().some(e => e.includes('for Service a/web: failed to update web-')),
      bench.events().join(),
    );
    await bench.advance(1000);
    assert.equal(slices(bench)[0]!.endpoints![0]!.zone, 'z');
    assert.equal(slices(bench).length, 1);
  });

  it('does not create twice while the informer lags', async () => {
    await using bench = await start([service(), node('n1'), pod(1)]);
    bench.client.react(a => (a.verb === 'watch' && a.resource.resource === 'endpointslices' ? hold : undefined));
    const hold = new Promise(() => {});
    bench.client.dropWatches(undefined, discoveryV1.endpointslices);
    for (let i = 2; i < 9; i++) {
      bench.client.set(coreV1.pods, pod(i));
      await bench.settle();
    }
    const writes = writesBut(bench.client).filter(w => w.includes('endpointslices'));
    assert.ok(writes.length <= 2, writes.join());
    assert.equal(slices(bench).length, 1);
  });

  it('hints as trafficDistribution asks, and takes hints back', async () => {
    await using bench = await start([
      service({ trafficDistribution: 'PreferSameZone' }),
      node('n1', 'z1'),
      node('n2'),
      pod(1),
      pod(2, { spec: { nodeName: 'n2' } }),
    ]);
    const hints = () => slices(bench)[0]!.endpoints!.map(e => e.hints);
    assert.deepEqual(hints(), [{ forZones: [{ name: 'z1' }] }, undefined]);
    bench.client.set(coreV1.services, service({ trafficDistribution: 'PreferSameNode' }) as never);
    await bench.settle();
    assert.deepEqual(hints(), [
      { forZones: [{ name: 'z1' }], forNodes: [{ name: 'n1' }] },
      { forNodes: [{ name: 'n2' }] },
    ]);
    bench.client.set(coreV1.services, service() as never);
    await bench.settle();
    assert.deepEqual(hints(), [undefined, undefined]);
  });

  it('spreads endpoints over zones by their CPU', async () => {
    const auto = service({}, { annotations: { 'service.kubernetes.io/topology-mode': 'Auto' } }) as unknown as Service;
    const pods = Array.from({ length: 12 }, (_, i) => pod(i, { spec: { nodeName: i < 8 ? 'n1' : 'n2' } }));
    await using bench = await start([auto, node('n1', 'z1'), node('n2', 'z2'), ...pods]);
    const counts = () => {
      const zones = slices(bench).flatMap(s => s.endpoints!.map(e => e.hints?.forZones?.[0]?.name));
      return ['z1', 'z2', undefined].map(z => zones.filter(x => x === z).length).join();
    };
    // z1 has 8 of 12 endpoints and half of the CPU; z2 has 4 and needs 5.
    assert.equal(counts(), '7,5,0');
    assert.ok(
      bench
        .events()
        .includes('Normal TopologyAwareHintsEnabled: Topology Aware Hints has been enabled, addressType: IPv4'),
    );
    bench.client.remove(coreV1.nodes, 'n2');
    await bench.settle();
    assert.equal(counts(), `0,0,${slices(bench)[0]!.endpoints!.length}`);
    assert.ok(bench.events().some(e => e.includes('Warning TopologyAwareHintsDisabled: Nodes only ready in one zone')));
  });
});
