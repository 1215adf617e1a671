import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Draft } from '../../api/meta.ts';
import { coreV1 } from '../../api/refs.ts';
import { internalError } from '../../api/status.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import { type ControllerBench, controllerBench } from '../../engine/controller-bench.ts';
import { writesBut } from '../test-pods.ts';
import { endpointController } from './endpoint.ts';
import { type Listening, packSubsets } from './kernel/subset.ts';

const service = (spec: object = {}, metadata: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'web', namespace: 'a', ...metadata },
  spec: {
    clusterIP: '10.0.0.1',
    selector: { app: 'web' },
    ports: [{ name: 'http', port: 80, targetPort: 8080 }],
    ...spec,
  },
});
const pod = (i: number, ready = true, more: object = {}): Draft<Pod> =>
  ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: `p${i}`, namespace: 'a', uid: `u${i}`, labels: { app: 'web' }, ...more },
    spec: { nodeName: 'n', containers: [] },
    status: {
      phase: 'Running',
      podIPs: [{ ip: `10.1.${i >> 8}.${i & 255}` }],
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: '2026-01-01T00:00:00Z' }],
    },
  }) as never;
const start = (objects: object[]) => controllerBench([endpointController()], { objects: objects as [] });
const endpoints = (bench: ControllerBench) => bench.client.object(coreV1.endpoints, 'a/web');

describe('endpoint-controller', () => {
  it('makes what Kubernetes makes, and rests', async () => {
    await using bench = await start([service({ clusterIP: 'None' }, { labels: { team: 'x' } }), pod(2), pod(1, false)]);
    const { metadata, subsets } = endpoints(bench)!;
    assert.deepEqual(metadata.labels, {
      team: 'x',
      'service.kubernetes.io/headless': '',
      'endpoints.kubernetes.io/managed-by': 'endpoint-controller',
    });
    assert.deepEqual(metadata.annotations, {
      'endpoints.kubernetes.io/last-change-trigger-time': '2026-01-01T00:00:00Z',
    });
    const address = (i: number) => ({
      ip: `10.1.0.${i}`,
      nodeName: 'n',
      targetRef: { kind: 'Pod', namespace: 'a', name: `p${i}`, uid: `u${i}` },
    });
    assert.deepEqual(subsets, [
      {
        addresses: [address(2)],
        notReadyAddresses: [address(1)],
        ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
      },
    ]);
    bench.client.clearActions();
    await bench.advance(60_000);
    assert.deepEqual(writesBut(bench.client), []);
  });

  it('leaves out terminating pods unless told to publish all', async () => {
    const dying = pod(1, true, { deletionTimestamp: '2026-01-01T00:00:30Z' });
    await using bench = await start([service(), dying]);
    assert.deepEqual(endpoints(bench)!.subsets ?? [], []);
    bench.client.set(coreV1.services, service({ publishNotReadyAddresses: true }) as never);
    await bench.settle();
    assert.equal(endpoints(bench)!.subsets![0]!.addresses!.length, 1);
  });

  it('goes with its service, comes back when deleted, and removes what a service left behind', async () => {
    const meta = (name: string, annotations?: object) => ({
      apiVersion: 'v1',
      kind: 'Endpoints',
      metadata: { name, namespace: 'a', annotations },
    });
    const lock = meta('lock', { 'control-plane.alpha.kubernetes.io/leader': '{}' });
    await using bench = await start([service(), pod(1), meta('leftover'), lock]);
    const names = () => bench.client.objects(coreV1.endpoints).map(e => e.metadata.name);
    assert.deepEqual(names(), ['lock', 'web']);
    bench.client.remove(coreV1.endpoints, 'a/web');
    await bench.advance(10_000);
    assert.deepEqual(names(), ['lock', 'web']);
    bench.client.remove(coreV1.services, 'a/web');
    await bench.settle();
    assert.deepEqual(names(), ['lock']);
    bench.client.set(coreV1.endpoints, meta('early') as never);
    await bench.settle();
    assert.deepEqual(names(), ['early', 'lock'], 'its service may come yet');
  });

  it('holds at most 1000 addresses and says so', async () => {
    await using bench = await start([service(), ...Array.from({ length: 1100 }, (_, i) => pod(i, i < 900))]);
    const [subset] = endpoints(bench)!.subsets!;
    assert.equal(subset!.addresses!.length, 900);
    assert.equal(subset!.notReadyAddresses!.length, 100);
    const annotation = () => endpoints(bench)!.metadata.annotations?.['endpoints.kubernetes.io/over-capacity'];
    assert.equal(annotation(), 'truncated');
    for (let i = 900; i < 1100; i++) bench.client.remove(coreV1.pods, `a/p${i}`);
    await bench.settle();
    assert.equal(annotation(), undefined);
    assert.equal(endpoints(bench)!.subsets![0]!.notReadyAddresses, undefined);
  });

  it('tells of failures', async () => {
    await using bench = await controllerBench([endpointController()], {
      objects: [service(), pod(1)] as object[] as [],
      prepare: client => client.failNext('create', coreV1.endpoints, internalError('broken')),
    });
    assert.match(bench.events()[0]!, /^Warning FailedToCreateEndpoint: Failed to create endpoint for service a\/web: /);
    await bench.advance(1000);
    assert.ok(endpoints(bench));
  });
});

describe('packSubsets', () => {
  const listening = fc.record({ address: fc.nat(5), ready: fc.boolean(), port: fc.nat(3) });

  it('says the same as one subset an address and port, with no two subsets to merge', () => {
    const property = fc.property(fc.array(listening, { maxLength: 30 }), items => {
      const once = [...new Map(items.map(i => [`${i.address}:${i.port}`, i])).values()];
      const given: Listening[] = once.map(({ address, ready, port }) => ({
        address: { ip: `10.0.0.${address}` },
        ready,
        port: { port: port + 1, protocol: 'TCP' },
      }));
      const subsets = packSubsets(given);
      const flat = subsets.flatMap(({ addresses = [], notReadyAddresses = [], ports = [] }) =>
        ports.flatMap(p => [
          ...addresses.map(a => `${a.ip}:${p.port} true`),
          ...notReadyAddresses.map(a => `${a.ip}:${p.port} false`),
        ]),
      );
      assert.deepEqual(flat.sort(), given.map(g => `${g.address.ip}:${g.port!.port} ${g.ready}`).sort());
      const sets = subsets.map(s => JSON.stringify([s.addresses, s.notReadyAddresses]));
      assert.equal(new Set(sets).size, sets.length);
      assert.deepEqual(packSubsets(given.toReversed()), subsets, 'order of arrival does not matter');
    });
    fc.assert(property, { numRuns: 300 });
  });
});
