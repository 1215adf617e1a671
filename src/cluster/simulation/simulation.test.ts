import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { coreV1 } from '../../api/refs.ts';
import { type Cluster, createCluster, virtualClock } from '../create-cluster.ts';
import { checkPodBehaviour, type PodBehaviour } from './pod-behaviour.ts';

const clusters: Cluster[] = [];
after(() => Promise.all(clusters.map(c => c.stop())));

const behaviour = (spec: PodBehaviour['spec']): PodBehaviour => ({
  apiVersion: 'k8ts.dev/v1alpha1',
  kind: 'PodBehaviour',
  metadata: { name: 'b' },
  spec,
});

/** A pod `p` whose life goes as told, and what it has come to after `wait`. */
async function live(spec: PodBehaviour['spec'], wait: string, container: object = {}, pod: object = {}) {
  const cluster = await createCluster({ nodes: 1, clock: virtualClock(), seed: 5, behaviours: [behaviour(spec)] });
  clusters.push(cluster);
  const { client } = cluster;
  await cluster.until(async () =>
    (await client.list(coreV1.serviceaccounts, { namespace: 'default' })).items.some(
      a => a.metadata.name === 'default',
    ),
  );
  await cluster.advance('2s');
  await client.create(coreV1.pods, {
    metadata: { name: 'p', namespace: 'default', labels: { app: 'x' } },
    spec: { containers: [{ name: 'c', image: 'registry.example/web:1', ...container }], ...pod },
  });
  const look = async () => {
    const { status } = await client.get(coreV1.pods, { namespace: 'default', name: 'p' });
    const c = status?.containerStatuses?.[0];
    return {
      phase: status?.phase,
      ready: c?.ready,
      waiting: c?.state?.waiting?.reason,
      message: c?.state?.waiting?.message,
      ended: c?.state?.terminated,
      last: c?.lastState?.terminated,
      restarts: c?.restartCount,
    };
  };
  await cluster.advance(wait);
  return { cluster, look, now: await look() };
}

test('each phase takes its time', async () => {
  const spec = { pull: { delay: '10s' }, create: { delay: '5s' }, start: { delay: '5s' } };
  const { cluster, look, now } = await live(spec, '19s');
  assert.deepEqual([now.phase, now.waiting], ['Pending', 'ContainerCreating']);
  await cluster.advance('3s');
  assert.equal((await look()).phase, 'Running');
});

test('jitter comes from the seed', async () => {
  const startOf = async () => {
    const { cluster } = await live({ start: { delay: '60s', jitter: 0.5 } }, '100s');
    const pod = await cluster.client.get(coreV1.pods, { namespace: 'default', name: 'p' });
    return pod.status?.containerStatuses?.[0]?.state?.running?.startedAt;
  };
  const first = await startOf();
  assert.ok(first);
  assert.equal(await startOf(), first);
});

test('an image that cannot be pulled twice, and then can', async () => {
  const { cluster, look, now } = await live({ pull: { error: 'manifest unknown', failures: 2 } }, '1s');
  assert.match(now.waiting ?? '', /^ErrImagePull|ImagePullBackOff$/);
  assert.match(now.message ?? '', /manifest unknown/);
  await cluster.advance('5m');
  assert.equal((await look()).phase, 'Running');
});

test('a container that cannot be created', async () => {
  const { now } = await live({ create: { error: 'no such device' } }, '5s');
  assert.equal(now.waiting, 'CreateContainerError');
  assert.match(now.message ?? '', /no such device/);
});

test('a crash loop that ends after two restarts', async () => {
  const runs = [{ duration: '1s', exitCode: 3 }, { duration: '1s', oom: true }, {}];
  const { cluster, look, now } = await live({ runs }, '5s');
  assert.deepEqual([now.waiting, now.restarts], ['CrashLoopBackOff', 1]);
  await cluster.advance('2m');
  const end = await look();
  assert.deepEqual([end.phase, end.restarts, end.last?.exitCode, end.last?.reason], ['Running', 2, 137, 'OOMKilled']);
});

test('a job-like pod ends by itself', async () => {
  const { now } = await live({ runs: [{ duration: '20s', exitCode: 0 }] }, '25s', {}, { restartPolicy: 'Never' });
  assert.deepEqual([now.phase, now.ended?.exitCode], ['Succeeded', 0]);
});

test('probes hear different things over time', async () => {
  const probes = [
    {
      path: '/ready',
      results: [
        { after: '0s', result: 'failure' as const },
        { after: '30s', result: 'success' as const },
        { after: '60s', result: 'failure' as const },
      ],
    },
  ];
  const readinessProbe = { httpGet: { port: 80, path: '/ready' }, periodSeconds: 1 };
  const { cluster, look, now } = await live({ probes }, '20s', { readinessProbe });
  assert.equal(now.ready, false);
  await cluster.advance('20s');
  assert.equal((await look()).ready, true);
  await cluster.advance('30s');
  assert.equal((await look()).ready, false);
});

test('only what the selector means is concerned', async () => {
  for (const selector of [{ matchLabels: { app: 'y' } }, { namespaces: ['kube-*'] }, { images: ['other/*'] }]) {
    const { now } = await live({ selector, pull: { error: 'no' } }, '5s');
    assert.equal(now.phase, 'Running', JSON.stringify(selector));
  }
  const { now } = await live({ selector: { images: ['registry.example/*'] }, pull: { error: 'no' } }, '5s');
  assert.equal(now.phase, 'Pending');
});

test('what is no PodBehaviour is refused by the name of its field', () => {
  const refused = (spec: object, message: RegExp) =>
    assert.throws(() => checkPodBehaviour(behaviour(spec as PodBehaviour['spec'])), message);
  assert.throws(() => checkPodBehaviour({ kind: 'Pod' }), /want apiVersion: k8ts.dev\/v1alpha1, kind: PodBehaviour/);
  refused({ puul: {} }, /no field spec\.puul/);
  refused({ pull: { delay: 5 } }, /spec\.pull\.delay is 5: want a duration like 90s/);
  refused({ pull: { delay: 'soon' } }, /invalid duration "soon"/);
  refused({ pull: { delay: '1s', jitter: 2 } }, /spec\.pull\.jitter is 2: want a number from 0 to 1/);
  refused({ runs: {} }, /spec\.runs is \{\}: want a list/);
  refused({ probes: [{ results: [{ after: '1s', result: 'maybe' }] }] }, /"maybe" is neither success nor failure/);
  refused({ selector: { matchLabels: { a: 1 } } }, /spec\.selector\.matchLabels\.a is 1: want a string/);
});
