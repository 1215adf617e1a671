// Encryption at rest on a real etcd that several servers share: what lies there, who reads it, and how keys change.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { apiextensionsV1, coreV1 } from '../../api/refs.ts';
import type { Secret } from '../../api/type/core-v1.ts';
import { systemClock, VirtualClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { systemRandom } from '../../base/random.ts';
import { openEtcdStore } from '../../store/etcd-store.ts';
import { type EtcdProcess, missingEtcd, startEtcd } from '../../store/test-etcd.ts';
import { thingsDefinition } from '../custom/test-definition.ts';
import { startTestServer, type TestServer } from '../test-server.ts';
import { readEncryptionConfiguration } from './configuration.ts';

const missing = await missingEtcd();
const directory = mkdtempSync(join(tmpdir(), 'encrypted-etcd-'));
let etcd: EtcdProcess;
const servers: TestServer[] = [];

const header = 'apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\n';
const documentOf = (...providers: object[]) =>
  `${header}resources: ${JSON.stringify([{ resources: ['secrets', 'things.example.com'], providers }])}`;
const keys = (...names: string[]) => ({
  keys: names.map(name => ({ name, secret: Buffer.alloc(32, name).toString('base64') })),
});
const id = { namespace: 'default', name: 's' };
const things = { group: 'example.com', version: 'v1', resource: 'things', kind: 'Thing', namespaced: true };
const base64 = (text: string) => Buffer.from(text).toString('base64');

/** A server beside the others; its clock moves only when the file is to be read again. */
async function begin(name: string, text: string) {
  const path = join(directory, name);
  writeFileSync(path, text);
  const clock = new VirtualClock(systemClock.now());
  const store = await openEtcdStore({ servers: [etcd.url], clock: systemClock, random: systemRandom, log: silentLog });
  const encryption = { plan: readEncryptionConfiguration(text), file: { path, text } };
  const server = await startTestServer({ store, clock, encryption });
  servers.push(server);
  const client = server.server.client({ userAgent: 'test' });
  return {
    client,
    /** With another configuration from now on. */
    async follow(next: string) {
      writeFileSync(path, next);
      await clock.advance(10_000);
    },
    secret: (key: { namespace: string; name: string } = id) => client.get(coreV1.secrets, key) as Promise<Secret>,
  };
}

async function raw(key: string): Promise<string> {
  const body = JSON.stringify({ key: base64(key) });
  const answer = await fetch(`${etcd.url}/v3/kv/range`, { method: 'POST', body });
  const { kvs } = (await answer.json()) as { kvs?: { value: string }[] };
  return Buffer.from(kvs![0]!.value, 'base64').toString('latin1');
}

async function until<T>(look: () => Promise<T | undefined | false>): Promise<T> {
  for (;;) {
    const found = await look();
    if (found) return found;
    await systemClock.sleep(20);
  }
}

if (missing !== undefined) test('encryption on etcd', { skip: missing }, () => {});
else suite();

function suite(): void {
  before(async () => {
    etcd = await startEtcd();
  });
  after(async () => {
    for (const server of servers) await server.stop();
    await etcd?.remove();
    rmSync(directory, { recursive: true });
  });

  test('secrets and custom resources lie encrypted; keys rotate while every server reads what the others write', async () => {
    const start = documentOf({ aescbc: keys('a') });
    const one = await begin('one.yaml', start);
    const two = await begin('two.yaml', start);
    const at = '/registry/secrets/default/s';
    await one.client.create(coreV1.secrets, { metadata: id, stringData: { password: 'hunter2' } } as never);
    assert.match(await raw(at), /^k8s:enc:aescbc:v1:a:/);
    assert.doesNotMatch(await raw(at), /hunter2/);
    assert.equal((await two.secret()).data?.password, base64('hunter2'));
    await two.client.create(apiextensionsV1.customresourcedefinitions, thingsDefinition);
    await until(() => two.client.create(things, { metadata: id, hidden: 'treasure' } as never).catch(() => undefined));
    assert.match(await raw('/registry/example.com/things/default/s'), /^k8s:enc:aescbc:v1:a:/);
    const read = await until(() => one.client.get(things, id).catch(() => undefined));
    assert.equal((read as { hidden?: string }).hidden, 'treasure');

    // A watch on one server is told, in clear, what the other writes.
    const seen = Promise.withResolvers<Secret>();
    const watch = two.client.watch<Secret>(
      coreV1.secrets,
      { namespace: 'default' },
      {
        onEvent(type, object) {
          if (type === 'MODIFIED') seen.resolve(object);
        },
        onClose: error => seen.reject(error ?? new Error('the watch ended')),
      },
    );
    const patch = (password: string) => ({ type: 'merge', body: { data: { password: base64(password) } } }) as const;
    await until(async () => {
      await one.client.patch(coreV1.secrets, id, patch(`swordfish-${systemRandom.next()}`));
      return Promise.race([seen.promise, systemClock.sleep(50).then(() => undefined)]);
    });
    watch.stop();
    assert.match(Buffer.from((await seen.promise).data!.password!, 'base64').toString(), /^swordfish-/);

    // Rotation as documented: first everybody can read with the new key, then it encrypts, then all is written anew.
    for (const server of [one, two]) await server.follow(documentOf({ aescbc: keys('a', 'b') }));
    await two.client.update(coreV1.secrets, (await two.secret()) as never);
    assert.match(await raw(at), /^k8s:enc:aescbc:v1:a:/);
    await one.follow(documentOf({ aescbc: keys('b', 'a') }));
    const { resourceVersion } = (await one.secret()).metadata;
    const renewed = await one.client.update(coreV1.secrets, (await one.secret()) as never);
    assert.notEqual(renewed.metadata.resourceVersion, resourceVersion, 'a write that changes nothing renews');
    assert.match(await raw(at), /^k8s:enc:aescbc:v1:b:/);
    assert.equal((await two.secret()).metadata.resourceVersion, renewed.metadata.resourceVersion);
    await two.follow(documentOf({ aescbc: keys('b', 'a') }));
    const other = { namespace: 'default', name: 'other' };
    await two.client.create(coreV1.secrets, { metadata: other, stringData: { a: 'b' } } as never);
    assert.match(await raw('/registry/secrets/default/other'), /^k8s:enc:aescbc:v1:b:/);
    assert.equal((await one.secret(other)).data?.a, base64('b'));

    // Another cipher, then none.
    for (const server of [one, two]) await server.follow(documentOf({ secretbox: keys('c') }, { aescbc: keys('b') }));
    await one.client.update(coreV1.secrets, (await one.secret()) as never);
    assert.match(await raw(at), /^k8s:enc:secretbox:v1:c:/);
    assert.ok((await two.secret()).data?.password);
    for (const server of [one, two])
      await server.follow(documentOf({ identity: {} }, { secretbox: keys('c') }, { aescbc: keys('b') }));
    await two.client.update(coreV1.secrets, (await two.secret()) as never);
    assert.match(await raw(at), /^k8s\0/, 'as kube-apiserver has it');
    assert.ok((await one.secret()).data?.password);
  });

  test('a server without the key serves the rest, and all once it has it', async () => {
    const one = await begin(
      'has.yaml',
      documentOf({ aesgcm: keys('x') }, { secretbox: keys('c') }, { aescbc: keys('b', 'a') }, { identity: {} }),
    );
    const key = { namespace: 'kube-system', name: 'only-x' };
    await one.client.create(coreV1.secrets, { metadata: key, stringData: { a: 'b' } } as never);
    const rest = [{ secretbox: keys('c') }, { aescbc: keys('b', 'a') }, { identity: {} }];
    const lost = await begin('lost.yaml', documentOf(...rest));
    const refused = { code: 500, message: /unable to transform key "\/registry\/secrets\/kube-system\/only-x": / };
    await assert.rejects(lost.secret(key), refused);
    await assert.rejects(lost.client.list(coreV1.secrets), refused);
    assert.ok((await lost.secret()).data?.password);
    // Written while it cannot be read: still refused, nobody's watch ends.
    const patched = await one.client.patch(coreV1.secrets, key, {
      type: 'merge',
      body: { data: { a: base64('c') } },
    });
    await lost.client.list(coreV1.configmaps);
    await assert.rejects(lost.secret(key), refused);
    await lost.follow(documentOf({ secretbox: keys('c') }, { aesgcm: keys('x') }, ...rest.slice(1)));
    const secret = await until(async () => {
      await lost.follow(documentOf({ secretbox: keys('c') }, { aesgcm: keys('x') }, ...rest.slice(1)));
      return lost.secret(key).catch(() => undefined);
    });
    assert.equal(secret.metadata.resourceVersion, patched.metadata.resourceVersion);
    assert.equal(secret.data?.a, base64('c'));
  });
}
