// Rolling updates of a Deployment under load: nobody is turned away, and the counts keep to the strategy.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Deployment } from '../../src/api/type/apps-v1.ts';
import type { Pod } from '../../src/api/type/core-v1.ts';
import type { EndpointSlice } from '../../src/api/type/discovery-v1.ts';
import type { ClusterAccess, Watch } from '../cluster-access.ts';
import { eventually } from '../lab.ts';
import { answering, appsPath, complete, createAnswering, createNodePort, isReady, podsOf } from './objects.ts';
import { visit } from './visitors.ts';

const replicas = 3;
const gate = 'example.com/let-in';

const rolling = (maxSurge: number | string, maxUnavailable: number | string) => ({
  strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } },
});

/** Most pods at once that did not go yet, and fewest available ones, by what the watches saw. */
function extremes(pods: Watch<Pod>, deployments: Watch<Deployment>): { most: number; fewest: number } {
  const there = new Map<string, boolean>();
  let most = 0;
  for (const { type, object } of pods.seen) {
    there.set(object.metadata.name, type !== 'DELETED' && !object.metadata.deletionTimestamp);
    most = Math.max(most, [...there.values()].filter(Boolean).length);
  }
  const available = deployments.seen.map(e => e.object.status?.availableReplicas ?? 0);
  return { most, fewest: Math.min(...available) };
}

/** Both ends of an endpoint's life: there before it is ready, and serving still while it goes. */
function endpointLives(slices: Watch<EndpointSlice>): { unready: boolean; leaving: boolean } {
  const seen = slices.seen.flatMap(e => e.object.endpoints ?? []).map(e => e.conditions ?? {});
  return {
    unready: seen.some(e => !e.ready && !e.terminating),
    leaving: seen.some(e => !e.ready && e.serving && e.terminating),
  };
}

export function rolloutTests(c: () => ClusterAccess, site: () => string, nodePort: number): void {
  const roll = (spec: object) => c().ask('PATCH', appsPath(c(), 'deployments', 'web'), { spec }, mergePatch);
  const watchAll = () => ({
    pods: c().watch<Pod>(`${c().path('pods')}?watch=1&labelSelector=app%3Dweb`),
    deployments: c().watch<Deployment>(`${appsPath(c(), 'deployments')}?watch=1&fieldSelector=metadata.name%3Dweb`),
    slices: c().watch<EndpointSlice>(
      `/apis/discovery.k8s.io/v1/namespaces/${c().namespace}/endpointslices?watch=1&labelSelector=kubernetes.io%2Fservice-name%3Dweb`,
    ),
  });
  const template = (word: string) => ({ spec: answering(c(), word) });

  /** One update to `word` with that strategy, under load. */
  async function update(from: string, word: string, surge: number | string, unavailable: number | string) {
    const visitors = await visit(site());
    const watches = watchAll();
    try {
      await watches.deployments.next(() => true);
      await visitors.served(20);
      await roll({ ...rolling(surge, unavailable), template: template(word) });
      await complete(c(), 'web');
      await visitors.served(20);
    } finally {
      for (const watch of Object.values(watches)) watch.stop();
    }
    assert.deepEqual(await visitors.leave(), [from, word].sort());
    return { ...extremes(watches.pods, watches.deployments), ...endpointLives(watches.slices) };
  }

  test('a Deployment is updated without a failed request', async () => {
    await createAnswering(c(), 'web', replicas, rolling(1, 0));
    await createNodePort(c(), 'web', nodePort);
    await complete(c(), 'web');
    assert.deepEqual(await update('one', 'two', 1, 0), { most: 4, fewest: 3, unready: true, leaving: true });
    assert.deepEqual(await update('two', 'three', 0, 1), { most: 3, fewest: 2, unready: true, leaving: true });
    // A third of three, rounded up and down: two more, none fewer.
    const percent = await update('three', 'four', '50%', '30%');
    assert.deepEqual([percent.most <= 5, percent.most > 3, percent.fewest], [true, true, 3]);
  });

  test('a readiness gate holds a rollout until somebody opens it', async () => {
    await createAnswering(c(), 'gated', 1, {
      ...rolling(1, 0),
      template: {
        metadata: { labels: { app: 'gated' } },
        spec: { ...answering(c(), 'one'), readinessGates: [{ conditionType: gate }] },
      },
    });
    const spec = { clusterIP: 'None', selector: { app: 'gated' }, ports: [{ port: 8080 }] };
    await c().create('services', { metadata: { name: 'gated' }, spec });
    const pod = await eventually('containers of the gated pod', async () =>
      (await podsOf(c(), 'gated')).find(p =>
        p.status?.conditions?.some(x => x.type === 'ContainersReady' && x.status === 'True'),
      ),
    );
    assert.equal(isReady(pod), false);
    const slices = `/apis/discovery.k8s.io/v1/namespaces/${c().namespace}/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dgated`;
    const ready = async () =>
      (await c().ask<{ items: EndpointSlice[] }>('GET', slices)).items.flatMap(s =>
        (s.endpoints ?? []).map(e => e.conditions?.ready),
      );
    assert.deepEqual(await eventually('its endpoint', async () => ((await ready()).length ? ready() : undefined)), [
      false,
    ]);
    const condition = { type: gate, status: 'True', lastTransitionTime: '2026-01-01T00:00:00Z' };
    const status = { status: { conditions: [condition] } };
    await c().ask('PATCH', `${c().path('pods', pod.metadata.name)}/status`, status, strategicPatch);
    await complete(c(), 'gated');
    assert.deepEqual(await eventually('its endpoint ready', async () => ((await ready())[0] ? ready() : undefined)), [
      true,
    ]);
  });
}

const mergePatch = 'application/merge-patch+json';
const strategicPatch = 'application/strategic-merge-patch+json';
