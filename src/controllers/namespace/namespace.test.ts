import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Draft, KubeObject } from '../../api/meta.ts';
import { apiVersionOf } from '../../api/ref.ts';
import { appsV1, coreV1 } from '../../api/refs.ts';
import { builtinResources } from '../../api/resource.ts';
import { internalError } from '../../api/status.ts';
import { VirtualClock } from '../../base/clock.ts';
import { createLog } from '../../base/log.ts';
import { seededRandom } from '../../base/random.ts';
import { fakeClient } from '../../client/fake-client.ts';
import { createInformerFactory } from '../../client/informer-factory.ts';
import { runControllers } from '../../engine/engine.ts';
import { namespaceController } from './namespace.ts';

/** The discovery documents of the built-in resources. */
function documents(): Record<string, unknown> {
  const raw: Record<string, any> = {};
  const table = builtinResources();
  const groups = table.groups.filter(g => g.name !== '');
  raw['/apis'] = {
    groups: groups.map(g => ({
      name: g.name,
      preferredVersion: { groupVersion: `${g.name}/${g.preferredVersion}` },
      versions: g.versions
        .filter(v => v.onByDefault)
        .map(v => ({ version: v.version, groupVersion: `${g.name}/${v.version}` })),
    })),
  };
  for (const r of table.resources) {
    const groupVersion = apiVersionOf(r);
    raw[r.group === '' ? '/api/v1' : `/apis/${groupVersion}`] ??= { groupVersion, resources: [] };
    const list = raw[r.group === '' ? '/api/v1' : `/apis/${groupVersion}`];
    list.resources.push({ name: r.resource, kind: r.kind, namespaced: r.namespaced, verbs: r.verbs });
  }
  for (const path of [
    '/api/v1',
    ...raw['/apis'].groups.flatMap((g: any) => g.versions.map((v: any) => `/apis/${v.groupVersion}`)),
  ])
    raw[path] ??= { groupVersion: path.replace('/apis/', ''), resources: [] };
  return raw;
}

const doomed = {
  apiVersion: 'v1',
  kind: 'Namespace',
  metadata: { name: 'a' },
  spec: { finalizers: ['kubernetes'] },
  status: { phase: 'Active' },
};
const configMap = (name: string, more: object = {}) => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name, namespace: 'a', ...more },
});

async function setUp(objects: Draft<KubeObject>[]) {
  const clock = new VirtualClock();
  const random = seededRandom(1);
  const raw = documents();
  const client = fakeClient(objects, { clock, random, raw });
  const log = createLog('test', { clock, write: () => {} });
  const informers = createInformerFactory(client, { clock, random, log });
  const abort = new AbortController();
  const running = runControllers([namespaceController()], { client, informers, clock, random, log }, abort.signal);
  const feeding = informers.run(abort.signal);
  await clock.advance(0);
  const stop = async () => {
    abort.abort();
    await Promise.all([running, feeding]);
  };
  const conditions = () => {
    const all = client.object(coreV1.namespaces, 'a')?.status?.conditions ?? [];
    return all.map(c => `${c.type}=${c.status} ${c.reason}: ${c.message}`);
  };
  return { client, clock, raw, conditions, [Symbol.asyncDispose]: stop };
}

describe('namespace-controller', () => {
  it('empties a namespace and lets it go', async () => {
    await using t = await setUp([
      doomed,
      configMap('x'),
      { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'd', namespace: 'a' } },
      { ...configMap('other'), metadata: { name: 'other', namespace: 'b' } },
    ]);
    await t.clock.advance(1000);
    assert.deepEqual(t.client.writes(), [], 'an active namespace is left alone');
    await t.client.delete(coreV1.namespaces, { name: 'a' });
    await t.clock.advance(0);
    assert.equal(t.client.object(coreV1.configmaps, 'a/x'), undefined);
    assert.equal(t.client.object(appsV1.deployments, 'a/d'), undefined);
    assert.deepEqual(t.conditions(), [
      'NamespaceDeletionDiscoveryFailure=False ResourcesDiscovered: All resources successfully discovered',
      'NamespaceDeletionGroupVersionParsingFailure=False ParsedGroupVersions: All legacy kube types successfully parsed',
      'NamespaceDeletionContentFailure=False ContentDeleted: All content successfully deleted, may be waiting on finalization',
      'NamespaceContentRemaining=False ContentRemoved: All content successfully removed',
      'NamespaceFinalizersRemaining=False ContentHasNoFinalizers: All content-preserving finalizers finished',
    ]);
    t.client.set(coreV1.configmaps, configMap('late'));
    await t.clock.advance(1000);
    assert.equal(t.client.object(coreV1.namespaces, 'a'), undefined);
    assert.equal(t.client.object(coreV1.configmaps, 'a/late'), undefined);
    assert.ok(t.client.object(coreV1.configmaps, 'b/other'));
  });

  it('waits for pods before it deletes the rest, without writing anything meanwhile', async () => {
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'p', namespace: 'a' },
      spec: { nodeName: 'n', terminationGracePeriodSeconds: 30 },
      status: { phase: 'Running' },
    };
    await using t = await setUp([doomed, pod, configMap('x')]);
    await t.client.delete(coreV1.namespaces, { name: 'a' });
    await t.clock.advance(0);
    assert.ok(t.client.object(coreV1.configmaps, 'a/x'));
    assert.match(
      t.conditions().join('\n'),
      /SomeResourcesRemain: Some resources are remaining: pods\. has 1 resource instances/,
    );
    t.client.clearActions();
    await t.clock.advance(15_000);
    assert.deepEqual(t.client.writes(), [], 'not before half the grace period');
    await t.clock.advance(1000);
    assert.deepEqual(t.client.writes(), ['deletecollection pods a/']);
    t.client.remove(coreV1.pods, 'a/p');
    await t.clock.advance(16_000);
    assert.equal(t.client.object(coreV1.namespaces, 'a'), undefined);
    assert.equal(t.client.object(coreV1.configmaps, 'a/x'), undefined);
  });

  it('goes on as soon as the last pod has ended', async () => {
    const pod = (name: string, namespace = 'a') => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace },
      spec: { nodeName: 'n', terminationGracePeriodSeconds: 30 },
    });
    await using t = await setUp([doomed, pod('p'), pod('q'), pod('r', 'b'), configMap('x')]);
    await t.client.delete(coreV1.namespaces, { name: 'a' });
    await t.clock.advance(3000);
    t.client.clearActions();
    t.client.remove(coreV1.pods, 'b/r');
    t.client.remove(coreV1.pods, 'a/p');
    await t.clock.advance(0);
    assert.deepEqual(t.client.writes(), [], 'one is left');
    t.client.remove(coreV1.pods, 'a/q');
    await t.clock.advance(0);
    assert.equal(t.client.object(coreV1.configmaps, 'a/x'), undefined);
    assert.equal(t.client.object(coreV1.namespaces, 'a'), undefined);
  });

  it('tells of finalizers and failures', async () => {
    await using t = await setUp([doomed, configMap('x', { finalizers: ['e.com/f'] })]);
    t.client.failNext('deletecollection', coreV1.secrets, internalError('broken'));
    t.client.set(coreV1.secrets, { metadata: { name: 's', namespace: 'a' } });
    await t.client.delete(coreV1.namespaces, { name: 'a' });
    await t.clock.advance(0);
    const text = t.conditions().join('\n');
    assert.match(
      text,
      /ContentDeletionFailed: Failed to delete all resource types, 1 remaining: Internal error occurred: broken/,
    );
    assert.match(text, /SomeResourcesRemain: Some resources are remaining: configmaps\. has 1 resource instances\n/);
    assert.match(text, /SomeFinalizersRemain: .*: e\.com\/f in 1 resource instances/);
    await t.clock.advance(100);
    t.client.set(coreV1.configmaps, configMap('x'));
    await t.clock.advance(16_000);
    assert.equal(t.client.object(coreV1.namespaces, 'a'), undefined);
  });

  it('does not finish while a group cannot be discovered', async () => {
    await using t = await setUp([doomed]);
    const { '/apis/apps/v1': apps } = t.raw;
    delete t.raw['/apis/apps/v1'];
    await t.client.delete(coreV1.namespaces, { name: 'a' });
    await t.clock.advance(5000);
    assert.match(
      t.conditions()[0]!,
      /=True DiscoveryFailed: Discovery failed for some groups, 1 failing: .*: apps\/v1: stale GroupVersion discovery: apps\/v1$/,
    );
    t.raw['/apis/apps/v1'] = apps;
    await t.clock.advance(20_000);
    assert.equal(t.client.object(coreV1.namespaces, 'a'), undefined);
  });

  it('tries each minute for as long as it fails', async () => {
    await using t = await setUp([doomed]);
    const { '/apis/apps/v1': apps } = t.raw;
    delete t.raw['/apis/apps/v1'];
    await t.client.delete(coreV1.namespaces, { name: 'a' });
    await t.clock.advance(3_600_000);
    t.raw['/apis/apps/v1'] = apps;
    await t.clock.advance(60_000);
    assert.equal(t.client.object(coreV1.namespaces, 'a'), undefined);
  });

  it('asks a bounded number of times for 10,000 objects', async () => {
    await using t = await setUp([doomed, ...Array.from({ length: 10_000 }, (_, i) => configMap(`c${i}`))]);
    t.client.clearActions();
    await t.client.delete(coreV1.namespaces, { name: 'a' });
    await t.clock.advance(2000);
    assert.equal(t.client.object(coreV1.namespaces, 'a'), undefined);
    assert.ok(t.client.actions.length < 250, `${t.client.actions.length} calls`);
  });
});
