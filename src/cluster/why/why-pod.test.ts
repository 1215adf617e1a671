import assert from 'node:assert/strict';
import { test } from 'node:test';
import { appsV1, coreV1 } from '../../api/refs.ts';
import { isForbidden, isNotFound } from '../../api/status.ts';
import { createCluster, simulated, virtualClock } from '../create-cluster.ts';
import { report } from './kernel/report.ts';
import { gatherFacts } from './why-pod.ts';

const pod = (name: string, spec: object = {}, container: object = {}) => ({
  metadata: { name, namespace: 'default' },
  spec: { containers: [{ name: 'c', image: 'x:1', ...container }], ...spec },
});

test('why a pod is where it is, or nowhere', async () => {
  const cluster = await createCluster({ clock: virtualClock(), nodes: simulated(3), seed: 5 });
  const why = async (name: string) => report(await gatherFacts(cluster.client, cluster.clock, 'default', name));
  const last = (text: string) => text.trimEnd().split('\n').at(-1);
  try {
    const { client } = cluster;
    await client.patch(
      coreV1.nodes,
      { name: 'node-3' },
      {
        type: 'merge',
        body: { spec: { taints: [{ key: 'k', value: 'v', effect: 'NoSchedule' }] } },
      },
    );
    await cluster.settled();
    await client.create(coreV1.pods, pod('huge', {}, { resources: { requests: { cpu: '100' } } }) as never);
    await client.create(coreV1.pods, pod('gated', { schedulingGates: [{ name: 'example.com/hold' }] }) as never);
    await client.create(coreV1.pods, pod('stranger', { schedulerName: 'nobody' }) as never);
    await client.create(
      coreV1.pods,
      pod('claimless', { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'none' } }] }) as never,
    );
    await client.create(appsV1.deployments, {
      metadata: { name: 'web', namespace: 'default' },
      spec: {
        replicas: 1,
        selector: { matchLabels: { a: 'b' } },
        template: { ...pod(''), metadata: { labels: { a: 'b' } } },
      },
    } as never);
    await cluster.advance('20s');

    const huge = await why('huge');
    assert.match(huge, /^Pod default\/huge: Pending\nScheduling:\n/);
    assert.match(
      huge,
      /default-scheduler: unschedulable: 0\/3 nodes are available: 1 node\(s\) had untolerated taint\(s\), 2 Insufficient cpu\./,
    );
    assert.match(huge, /\n {4}2 nodes \(node-1, node-2\): NodeResourcesFit: Insufficient cpu\n/);
    assert.match(huge, /\n {4}1 node \(node-3\): TaintToleration: node\(s\) had untolerated taint\(s\)\n/);
    assert.match(huge, /in the queue for 20s: unschedulable, 1 attempt, until something changes for /);
    assert.equal(
      last(huge),
      'It waits for a node with enough free resources (2 of 3 nodes: Insufficient cpu), on others for a node whose taints it tolerates: its owner can ask for less, and whoever runs the cluster can add nodes or free some.',
    );
    assert.equal(
      last(await why('gated')),
      'It waits for its scheduling gates "example.com/hold" to be removed: whoever put them there can do that.',
    );
    assert.match(last(await why('stranger'))!, /^It waits for the scheduler "nobody", which has said nothing about it/);
    assert.match(
      last(await why('claimless'))!,
      /^It waits for the claim "none" of its volume "v", which does not exist/,
    );

    const [web] = (await client.list(coreV1.pods, { namespace: 'default', labelSelector: 'a=b' })).items;
    const running = await why(web!.metadata.name);
    assert.match(
      running,
      /placed on node-[12] \(2 of 3 nodes looked at would do; scores: node-[12] \d+, node-[12] \d+\)/,
    );
    assert.match(
      running,
      /Controllers:\n {2}ReplicaSet web-\w+: wants 1, has 1, ready 1\n {2}Deployment web: wants 1, has 1, ready 1\n/,
    );
    assert.match(running, /Node:\n {2}node-[12]: ready\n/);
    assert.equal(last(running), 'It runs and is ready: it waits for nothing.');
  } finally {
    await cluster.stop();
  }
});

test('only who may know is told what was decided', async () => {
  const cluster = await createCluster({ clock: virtualClock(), nodes: simulated(1), seed: 5 });
  try {
    await cluster.client.create(coreV1.pods, pod('p') as never);
    await cluster.advance('10s');
    const stranger = cluster.clientAs({ user: 'stranger' });
    await assert.rejects(gatherFacts(stranger, cluster.clock, 'default', 'p'), isForbidden);
    await assert.rejects(gatherFacts(cluster.client, cluster.clock, 'default', 'nope'), isNotFound);
    await cluster.client.create(
      {
        group: 'rbac.authorization.k8s.io',
        version: 'v1',
        resource: 'rolebindings',
        kind: 'RoleBinding',
        namespaced: true,
      },
      {
        metadata: { name: 'view', namespace: 'default' },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' },
        subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: 'stranger' }],
      } as never,
    );
    await cluster.advance('1s');
    const facts = await gatherFacts(stranger, cluster.clock, 'default', 'p');
    assert.equal(facts.decisions?.decisions?.[0]?.result, 'placed');
    assert.equal(facts.nodeUnknown, true);
    assert.match(report(facts), /It runs and is ready/);
  } finally {
    await cluster.stop();
  }
});
