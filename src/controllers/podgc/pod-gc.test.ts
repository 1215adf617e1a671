import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Draft } from '../../api/meta.ts';
import { coreV1 } from '../../api/refs.ts';
import { StatusError } from '../../api/status.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import { type ControllerBench, controllerBench } from '../../engine/controller-bench.ts';
import { testNode } from '../test-nodes.ts';
import { podGcController } from './pod-gc.ts';

const pod = (
  name: string,
  nodeName: string,
  phase: string,
  metadata: object = {},
  status: object = {},
): Draft<Pod> => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'a', creationTimestamp: '2026-01-01T00:00:00Z', ...metadata },
  spec: { ...(nodeName ? { nodeName } : {}), containers: [] },
  status: { phase, ...status } as Draft<Pod>['status'],
});
const dying = { deletionTimestamp: '2026-01-01T00:00:00Z', deletionGracePeriodSeconds: 30 };
const left = (bench: ControllerBench) => bench.client.objects(coreV1.pods).map(p => p.metadata.name);

describe('pod-garbage-collector-controller', () => {
  it('fails and deletes pods of a node that has been missing for forty seconds', async () => {
    await using bench = await controllerBench([podGcController()], {
      objects: [
        testNode('n'),
        pod('stays', 'n', 'Running'),
        pod('orphan', 'gone', 'Running'),
        pod('done', 'gone', 'Succeeded'),
      ],
    });
    await bench.advance(39_000);
    assert.deepEqual(left(bench), ['done', 'orphan', 'stays']);
    await bench.advance(1_000);
    assert.deepEqual(left(bench), ['stays']);
    const patches = bench.client.actions.filter(a => a.verb === 'patch');
    assert.equal(patches.length, 1, 'finished ones keep their status');
    const { phase, conditions } = patches[0]!.body.status;
    assert.equal(phase, 'Failed');
    assert.deepEqual(
      [conditions[0].type, conditions[0].reason, conditions[0].message],
      ['DisruptionTarget', 'DeletionByPodGC', 'PodGC: node no longer exists'],
    );
    const deletion = bench.client.actions.find(a => a.verb === 'delete' && a.name === 'orphan')!;
    assert.equal(deletion.body.gracePeriodSeconds, 0);
    assert.equal(deletion.serviceAccount, 'pod-garbage-collector');
  });

  it('spares pods whose node comes back in time', async () => {
    await using bench = await controllerBench([podGcController()], { objects: [pod('p', 'n', 'Running')] });
    await bench.advance(30_000);
    bench.client.set(coreV1.nodes, testNode('n'));
    await bench.advance(600_000);
    assert.deepEqual(left(bench), ['p']);
  });

  it('deletes what is being deleted and never came to a node', async () => {
    await using bench = await controllerBench([podGcController()], {
      objects: [pod('a', '', 'Pending', dying), pod('b', '', 'Pending')],
    });
    await bench.settle();
    assert.deepEqual(left(bench), ['b']);
  });

  it('deletes what is being deleted on a node out of service, unless that is ready', async () => {
    const taints = [{ key: 'node.kubernetes.io/out-of-service', effect: 'NoExecute' as const, value: 'nodeshutdown' }];
    const dead = { ...testNode('dead', { ready: 'Unknown' }), spec: { taints } };
    const live = { ...testNode('live'), spec: { taints } };
    await using bench = await controllerBench([podGcController()], {
      objects: [
        dead,
        live,
        ...['dead', 'live'].flatMap(n => [pod(`${n}-1`, n, 'Running', dying), pod(`${n}-2`, n, 'Running')]),
      ],
    });
    await bench.settle();
    assert.deepEqual(left(bench), ['dead-2', 'live-1', 'live-2']);
  });

  it('keeps as many finished pods as it may, evicted ones going first, then the oldest', async () => {
    const at = (h: number) => ({ creationTimestamp: `2026-01-01T0${h}:00:00Z` });
    await using bench = await controllerBench([podGcController({ terminatedThreshold: 2 })], {
      objects: [
        testNode('n'),
        pod('running', 'n', 'Running', at(0)),
        pod('old', 'n', 'Succeeded', at(1)),
        pod('mid', 'n', 'Failed', at(2)),
        pod('new', 'n', 'Succeeded', at(3)),
        pod('evicted', 'n', 'Failed', at(4), { reason: 'Evicted' }),
      ],
    });
    await bench.settle();
    assert.deepEqual(left(bench), ['mid', 'new', 'running']);
  });

  it('tries again in the next round', async () => {
    await using bench = await controllerBench([podGcController()], {
      objects: [pod('a', '', 'Pending', dying)],
      prepare: c => c.failNext('patch', coreV1.pods, new StatusError(500, 'InternalError', 'no')),
    });
    await bench.settle();
    assert.deepEqual(left(bench), ['a']);
    await bench.advance(20_000);
    assert.deepEqual(left(bench), []);
  });
});
