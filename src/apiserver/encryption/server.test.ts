import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { coreV1 } from '../../api/refs.ts';
import type { Secret } from '../../api/type/core-v1.ts';
import { systemClock, VirtualClock } from '../../base/clock.ts';
import { createLog } from '../../base/log.ts';
import { createMetrics } from '../../base/metrics.ts';
import { memoryStore } from '../../store/memory-store.ts';
import { keptOpen } from '../../store/test-kept-open.ts';
import { superuserOf } from '../test-api.ts';
import { startTestServer } from '../test-server.ts';
import { readEncryptionConfiguration } from './configuration.ts';
import { startTestKms } from './test-kms.ts';

const directory = mkdtempSync(join(tmpdir(), 'encrypted-server-'));
after(() => rmSync(directory, { recursive: true }));

const header = 'apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\n';
const documentOf = (...providers: object[]) =>
  `${header}resources: ${JSON.stringify([{ resources: ['secrets', 'widgets.example.com'], providers }])}`;
const aes = (...names: string[]) => ({
  aesgcm: { keys: names.map(name => ({ name, secret: Buffer.alloc(32, name).toString('base64') })) },
});

test('secrets lie encrypted; keys change while the server runs; writes that change nothing renew what is stale', async () => {
  const clock = new VirtualClock(systemClock.now());
  const store = memoryStore({ clock });
  const metrics = createMetrics();
  const path = join(directory, 'encryption.yaml');
  const text = documentOf(aes('a'), { identity: {} });
  writeFileSync(path, text);
  const kms = await startTestKms(join(directory, 'kms.sock'));
  const plan = readEncryptionConfiguration(text);
  const api = await startTestServer({ clock, store, metrics, encryption: { plan, file: { path, text } } });
  const raw = async (key: string) => Buffer.from((await store.get(key))!.value).toString('latin1');
  try {
    const admin = await api.http();
    const key = { namespace: 'default', name: 's' };
    const metadata = { ...key, labels: {} };
    const stringData = { password: 'hunter2' };
    await admin.create(coreV1.secrets, { metadata, stringData } as never);
    await admin.create(coreV1.configmaps, { metadata, data: { plain: 'text' } } as never);
    assert.match(await raw('/registry/secrets/default/s'), /^k8s:enc:aesgcm:v1:a:/);
    assert.match(await raw('/registry/configmaps/default/s'), /"plain":"text"/);
    const read = async () => (await admin.get(coreV1.secrets, key)) as Secret;
    assert.equal((await read()).data?.password, Buffer.from('hunter2').toString('base64'));
    const { resourceVersion } = (await read()).metadata;
    await admin.update(coreV1.secrets, (await read()) as never);
    assert.equal((await read()).metadata.resourceVersion, resourceVersion);

    writeFileSync(path, documentOf(aes('b', 'a')));
    await clock.advance(10_000);
    assert.notEqual(
      (await admin.update(coreV1.secrets, (await read()) as never)).metadata.resourceVersion,
      resourceVersion,
    );
    assert.match(await raw('/registry/secrets/default/s'), /^k8s:enc:aesgcm:v1:b:/);

    // One that cannot work changes nothing.
    kms.healthz = 'no';
    const provider = { kms: { apiVersion: 'v2', name: 'mine', endpoint: kms.endpoint } };
    writeFileSync(path, documentOf(provider, aes('b')));
    const reloads = async (status: string) =>
      Number(
        new RegExp(`encryption_config_controller_automatic_reloads_total{status="${status}",[^}]*} (\\d+)`).exec(
          await metrics.text(),
        )?.[1] ?? 0,
      );
    const until = async (met: () => Promise<boolean>) => {
      while (!(await met())) await new Promise(resolve => setImmediate(resolve));
    };
    await clock.advance(10_000);
    await until(async () => (await reloads('failure')) === 1);
    await admin.patch(coreV1.secrets, key, { type: 'merge', body: { metadata: { labels: { a: '1' } } } });
    assert.match(await raw('/registry/secrets/default/s'), /^k8s:enc:aesgcm:v1:b:/);

    kms.healthz = 'ok';
    writeFileSync(path, documentOf(provider, aes('b'), { identity: {} }));
    await clock.advance(10_000);
    await until(async () => (await reloads('success')) === 2);
    await admin.update(coreV1.secrets, (await read()) as never);
    assert.match(await raw('/registry/secrets/default/s'), /^k8s:enc:kms:v2:mine:/);
    assert.equal((await read()).data?.password, Buffer.from('hunter2').toString('base64'));
    assert.match((await admin.raw('/readyz?verbose')) as string, /\[\+\]kms-providers ok/);
    assert.match(
      await metrics.text(),
      /storage_transformation_operations_total{transformation_type="to_storage",transformer_prefix="k8s:enc:kms:v2:mine:",status="OK"} 1/,
    );
    assert.match(await metrics.text(), /^apiserver_storage_data_key_generation_duration_seconds_count [1-9]$/m);
    kms.stop();
  } finally {
    await api.stop();
  }
});

test('with a wrong key a server starts, says so once, and fails only what it cannot read, until it can', async () => {
  const clock = new VirtualClock(systemClock.now());
  const store = keptOpen(memoryStore({ clock }));
  const path = join(directory, 'wrong.yaml');
  const begin = async (text: string, lines: string[]) => {
    writeFileSync(path, text);
    const log = createLog('x', { clock, level: 'error', write: line => void lines.push(line) });
    const encryption = { plan: readEncryptionConfiguration(text), file: { path, text } };
    return startTestServer({ clock, store, log, encryption });
  };
  const id = { namespace: 'default', name: 's' };
  const first = await begin(documentOf(aes('a')), []);
  await (await first.http()).create(coreV1.secrets, { metadata: id, stringData: { a: 'b' } } as never);
  await first.stop();

  const lines: string[] = [];
  const second = await begin(documentOf(aes('b')), lines);
  try {
    const admin = await second.http();
    assert.equal(lines.length, 1, lines.join('\n'));
    assert.match(lines[0]!, /stored objects cannot be decrypted/);
    assert.ok(lines[0]!.includes(path) && lines[0]!.includes('/registry/secrets/default/s'), lines[0]!);
    const failure = {
      code: 500,
      message:
        'Internal error occurred: unable to transform key "/registry/secrets/default/s": transformer prefix "k8s:enc:aesgcm:v1:": no matching key was found for the provided AES transformer',
    };
    await assert.rejects(admin.get(coreV1.secrets, id), failure);
    await assert.rejects(admin.list(coreV1.secrets), failure);
    await assert.rejects(admin.delete(coreV1.secrets, id), failure);
    assert.deepEqual((await admin.list(coreV1.secrets, { namespace: 'kube-public' })).items, []);
    const other = { namespace: 'default', name: 'other' };
    await admin.create(coreV1.secrets, { metadata: other } as never);
    assert.equal((await admin.get(coreV1.secrets, other)).metadata.name, 'other');
    assert.ok((await admin.list(coreV1.namespaces)).items.length > 0);
    // The key comes back.
    writeFileSync(path, documentOf(aes('b', 'a')));
    const read = () => admin.get(coreV1.secrets, id).catch(() => undefined);
    let secret = await read();
    for (let i = 0; i < 20 && !secret; i++) {
      await clock.advance(5000);
      secret = await read();
    }
    assert.equal((secret as Secret | undefined)?.data?.a, Buffer.from('b').toString('base64'));
    assert.equal((await admin.list(coreV1.secrets, { namespace: 'default' })).items.length, 2);
    await admin.delete(coreV1.secrets, id);
    assert.equal((await admin.list(coreV1.secrets, { namespace: 'default' })).items.length, 1);
  } finally {
    await second.stop();
  }
});

test('a server that cannot read what it needs says which check waits, and for what', async () => {
  const clock = new VirtualClock(systemClock.now());
  const store = keptOpen(memoryStore({ clock }));
  const begin = (name: string, lines: string[], whenReady: boolean) => {
    const text = `${header}resources: ${JSON.stringify([{ resources: ['clusterroles.rbac.authorization.k8s.io'], providers: [aes(name)] }])}`;
    const log = createLog('x', { clock, level: 'warn', write: line => void lines.push(line) });
    return startTestServer({
      clock,
      store,
      log,
      whenReady,
      encryption: { plan: readEncryptionConfiguration(text) },
    });
  };
  const lines: string[] = [];
  const first = await begin('a', lines, true);
  await first.stop();
  assert.ok(!lines.some(line => line.includes('not ready')));

  const second = await begin('b', lines, false);
  const api = superuserOf(second);
  try {
    const why = /waits for informers, for what is stored and cannot be read: \d+ below \/registry\/clusterroles\//;
    let text = '';
    while (!why.test(text)) text = String((await api.send('GET', '/readyz?verbose')).object);
    assert.match(text, /\n\[-\]poststarthook\/bootstrap failed: not finished: waits for informers, for /);
    assert.match(text, /\n\[-\]informer-sync failed: not synced: waits for informers, for /);
    assert.match(text, /^\[\+\]ping ok\n/);
    await clock.advance(10_000);
    const told = lines.filter(line => line.includes('the server is not ready'));
    assert.equal(told.length, 1, lines.join(''));
    assert.match(told[0]!, why);
    assert.match(told[0]!, /check=informer-sync/);
  } finally {
    api.close();
    await second.stop();
    await store.close();
  }
});
