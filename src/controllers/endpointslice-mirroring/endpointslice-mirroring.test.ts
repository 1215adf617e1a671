import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { coreV1, discoveryV1 } from '../../api/refs.ts';
import { type ControllerBench, controllerBench } from '../../engine/controller-bench.ts';
import { writesBut } from '../test-pods.ts';
import { endpointSliceMirroringController } from './endpointslice-mirroring.ts';

const service = (spec: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'db', namespace: 'a' },
  spec: { clusterIP: '10.0.0.1', ports: [{ port: 5432 }], ...spec },
});
const endpoints = (subsets: object[], metadata: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Endpoints',
  metadata: { name: 'db', namespace: 'a', uid: 'e1', ...metadata },
  subsets,
});
const ports = [{ name: 'sql', port: 5432, protocol: 'TCP' }];
const subset = (...ips: string[]) => ({ addresses: ips.map(ip => ({ ip })), ports });
const slices = (bench: ControllerBench) => bench.client.objects(discoveryV1.endpointslices);
const start = (objects: object[], maxPerSubset = 1000) =>
  controllerBench([endpointSliceMirroringController({ maxPerSubset })], { objects: objects as [] });

describe('endpointslice-mirroring-controller', () => {
  it('mirrors each family, with labels and annotations', async () => {
    const labels = { team: 'x' };
    const annotations = { note: 'n', 'endpoints.kubernetes.io/last-change-trigger-time': 't' };
    const mixed = {
      addresses: [{ ip: '1.1.1.1', hostname: 'h', nodeName: 'n' }, { ip: 'fd00::1' }, { ip: 'no' }],
      notReadyAddresses: [{ ip: '2.2.2.2' }],
      ports,
    };
    await using bench = await start([service(), endpoints([mixed], { labels, annotations })]);
    const [v4, v6] = slices(bench).sort((a, b) => (a.addressType < b.addressType ? -1 : 1));
    assert.deepEqual(v4!.endpoints, [
      { addresses: ['1.1.1.1'], conditions: { ready: true }, hostname: 'h', nodeName: 'n' },
      { addresses: ['2.2.2.2'], conditions: { ready: false } },
    ]);
    assert.deepEqual(
      v6!.endpoints!.map(e => e.addresses),
      [['fd00::1']],
    );
    assert.deepEqual(v4!.metadata.labels, {
      team: 'x',
      'kubernetes.io/service-name': 'db',
      'endpointslice.kubernetes.io/managed-by': 'endpointslicemirroring-controller.k8s.io',
    });
    assert.deepEqual(v4!.metadata.annotations, { note: 'n' });
    assert.deepEqual(
      v4!.metadata.ownerReferences!.map(o => [o.kind, o.uid]),
      [['Endpoints', 'e1']],
    );
    assert.deepEqual(bench.events(), [
      'Warning InvalidIPAddress: Skipped 1 invalid IP addresses when mirroring to EndpointSlices',
    ]);
    bench.client.clearActions();
    await bench.advance(60_000);
    assert.deepEqual(writesBut(bench.client), []);
  });

  it('follows changes, and takes its slices away when they are not wanted any more', async () => {
    await using bench = await start([service(), endpoints([subset('1.1.1.1')])]);
    const [first] = slices(bench);
    const put = async (object: object) => {
      bench.client.set(coreV1.endpoints, object as never);
      await bench.settle();
    };
    const addresses = () => slices(bench).map(s => s.endpoints!.flatMap(e => e.addresses).join());
    await put(endpoints([subset('3.3.3.3')]));
    assert.deepEqual(addresses(), ['3.3.3.3']);
    assert.equal(slices(bench)[0]!.metadata.name, first!.metadata.name, 'the same slice');
    await put(endpoints([subset('3.3.3.3')], { labels: { 'endpointslice.kubernetes.io/skip-mirror': 'true' } }));
    assert.deepEqual(addresses(), []);
    await put(endpoints([subset('4.4.4.4')]));
    assert.deepEqual(addresses(), ['4.4.4.4']);
    bench.client.set(coreV1.services, service({ selector: { app: 'x' } }) as never);
    await bench.settle();
    assert.deepEqual(addresses(), []);
    bench.client.set(coreV1.services, service() as never);
    await bench.settle();
    assert.deepEqual(addresses(), ['4.4.4.4']);
    bench.client.remove(coreV1.services, 'a/db');
    await bench.settle();
    assert.deepEqual(addresses(), []);
  });

  it('mirrors so many addresses of a subset and tells of the rest', async () => {
    const many = subset(...Array.from({ length: 7 }, (_, i) => `1.1.1.${i}`));
    await using bench = await start([service(), endpoints([many])], 5);
    assert.deepEqual(
      slices(bench).map(s => s.endpoints!.length),
      [5],
    );
    assert.deepEqual(bench.events(), [
      'Warning TooManyAddressesToMirror: A max of 5 addresses can be mirrored to EndpointSlices per Endpoints subset. 2 addresses were skipped',
    ]);
  });
});
