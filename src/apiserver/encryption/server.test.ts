import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { coreV1 } from '../../api/refs.ts';
import type { Secret } from '../../api/type/core-v1.ts';
import { systemClock, VirtualClock } from '../../base/clock.ts';
import { createMetrics } from '../../base/metrics.ts';
import { memoryStore } from '../../store/memory-store.ts';
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
    kms.stop();
  } finally {
    await api.stop();
  }
});
