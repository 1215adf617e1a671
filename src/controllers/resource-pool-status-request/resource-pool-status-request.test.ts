import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { resourceV1, resourceV1alpha3 } from '../../api/refs.ts';
import { controllerBench } from '../../engine/controller-bench.ts';
import { resourcePoolStatusRequestController } from './resource-pool-status-request.ts';

const requests = resourceV1alpha3.resourcepoolstatusrequests;
const startMs = Date.UTC(2026, 0, 1);
const slice = (name: string, pool: string, devices: number, more: object = {}, of: object = {}) => ({
  apiVersion: 'resource.k8s.io/v1',
  kind: 'ResourceSlice',
  metadata: { name },
  spec: {
    ...{ driver: 'd', pool: { name: pool, generation: 1, resourceSliceCount: 1, ...of } },
    ...{ devices: Array.from({ length: devices }, (_, i) => ({ name: `${name}-${i}` })), ...more },
  },
});
const claim = (name: string, pool: string, ...devices: string[]) => ({
  apiVersion: 'resource.k8s.io/v1',
  kind: 'ResourceClaim',
  metadata: { name, namespace: 'a' },
  status: {
    allocation: { devices: { results: devices.map(device => ({ request: 'r', driver: 'd', pool, device })) } },
  },
});
const request = (name: string, spec: object = {}) => ({
  apiVersion: 'resource.k8s.io/v1alpha3',
  kind: 'ResourcePoolStatusRequest',
  metadata: { name, uid: name },
  spec: { driver: 'd', ...spec },
});
const bench = (...objects: object[]) =>
  controllerBench([resourcePoolStatusRequestController()], { startMs, objects: objects as any });

describe('resource-pool-status-request-controller', () => {
  it('counts what the newest generation of each pool has, and how much of it is taken', async () => {
    await using b = await bench(
      slice('s1', 'p1', 3, { nodeName: 'n' }),
      slice('s2', 'p2', 1, {}, { generation: 2, resourceSliceCount: 2 }),
      slice('s3', 'p2', 1, {}, { generation: 2, resourceSliceCount: 2 }),
      slice('old', 'p2', 9),
      slice('other', 'p', 9, { driver: 'other' }),
      claim('c1', 'p1', 's1-0', 's1-1'),
      claim('c2', 'p2', 's2-0'),
      request('all'),
      request('one', { poolName: 'p2' }),
      request('first', { limit: 1 }),
      request('none', { poolName: 'no' }),
    );
    const status = (name: string) => b.client.object(requests, name)?.status;
    const { conditions, ...rest } = status('all')!;
    assert.deepEqual(rest, {
      poolCount: 2,
      pools: [
        {
          ...{ driver: 'd', poolName: 'p1', generation: 1, resourceSliceCount: 1, nodeName: 'n' },
          ...{ totalDevices: 3, allocatedDevices: 2, availableDevices: 1, unavailableDevices: 0 },
        },
        {
          ...{ driver: 'd', poolName: 'p2', generation: 2, resourceSliceCount: 2 },
          ...{ totalDevices: 2, allocatedDevices: 1, availableDevices: 1, unavailableDevices: 0 },
        },
      ],
    });
    assert.equal(conditions?.[0]?.message, 'Calculated status for 2 pools');
    assert.deepEqual(
      status('one')?.pools?.map(p => p.poolName),
      ['p2'],
    );
    assert.deepEqual([status('first')?.poolCount, status('first')?.pools?.length], [2, 1]);
    assert.deepEqual([status('none')?.poolCount, status('none')?.pools], [0, undefined]);
  });

  it('waits for slices that are to come, but not for ever', async () => {
    await using b = await bench(slice('s1', 'p1', 3, {}, { resourceSliceCount: 2 }), request('r'));
    assert.equal(b.client.object(requests, 'r')?.status, undefined);
    b.client.set(resourceV1.resourceslices, slice('s2', 'p1', 1, {}, { resourceSliceCount: 2 }) as any);
    await b.advance(5000);
    assert.equal(b.client.object(requests, 'r')?.status?.pools?.[0]?.totalDevices, 4);
    await using c = await bench(slice('s1', 'p1', 3, {}, { resourceSliceCount: 2 }), request('r'));
    await c.advance(3_600_000);
    assert.equal(c.client.object(requests, 'r')?.status, undefined);
    await c.advance(24 * 3_600_000);
    assert.equal(c.client.object(requests, 'r'), undefined);
  });

  it('keeps an answer for an hour', async () => {
    await using b = await bench(request('r'));
    await b.advance(3_500_000);
    assert.ok(b.client.object(requests, 'r')?.status);
    await b.advance(700_000);
    assert.equal(b.client.object(requests, 'r'), undefined);
  });
});
