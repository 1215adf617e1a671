// What every implementation of Client must do, against an API server that is real enough to validate. Each case works in
// a namespace of its own, so that one server can serve them all.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { KubeObject } from '../api/meta.ts';
import { appsV1, coreV1 } from '../api/refs.ts';
import { isAlreadyExists, isConflict, isExpired, isInvalid, isNotFound, StatusError } from '../api/status.ts';
import type { Deployment } from '../api/type/apps-v1.ts';
import type { ConfigMap } from '../api/type/core-v1.ts';
import type { Client, WatchEventType, WatchOptions } from './client.ts';

export interface OpenClient {
  readonly client: Client;
  cleanup(): Promise<void> | void;
}

const { configmaps, namespaces } = coreV1;
const { deployments } = appsV1;

/** Registers the cases with node:test. `open` is called once. */
export function clientConformance(name: string, open: () => Promise<OpenClient>): void {
  describe(`client conformance: ${name}`, { timeout: 60_000 }, () => {
    let opened: OpenClient;
    let client: Client;
    let count = 0;
    before(async () => {
      opened = await open();
      client = opened.client;
    });
    after(() => opened?.cleanup());

    const namespaceFor = async () => {
      const ns = `conformance-${++count}`;
      await client.create(namespaces, { metadata: { name: ns } });
      return ns;
    };
    const configMap = (namespace: string, n: string, more: Partial<ConfigMap['metadata']> = {}) =>
      client.create<ConfigMap>(configmaps, { metadata: { namespace, name: n, ...more } as object, data: { a: '1' } });

    it('creates and gets', async () => {
      const namespace = await namespaceFor();
      const made = await configMap(namespace, 'a');
      assert.equal(made.kind, 'ConfigMap');
      assert.equal(made.apiVersion, 'v1');
      assert.match(made.metadata.uid, /^[0-9a-f-]{36}$/);
      assert.match(made.metadata.resourceVersion, /^[1-9]\d*$/);
      assert.match(made.metadata.creationTimestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
      const got = await client.get(configmaps, { namespace, name: 'a' });
      assert.deepEqual(got.metadata, made.metadata);
      assert.deepEqual(got.data, { a: '1' });
      await assert.rejects(configMap(namespace, 'a'), (e: unknown) => {
        assert.ok(isAlreadyExists(e));
        assert.equal(e.code, 409);
        assert.equal(e.message, 'configmaps "a" already exists');
        return true;
      });
    });

    it('generates names', async () => {
      const namespace = await namespaceFor();
      const draft = { metadata: { namespace, generateName: 'gen-' } };
      const [a, b] = await Promise.all([client.create(configmaps, draft), client.create(configmaps, draft)]);
      assert.match(a.metadata.name, /^gen-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
      assert.notEqual(a.metadata.name, b.metadata.name);
    });

    it('reports errors as StatusError', async () => {
      const namespace = await namespaceFor();
      await assert.rejects(client.get(configmaps, { namespace, name: 'no' }), (e: unknown) => {
        assert.ok(isNotFound(e));
        assert.equal(e.message, 'configmaps "no" not found');
        assert.deepEqual(e.status.details, { name: 'no', kind: 'configmaps' });
        return true;
      });
      await assert.rejects(client.create(configmaps, { metadata: { namespace } }), isInvalid);
      await assert.rejects(client.delete(deployments, { namespace, name: 'no' }), (e: unknown) => {
        assert.ok(isNotFound(e));
        assert.equal(e.message, 'deployments.apps "no" not found');
        return true;
      });
    });

    it('lists by namespace, labels and fields', async () => {
      const namespace = await namespaceFor();
      const other = await namespaceFor();
      await configMap(namespace, 'a', { labels: { app: 'x', tier: 'front' } });
      await configMap(namespace, 'b', { labels: { app: 'y' } });
      await configMap(namespace, 'c');
      await configMap(other, 'a');
      const names = async (options: object) => {
        const list = await client.list(configmaps, { namespace, ...options });
        assert.match(list.metadata.resourceVersion ?? '', /^[1-9]\d*$/);
        return list.items.map(i => i.metadata.name).filter(n => n !== 'kube-root-ca.crt');
      };
      assert.deepEqual(await names({}), ['a', 'b', 'c']);
      assert.deepEqual(await names({ labelSelector: 'app=x' }), ['a']);
      assert.deepEqual(await names({ labelSelector: 'app' }), ['a', 'b']);
      assert.deepEqual(await names({ labelSelector: '!app' }), ['c']);
      assert.deepEqual(await names({ labelSelector: 'app in (x, y),tier!=front' }), ['b']);
      assert.deepEqual(await names({ labelSelector: 'app notin (x)' }), ['b', 'c']);
      assert.deepEqual(await names({ fieldSelector: 'metadata.name=b' }), ['b']);
      const everywhere = await client.list(configmaps, { fieldSelector: 'metadata.name=a' });
      const found = everywhere.items.map(i => i.metadata.namespace).filter(n => n === namespace || n === other);
      assert.deepEqual(found, [namespace, other].sort());
      for (const item of everywhere.items) assert.equal(item.kind, 'ConfigMap');
    });

    it('lists in pages', async () => {
      const namespace = await namespaceFor();
      for (const n of ['a', 'b', 'c', 'd', 'e']) await configMap(namespace, n, { labels: { page: 'yes' } });
      const seen: string[] = [];
      const versions = new Set<string | undefined>();
      let token: string | undefined;
      let pages = 0;
      do {
        const options = { namespace, labelSelector: 'page=yes', limit: 2, ...(token ? { continue: token } : {}) };
        const page = await client.list(configmaps, options);
        assert.ok(page.items.length <= 2);
        seen.push(...page.items.map(i => i.metadata.name));
        versions.add(page.metadata.resourceVersion);
        token = page.metadata.continue || undefined;
        pages++;
      } while (token);
      assert.deepEqual(seen, ['a', 'b', 'c', 'd', 'e']);
      assert.equal(pages, 3);
      assert.equal(versions.size, 1);
    });

    it('updates with optimistic locking', async () => {
      const namespace = await namespaceFor();
      const first = await configMap(namespace, 'a');
      const second = await client.update<ConfigMap>(configmaps, { ...first, data: { a: '2' } } as object);
      assert.notEqual(second.metadata.resourceVersion, first.metadata.resourceVersion);
      await assert.rejects(client.update(configmaps, { ...first, data: { a: '3' } } as object), (e: unknown) => {
        assert.ok(isConflict(e));
        assert.equal(
          e.message,
          'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again',
        );
        return true;
      });
      const same = await client.update<ConfigMap>(configmaps, second as object);
      assert.equal(same.metadata.resourceVersion, second.metadata.resourceVersion, 'no change, no new version');
      await assert.rejects(
        client.update(configmaps, { metadata: { namespace, name: 'no', resourceVersion: '1' } }),
        isNotFound,
      );
    });

    it('keeps spec and status apart', async () => {
      const namespace = await namespaceFor();
      const made = await client.create<Deployment>(deployments, deployment(namespace));
      assert.equal(made.metadata.generation, 1);
      const withStatus = { ...made, spec: { ...made.spec, replicas: 7 }, status: { ...made.status, replicas: 3 } };
      const status = await client.updateStatus<Deployment>(deployments, withStatus as object);
      assert.equal(status.status?.replicas, 3);
      assert.equal(status.spec?.replicas, 1);
      assert.equal(status.metadata.generation, 1);
      const changed = { ...status, spec: { ...status.spec, replicas: 2 }, status: { replicas: 9 } };
      const spec = await client.update<Deployment>(deployments, changed as object);
      assert.equal(spec.spec?.replicas, 2);
      assert.equal(spec.status?.replicas, 3);
      assert.equal(spec.metadata.generation, 2);
      const patched = await client.patch<Deployment>(
        deployments,
        { namespace, name: 'web' },
        { type: 'merge', body: { spec: { replicas: 5 }, status: { readyReplicas: 1 } } },
        { subresource: 'status' },
      );
      assert.equal(patched.spec?.replicas, 2);
      assert.equal(patched.status?.readyReplicas, 1);
      const scale = await client.getSubresource<any>(deployments, { namespace, name: 'web' }, 'scale');
      assert.equal(scale.kind, 'Scale');
      assert.equal(scale.spec.replicas, 2);
      const scaled = { ...scale, spec: { replicas: 4 } };
      await client.updateSubresource(deployments, { namespace, name: 'web' }, 'scale', scaled);
      assert.equal((await client.get<Deployment>(deployments, { namespace, name: 'web' })).spec?.replicas, 4);
    });

    it('patches', async () => {
      const namespace = await namespaceFor();
      await configMap(namespace, 'a', { labels: { keep: 'yes', drop: 'yes' } });
      const key = { namespace, name: 'a' };
      const merged = await client.patch<ConfigMap>(configmaps, key, {
        type: 'merge',
        body: { metadata: { labels: { drop: null, more: 'yes' } } },
      });
      assert.deepEqual(merged.metadata.labels, { keep: 'yes', more: 'yes' });
      const json = await client.patch<ConfigMap>(configmaps, key, {
        type: 'json',
        body: [
          { op: 'test', path: '/data/a', value: '1' },
          { op: 'add', path: '/data/b', value: '2' },
          { op: 'remove', path: '/metadata/labels/more' },
        ],
      });
      assert.deepEqual(json.data, { a: '1', b: '2' });
      assert.deepEqual(json.metadata.labels, { keep: 'yes' });
      const owner = { apiVersion: 'v1', kind: 'Namespace', name: namespace, uid: 'u1' };
      const strategic = await client.patch<ConfigMap>(configmaps, key, {
        type: 'strategic',
        body: { metadata: { ownerReferences: [owner, { ...owner, uid: 'u2' }] } },
      });
      assert.deepEqual(
        strategic.metadata.ownerReferences?.map(o => o.uid),
        ['u1', 'u2'],
      );
      const released = await client.patch<ConfigMap>(configmaps, key, {
        type: 'strategic',
        body: { metadata: { uid: json.metadata.uid, ownerReferences: [{ $patch: 'delete', uid: 'u1' }] } },
      });
      assert.deepEqual(
        released.metadata.ownerReferences?.map(o => o.uid),
        ['u2'],
      );
      const stale = { metadata: { resourceVersion: json.metadata.resourceVersion }, data: { c: '3' } };
      await assert.rejects(client.patch(configmaps, key, { type: 'merge', body: stale }), isConflict);
      const wrong = { metadata: { uid: 'another' }, data: { c: '3' } };
      await assert.rejects(
        client.patch(configmaps, key, { type: 'merge', body: wrong }),
        e => isConflict(e) || isInvalid(e),
      );
      await assert.rejects(
        client.patch(configmaps, { namespace, name: 'no' }, { type: 'merge', body: {} }),
        isNotFound,
      );
    });

    it('applies', async () => {
      const namespace = await namespaceFor();
      const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace, name: 'a' }, data: { a: '1' } };
      const options = { fieldManager: 'conformance' };
      const made = await client.patch(configmaps, { namespace, name: 'a' }, { type: 'apply', body }, options);
      const again = await client.patch<ConfigMap>(
        configmaps,
        { namespace, name: 'a' },
        { type: 'apply', body: { ...body, data: { a: '2' } }, force: true },
        options,
      );
      assert.equal(again.metadata.uid, made.metadata.uid);
      assert.deepEqual(again.data, { a: '2' });
    });

    it('deletes with preconditions and finalizers', async () => {
      const namespace = await namespaceFor();
      const made = await configMap(namespace, 'a', { finalizers: ['example.com/hold'] });
      const key = { namespace, name: 'a' };
      await assert.rejects(client.delete(configmaps, key, { preconditions: { uid: 'another' } }), isConflict);
      await client.delete(configmaps, key, { preconditions: { uid: made.metadata.uid } });
      const held = await client.get(configmaps, key);
      assert.ok(held.metadata.deletionTimestamp);
      await client.patch(configmaps, key, { type: 'merge', body: { metadata: { finalizers: null } } });
      await assert.rejects(client.get(configmaps, key), isNotFound);
      await configMap(namespace, 'b', { labels: { gone: 'yes' } });
      await configMap(namespace, 'c', { labels: { gone: 'yes' } });
      await configMap(namespace, 'd');
      await client.deleteCollection(configmaps, { namespace, labelSelector: 'gone=yes' });
      const left = (await client.list(configmaps, { namespace })).items.map(i => i.metadata.name);
      assert.deepEqual(
        left.filter(n => n !== 'kube-root-ca.crt'),
        ['d'],
      );
    });

    it('writes nothing on a dry run', async () => {
      const namespace = await namespaceFor();
      const draft = { metadata: { namespace, name: 'a' } };
      const made = await client.create(configmaps, draft, { dryRun: true });
      assert.ok(made.metadata.uid);
      await assert.rejects(client.get(configmaps, { namespace, name: 'a' }), isNotFound);
    });

    it('watches from a resourceVersion', async () => {
      const namespace = await namespaceFor();
      const a = await configMap(namespace, 'a');
      await configMap(namespace, 'b');
      const watch = openWatch(client, { namespace, resourceVersion: a.metadata.resourceVersion });
      await watch.until(1);
      await client.patch(configmaps, { namespace, name: 'a' }, { type: 'merge', body: { data: { a: '2' } } });
      await client.delete(configmaps, { namespace, name: 'b' });
      const seen = await watch.until(3);
      assert.deepEqual(seen.map(describeEvent), ['ADDED b', 'MODIFIED a', 'DELETED b']);
      assert.equal(seen[0]!.object.kind, 'ConfigMap');
      const versions = seen.map(e => BigInt(e.object.metadata.resourceVersion));
      assert.ok(versions[0]! < versions[1]! && versions[1]! < versions[2]!);
      watch.handle.stop();
      await configMap(namespace, 'after-stop');
      assert.equal(watch.events.length, 3);
      assert.equal(watch.closed, 0);
    });

    it('watches by label: entering is ADDED, leaving is DELETED', async () => {
      const namespace = await namespaceFor();
      const first = await configMap(namespace, 'a');
      const watch = openWatch(client, {
        namespace,
        labelSelector: 'in=yes',
        resourceVersion: first.metadata.resourceVersion,
      });
      const label = (value: string | null) =>
        client.patch(
          configmaps,
          { namespace, name: 'a' },
          { type: 'merge', body: { metadata: { labels: { in: value } } } },
        );
      await label('yes');
      await label(null);
      const seen = await watch.until(2);
      assert.deepEqual(seen.map(describeEvent), ['ADDED a', 'DELETED a']);
      watch.handle.stop();
    });

    it('sends initial events', async () => {
      const namespace = await namespaceFor();
      await configMap(namespace, 'a', { labels: { initial: 'yes' } });
      await configMap(namespace, 'b', { labels: { initial: 'yes' } });
      const watch = openWatch(client, { namespace, labelSelector: 'initial=yes', sendInitialEvents: true });
      const seen = await watch.until(3);
      assert.deepEqual(seen.slice(0, 2).map(describeEvent).sort(), ['ADDED a', 'ADDED b']);
      assert.equal(seen[2]!.type, 'BOOKMARK');
      assert.equal(seen[2]!.object.metadata.annotations?.['k8s.io/initial-events-end'], 'true');
      await configMap(namespace, 'c', { labels: { initial: 'yes' } });
      assert.equal(describeEvent((await watch.until(4))[3]!), 'ADDED c');
      watch.handle.stop();
    });

    it('ends a watch after its time', async () => {
      const namespace = await namespaceFor();
      const watch = openWatch(client, { namespace, timeoutSeconds: 1 });
      assert.equal(await watch.whenClosed, undefined);
    });

    it('acts as another user agent over the same connection', async () => {
      const namespace = await namespaceFor();
      const other = client.as({ userAgent: 'conformance-other' });
      const draft = { metadata: { namespace, name: 'a' }, data: { a: '1' } };
      const made = await other.create<ConfigMap>(configmaps, draft);
      assert.equal(made.metadata.name, 'a');
      const manager = made.metadata.managedFields?.[0]?.manager;
      assert.ok(manager === undefined || manager === 'conformance-other', `managed by ${manager}`);
    });

    it('refuses what it cannot parse', async () => {
      const bad = client.list(configmaps, { labelSelector: 'a in (' });
      await assert.rejects(bad, (e: unknown) => e instanceof StatusError && e.code === 400);
      const namespace = await namespaceFor();
      const watch = openWatch(client, { namespace, labelSelector: 'a in (' });
      const error = await watch.whenClosed;
      assert.ok(error instanceof StatusError && error.code === 400, String(error));
      assert.equal(isExpired(error), false);
    });
  });
}

interface Seen {
  readonly type: WatchEventType;
  readonly object: KubeObject;
}

const describeEvent = (e: Seen): string => `${e.type} ${e.object.metadata.name}`;

/** Events but for bookmarks that only tell the time, and for kube-root-ca.crt. */
function openWatch(client: Client, options: WatchOptions) {
  const events: Seen[] = [];
  const close = Promise.withResolvers<Error | undefined>();
  let wake: () => void = () => {};
  const state = {
    events,
    closed: 0,
    whenClosed: close.promise,
    handle: client.watch(configmaps, options, {
      onEvent(type, object) {
        const initial = object.metadata.annotations?.['k8s.io/initial-events-end'];
        if ((type === 'BOOKMARK' && !initial) || object.metadata.name === 'kube-root-ca.crt') return;
        events.push({ type, object });
        wake();
      },
      onClose(error) {
        state.closed++;
        close.resolve(error);
        wake();
      },
    }),
    async until(count: number): Promise<Seen[]> {
      while (events.length < count) {
        if (state.closed) throw new Error(`watch ended after ${events.length} events`, { cause: await close.promise });
        await new Promise<void>(resolve => {
          wake = resolve;
        });
      }
      return events;
    },
  };
  return state;
}

function deployment(namespace: string): object {
  const labels = { app: 'web' };
  return {
    metadata: { namespace, name: 'web' },
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'example.com/c:1' }] } },
    },
  };
}
