// What an API server wrote into one kind of store, served from another; needs a real etcd.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { mainScript } from '../../bin/entry.js';
import type { KubeObject } from '../api/meta.ts';
import { apiextensionsV1, appsV1, coreV1, eventsV1 } from '../api/refs.ts';
import { startTestServer, type TestServer } from '../apiserver/test-server.ts';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import { type EtcdProcess, missingEtcd, startEtcd } from '../store/test-etcd.ts';
import { openStore } from './store-config.ts';
import {
  backupStore,
  compactStore,
  migrateStore,
  restoreStore,
  type StoreAt,
  storeStatistics,
} from './store-operations.ts';

const missing = await missingEtcd();
const deps = { clock: systemClock, random: systemRandom, log: silentLog };
const things = { group: 'example.com', version: 'v1', resource: 'things', kind: 'Thing', namespaced: true } as const;
const key = { namespace: 'default', name: 'a' };
let directory: string;
let etcd: EtcdProcess;

const lmdb = (name: string): StoreAt => ({ type: 'lmdb', directory: join(directory, name) });
const inEtcd = (prefix: string): StoreAt => ({ type: 'etcd', servers: [etcd.url], prefix });

async function serve<T>(at: StoreAt, act: (server: TestServer) => Promise<T>): Promise<T> {
  const store = await openStore(at, at.type === 'lmdb' ? at.directory : '', deps);
  const server = await startTestServer({ store });
  try {
    return await act(server);
  } finally {
    await server.stop();
  }
}

async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const found = await look().catch(() => undefined);
    if (found) return found;
    await systemClock.sleep(20);
  }
}

async function fill({ server }: TestServer): Promise<void> {
  const client = server.client({ userAgent: 'test' });
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
  await client.create(apiextensionsV1.customresourcedefinitions, {
    metadata: { name: 'things.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'things', singular: 'thing', kind: 'Thing', listKind: 'ThingList' },
      versions: [{ name: 'v1', served: true, storage: true, schema }],
    },
  });
  await until(() => client.create(things, { metadata: key, z: 2 ** 53 - 1, a: { ü: ['ß', null] } } as never));
  await client.create(coreV1.configmaps, { metadata: key, data: { b: '2', a: '1' }, binaryData: { c: 'AAEC' } });
  await client.create(coreV1.services, { metadata: key, spec: { type: 'NodePort', ports: [{ port: 80 }] } });
  await client.create(coreV1.secrets, { metadata: key, stringData: { s: 'x' } });
  await client.create(eventsV1.events, {
    metadata: key,
    eventTime: '2026-01-01T00:00:00.000000Z',
    action: 'a',
    reason: 'r',
    type: 'Normal',
    reportingController: 'c',
    reportingInstance: 'i',
    regarding: { kind: 'Pod', name: 'p', namespace: 'default' },
  });
  const labels = { app: 'a' };
  const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } };
  await client.create(appsV1.deployments, { metadata: key, spec: { selector: { matchLabels: labels }, template } });
  for (let i = 0; i < 20; i++) await client.create(coreV1.configmaps, { metadata: { ...key, name: `m${i}` } });
  for (let i = 0; i < 20; i += 2) await client.delete(coreV1.configmaps, { ...key, name: `m${i}` });
}

const kinds = [
  coreV1.configmaps,
  coreV1.services,
  coreV1.secrets,
  coreV1.namespaces,
  eventsV1.events,
  appsV1.deployments,
  apiextensionsV1.customresourcedefinitions,
  things,
] as const;

/** Every object of these kinds, by kind; with or without their revisions. */
async function contentOf({ server }: TestServer, revisions: boolean): Promise<Record<string, unknown[]>> {
  const client = server.client({ userAgent: 'test' });
  const content: Record<string, unknown[]> = {};
  for (const kind of kinds) {
    const { items } = await until(async (): Promise<{ items: readonly KubeObject[] }> => client.list(kind as never));
    // The server writes its certificates into kube-system when it starts.
    const kept = items.filter(item => item.metadata.namespace !== 'kube-system');
    content[kind.resource] = kept.map(item => {
      const { resourceVersion, ...metadata } = item.metadata;
      return revisions ? item : { ...item, metadata };
    });
  }
  return content;
}

async function oldWatchExpires(server: TestServer, revision: number): Promise<void> {
  const client = server.server.client({ userAgent: 'test' });
  const code = await new Promise(resolve => {
    const onClose = (error?: unknown) => resolve((error as { code?: number } | undefined)?.code);
    client.watch(coreV1.configmaps, { resourceVersion: String(revision) }, { onEvent: () => {}, onClose });
  });
  assert.equal(code, 410);
}

if (missing !== undefined) test('stores and etcd', { skip: missing }, () => {});
else suite();

function suite(): void {
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), 'k8ts-operations-'));
    etcd = await startEtcd();
  });
  after(async () => {
    await etcd?.remove();
    rmSync(directory, { recursive: true, force: true });
  });

  test('from lmdb to etcd: the same objects; watches from before expire, and no old revision comes again', async () => {
    const before = await serve(lmdb('first'), async server => {
      await fill(server);
      return contentOf(server, false);
    });
    const told: string[] = [];
    const done = await migrateStore(
      lmdb('first'),
      inEtcd('/one'),
      {},
      { ...deps, onProgress: what => told.push(what) },
    );
    assert.ok(done.keys > 100 && done.revision > done.from, JSON.stringify(done));
    assert.ok(told.some(what => /^\d+ keys$/.test(what)));
    await serve(inEtcd('/one'), async server => {
      assert.deepEqual(await contentOf(server, false), before);
      await oldWatchExpires(server, done.from);
      const client = server.server.client({ userAgent: 'test' });
      const next = await client.create(coreV1.configmaps, { metadata: { ...key, name: 'next' } });
      assert.ok(Number(next.metadata.resourceVersion) > done.from);
      // The node port is still taken.
      const { nodePort } = (await client.get(coreV1.services, key)).spec!.ports![0]!;
      const again = { metadata: { ...key, name: 'b' }, spec: { type: 'NodePort', ports: [{ port: 80, nodePort }] } };
      await assert.rejects(client.create(coreV1.services, again as never), { code: 422 });
    });
  });

  test('from etcd to lmdb: the same objects at the same revisions', async () => {
    const before = await serve(inEtcd('/one'), server => contentOf(server, true));
    const done = await migrateStore(inEtcd('/one'), lmdb('second'), {}, deps);
    assert.equal(done.revision, done.from);
    await serve(lmdb('second'), async server => {
      assert.deepEqual(await contentOf(server, true), before);
      await oldWatchExpires(server, done.from - 1);
    });
    const statistics = await storeStatistics(lmdb('second'), deps);
    assert.ok(statistics.type === 'lmdb' && !statistics.resources.some(r => /masterleases|ranges/.test(r.prefix)));
  });

  test('the command: from lmdb to etcd and back', async () => {
    const k8ts = (...args: string[]) => promisify(execFile)(process.execPath, [mainScript(), ...args]);
    const before = await serve(lmdb('second'), server => contentOf(server, false));
    const [there, back] = [join(directory, 'second'), join(directory, 'fourth')];
    const out = await k8ts('store', 'migrate', '--from', there, '--to', etcd.url, '--etcd-prefix', '/command');
    const line =
      /^\S+Z (\d+) keys of revision (\d+); the store goes on from (\d+), earlier watches list anew \(.*\)\n$/;
    const [, keys, from, revision] = line.exec(out.stderr) ?? assert.fail(out.stderr);
    assert.ok(Number(keys) > 100 && Number(revision) > Number(from), out.stderr);
    assert.equal(out.stdout, '');
    await serve(inEtcd('/command'), async server => assert.deepEqual(await contentOf(server, false), before));
    const places = ['--from', etcd.url, '--to', `lmdb:${back}`, '--etcd-prefix', '/command'];
    const done = JSON.parse((await k8ts('store', 'migrate', ...places, '-o', 'json')).stdout);
    assert.ok(done.keys > 100 && done.revision === done.from && done.from > Number(revision), JSON.stringify(done));
    await serve(lmdb('fourth'), async server => assert.deepEqual(await contentOf(server, false), before));
  });

  test('a backup of etcd goes into lmdb and into another etcd prefix', async () => {
    const file = join(directory, 'backup');
    const before = await serve(inEtcd('/one'), server => contentOf(server, false));
    await backupStore(inEtcd('/one'), file, deps);
    const done = await restoreStore(file, lmdb('third'), { bumpRevision: 1000 }, deps);
    assert.equal(done.revision, done.from + 1000);
    await serve(lmdb('third'), async server => assert.deepEqual(await contentOf(server, false), before));
    await restoreStore(file, inEtcd('/two'), {}, deps);
    await serve(inEtcd('/two'), async server => assert.deepEqual(await contentOf(server, false), before));
  });

  test('events keep their end on the way', async () => {
    const { openEtcdCopy } = await import('../store/etcd-copy.ts');
    const copy = await openEtcdCopy({ servers: [etcd.url], prefix: '/two', ...deps });
    const ends: number[] = [];
    for await (const entry of copy.entries()) if (entry.expiresAtMs) ends.push(entry.expiresAtMs - systemClock.now());
    await copy.close();
    // An hour, counted in minutes, and what sharing a lease adds.
    assert.ok(ends.length > 0 && ends.every(ms => ms > 3_400_000 && ms < 3_900_000), ends.join());
  });

  test('what would lose something is refused', async () => {
    await assert.rejects(
      migrateStore(lmdb('second'), inEtcd('/one'), {}, deps),
      /etcd holds \d+ keys below \/one\/: want none; what a copy/,
    );
    await assert.rejects(migrateStore(inEtcd('/one'), lmdb('second'), {}, deps), /holds \d+ keys: want an empty one/);
    await assert.rejects(
      migrateStore(lmdb('second'), lmdb('second'), {}, deps),
      /is already there: want another place/,
    );
    await serve(lmdb('second'), async () => {
      await assert.rejects(migrateStore(lmdb('second'), inEtcd('/three'), {}, deps), { reason: 'locked' });
    });
    const file = join(directory, 'ahead');
    await backupStore(lmdb('third'), file, deps);
    await restoreStore(file, lmdb('third'), { bumpRevision: 5_000_000 }, deps);
    await assert.rejects(
      migrateStore(lmdb('third'), inEtcd('/three'), {}, deps),
      /takes \d+ empty writes, more than 1000000; .*--bump-revision \d+/,
    );
  });

  test('compaction and statistics of etcd', async () => {
    const { revision } = await compactStore(inEtcd('/one'), deps);
    const statistics = await storeStatistics(inEtcd('/one'), deps);
    assert.ok(statistics.type === 'etcd' && statistics.revision >= revision && statistics.keys > 100);
    assert.match(statistics.version, /^3\./);
    assert.ok(statistics.fileBytes >= statistics.usedBytes && statistics.usedBytes > 0);
  });
}
