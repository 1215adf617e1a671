// What lies in etcd is what kube-apiserver would have put there, and what others put there is served.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { KubeObject, Mutable } from '../api/meta.ts';
import { decodeProtobuf, isProtobuf } from '../api/protobuf.ts';
import { apiextensionsV1, coreV1 } from '../api/refs.ts';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import { type EtcdStore, openEtcdStore } from '../store/etcd-store.ts';
import type { Store } from '../store/store.ts';
import { type EtcdProcess, missingEtcd, startEtcd } from '../store/test-etcd.ts';
import { thingsDefinition } from './custom/test-definition.ts';
import { encodeWithoutRevision } from './registry/stored-form.ts';
import { startTestServer, type TestServer } from './test-server.ts';

const missing = await missingEtcd();
let etcd: EtcdProcess;
let server: TestServer;
let raw: Store;

const open = (options: object = {}): Promise<EtcdStore> =>
  openEtcdStore({ servers: [etcd.url], clock: systemClock, random: systemRandom, log: silentLog, ...options });

async function until<T>(look: () => Promise<T | undefined | false>): Promise<T> {
  for (;;) {
    const found = await look();
    if (found) return found;
    await systemClock.sleep(20);
  }
}

const key = { namespace: 'default', name: 'a' };
const valueAt = async (path: string) => Buffer.from((await raw.get(path))!.value);

if (missing !== undefined) test('etcd', { skip: missing }, () => {});
else suite();

function suite(): void {
  before(async () => {
    etcd = await startEtcd();
    server = await startTestServer({ store: await open() });
    raw = await open({ root: '', prefix: '/' });
  });
  after(async () => {
    await server?.stop();
    await raw?.close();
    await etcd?.remove();
  });

  test('built-in kinds are protobuf at their kind\u2019s old names, without a resourceVersion', async () => {
    const client = server.server.client({ userAgent: 'test' });
    await client.create(coreV1.nodes, { metadata: { name: 'n' } });
    await client.create(coreV1.services, { metadata: key, spec: { ports: [{ port: 80 }] } });
    for (const path of ['/registry/minions/n', '/registry/services/specs/default/a', '/registry/namespaces/default']) {
      const value = await valueAt(path);
      assert.ok(isProtobuf(value), path);
      const { object } = decodeProtobuf(value);
      assert.ok(object.metadata.uid);
      assert.ok(!object.metadata.resourceVersion);
    }
  });

  test('definitions and custom resources are JSON, below group and plural', async () => {
    const client = server.server.client({ userAgent: 'test' });
    await client.create(apiextensionsV1.customresourcedefinitions, thingsDefinition);
    const ref = { group: 'example.com', version: 'v1', resource: 'things', kind: 'Thing', namespaced: true };
    const made = await until(() => client.create(ref, { metadata: key, size: 3 } as never).catch(() => undefined));
    const stored = JSON.parse((await valueAt('/registry/example.com/things/default/a')).toString());
    assert.deepEqual([stored.kind, stored.size, stored.metadata.resourceVersion], ['Thing', 3, undefined]);
    const path = '/registry/apiextensions.k8s.io/customresourcedefinitions/things.example.com';
    assert.equal(JSON.parse((await valueAt(path)).toString()).kind, 'CustomResourceDefinition');
    assert.deepEqual(await client.get(ref, key), made);
  });

  test('what another server writes is served at the revision of the key, and gone when that removes it', async () => {
    const client = await server.http();
    const path = '/registry/configmaps/default/theirs';
    const theirs = {
      kind: 'ConfigMap',
      apiVersion: 'v1',
      metadata: { name: 'theirs', namespace: 'default', uid: 'u' },
    };
    const encode = (data: object) => () =>
      encodeWithoutRevision({ ...structuredClone(theirs), data } as never as Mutable<KubeObject>);
    const first = await raw.create(path, encode({ a: '1' }));
    const id = { namespace: 'default', name: 'theirs' };
    const read = await client.get(coreV1.configmaps, id);
    assert.deepEqual([read.data, read.metadata.resourceVersion], [{ a: '1' }, String(first)]);
    const second = await raw.update(path, first, encode({ a: '2' }));
    // An update that knows the first only.
    await assert.rejects(client.update(coreV1.configmaps, read as never), { code: 409 });
    const { items, metadata } = await client.list(coreV1.configmaps, { namespace: 'default' });
    assert.equal(items.find(i => i.metadata.name === 'theirs')?.metadata.resourceVersion, String(second));
    assert.ok(Number(metadata?.resourceVersion) >= second);
    await raw.delete(path, second);
    await assert.rejects(client.get(coreV1.configmaps, id), { code: 404 });
    await client.create(coreV1.configmaps, { metadata: id });
  });

  test('metrics tell of etcd: its size, its progress, what is listed of it', async () => {
    await server.server.client({ userAgent: 'test' }).list(coreV1.configmaps);
    const text = await server.server.metrics.text();
    const of = (series: string) => {
      const line = text.split('\n').find(l => l.startsWith(`${series} `));
      return Number(line?.split(' ').at(-1) ?? 0);
    };
    const configmaps = 'group="",resource="configmaps"';
    assert.ok(of('apiserver_storage_size_bytes{storage_cluster_id="etcd-0"}') >= 16384);
    assert.ok(of(`apiserver_storage_list_total{${configmaps}}`) <= 1, 'lists are served from memory');
    assert.ok(of(`apiserver_watch_cache_consistent_read_total{fallback="false",${configmaps},success="true"}`) >= 1);
    assert.ok(of(`apiserver_watch_cache_read_wait_seconds_count{${configmaps}}`) >= 1);
    assert.match(text, /\netcd_lease_object_counts_count 0\n/);
    assert.match(text, /\netcd_requests_total\{operation="create",group="",resource="services"\} /);
  });

  test('events have a lease', async () => {
    const client = server.server.client({ userAgent: 'test' });
    const involvedObject = { kind: 'Pod', namespace: 'default', name: 'p' };
    await client.create(coreV1.events, { metadata: key, involvedObject, reason: 'r', message: 'm', type: 'Normal' });
    const found = await fetch(`${etcd.url}/v3/kv/range`, {
      method: 'POST',
      body: JSON.stringify({ key: Buffer.from('/registry/events/default/a').toString('base64') }),
    });
    const { kvs } = (await found.json()) as { kvs: { lease?: string }[] };
    assert.ok(kvs[0]?.lease && kvs[0].lease !== '0');
  });
}
