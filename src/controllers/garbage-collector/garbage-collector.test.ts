import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Draft, KubeObject } from '../../api/meta.ts';
import { ref } from '../../api/ref.ts';
import { apiextensionsV1, apiregistrationV1, appsV1, coreV1, rbacV1 } from '../../api/refs.ts';
import { internalError, modified, StatusError } from '../../api/status.ts';
import type { DeleteOptions } from '../../client/client.ts';
import type { FakeClient } from '../../client/fake-client.ts';
import { type ControllerBench, controllerBench } from '../../engine/controller-bench.ts';
import type { ApiResourceList, FetchedLists } from '../api-resources.ts';
import { writesBut } from '../test-pods.ts';
import { garbageCollectorController } from './garbage-collector.ts';

const verbs = ['get', 'list', 'watch', 'delete', 'patch'];
const core: ApiResourceList = {
  groupVersion: 'v1',
  resources: [
    { name: 'configmaps', kind: 'ConfigMap', namespaced: true, verbs },
    { name: 'pods', kind: 'Pod', namespaced: true, verbs },
    { name: 'pods/status', kind: 'Pod', namespaced: true, verbs },
    { name: 'events', kind: 'Event', namespaced: true, verbs },
  ],
};
const apps: ApiResourceList = {
  groupVersion: 'apps/v1',
  resources: [
    { name: 'replicasets', kind: 'ReplicaSet', namespaced: true, verbs },
    { name: 'deployments', kind: 'Deployment', namespaced: true, verbs },
  ],
};
const rbac: ApiResourceList = {
  groupVersion: 'rbac.authorization.k8s.io/v1',
  resources: [{ name: 'clusterroles', kind: 'ClusterRole', namespaced: false, verbs }],
};

interface Options {
  objects: readonly object[];
  prepare?: (client: FakeClient) => void;
  discover?: () => Promise<FetchedLists>;
}
const start = ({ objects, prepare, discover }: Options) =>
  controllerBench(
    [
      garbageCollectorController({
        discover: discover ?? (async () => ({ lists: [core, apps, rbac], failed: new Map() })),
      }),
    ],
    { objects: objects as Draft<KubeObject>[], ...(prepare ? { prepare } : {}) },
  );

const owner = (kind: string, name: string, more: object = {}) => ({
  apiVersion: kind === 'ClusterRole' ? 'rbac.authorization.k8s.io/v1' : kind === 'ConfigMap' ? 'v1' : 'apps/v1',
  kind,
  name,
  uid: `uid-${name}`,
  ...more,
});
const object = (kind: string, name: string, ownerReferences: object[] = [], metadata: object = {}) => ({
  kind,
  apiVersion: kind === 'Pod' ? 'v1' : owner(kind, name).apiVersion,
  metadata: { name, namespace: 'a', uid: `uid-${name}`, ownerReferences, ...metadata },
});
const blocking = { blockOwnerDeletion: true, controller: true };
const family = [
  object('Deployment', 'd'),
  object('ReplicaSet', 'r', [owner('Deployment', 'd', blocking)]),
  object('Pod', 'p', [owner('ReplicaSet', 'r', blocking)]),
];
const names = ({ client }: ControllerBench) =>
  [appsV1.deployments, appsV1.replicasets, coreV1.pods, coreV1.configmaps, rbacV1.clusterroles].flatMap(r =>
    client.objects<KubeObject>(r as never).map(o => o.metadata.name),
  );

describe('garbage-collector-controller', () => {
  it('deletes what has lost its owners, and nothing else', async () => {
    await using bench = await start({ objects: [...family, object('ConfigMap', 'free')] });
    assert.deepEqual(writesBut(bench.client), []);
    assert.equal(bench.client.actions.filter(a => a.verb === 'get').length, 0, 'what is in sight is not asked for');
    await bench.client.delete(appsV1.deployments, { namespace: 'a', name: 'd' }, { propagationPolicy: 'Background' });
    await bench.settle();
    assert.deepEqual(names(bench), ['free']);
  });

  it('deletes from the leaves up in the foreground', async () => {
    await using bench = await start({ objects: family });
    const held = bench.client.set(
      coreV1.pods,
      object('Pod', 'p', [owner('ReplicaSet', 'r', blocking)], { finalizers: ['x/y'] }) as never,
    );
    await bench.client.delete(appsV1.deployments, { namespace: 'a', name: 'd' }, { propagationPolicy: 'Foreground' });
    await bench.settle();
    assert.deepEqual(names(bench), ['d', 'r', 'p']);
    for (const o of [bench.client.object(appsV1.replicasets, 'a/r'), bench.client.object(coreV1.pods, 'a/p')])
      assert.ok(o!.metadata.deletionTimestamp);
    assert.deepEqual(bench.client.object(appsV1.replicasets, 'a/r')!.metadata.finalizers, ['foregroundDeletion']);
    bench.client.remove(coreV1.pods, { namespace: 'a', name: held.metadata.name });
    await bench.settle();
    assert.deepEqual(names(bench), []);
  });

  it('does not wait for dependents that do not block', async () => {
    const pod = object('Pod', 'p', [owner('ReplicaSet', 'r')], { finalizers: ['x/y'] });
    await using bench = await start({ objects: [object('ReplicaSet', 'r'), pod] });
    await bench.client.delete(appsV1.replicasets, { namespace: 'a', name: 'r' }, { propagationPolicy: 'Foreground' });
    await bench.settle();
    assert.deepEqual(names(bench), ['p']);
    assert.ok(bench.client.object(coreV1.pods, 'a/p')!.metadata.deletionTimestamp);
  });

  it('sets dependents free', async () => {
    await using bench = await start({ objects: family });
    bench.client.failNext('patch', appsV1.replicasets, internalError('broken'));
    await bench.client.delete(appsV1.deployments, { namespace: 'a', name: 'd' }, { propagationPolicy: 'Orphan' });
    await bench.advance(1000);
    assert.deepEqual(names(bench), ['r', 'p']);
    assert.equal(bench.client.object(appsV1.replicasets, 'a/r')!.metadata.ownerReferences?.length ?? 0, 0);
  });

  it('collects what refers to an owner that never was', async () => {
    const pods = Array.from({ length: 20 }, (_, i) => object('Pod', `p${i}`, [owner('ReplicaSet', 'gone')]));
    await using bench = await start({ objects: pods });
    assert.deepEqual(names(bench), []);
    const asked = bench.client.actions.filter(a => a.verb === 'get' && a.resource.resource === 'replicasets').length;
    assert.ok(asked <= 20, `${asked}: an absent owner is remembered`);
  });

  it('leaves alone whose owner is of a kind it does not know', async () => {
    await using bench = await start({
      objects: [object('Pod', 'p', [{ apiVersion: 'e.com/v1', kind: 'Widget', name: 'w', uid: 'uid-w' }])],
    });
    await bench.advance(120_000);
    assert.deepEqual(names(bench), ['p']);
    assert.deepEqual(writesBut(bench.client), []);
  });

  it('drops owners that are gone while another one is there', async () => {
    const both = object('Pod', 'p', [owner('ReplicaSet', 'gone'), owner('ReplicaSet', 'r')]);
    await using bench = await start({ objects: [object('ReplicaSet', 'r'), both] });
    assert.deepEqual(
      bench.client.object(coreV1.pods, 'a/p')!.metadata.ownerReferences!.map(o => o.name),
      ['r'],
    );
  });

  it('tells of owners in other namespaces, and collects what refers to them', async () => {
    const pod = object('Pod', 'p', [owner('ReplicaSet', 'r')], { namespace: 'b' });
    const role = object('ClusterRole', 'c', [owner('ReplicaSet', 'r')], { namespace: undefined });
    const owned = object('ConfigMap', 'm', [owner('ClusterRole', 'c')]);
    await using bench = await start({ objects: [object('ReplicaSet', 'r'), pod, role, owned] });
    assert.deepEqual(names(bench), ['r', 'm', 'c']);
    assert.deepEqual(bench.events().sort(), [
      'Warning OwnerRefInvalidNamespace: ownerRef [apps/v1/ReplicaSet, namespace: , name: r, uid: uid-r] does not exist in namespace ""',
      'Warning OwnerRefInvalidNamespace: ownerRef [apps/v1/ReplicaSet, namespace: b, name: r, uid: uid-r] does not exist in namespace "b"',
    ]);
  });

  it('ends circles in the foreground', async () => {
    const a = object('ConfigMap', 'x', [owner('ConfigMap', 'y', blocking)]);
    const b = object('ConfigMap', 'y', [owner('ConfigMap', 'x', blocking)]);
    await using bench = await start({ objects: [a, b] });
    assert.deepEqual(names(bench), ['x', 'y']);
    await bench.client.delete(coreV1.configmaps, { namespace: 'a', name: 'x' }, { propagationPolicy: 'Foreground' });
    await bench.advance(1000);
    assert.deepEqual(names(bench), []);
  });

  it('ends circles that are deleted as a whole', async () => {
    const names3 = ['x', 'y', 'z'];
    const circle = names3.map((n, i) => object('ConfigMap', n, [owner('ConfigMap', names3[(i + 1) % 3]!, blocking)]));
    await using bench = await start({ objects: circle });
    for (const name of names3)
      await bench.client.delete(coreV1.configmaps, { namespace: 'a', name }, { propagationPolicy: 'Foreground' });
    await bench.advance(1000);
    assert.deepEqual(names(bench), []);
  });

  it('tries again when somebody writes in between', async () => {
    await using bench = await start({ objects: family });
    bench.client.failNext('delete', coreV1.pods, modified({ group: '', resource: 'pods' }, 'p'), { times: 3 });
    await bench.client.delete(appsV1.deployments, { namespace: 'a', name: 'd' }, { propagationPolicy: 'Background' });
    await bench.advance(1000);
    assert.deepEqual(names(bench), []);
  });

  it('follows resources that come and go, and keeps those it is not told of', async () => {
    const widgets = ref<KubeObject>('e.com', 'v1', 'widgets', 'Widget', true);
    const custom: ApiResourceList = {
      groupVersion: 'e.com/v1',
      resources: [{ name: 'widgets', kind: 'Widget', namespaced: true, verbs }],
    };
    let lists: FetchedLists = { lists: [core], failed: new Map() };
    const widget = (name: string) => ({
      metadata: { name, namespace: 'a', ownerReferences: [owner('ConfigMap', name), owner('ConfigMap', 'n')] },
    });
    const objects = ['x', 'y', 'n'].map(n => object('ConfigMap', n));
    await using bench = await start({
      objects,
      discover: async () => lists,
      prepare: client => {
        client.set(widgets, widget('x') as never);
        client.set(widgets, widget('y') as never);
        client.react(a =>
          a.verb === 'patch' && a.resource.resource === 'widgets' && JSON.stringify(a.body).includes('$patch')
            ? new StatusError(415, 'UnsupportedMediaType', 'no strategic patches here')
            : undefined,
        );
      },
    });
    const watches = bench.client.watchCount;
    const drop = (name: string) => bench.client.delete(coreV1.configmaps, { namespace: 'a', name });
    lists = { lists: [core, custom], failed: new Map() };
    await bench.advance(30_000);
    assert.equal(bench.client.watchCount, watches + 1);
    await drop('n');
    await bench.settle();
    const owners = () => bench.client.objects(widgets).map(o => o.metadata.ownerReferences!.map(r => r.name).join());
    assert.deepEqual(owners(), ['x', 'y']);
    lists = { lists: [core], failed: new Map([['e.com/v1', 'away']]) };
    await bench.advance(30_000);
    await drop('x');
    await bench.settle();
    assert.deepEqual(owners(), ['y'], 'a group that does not answer is still there');
    lists = { lists: [core], failed: new Map() };
    await bench.advance(30_000);
    assert.equal(bench.client.watchCount, watches);
  });
});

describe('garbage-collector-controller, when definitions come and go', () => {
  const widgets = ref<KubeObject>('e.com', 'v1', 'widgets', 'Widget', true);
  const custom: ApiResourceList = {
    groupVersion: 'e.com/v1',
    resources: [{ name: 'widgets', kind: 'Widget', namespaced: true, verbs }],
  };
  const definition = (established: boolean) => ({
    kind: 'CustomResourceDefinition',
    apiVersion: 'apiextensions.k8s.io/v1',
    metadata: { name: 'widgets.e.com', uid: 'uid-crd' },
    spec: {
      group: 'e.com',
      scope: 'Namespaced',
      names: { plural: 'widgets', kind: 'Widget' },
      versions: [{ name: 'v1', served: true, storage: true }],
    },
    status: { conditions: established ? [{ type: 'Established', status: 'True' }] : [] },
  });
  const service = (available: string) => ({
    kind: 'APIService',
    apiVersion: 'apiregistration.k8s.io/v1',
    metadata: { name: 'v1.e.com', uid: 'uid-api' },
    spec: { group: 'e.com', version: 'v1', service: { namespace: 'a', name: 's' } },
    status: { conditions: [{ type: 'Available', status: available }] },
  });
  const puzzled = object('Pod', 'p', [{ apiVersion: 'e.com/v1', kind: 'Widget', name: 'w', uid: 'uid-w' }]);

  async function begin() {
    const state = { lists: { lists: [core], failed: new Map() } as FetchedLists, asked: 0 };
    const bench = await start({
      objects: [puzzled],
      discover: async () => {
        state.asked++;
        return state.lists;
      },
      prepare: client => client.set(widgets, { metadata: { name: 'old', namespace: 'a' } } as never),
    });
    return { bench, state, watches: bench.client.watchCount };
  }

  it('knows their resources at once, and what waited for their kind', async () => {
    const { bench, state, watches } = await begin();
    await using _ = bench;
    const { asked } = state;
    bench.client.set(apiextensionsV1.customresourcedefinitions, definition(false) as never);
    await bench.settle();
    assert.equal(state.asked, asked, 'a definition that is not established changes nothing');
    state.lists = { lists: [core, custom], failed: new Map() };
    bench.client.set(apiextensionsV1.customresourcedefinitions, definition(true) as never);
    await bench.settle();
    assert.equal(bench.client.watchCount, watches + 1);
    assert.deepEqual(names(bench), [], 'the pod of an owner that never was');
    state.lists = { lists: [core], failed: new Map() };
    bench.client.remove(apiextensionsV1.customresourcedefinitions, { name: 'widgets.e.com' });
    await bench.settle();
    assert.equal(bench.client.watchCount, watches);
    assert.equal(state.asked, asked + 2, 'once a change');
  });

  it('asks again soon while the server does not show what is defined', async () => {
    const { bench, state, watches } = await begin();
    await using _ = bench;
    bench.client.set(apiextensionsV1.customresourcedefinitions, definition(true) as never);
    await bench.settle();
    assert.equal(bench.client.watchCount, watches);
    state.lists = { lists: [core, custom], failed: new Map() };
    await bench.advance(200);
    assert.equal(bench.client.watchCount, watches + 1);
    bench.client.remove(apiextensionsV1.customresourcedefinitions, { name: 'widgets.e.com' });
    await bench.settle();
    assert.equal(bench.client.watchCount, watches + 1);
    state.lists = { lists: [core], failed: new Map() };
    await bench.advance(200);
    assert.equal(bench.client.watchCount, watches);
    const { asked } = state;
    bench.client.set(apiextensionsV1.customresourcedefinitions, definition(true) as never);
    await bench.advance(20_000);
    assert.ok(state.asked - asked <= 9, `${state.asked - asked} times in vain`);
  });

  it('knows what an API service brings when it is available', async () => {
    const { bench, state, watches } = await begin();
    await using _ = bench;
    bench.client.set(apiregistrationV1.apiservices, service('False') as never);
    await bench.settle();
    state.lists = { lists: [core, custom], failed: new Map() };
    bench.client.set(apiregistrationV1.apiservices, service('True') as never);
    await bench.settle();
    assert.equal(bench.client.watchCount, watches + 1);
  });
});

/** What is left in the end, computed from scratch. */
interface Thing {
  readonly name: string;
  readonly namespace: string;
  owners: string[];
}

function collectNaively(things: Map<string, Thing>): void {
  const exists = (child: Thing, ownerName: string): boolean => {
    const o = things.get(ownerName);
    if (ownerName.startsWith('c')) return o !== undefined;
    return child.namespace === '' || o?.namespace === child.namespace;
  };
  for (let changed = true; changed; ) {
    changed = false;
    for (const t of things.values())
      if (t.owners.length > 0 && !t.owners.some(o => exists(t, o))) {
        things.delete(t.name);
        changed = true;
      }
  }
  // What stays loses the references that lead nowhere, if it had to be looked at.
  for (const t of things.values()) t.owners = t.owners.filter(o => exists(t, o));
}

describe('garbage collection of random graphs', () => {
  const count = 9;
  // The first two are cluster-wide, the rest in one of two namespaces.
  const nameOf = (i: number) => (i < 2 ? `c${i}` : `m${i}`);
  const edge = fc.record({ from: fc.nat(count - 1), to: fc.nat(count), block: fc.boolean() });
  const deletion = fc.record({
    index: fc.nat(count - 1),
    policy: fc.constantFrom('Background' as const, 'Foreground' as const, 'Orphan' as const),
  });

  const build = (edges: readonly { from: number; to: number; block: boolean }[]) => {
    const things = new Map<string, Thing>();
    const objects: object[] = [];
    for (let i = 0; i < count; i++) {
      const mine = [...new Map(edges.filter(e => e.from === i && e.to !== i).map(e => [e.to, e])).values()];
      const name = nameOf(i);
      const namespace = i < 2 ? '' : i < 7 ? 'a' : 'b';
      things.set(name, { name, namespace, owners: mine.map(e => nameOf(e.to)) });
      const refs = mine.map(e =>
        owner(e.to < 2 ? 'ClusterRole' : 'ConfigMap', nameOf(e.to), { blockOwnerDeletion: e.block }),
      );
      objects.push(object(i < 2 ? 'ClusterRole' : 'ConfigMap', name, refs, { namespace: namespace || undefined }));
    }
    return { things, objects };
  };
  const remove = async (bench: ControllerBench, name: string, options: DeleteOptions) => {
    for (const r of [coreV1.configmaps, rbacV1.clusterroles] as const)
      for (const o of bench.client.objects<KubeObject>(r as never))
        if (o.metadata.name === name) await bench.client.delete<KubeObject>(r as never, o.metadata as never, options);
  };
  const left = (bench: ControllerBench) => names(bench).sort();

  it('ends where a recomputation from scratch ends', async () => {
    const property = fc.asyncProperty(
      fc.array(edge, { maxLength: 14 }),
      fc.array(deletion, { maxLength: 4 }),
      async (edges, deletions) => {
        const { things, objects } = build(edges);
        await using bench = await start({ objects });
        collectNaively(things);
        await bench.advance(1000);
        assert.deepEqual(left(bench), [...things.keys()].sort(), 'at the start');
        for (const { index, policy } of deletions) {
          const name = nameOf(index);
          things.delete(name);
          if (policy === 'Orphan') for (const t of things.values()) t.owners = t.owners.filter(o => o !== name);
          collectNaively(things);
          await remove(bench, name, { propagationPolicy: policy });
          await bench.advance(1000);
          assert.deepEqual(left(bench), [...things.keys()].sort(), `after ${policy} of ${name}`);
        }
        const before = bench.client.writes().length;
        await bench.advance(300_000);
        assert.equal(bench.client.writes().length, before, 'rests');
      },
    );
    await fc.assert(property, { numRuns: 60 });
  });

  it('ends there too when everything is deleted at the same time', async () => {
    const cascading = deletion.map(d => (d.policy === 'Orphan' ? { ...d, policy: 'Foreground' as const } : d));
    const property = fc.asyncProperty(
      fc.array(edge, { maxLength: 14 }),
      fc.array(cascading, { maxLength: 5 }),
      async (edges, deletions) => {
        const { things, objects } = build(edges);
        await using bench = await start({ objects });
        await Promise.all(
          deletions.map(d => remove(bench, nameOf(d.index), { propagationPolicy: d.policy }).catch(() => {})),
        );
        for (const d of deletions) things.delete(nameOf(d.index));
        collectNaively(things);
        await bench.advance(5000);
        assert.deepEqual(left(bench), [...things.keys()].sort());
      },
    );
    await fc.assert(property, { numRuns: 60 });
  });
});
