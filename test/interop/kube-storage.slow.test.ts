// k8ts and the storage layer of kube-apiserver on one etcd: what either writes the other reads, watches, changes and
// deletes.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { EndpointLeases } from '../../src/apiserver/endpoint-leases.ts';
import { type Caller, type Json, mergePatch } from '../../src/apiserver/test-caller.ts';
import { startTestServer, type TestServer } from '../../src/apiserver/test-server.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { type EtcdStore, openEtcdStore } from '../../src/store/etcd-store.ts';
import { type EtcdProcess, missingEtcd, startEtcd } from '../../src/store/test-etcd.ts';
import { callerOf, contentOfCluster, nameOf, ns, pathOf, sampleOf, shown } from './cluster-content.ts';
import { annotation, StorageProcess, storageProgram } from './storage-process.ts';
import {
  earlierVersions,
  kindOf,
  masterLeases,
  rangeAllocations,
  type StoredKind,
  storedKinds,
} from './stored-kinds.ts';

const program = await storageProgram();
const missing = (await missingEtcd()) ?? ('missing' in program ? program.missing : undefined);
/** A server's own certificates are in it. */
const rewritten = new Set(['kube-system/extension-apiserver-authentication']);

let etcd: EtcdProcess;
let go: StorageProcess;
let raw: EtcdStore;
let server: TestServer;
let api: Caller;
/** What Go wrote before the server began, as Go told it: by resource and name in the store. */
const written = new Map<string, Map<string, Json>>();

const open = (options: object = {}) =>
  openEtcdStore({ servers: [etcd.url], clock: systemClock, random: systemRandom, log: silentLog, ...options });

async function until<T>(look: () => Promise<T | undefined | false> | T | undefined | false): Promise<T> {
  for (;;) {
    const found = await look();
    if (found) return found;
    await systemClock.sleep(20);
  }
}

if (missing !== undefined) test("kube-apiserver's storage beside k8ts", { skip: missing }, () => {});
else suite();

function suite(): void {
  before(async () => {
    etcd = await startEtcd();
    go = new StorageProcess((program as { path: string }).path, ['--etcd', etcd.url]);
    for (const [kind, items] of await contentOfCluster()) {
      const told = new Map<string, Json>();
      written.set(kind.resource, told);
      for (const item of items) {
        const object = { ...item, kind: kind.kind, apiVersion: kind.apiVersion };
        // Through its scheme: of the served version.
        if (kind.resource.endsWith('apiextensions.k8s.io')) object.apiVersion = kind.served[0];
        delete object.metadata.resourceVersion;
        told.set(nameOf(item), await go.create(kind, nameOf(item), object, kind.resource === 'events' ? 3600 : 0));
      }
    }
    await writeAllocations();
    raw = await open({ root: '', prefix: '/' });
    server = await startTestServer({ store: await open() });
    api = callerOf(server);
  });
  after(async () => {
    api?.close();
    await server?.stop();
    await raw?.close();
    await go?.stop();
    await etcd?.remove();
  });

  for (const kind of storedKinds) test(`${kind.resource} that kube-apiserver wrote are served`, () => serves(kind));
  for (const [apiVersion, ...resources] of earlierVersions)
    for (const resource of resources)
      test(
        `${resource} that lie in ${apiVersion} are served, and written anew in the version of today`,
        { timeout: 20_000 },
        () => earlier(kindOf(resource), apiVersion),
      );
  test('custom resources that kube-apiserver wrote are served, and the other way round', customResources);
  test('node ports that kube-apiserver gave out are not given again, and the other way round', nodePorts);
  test('addresses that kube-apiserver gave out are not given again', addresses);
  test('servers that say they serve are the endpoints of the kubernetes service', servers);
  test('events have leases, whoever wrote them', leases);
  test('both count one object up at once: nothing is lost, and the watch tells every step once', countsTogether);
  for (const kind of storedKinds)
    test(`${kind.resource} of k8ts are read, watched, changed and deleted by kube-apiserver`, async () => {
      await isRead(kind);
      await isChanged(kind);
    });
  for (const kind of storedKinds)
    test(`${kind.resource} of kube-apiserver are changed and deleted by k8ts, and its watch tells`, () => takes(kind));
}

async function serves(kind: StoredKind): Promise<void> {
  const told = written.get(kind.resource)!;
  assert.ok(told.size >= 2);
  const list = await api.expect(200, 'GET', pathOf(kind, kind.served[0], ''));
  for (const [name, object] of told) {
    if (rewritten.has(name)) continue;
    const { revision } = (await raw.get(`/registry${kind.prefix}/${name}`))!;
    assert.equal(object.metadata.resourceVersion, String(revision), name);
    const listed = list.items.find((i: Json) => nameOf(i) === name);
    const { kind: ownKind, apiVersion, ...rest } = shown(kind, object);
    assert.deepEqual(listed, rest, name);
  }
  const [name = ''] = [...told.keys()].filter(n => !rewritten.has(n));
  const [namespace, own] = name.includes('/') ? name.split('/') : ['', name];
  for (const version of kind.served) {
    const got = await api.expect(200, 'GET', `${pathOf(kind, version, namespace)}/${own}`);
    assert.equal(got.apiVersion, version);
    if (version === kind.served[0]) assert.deepEqual(got, shown(kind, told.get(name)));
  }
}

async function isRead(kind: StoredKind): Promise<void> {
  const made = await api.expect(201, 'POST', pathOf(kind), sampleOf(kind, 'three'));
  const path = `${pathOf(kind)}/${made.metadata.name}`;
  const same = await until(async () => {
    const [here, there] = [await api.expect(200, 'GET', path), await go.get(kind, nameOf(made))];
    // Some have a status at once.
    return here.metadata.resourceVersion === there.metadata.resourceVersion && { here, there };
  });
  assert.deepEqual(shown(kind, same.there), same.here);
}

/** `two` of the kind, moved into another version by Go. */
async function earlier(kind: StoredKind, apiVersion: string): Promise<void> {
  const own = sampleOf(kind, 'two').metadata.name;
  const name = kind.namespaced ? `${ns}/${own}` : own;
  const object = await go.delete(kind, name);
  delete object.metadata.resourceVersion;
  const moved = await go.create({ ...kind, apiVersion }, name, { ...object, apiVersion });
  const path = `${pathOf(kind)}/${own}`;
  const read = await until(async () => {
    const { code, object: found } = await api.send('GET', path);
    return code === 200 && found.metadata.resourceVersion === moved.metadata.resourceVersion && found;
  });
  assert.deepEqual(read, shown(kind, moved));
  assert.deepEqual(read.spec, object.spec);
  const patched = await api.expect(200, 'PATCH', path, { metadata: { annotations: { now: 'new' } } }, mergePatch);
  assert.deepEqual(shown(kind, await go.get(kind, name)), patched);
}

/** What Go does to an object of k8ts, and what k8ts tells of it. */
async function isChanged(kind: StoredKind): Promise<void> {
  const own = sampleOf(kind, 'three').metadata.name;
  const name = kind.namespaced ? `${ns}/${own}` : own;
  const path = pathOf(kind);
  const { metadata } = await api.expect(200, 'GET', `${path}/${own}`);
  const watching = await api.watch(`${path}?watch=true&resourceVersion=${metadata.resourceVersion}`);
  const { items, resourceVersion } = await go.list(kind);
  assert.ok(Number(resourceVersion) >= Number(metadata.resourceVersion));
  assert.ok(items.some(i => i.metadata.uid === metadata.uid));
  const changed: Json[] = [];
  for (const value of ['1', '2', '3']) changed.push(shown(kind, await go.update(kind, name, value)));
  await assert.rejects(go.update(kind, name, '4', { uid: 'another' }), /Precondition failed: UID in precondition/);
  const gone = await go.delete(kind, name, { uid: metadata.uid });
  await watching.next(e => e.type === 'DELETED' && e.object.metadata.name === own);
  watching.stop();
  const told = watching.events.filter(e => e.object.metadata.name === own);
  const wanted = changed.map(c => c.metadata.resourceVersion);
  assert.deepEqual(
    told.filter(e => wanted.includes(e.object.metadata.resourceVersion)),
    changed.map(object => ({ type: 'MODIFIED', object })),
  );
  assert.equal(told.at(-1)?.object.metadata.uid, gone.metadata.uid);
  assert.ok(Number(told.at(-1)?.object.metadata.resourceVersion) > Number(wanted.at(-1)));
  await api.expect(404, 'GET', `${path}/${own}`);
}

/** What k8ts does to an object of Go, and what Go tells of it. */
async function takes(kind: StoredKind): Promise<void> {
  const own = sampleOf(kind, 'one').metadata.name;
  const name = kind.namespaced ? `${ns}/${own}` : own;
  const path = `${pathOf(kind)}/${own}`;
  const seen = go.watch(kind, (await go.list(kind)).resourceVersion);
  const before = await api.expect(200, 'GET', path);
  const answers: Json[] = [];
  for (const i of [1, 2])
    answers.push(await api.expect(200, 'PATCH', path, { metadata: { annotations: { i: `${i}` } } }, mergePatch));
  const stale = { ...before, metadata: { ...before.metadata, annotations: { stale: 'yes' } } };
  await api.expect(409, 'PUT', path, stale);
  const whole = answers.at(-1);
  const put = { ...whole, metadata: { ...whole.metadata, annotations: { i: '3' } } };
  answers.push(await api.expect(200, 'PUT', path, put));
  for (const answer of answers) {
    const { type, object } = await until(() =>
      seen.find(e => e.object.metadata?.resourceVersion === answer.metadata.resourceVersion),
    );
    assert.deepEqual([type, shown(kind, object)], ['MODIFIED', answer]);
  }
  await api.expect(200, 'DELETE', path, { gracePeriodSeconds: 0 });
  await letGo(kind, path);
  const deleted = await until(() => seen.find(e => e.type === 'DELETED' && nameOf(e.object) === name));
  assert.equal(deleted.object.metadata.uid, before.metadata.uid);
  await assert.rejects(go.get(kind, name), /key not found/);
}

/** What controllers would do. */
async function letGo(kind: StoredKind, path: string): Promise<void> {
  const { code, object } = await api.send('GET', path);
  if (code === 404) return;
  if (kind.resource === 'namespaces')
    await api.expect(200, 'PUT', `${path}/finalize`, { ...object, spec: { finalizers: [] } });
  else if (!kind.resource.startsWith('customresourcedefinitions'))
    await api.expect(200, 'PATCH', path, { metadata: { finalizers: null } }, mergePatch);
}

const ones: StoredKind = {
  prefix: '/interop.example/ones',
  apiVersion: 'interop.example/v1',
  kind: 'One',
  resource: 'ones.interop.example',
  served: ['interop.example/v1', 'interop.example/v2'],
  namespaced: true,
};

async function customResources(): Promise<void> {
  const theirs = {
    apiVersion: 'interop.example/v1',
    kind: 'One',
    metadata: { name: 'theirs', namespace: ns, uid: 'their-uid', creationTimestamp: '2026-01-01T00:00:00Z' },
    // Whole numbers keep all their digits.
    size: JSON.rawJSON('9007199254740993'),
  };
  await go.create(ones, `${ns}/theirs`, theirs);
  const path = pathOf(ones);
  const read = await until(async () => {
    const { code, object } = await api.send('GET', `${path}/theirs`);
    return code === 200 && object;
  });
  assert.equal(read.size, 9007199254740993n);
  const second = await api.expect(200, 'GET', `${pathOf(ones, 'interop.example/v2')}/theirs`);
  assert.deepEqual([second.apiVersion, second.metadata.uid], ['interop.example/v2', 'their-uid']);
  const made = await api.expect(201, 'POST', pathOf(ones, 'interop.example/v2'), {
    apiVersion: 'interop.example/v2',
    kind: 'One',
    metadata: { name: 'ours' },
    spec: {},
    size: 5,
  });
  const there = await go.get(ones, `${ns}/ours`);
  assert.deepEqual([there.apiVersion, there.size, there.metadata.uid], ['interop.example/v1', 5, made.metadata.uid]);
  assert.equal(there.metadata.resourceVersion, made.metadata.resourceVersion);
  const seen = go.watch(ones, (await go.list(ones)).resourceVersion);
  const watching = await api.watch(`${path}?watch=true&resourceVersion=${made.metadata.resourceVersion}`);
  const patched = await api.expect(200, 'PATCH', `${path}/theirs`, { size: 6 }, mergePatch);
  const { object } = await until(() => seen.find(e => e.type === 'MODIFIED'));
  assert.deepEqual(object, patched);
  await go.update(ones, `${ns}/ours`, 'there');
  await watching.next(e => e.object.metadata.annotations?.[annotation] === 'there');
  await go.delete(ones, `${ns}/ours`);
  await watching.next(e => e.type === 'DELETED');
  await api.expect(200, 'DELETE', `${path}/theirs`);
  await until(() => seen.find(e => e.type === 'DELETED' && e.object.metadata.name === 'theirs'));
  watching.stop();
}

const portRange = '30000-32767';
const bitmap = (...bits: number[]) => {
  const hex = bits.reduce((all, bit) => all | (1n << BigInt(bit)), 0n).toString(16);
  return Buffer.from(hex.length % 2 ? `0${hex}` : hex, 'hex').toString('base64');
};
const bitsOf = (data: string): number[] => {
  const all = BigInt(`0x${Buffer.from(data, 'base64').toString('hex')}`);
  return Array.from({ length: 2768 }, (_, i) => i).filter(i => (all >> BigInt(i)) & 1n);
};
const foreignAddress = '10.96.0.200';

/** What kube-apiserver gave out to services that nobody knows yet. */
async function writeAllocations(): Promise<void> {
  const record = { kind: 'RangeAllocation', apiVersion: 'v1', metadata: {} };
  await go.create(rangeAllocations, 'servicenodeports', { ...record, range: portRange, data: bitmap(5, 2000) });
  await go.create(rangeAllocations, 'serviceips', { ...record, range: '10.96.0.0/12', data: bitmap(0) });
  const labels = { 'ipaddress.kubernetes.io/managed-by': 'ipallocator.k8s.io' };
  // Of a service that may yet come: only old ones have leaked.
  const creationTimestamp = new Date(systemClock.now()).toISOString().replace(/\.\d+/, '');
  const metadata = { name: foreignAddress, labels, creationTimestamp };
  const spec = { parentRef: { resource: 'services', namespace: 'default', name: 'theirs' } };
  await go.create(kindOf('ipaddresses.networking.k8s.io'), foreignAddress, { metadata, spec });
  const masterLease = { metadata: { generation: 1 }, subsets: [{ addresses: [{ ip: '192.0.2.9' }] }] };
  await go.create(masterLeases, '192.0.2.9', masterLease, 600);
}

const portService = (name: string, nodePort: number) => ({
  metadata: { name },
  spec: { type: 'NodePort', ports: [{ port: 80, nodePort }] },
});

async function nodePorts(): Promise<void> {
  const path = `/api/v1/namespaces/${ns}/services`;
  const { revision } = (await raw.get('/registry/ranges/serviceips'))!;
  const refused = await api.expect(422, 'POST', path, portService('ports', 30_005));
  assert.match(refused.message, /spec\.ports\[0\]\.nodePort: Invalid value: 30005: provided port is already allocated/);
  await api.expect(201, 'POST', path, portService('ports', 30_006));
  const { data, range } = await go.get(rangeAllocations, 'servicenodeports');
  assert.equal(range, portRange);
  assert.deepEqual(bitsOf(data), [5, 6, 2000]);
  await api.expect(200, 'DELETE', `${path}/ports`);
  await until(async () => bitsOf((await go.get(rangeAllocations, 'servicenodeports')).data).join() === '5,2000');
  // Not looked at since addresses are objects.
  assert.equal((await raw.get('/registry/ranges/serviceips'))?.revision, revision);
}

async function addresses(): Promise<void> {
  const path = `/api/v1/namespaces/${ns}/services`;
  const wants = (clusterIP: string) => ({ metadata: { name: 'wants' }, spec: { clusterIP, ports: [{ port: 80 }] } });
  const refused = await api.expect(422, 'POST', path, wants(foreignAddress));
  assert.match(refused.message, /provided IP is already allocated/);
  const made = await api.expect(201, 'POST', path, wants('10.96.0.201'));
  const address = await go.get(kindOf('ipaddresses.networking.k8s.io'), '10.96.0.201');
  assert.deepEqual(address.spec.parentRef, { resource: 'services', namespace: ns, name: made.metadata.name });
}

async function servers(): Promise<void> {
  const client = server.server.client({ userAgent: 'test' });
  const own = await open();
  const leases = new EndpointLeases({
    ...{ store: own, client, clock: systemClock, log: silentLog },
    ...{ address: '192.0.2.10', port: 6443 },
  });
  try {
    await leases.renew();
    const { subsets } = await go.get(masterLeases, '192.0.2.10');
    assert.deepEqual(subsets, [{ addresses: [{ ip: '192.0.2.10' }] }]);
    const endpoints = await go.get(kindOf('endpoints'), 'default/kubernetes');
    assert.deepEqual(
      endpoints.subsets[0].addresses.map((a: Json) => a.ip),
      ['192.0.2.10', '192.0.2.9'],
    );
    await leases.remove();
  } finally {
    await own.close();
  }
}

async function leases(): Promise<void> {
  const kind = kindOf('events');
  await api.expect(201, 'POST', pathOf(kind), sampleOf(kind, 'leased'));
  for (const name of ['leased', 'one']) {
    const key = Buffer.from(`/registry/events/${ns}/${name}`).toString('base64');
    const answer = await fetch(`${etcd.url}/v3/kv/range`, { method: 'POST', body: JSON.stringify({ key }) });
    const { kvs } = (await answer.json()) as { kvs: { lease?: string }[] };
    assert.ok(kvs[0]?.lease && kvs[0].lease !== '0', name);
  }
}

async function countsTogether(): Promise<void> {
  const kind = kindOf('configmaps');
  const path = `${pathOf(kind)}/counter`;
  const made = await api.expect(201, 'POST', pathOf(kind), { metadata: { name: 'counter' } });
  const watching = await api.watch(`${pathOf(kind)}?watch=true&resourceVersion=${made.metadata.resourceVersion}`);
  const times = 100;
  const valueIn = ({ metadata }: Json) => Number(metadata.annotations?.[annotation] ?? 0);
  let conflicts = 0;
  const countHere = async () => {
    for (let done = 0; done < times; ) {
      const object = await api.expect(200, 'GET', path);
      object.metadata.annotations = { ...object.metadata.annotations, [annotation]: `${valueIn(object) + 1}` };
      const { code } = await api.send('PUT', path, object);
      if (code === 200) done++;
      else conflicts++;
      assert.ok(code === 200 || code === 409, `PUT: ${code}`);
    }
  };
  await Promise.all([countHere(), countHere(), go.count(kind, `${ns}/counter`, times), countWithPatches(path, times)]);
  const total = 3 * times;
  assert.equal(valueIn(await api.expect(200, 'GET', path)), total);
  assert.equal(valueIn(await go.get(kind, `${ns}/counter`)), total);
  assert.ok(conflicts > 0, 'nobody came between');
  await watching.next(e => valueIn(e.object) === total);
  watching.stop();
  const steps = watching.events.filter(e => e.object.metadata.name === 'counter').map(e => valueIn(e.object));
  // Patches change something else: the count stands still.
  assert.deepEqual(
    steps.filter((value, i) => value !== steps[i - 1] && value > 0),
    Array.from({ length: total }, (_, i) => i + 1),
  );
  const labels = watching.events.map(e => Number(e.object.metadata.labels?.patched ?? 0));
  assert.deepEqual(
    labels,
    [...labels].sort((a, b) => a - b),
  );
  assert.equal(labels.at(-1), times);
}

/** The server itself tries again. */
async function countWithPatches(path: string, times: number): Promise<void> {
  for (let i = 1; i <= times; i++)
    await api.expect(200, 'PATCH', path, { metadata: { labels: { patched: `${i}` } } }, mergePatch);
}
