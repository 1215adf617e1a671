import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Draft } from '../../api/meta.ts';
import { appsV1, coreV1 } from '../../api/refs.ts';
import { modified, notFound } from '../../api/status.ts';
import type { Pod, ResourceQuota } from '../../api/type/core-v1.ts';
import { type ControllerBench, controllerBench } from '../../engine/controller-bench.ts';
import { resourceQuotaController } from './resource-quota.ts';

const quota = (hard: Record<string, string>, spec: object = {}, status: object = {}): Draft<ResourceQuota> => ({
  apiVersion: 'v1',
  kind: 'ResourceQuota',
  metadata: { name: 'q', namespace: 'a' },
  spec: { hard, ...spec },
  status,
});
const pod = (name: string, more: { namespace?: string; phase?: string; cpu?: string } = {}): Draft<Pod> => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: more.namespace ?? 'a' },
  spec: { containers: [{ name: 'c', image: 'i', resources: { requests: { cpu: more.cpu ?? '250m' } } }] },
  status: { phase: more.phase ?? 'Running' } as Draft<Pod>['status'],
});
const named = (kind: string, apiVersion: string, name: string) => ({
  kind,
  apiVersion,
  metadata: { name, namespace: 'a' },
});
const status = (bench: ControllerBench) => bench.client.object(coreV1.resourcequotas, 'a/q')!.status!;

describe('resourcequota-controller', () => {
  it('does not take back what admission charged for an object that is not seen yet', async () => {
    await using bench = await controllerBench([resourceQuotaController()], {
      objects: [quota({ pods: '3' }), pod('p0'), pod('p1')],
    });
    const used: string[] = [];
    const note = () => used.push(status(bench).used!.pods!);
    await bench.settle();
    note();
    // Admission charges a third, and one goes before the third is stored.
    bench.client.set(coreV1.resourcequotas, {
      ...bench.client.object(coreV1.resourcequotas, 'a/q')!,
      status: { hard: { pods: '3' }, used: { pods: '3' } },
    } as Draft<ResourceQuota>);
    await bench.settle();
    await bench.client.delete(coreV1.pods, { namespace: 'a', name: 'p0' }, { gracePeriodSeconds: 0 });
    await bench.advance(50);
    note();
    bench.client.set(coreV1.pods, pod('p2'));
    await bench.advance(1000);
    note();
    assert.deepEqual(used, ['2', '3', '2']);
  });

  it('gives nothing back that a broken watch only hides', async () => {
    await using bench = await controllerBench([resourceQuotaController()], {
      objects: [quota({ pods: '3' }), pod('p0')],
    });
    await bench.settle();
    bench.client.dropWatches(new Error('reset'), coreV1.pods);
    bench.client.set(coreV1.pods, pod('p1'));
    bench.client.set(coreV1.resourcequotas, {
      ...bench.client.object(coreV1.resourcequotas, 'a/q')!,
      spec: { hard: { pods: '2' } },
      status: { hard: { pods: '3' }, used: { pods: '2' } },
    } as Draft<ResourceQuota>);
    await bench.advance(300);
    assert.equal(status(bench).used!.pods, '2');
  });

  it('counts down beside one charge after another, late', async () => {
    await using bench = await controllerBench([resourceQuotaController()], {
      objects: [quota({ pods: '300' }, {}, { hard: { pods: '300' }, used: { pods: '0' } }), pod('p0')],
    });
    for (let i = 0; i < 30; i++) {
      bench.client.set(coreV1.resourcequotas, {
        ...bench.client.object(coreV1.resourcequotas, 'a/q')!,
        status: { hard: { pods: '300' }, used: { pods: String(100 + i) } },
      } as Draft<ResourceQuota>);
      bench.client.set(coreV1.pods, pod(`x${i}`));
      await bench.client.delete(coreV1.pods, { namespace: 'a', name: `x${i}` }, { gracePeriodSeconds: 0 });
      await bench.advance(100);
      if (status(bench).used!.pods === '1') return;
    }
    assert.fail('never');
  });

  it('counts what there is, nothing included, and then rests', async () => {
    const hard = {
      pods: '10',
      'requests.cpu': '2',
      'limits.memory': '1Gi',
      configmaps: '5',
      resourcequotas: '1',
      'count/deployments.apps': '3',
    };
    await using bench = await controllerBench([resourceQuotaController()], {
      objects: [
        quota(hard),
        pod('p0'),
        pod('p1', { cpu: '1' }),
        pod('done', { phase: 'Succeeded' }),
        pod('elsewhere', { namespace: 'b' }),
        named('ConfigMap', 'v1', 'c'),
        named('Deployment', 'apps/v1', 'd'),
      ],
    });
    await bench.settle();
    assert.deepEqual(status(bench), {
      hard,
      used: {
        configmaps: '1',
        'count/deployments.apps': '1',
        'limits.memory': '0',
        pods: '2',
        'requests.cpu': '1250m',
        resourcequotas: '1',
      },
    });
    bench.client.clearActions();
    await bench.advance(900_000);
    assert.deepEqual(bench.client.writes(), []);
  });

  it('gives back at once what goes, ends, or gets smaller', async () => {
    await using bench = await controllerBench([resourceQuotaController()], {
      objects: [
        quota({ pods: '10', cpu: '2', 'count/replicasets.apps': '1' }),
        pod('p0'),
        pod('p1'),
        pod('p2', { cpu: '1' }),
        named('ReplicaSet', 'apps/v1', 'r'),
      ],
    });
    await bench.settle();
    assert.deepEqual(status(bench).used, { 'count/replicasets.apps': '1', cpu: '1500m', pods: '3' });
    bench.client.remove(coreV1.pods, 'a/p0');
    await bench.settle();
    assert.equal(status(bench).used!.pods, '2');
    bench.client.set(coreV1.pods, pod('p1', { phase: 'Failed' }));
    await bench.settle();
    assert.equal(status(bench).used!.pods, '1');
    bench.client.set(coreV1.pods, pod('p2', { cpu: '500m' }));
    await bench.settle();
    assert.equal(status(bench).used!.cpu, '500m');
    bench.client.remove(appsV1.replicasets, 'a/r');
    await bench.settle();
    assert.equal(status(bench).used!['count/replicasets.apps'], '0');
  });

  it('leaves charging to admission, but finds in time what it missed', async () => {
    await using bench = await controllerBench([resourceQuotaController()], { objects: [quota({ pods: '10' })] });
    await bench.settle();
    bench.client.set(coreV1.pods, pod('p'));
    await bench.advance(299_000);
    assert.equal(status(bench).used!.pods, '0');
    await bench.advance(1_000);
    assert.equal(status(bench).used!.pods, '1');
  });

  it('follows its limits, and forgets those that are gone', async () => {
    await using bench = await controllerBench([resourceQuotaController()], {
      objects: [quota({ pods: '10', secrets: '1' }), named('Secret', 'v1', 's')],
    });
    await bench.settle();
    bench.client.set(coreV1.resourcequotas, quota({ secrets: '5' }, {}, status(bench)));
    await bench.settle();
    assert.deepEqual(status(bench), { hard: { secrets: '5' }, used: { secrets: '1' } });
  });

  it('counts within scopes only', async () => {
    const besteffort = { ...pod('b'), spec: { containers: [{ name: 'c', image: 'i' }] } };
    await using bench = await controllerBench([resourceQuotaController()], {
      objects: [quota({ pods: '10' }, { scopes: ['BestEffort'] }), pod('p'), besteffort],
    });
    await bench.settle();
    assert.deepEqual(status(bench).used, { pods: '1' });
  });

  it('counts other kinds by asking for them, and leaves out what does not exist', async () => {
    await using bench = await controllerBench([resourceQuotaController()], {
      objects: [
        quota({ 'count/leases.coordination.k8s.io': '5', 'count/dreams.example.com': '1' }),
        named('Lease', 'coordination.k8s.io/v1', 'l'),
      ],
      prepare: client => {
        const as = client.as.bind(client);
        client.as = identity =>
          Object.assign(as(identity), {
            raw: async (path: string) => {
              if (path !== '/apis/coordination.k8s.io') throw notFound({ group: '', resource: 'paths' }, path);
              return { preferredVersion: { version: 'v1' } };
            },
          });
      },
    });
    await bench.settle();
    assert.deepEqual(status(bench).used, { 'count/leases.coordination.k8s.io': '1' });
  });

  it('counts the devices that claims ask for, of alternatives the most, of all as many as a claim may hold', async () => {
    const devices = (name: string, ...requests: object[]) => ({
      ...named('ResourceClaim', 'resource.k8s.io/v1', name),
      spec: { devices: { requests } },
    });
    const gpu = { deviceClassName: 'gpu.e.com' };
    const objects = [
      devices('one', { name: 'r', exactly: gpu }, { name: 's', exactly: { ...gpu, count: 2 } }),
      devices('either', { name: 'r', firstAvailable: [{ ...gpu, count: 4 }, gpu, { deviceClassName: 'nic.e.com' }] }),
      devices('all', { name: 'r', exactly: { ...gpu, allocationMode: 'All' } }),
    ];
    const classes = 'deviceclass.resource.k8s.io/devices';
    const hard = {
      [`gpu.e.com.${classes}`]: '99',
      [`nic.e.com.${classes}`]: '9',
      'count/resourceclaims.resource.k8s.io': '9',
    };
    await using bench = await controllerBench([resourceQuotaController()], {
      objects: [quota(hard), ...objects] as object[] as [],
      prepare: client => {
        const as = client.as.bind(client);
        const raw = async () => ({ preferredVersion: { version: 'v1' } });
        client.as = identity => Object.assign(as(identity), { raw });
      },
    });
    await bench.settle();
    assert.deepEqual(status(bench).used, {
      'count/resourceclaims.resource.k8s.io': '3',
      [`gpu.e.com.${classes}`]: '39',
      [`nic.e.com.${classes}`]: '1',
    });
  });

  it('counts anew after a conflict', async () => {
    await using bench = await controllerBench([resourceQuotaController()], {
      objects: [quota({ pods: '10' }), pod('p')],
      prepare: c =>
        c.failNext('update', coreV1.resourcequotas, modified({ group: '', resource: 'resourcequotas' }, 'q')),
    });
    await bench.advance(1_000);
    assert.deepEqual(status(bench).used, { pods: '1' });
  });
});
