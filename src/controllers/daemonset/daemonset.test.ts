import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { cloneDeep, type Draft, keyOf } from '../../api/meta.ts';
import { appsV1, coreV1 } from '../../api/refs.ts';
import type { Node, Pod } from '../../api/type/core-v1.ts';
import { type ControllerBench, controllerBench } from '../../engine/controller-bench.ts';
import { isPodActive, isPodReady } from '../kernel/pod.ts';
import { testNode } from '../test-nodes.ts';
import { endTerminating, makeReady, setPodStatus, writesBut } from '../test-pods.ts';
import { daemonSetController } from './daemonset.ts';
import { targetNode } from './kernel/daemon-pod.ts';

const template = (image: string, spec: object = {}) => ({
  metadata: { labels: { app: 'd' } },
  spec: { containers: [{ name: 'c', image }], ...spec },
});
const daemonSet = (more: object = {}, annotations: Record<string, string> = {}) => ({
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  metadata: { name: 'd', namespace: 'a', uid: 'ds-uid', generation: 1, annotations },
  spec: {
    selector: { matchLabels: { app: 'd' } },
    template: template('i1'),
    updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } },
    revisionHistoryLimit: 10,
    ...more,
  },
});
const nodes = (...names: string[]) => names.map(n => testNode(n));
const start = (ds: object, ...others: object[]) =>
  controllerBench([daemonSetController()], { objects: [ds, ...others] as never });
const get = (bench: ControllerBench) => bench.client.object(appsV1.daemonsets, 'a/d')!;
const patch = (bench: ControllerBench, spec: object) =>
  bench.client.patch(appsV1.daemonsets, { namespace: 'a', name: 'd' }, { type: 'merge', body: { spec } });
const setImage = (bench: ControllerBench, image: string) => patch(bench, { template: template(image) });
const pods = (bench: ControllerBench) => bench.client.objects(coreV1.pods);
const where = (bench: ControllerBench) => pods(bench).filter(isPodActive).map(targetNode).sort();
const imageOf = (p: Pod) => p.spec.containers[0]!.image;
const revisions = (bench: ControllerBench) => bench.client.objects(appsV1.controllerrevisions);
const change = (bench: ControllerBench, name: string, by: (node: Draft<Node>) => void) => {
  const node: Draft<Node> = cloneDeep(bench.client.object(coreV1.nodes, name)!);
  by(node);
  bench.client.set(coreV1.nodes, node);
};

/** As the scheduler and kubelets do: each pod runs on the node it is meant for. */
const makeReadyThere = (bench: ControllerBench, count = Number.POSITIVE_INFINITY) => {
  const fresh = pods(bench).filter(p => p.status?.phase === 'Pending' && isPodActive(p));
  for (const p of fresh.slice(0, count)) makeReady(bench.client, p, targetNode(p));
};
async function finish(bench: ControllerBench): Promise<void> {
  for (let i = 0; i < 100; i++) {
    makeReadyThere(bench);
    endTerminating(bench.client);
    const before = bench.client.resourceVersion;
    await bench.advance(1000);
    if (bench.client.resourceVersion === before) return;
  }
  assert.fail('never comes to rest');
}

describe('daemonset-controller', () => {
  it('puts a pod on each node, tells, and then rests', async () => {
    const generation = { 'deprecated.daemonset.template.generation': '1' };
    await using bench = await start(daemonSet({}, generation), ...nodes('n1', 'n2'));
    await bench.settle();
    assert.deepEqual(where(bench), ['n1', 'n2']);
    const [revision] = revisions(bench);
    const hash = revision!.metadata.labels!['controller-revision-hash']!;
    assert.equal(revision!.metadata.name, `d-${hash}`);
    assert.equal(revision!.revision, 1);
    assert.deepEqual(revision!.data, { spec: { template: { ...template('i1'), $patch: 'replace' } } });
    const pod = pods(bench)[0]!;
    assert.deepEqual(pod.metadata.labels, {
      app: 'd',
      'controller-revision-hash': hash,
      'pod-template-generation': '1',
    });
    assert.equal(pod.spec.nodeName, undefined);
    assert.deepEqual(pod.spec.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution, {
      nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [targetNode(pod)] }] }],
    });
    assert.deepEqual(
      pod.spec.tolerations?.map(t => `${t.key}:${t.operator}:${t.effect}`),
      [
        'node.kubernetes.io/not-ready:Exists:NoExecute',
        'node.kubernetes.io/unreachable:Exists:NoExecute',
        'node.kubernetes.io/disk-pressure:Exists:NoSchedule',
        'node.kubernetes.io/memory-pressure:Exists:NoSchedule',
        'node.kubernetes.io/pid-pressure:Exists:NoSchedule',
        'node.kubernetes.io/unschedulable:Exists:NoSchedule',
      ],
    );
    assert.ok(bench.events().includes(`Normal SuccessfulCreate: Created pod: ${pod.metadata.name}`));
    assert.equal(get(bench).status.numberUnavailable, 2);
    await finish(bench);
    assert.deepEqual(get(bench).status, {
      currentNumberScheduled: 2,
      numberMisscheduled: 0,
      desiredNumberScheduled: 2,
      numberReady: 2,
      observedGeneration: 1,
      updatedNumberScheduled: 2,
      numberAvailable: 2,
    });
    bench.client.clearActions();
    await bench.advance(3_600_000);
    assert.deepEqual(writesBut(bench.client), []);
  });

  it('follows nodes that come, change and go', async () => {
    const spec = template('i1', { nodeSelector: { role: 'x' }, hostNetwork: true });
    const labels = { role: 'x' };
    await using bench = await start(
      daemonSet({ template: spec }),
      testNode('n1', { labels }),
      testNode('n2'),
      testNode('n3', { labels }),
    );
    await finish(bench);
    assert.deepEqual(where(bench), ['n1', 'n3']);
    change(bench, 'n2', n => {
      n.metadata!.labels = labels;
      n.spec!.taints = [{ key: 'node.kubernetes.io/network-unavailable', effect: 'NoSchedule' }];
    });
    await finish(bench);
    assert.deepEqual(where(bench), ['n1', 'n2', 'n3']);
    change(bench, 'n1', n => {
      n.spec!.taints = [{ key: 'mine', effect: 'NoSchedule' }];
    });
    await finish(bench);
    assert.deepEqual(where(bench), ['n1', 'n2', 'n3'], 'NoSchedule leaves what is there');
    assert.equal(get(bench).status.numberMisscheduled, 1);
    assert.equal(get(bench).status.desiredNumberScheduled, 2);
    change(bench, 'n1', n => {
      n.spec!.taints = [{ key: 'mine', effect: 'NoExecute' }];
    });
    await finish(bench);
    assert.deepEqual(where(bench), ['n2', 'n3']);
    bench.client.remove(coreV1.nodes, 'n3');
    bench.client.set(coreV1.nodes, testNode('n4', { labels }));
    await finish(bench);
    assert.equal(get(bench).status.desiredNumberScheduled, 2);
    assert.deepEqual(where(bench), ['n2', 'n3', 'n4'], 'a pod that runs is left to the garbage collector of pods');
  });

  it('deletes what was never scheduled to a node that is gone', async () => {
    await using bench = await start(daemonSet(), ...nodes('n1', 'n2'));
    await bench.settle();
    bench.client.remove(coreV1.nodes, 'n2');
    await bench.settle();
    assert.deepEqual(where(bench), ['n1']);
  });

  it('replaces pods that have ended, failed ones less and less often', async () => {
    await using bench = await start(daemonSet(), ...nodes('n1'));
    await finish(bench);
    const end = async (phase: 'Failed' | 'Succeeded') => {
      const [pod] = pods(bench).filter(isPodActive);
      setPodStatus(bench.client, pod!, { phase });
      await bench.settle();
      return pod!.metadata.name;
    };
    const done = await end('Succeeded');
    assert.ok(
      bench
        .events()
        .includes(`Normal SucceededDaemonPod: Found succeeded daemon pod a/${done} on node n1, will try to delete it`),
    );
    await finish(bench);
    const failed = await end('Failed');
    assert.ok(
      bench
        .events()
        .includes(`Warning FailedDaemonPod: Found failed daemon pod a/${failed} on node n1, will try to kill it`),
    );
    const lived: number[] = [];
    for (let i = 0; i < 4; i++) {
      endTerminating(bench.client);
      await bench.settle();
      makeReadyThere(bench);
      const name = await end('Failed');
      const from = bench.clock.now();
      while (bench.client.object(coreV1.pods, `a/${name}`)?.metadata.deletionTimestamp === undefined) {
        assert.ok(bench.clock.now() - from < 60_000);
        if (!bench.client.object(coreV1.pods, `a/${name}`)) break;
        await bench.advance(500);
      }
      lived.push(bench.clock.now() - from);
    }
    assert.deepEqual(lived, [1000, 2000, 4000, 8000]);
  });

  it('rolls out node by node, and knows a template it had before', async () => {
    await using bench = await start(daemonSet(), ...nodes('n1', 'n2', 'n3'));
    await finish(bench);
    await setImage(bench, 'i2');
    await bench.settle();
    assert.equal(pods(bench).filter(p => p.metadata.deletionTimestamp).length, 1);
    assert.equal(revisions(bench).length, 2);
    endTerminating(bench.client);
    await bench.advance(60_000);
    assert.equal(pods(bench).filter(p => imageOf(p) === 'i2').length, 1, 'waits for the new one');
    await finish(bench);
    assert.ok(pods(bench).every(p => imageOf(p) === 'i2'));
    assert.equal(get(bench).status.updatedNumberScheduled, 3);
    await setImage(bench, 'i1');
    await finish(bench);
    assert.deepEqual(
      revisions(bench)
        .map(r => r.revision)
        .sort(),
      [2, 3],
    );
    assert.ok(pods(bench).every(p => imageOf(p) === 'i1'));
  });

  it('leaves old pods alone with OnDelete', async () => {
    await using bench = await start(daemonSet({ updateStrategy: { type: 'OnDelete' } }), ...nodes('n1', 'n2'));
    await finish(bench);
    await setImage(bench, 'i2');
    await finish(bench);
    assert.ok(pods(bench).every(p => imageOf(p) === 'i1'));
    assert.equal(get(bench).status.updatedNumberScheduled, undefined);
    bench.client.remove(coreV1.pods, keyOf(pods(bench)[0]!));
    await finish(bench);
    assert.deepEqual(pods(bench).map(imageOf).sort(), ['i1', 'i2']);
  });

  it('keeps as much history as it may, besides what pods run', async () => {
    await using bench = await start(
      daemonSet({ updateStrategy: { type: 'OnDelete' }, revisionHistoryLimit: 2 }),
      ...nodes('n1'),
    );
    await finish(bench);
    for (const image of ['i2', 'i3', 'i4', 'i5']) {
      await setImage(bench, image);
      await finish(bench);
    }
    assert.deepEqual(
      revisions(bench)
        .map(r => r.revision)
        .sort(),
      [1, 4, 5],
    );
  });

  it('finds another name where that of a revision is taken', async () => {
    await using bench = await start(daemonSet(), ...nodes('n1'));
    const { name } = revisions(bench)[0]!.metadata;
    await using other = await controllerBench([daemonSetController()], {
      objects: [
        daemonSet(),
        ...nodes('n1'),
        {
          apiVersion: 'apps/v1',
          kind: 'ControllerRevision',
          metadata: { name, namespace: 'a' },
          data: {},
          revision: 7,
        },
      ] as never,
    });
    await finish(other);
    assert.equal(get(other).status.collisionCount, 1);
    assert.equal(revisions(other).length, 2);
    assert.deepEqual(where(other), ['n1']);
  });

  it('joins revisions that hold the same', async () => {
    await using bench = await start(daemonSet(), ...nodes('n1'));
    await finish(bench);
    const [first] = revisions(bench);
    const twin = cloneDeep(first!) as Draft<typeof first> & { metadata: Record<string, unknown> };
    bench.client.set(appsV1.controllerrevisions, {
      ...twin,
      metadata: {
        ...twin.metadata,
        name: 'd-twin',
        uid: 'twin',
        labels: { app: 'd', 'controller-revision-hash': 'twin' },
      },
      revision: 2,
    } as never);
    await finish(bench);
    const names = () => revisions(bench).map(r => r.metadata.name);
    assert.deepEqual(names(), [first!.metadata.name, 'd-twin'], 'not because there is another');
    await patch(bench, { revisionHistoryLimit: 9 });
    await finish(bench);
    assert.deepEqual(names(), ['d-twin']);
    assert.equal(pods(bench)[0]!.metadata.labels!['controller-revision-hash'], 'twin');
  });

  it('makes the new pod beside the old one with maxSurge', async () => {
    const rollingUpdate = { maxSurge: 1, maxUnavailable: 0 };
    await using bench = await start(
      daemonSet({ updateStrategy: { type: 'RollingUpdate', rollingUpdate }, minReadySeconds: 10 }),
      ...nodes('n1', 'n2'),
    );
    await finish(bench);
    await bench.advance(20_000);
    await setImage(bench, 'i2');
    await bench.settle();
    assert.equal(pods(bench).filter(isPodActive).length, 3);
    makeReadyThere(bench);
    await bench.advance(9_000);
    assert.equal(pods(bench).filter(isPodActive).length, 3, 'not available yet');
    await bench.advance(1_000);
    assert.equal(pods(bench).filter(p => p.metadata.deletionTimestamp).length, 1);
    for (let i = 0; i < 4; i++) {
      await finish(bench);
      await bench.advance(11_000);
    }
    assert.deepEqual(where(bench), ['n1', 'n2']);
    assert.ok(pods(bench).every(p => imageOf(p) === 'i2'));
  });

  it('refuses to select everything', async () => {
    await using bench = await start(daemonSet({ selector: {} }), ...nodes('n1'));
    await bench.settle();
    assert.equal(pods(bench).length, 0);
    assert.ok(
      bench
        .events()
        .includes('Warning SelectingAll: This daemon set is selecting all pods. A non-empty selector is required.'),
    );
  });

  it('stays within its bounds whatever happens in whatever order', async () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('image' as const), n: fc.integer({ min: 1, max: 3 }) }),
      fc.record({ do: fc.constant('ready' as const), n: fc.nat({ max: 3 }) }),
      fc.record({ do: fc.constant('end' as const), n: fc.nat() }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 2 }),
        fc.boolean(),
        fc.array(step, { maxLength: 15 }),
        async (count, limit, surges, steps) => {
          const names = Array.from({ length: count }, (_, i) => `n${i}`);
          const rollingUpdate = surges
            ? { maxSurge: limit, maxUnavailable: 0 }
            : { maxSurge: 0, maxUnavailable: limit };
          await using bench = await start(
            daemonSet({ updateStrategy: { type: 'RollingUpdate', rollingUpdate } }),
            ...nodes(...names),
          );
          await finish(bench);
          const check = () => {
            const there = where(bench);
            const doubled = there.length - new Set(there).size;
            assert.ok(doubled <= (surges ? limit : 0), `${doubled} nodes with two pods`);
            const ready = new Set(
              pods(bench)
                .filter(p => isPodActive(p) && isPodReady(p))
                .map(targetNode),
            ).size;
            assert.ok(ready >= count - (surges ? 0 : limit), `${ready} of ${count} ready`);
          };
          for (const s of steps) {
            if (s.do === 'image') await setImage(bench, `i${s.n}`);
            if (s.do === 'ready') makeReadyThere(bench, s.n);
            if (s.do === 'end') endTerminating(bench.client);
            await bench.advance(100);
            check();
          }
          await finish(bench);
          const { image } = get(bench).spec.template.spec!.containers[0]!;
          assert.deepEqual(where(bench), names);
          assert.ok(pods(bench).every(p => imageOf(p) === image));
        },
      ),
      { numRuns: 60 },
    );
  });
});
