// Controllers of pods whose informer of pods lags: they do nothing twice, and do not wait for what came and went unseen.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { keyOf } from '../api/meta.ts';
import type { ResourceRef } from '../api/ref.ts';
import { appsV1, batchV1, coreV1 } from '../api/refs.ts';
import type { Controller } from '../engine/controller.ts';
import { type ControllerBench, controllerBench } from '../engine/controller-bench.ts';
import { daemonSetController } from './daemonset/daemonset.ts';
import { jobController } from './job/job.ts';
import { replicaSetController } from './replicaset/replicaset.ts';
import { replicationControllerController } from './replicaset/replication-controller.ts';
import { statefulSetController } from './statefulset/statefulset.ts';
import { testNode } from './test-nodes.ts';
import { makeAllReady } from './test-pods.ts';

interface Case {
  readonly controller: (options: { waitsForOwnWrites?: boolean }) => Controller;
  readonly resource: ResourceRef<any>;
  readonly spec: object;
  /** Makes it want one pod more. */
  readonly grow: object | 'node';
}

const labels = { app: 'x' };
const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } };
const selector = { matchLabels: labels };
const strategy = { updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 1 } } };
const cases: Record<string, Case> = {
  ReplicaSet: {
    controller: replicaSetController,
    resource: appsV1.replicasets,
    spec: { replicas: 1, selector, template },
    grow: { replicas: 2 },
  },
  ReplicationController: {
    controller: replicationControllerController,
    resource: coreV1.replicationcontrollers,
    spec: { replicas: 1, selector: labels, template },
    grow: { replicas: 2 },
  },
  DaemonSet: {
    controller: daemonSetController,
    resource: appsV1.daemonsets,
    spec: { selector, template, ...strategy },
    grow: 'node',
  },
  StatefulSet: {
    controller: statefulSetController,
    resource: appsV1.statefulsets,
    spec: { replicas: 1, serviceName: 's', selector, template, podManagementPolicy: 'Parallel' },
    grow: { replicas: 2 },
  },
  Job: {
    controller: jobController,
    resource: batchV1.jobs,
    spec: { parallelism: 1, completions: 4, backoffLimit: 6, selector, template },
    grow: { parallelism: 2 },
  },
};

async function start({ controller, resource, spec }: Case, waitsForOwnWrites: boolean): Promise<ControllerBench> {
  const { kind, group, version } = resource;
  const apiVersion = group ? `${group}/${version}` : version;
  const owner = { apiVersion, kind, metadata: { name: 'x', namespace: 'a', uid: 'x', generation: 1 }, spec };
  const bench = await controllerBench([controller({ waitsForOwnWrites })], {
    objects: [owner as never, testNode('n1') as never],
  });
  await bench.settle();
  makeAllReady(bench.client);
  await bench.advance(5000);
  bench.client.clearActions();
  return bench;
}

/** Nothing is heard of pods from now on; returns what ends that. */
function breakWatch({ client }: ControllerBench): () => void {
  const mend = client.react(a =>
    a.resource.resource === 'pods' && (a.verb === 'watch' || a.verb === 'list') ? new Error('no route') : undefined,
  );
  client.dropWatches(new Error('connection lost'), coreV1.pods);
  return mend;
}

async function grow({ client }: ControllerBench, { resource, grow }: Case): Promise<void> {
  if (grow === 'node') client.set(coreV1.nodes, testNode('n2') as never);
  else await client.patch(resource, { namespace: 'a', name: 'x' }, { type: 'merge', body: { spec: grow } });
}

const touch = ({ client }: ControllerBench, { resource }: Case, n: number) =>
  client.patch(
    resource,
    { namespace: 'a', name: 'x' },
    { type: 'merge', body: { metadata: { annotations: { n: String(n) } } } },
  );

const creations = ({ client }: ControllerBench) => client.writes().filter(w => w.startsWith('create pods')).length;

/** The pod made while nobody looked is gone again when somebody does. */
async function missPod(bench: ControllerBench, c: Case): Promise<void> {
  const before = new Set(bench.client.objects(coreV1.pods).map(keyOf));
  const mend = breakWatch(bench);
  await grow(bench, c);
  for (let n = 0; n < 10; n++) {
    await bench.advance(2000);
    await touch(bench, c, n);
  }
  await bench.settle();
  assert.equal(creations(bench), 1, 'made once');
  for (const pod of bench.client.objects(coreV1.pods))
    if (!before.has(keyOf(pod))) bench.client.remove(coreV1.pods, keyOf(pod));
  bench.client.compact();
  mend();
}

describe('an informer of pods that lags', () => {
  for (const [kind, c] of Object.entries(cases)) {
    it(`lets a ${kind} make nothing twice, and what came and went unseen once more`, async () => {
      await using bench = await start(c, true);
      await missPod(bench, c);
      await bench.advance(60_000);
      assert.equal(creations(bench), 2, 'made again within a minute');
    });
  }

  it('is not noticed with the gate off: what is expected is waited for five minutes', async () => {
    const c = cases.StatefulSet!;
    await using bench = await start(c, false);
    await missPod(bench, c);
    await bench.advance(60_000);
    assert.equal(creations(bench), 1);
    await bench.advance(300_000);
    assert.equal(creations(bench), 2);
  });
});
