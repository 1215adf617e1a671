// Values encrypted by kube-apiserver's storage layer and by k8ts with one EncryptionConfiguration: each opens the
// other's, and what is bound to its key stays bound.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { readEncryptionConfiguration } from '../../src/apiserver/encryption/configuration.ts';
import { caller, type Json, mergePatch } from '../../src/apiserver/test-caller.ts';
import { startTestServer } from '../../src/apiserver/test-server.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLog } from '../../src/base/log.ts';
import { systemRandom } from '../../src/base/random.ts';
import { openEtcdStore } from '../../src/store/etcd-store.ts';
import { type EtcdProcess, missingEtcd, startEtcd } from '../../src/store/test-etcd.ts';
import { StorageProcess, storageProgram } from './storage-process.ts';
import { kindOf } from './stored-kinds.ts';

const program = await storageProgram();
const missing = (await missingEtcd()) ?? ('missing' in program ? program.missing : undefined);
const directory = mkdtempSync(join(tmpdir(), 'k8ts-interop-'));
const secrets = kindOf('secrets');
const namespaces = kindOf('namespaces');
let etcd: EtcdProcess;

const open = (options: object = {}) =>
  openEtcdStore({ servers: [etcd.url], clock: systemClock, random: systemRandom, log: silentLog, ...options });

/** Both encrypt with `cipher`; keys lie below `prefix`. */
async function begin(cipher: string, keyBytes: number, prefix: string) {
  const secret = Buffer.alloc(keyBytes, cipher).toString('base64');
  const providers = [{ [cipher]: { keys: [{ name: 'key1', secret }] } }, { identity: {} }];
  const header = 'apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\n';
  const text = `${header}resources: ${JSON.stringify([{ resources: ['secrets'], providers }])}`;
  const file = join(directory, `${prefix.replaceAll('/', '-')}.yaml`);
  writeFileSync(file, text);
  const path = (program as { path: string }).path;
  const go = new StorageProcess(path, ['--etcd', etcd.url, '--prefix', prefix, '--encryption', file]);
  const raw = await open({ root: '', prefix: '/' });
  const server = await startTestServer({
    store: await open({ prefix }),
    encryption: { plan: readEncryptionConfiguration(text) },
  });
  const api = caller({
    ...{ url: server.url, ca: server.ca },
    ...{ cert: server.admin.certificatePem, key: server.admin.keyPem },
  });
  return {
    ...{ go, raw, api },
    async end() {
      api.close();
      await server.stop();
      await raw.close();
      await go.stop();
    },
  };
}

const secretOf = (name: string, password: string): Json => ({
  metadata: { name, namespace: 'default', uid: `uid-${name}`, creationTimestamp: '2026-01-01T00:00:00Z' },
  data: { password: Buffer.from(password).toString('base64') },
  type: 'Opaque',
});
const path = '/api/v1/namespaces/default/secrets';

async function opensTheOthers(cipher: string, keyBytes: number, prefix: string): Promise<void> {
  const { go, raw, api, end } = await begin(cipher, keyBytes, prefix);
  const valueAt = async (name: string) =>
    Buffer.from((await raw.get(`${prefix}/secrets/default/${name}`))!.value).toString('latin1');
  try {
    const theirs = await go.create(secrets, 'default/theirs', secretOf('theirs', 'hunter2'));
    assert.match(await valueAt('theirs'), new RegExp(`^k8s:enc:${cipher}:v1:key1:`));
    const read = await api.expect(200, 'GET', `${path}/theirs`);
    assert.deepEqual(read, theirs);

    const ours = await api.expect(201, 'POST', path, secretOf('ours', 'swordfish'));
    const sealed = await valueAt('ours');
    assert.match(sealed, new RegExp(`^k8s:enc:${cipher}:v1:key1:`));
    assert.ok(!sealed.includes('swordfish'));
    assert.deepEqual(await go.get(secrets, 'default/ours'), ours);

    // Each is told in clear of what the other does.
    const { resourceVersion, items } = await go.list(secrets);
    assert.deepEqual(
      items.map(i => i.metadata.name),
      ['ours', 'theirs'],
    );
    const seen = go.watch(secrets, resourceVersion);
    const watching = await api.watch(`${path}?watch=true&resourceVersion=${resourceVersion}`);
    const updated = await go.update(secrets, 'default/ours', 'yes');
    const told = await watching.next(e => e.object.metadata.name === 'ours');
    assert.deepEqual(told, { type: 'MODIFIED', object: updated });
    const patched = await api.expect(200, 'PATCH', `${path}/theirs`, { data: { more: 'eA==' } }, mergePatch);
    await api.expect(200, 'DELETE', `${path}/ours`);
    while (seen.length < 3) await systemClock.sleep(10);
    assert.deepEqual(
      seen.map(e => [e.type, e.object.metadata.name]),
      [
        ['MODIFIED', 'ours'],
        ['MODIFIED', 'theirs'],
        ['DELETED', 'ours'],
      ],
    );
    assert.deepEqual(seen[1]!.object, patched);
    watching.stop();
    // Everything else lies in clear.
    const { metadata } = await api.expect(200, 'GET', '/api/v1/namespaces/default');
    assert.equal((await go.get(namespaces, 'default')).metadata.uid, metadata.uid);

    if (cipher !== 'aesgcm') return;
    // A value in another's place is opened by neither.
    const { value } = (await raw.get(`${prefix}/secrets/default/theirs`))!;
    await raw.create(`${prefix}/secrets/default/moved`, () => value);
    await assert.rejects(go.get(secrets, 'default/moved'), /message authentication failed/);
    const refused = await api.expect(500, 'GET', `${path}/moved`);
    assert.match(refused.message, /unable to transform key ".*": cipher: message authentication failed/);
  } finally {
    await end();
  }
}

if (missing !== undefined) test("values kube-apiserver's storage encrypts", { skip: missing }, () => {});
else suite();

function suite(): void {
  before(async () => {
    etcd = await startEtcd();
  });
  after(async () => {
    await etcd?.remove();
    rmSync(directory, { recursive: true });
  });

  for (const [cipher, keyBytes, prefix] of [
    ['aesgcm', 32, '/registry'],
    ['aesgcm', 16, '/another/place'],
    ['aescbc', 32, '/cbc'],
    ['secretbox', 32, '/box'],
  ] as const)
    test(`${cipher} with ${keyBytes} bytes below ${prefix}`, () => opensTheOthers(cipher, keyBytes, prefix));
}
