import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Draft } from '../../api/meta.ts';
import { coreV1 } from '../../api/refs.ts';
import { StatusError } from '../../api/status.ts';
import type { Pod, Taint, Toleration } from '../../api/type/core-v1.ts';
import { type ControllerBench, controllerBench } from '../../engine/controller-bench.ts';
import { testNode } from '../test-nodes.ts';
import { tolerationMs } from './kernel/toleration-time.ts';
import { taintEvictionController } from './taint-eviction.ts';

const taint = (key: string, effect: Taint['effect'] = 'NoExecute'): Taint => ({ key, effect });
const node = (...taints: Taint[]) => ({ ...testNode('n'), spec: { taints } });
const pod = (name: string, ...tolerations: Toleration[]): Draft<Pod> => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'a' },
  spec: { nodeName: 'n', containers: [], tolerations },
  status: { phase: 'Running' },
});
const tolerate = (key: string, tolerationSeconds?: number): Toleration => ({
  key,
  operator: 'Exists',
  effect: 'NoExecute',
  ...(tolerationSeconds === undefined ? {} : { tolerationSeconds }),
});
const staying = (bench: ControllerBench) =>
  bench.client
    .objects(coreV1.pods)
    .filter(p => !p.metadata.deletionTimestamp)
    .map(p => p.metadata.name);

describe('taint-eviction-controller', () => {
  it('evicts at once, later, or never', async () => {
    const pods = [
      pod('none'),
      pod('later', tolerate('x', 300)),
      pod('never', tolerate('x')),
      pod('other', tolerate('y')),
    ];
    await using bench = await controllerBench([taintEvictionController()], { objects: [node(), ...pods] });
    await bench.settle();
    assert.deepEqual(bench.client.writes(), []);
    bench.client.set(coreV1.nodes, node(taint('x'), taint('z', 'NoSchedule')));
    await bench.settle();
    assert.deepEqual(staying(bench), ['later', 'never']);
    assert.ok(bench.events().includes('Normal TaintManagerEviction: Marking for deletion Pod a/none'));
    assert.equal(bench.client.objects(coreV1.events)[0]?.source?.component, 'taint-eviction-controller');
    const condition = bench.client.actions.find(a => a.verb === 'patch' && a.name === 'none')!.body.status
      .conditions[0];
    assert.deepEqual(
      [condition.type, condition.status, condition.reason, condition.message],
      ['DisruptionTarget', 'True', 'DeletionByTaintManager', 'Taint manager: deleting due to NoExecute taint'],
    );
    await bench.advance(299_000);
    assert.deepEqual(staying(bench), ['later', 'never']);
    await bench.advance(1_000);
    assert.deepEqual(staying(bench), ['never']);
    await bench.advance(3_600_000);
    assert.deepEqual(staying(bench), ['never']);
    // What has been carried out is not cancelled when the pod is gone.
    bench.client.remove(coreV1.pods, 'a/none');
    await bench.settle();
    assert.deepEqual(bench.events(), [
      'Normal TaintManagerEviction: Marking for deletion Pod a/later',
      'Normal TaintManagerEviction: Marking for deletion Pod a/none',
      'Normal TaintManagerEviction: Marking for deletion Pod a/other',
    ]);
  });

  it('cancels when the taint goes, and counts anew when it comes back', async () => {
    await using bench = await controllerBench([taintEvictionController()], {
      objects: [node(taint('x')), pod('p', tolerate('x', 100))],
    });
    await bench.advance(90_000);
    bench.client.set(coreV1.nodes, node());
    await bench.settle();
    assert.deepEqual(bench.events(), ['Normal TaintManagerEviction: Cancelling deletion of Pod a/p']);
    bench.client.set(coreV1.nodes, node(taint('x')));
    await bench.advance(90_000);
    assert.deepEqual(staying(bench), ['p']);
    await bench.advance(10_000);
    assert.deepEqual(staying(bench), []);
  });

  it('counts from the first taint, also when another one comes', async () => {
    await using bench = await controllerBench([taintEvictionController()], {
      objects: [node(taint('x')), pod('p', tolerate('x', 100), tolerate('y', 100))],
    });
    await bench.advance(60_000);
    bench.client.set(coreV1.nodes, node(taint('x'), taint('y')));
    await bench.advance(40_000);
    assert.deepEqual(staying(bench), []);
  });

  it('does not wait when a taint comes that is not tolerated', async () => {
    await using bench = await controllerBench([taintEvictionController()], {
      objects: [node(taint('x')), pod('p', tolerate('x', 100))],
    });
    await bench.advance(10_000);
    bench.client.set(coreV1.nodes, node(taint('x'), taint('y')));
    await bench.settle();
    assert.deepEqual(staying(bench), []);
  });

  it('evicts a pod of the same name again, and once each', async () => {
    await using bench = await controllerBench([taintEvictionController()], { objects: [node(taint('x')), pod('p')] });
    await bench.settle();
    bench.client.remove(coreV1.pods, 'a/p');
    bench.client.set(coreV1.pods, pod('p'));
    await bench.advance(60_000);
    const deletes = bench.client.writes().filter(w => w.startsWith('delete'));
    assert.deepEqual(deletes, ['delete pods a/p', 'delete pods a/p']);
  });

  it('tries again when the server refuses', async () => {
    await using bench = await controllerBench([taintEvictionController()], {
      objects: [node(taint('x')), pod('p')],
      prepare: c => c.failNext('delete', coreV1.pods, new StatusError(500, 'InternalError', 'no'), { times: 3 }),
    });
    await bench.advance(1_000);
    assert.deepEqual(staying(bench), []);
  });
});

it('takes the shortest of the tolerations that are used', () => {
  assert.equal(
    tolerationMs([taint('x'), taint('y')], [tolerate('x', 30), tolerate('y', 10), tolerate('z', 1)]),
    10_000,
  );
  assert.equal(tolerationMs([taint('x')], [tolerate('x', -5)]), 0);
  assert.equal(tolerationMs([taint('x')], [{ operator: 'Exists' }, tolerate('x', 10)]), Number.POSITIVE_INFINITY);
  assert.equal(tolerationMs([taint('x')], []), 0);
});
