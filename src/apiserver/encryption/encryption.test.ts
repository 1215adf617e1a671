import assert from 'node:assert/strict';
import { createDecipheriv, createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { builtinResources } from '../../api/resource.ts';
import { VirtualClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { type Random, seededRandom, systemRandom } from '../../base/random.ts';
import { memoryStore } from '../../store/memory-store.ts';
import type { StoreEvent } from '../../store/store.ts';
import { storeConformance } from '../../store/store-conformance.ts';
import { Recorder } from '../../store/test-store.ts';
import { aesCbc, aesGcm, expand, extendedNonceGcm, secretbox } from './cipher.ts';
import { readEncryptionConfiguration } from './configuration.ts';
import { EncryptedStore } from './encrypted-store.ts';
import { Encryption } from './encryption.ts';
import { startTestKms, type TestKms } from './test-kms.ts';
import { identity, PrefixTransformers, type Transformer } from './transformer.ts';

const directory = mkdtempSync(join(tmpdir(), 'encryption-'));
after(() => rmSync(directory, { recursive: true }));

const key = (byte: number, length = 32) => Buffer.alloc(length, byte);
const secretOf = (byte: number, length = 32) => key(byte, length).toString('base64');
const header = 'apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\n';
const configuration = (...resources: object[]) =>
  readEncryptionConfiguration(`${header}resources: ${JSON.stringify(resources)}`);
const one = (resources: string[], ...providers: object[]) => ({ resources, providers });
const cipher = (type: string, ...names: string[]) => ({
  [type]: { keys: names.map(name => ({ name, secret: secretOf(name.charCodeAt(0)) })) },
});

function world(plan: ReturnType<typeof configuration>, inner = memoryStore({ clock: new VirtualClock() })) {
  const clock = new VirtualClock();
  const encryption = new Encryption({
    store: inner,
    resources: builtinResources().resources,
    options: { plan },
    ...{ clock, random: systemRandom, log: silentLog },
  });
  const write = (k: string, text: string) => encryption.store.create(k, () => Buffer.from(text));
  const raw = async (k: string) => Buffer.from((await inner.get(k))!.value);
  const read = async (k: string) => Buffer.from((await encryption.store.get(k))!.value).toString();
  return { clock, encryption, inner, write, raw, read };
}

test('layouts, byte for byte', () => {
  const counting: Random = { next: () => 0, bytes: n => Uint8Array.from({ length: n }, (_, i) => i) };
  const at = '/registry/secrets/default/a';
  const made = (t: Transformer, text: string) => Buffer.from(t.toStorage(Buffer.from(text), at)).toString('hex');
  // RFC and NIST say what these give; taken from OpenSSL and libsodium with the same nonces.
  const gcm = Buffer.from(made(aesGcm(key(1), counting), 'hello'), 'hex');
  assert.equal(gcm.subarray(0, 12).toString('hex'), '000102030405060708090a0b');
  const open = createDecipheriv('aes-256-gcm', key(1), gcm.subarray(0, 12));
  open.setAAD(Buffer.from(at));
  open.setAuthTag(gcm.subarray(-16));
  assert.equal(Buffer.concat([open.update(gcm.subarray(12, -16)), open.final()]).toString(), 'hello');
  const cbc = Buffer.from(made(aesCbc(key(1, 16), counting), 'sixteen bytes!!!'), 'hex');
  assert.equal(cbc.length, 16 + 32);
  const unblock = createDecipheriv('aes-128-cbc', key(1, 16), cbc.subarray(0, 16)).setAutoPadding(false);
  const padded = Buffer.concat([unblock.update(cbc.subarray(16)), unblock.final()]);
  assert.equal(padded.toString('latin1'), `sixteen bytes!!!${'\x10'.repeat(16)}`);
  const seed = key(7);
  const extended = Buffer.from(made(extendedNonceGcm(seed, counting), 'hello'), 'hex');
  const info = extended.subarray(0, 32);
  assert.equal(extended.length, 32 + 12 + 5 + 16);
  const derived = createDecipheriv('aes-256-gcm', expand(seed, info), extended.subarray(32, 44));
  derived.setAAD(Buffer.from(at));
  derived.setAuthTag(extended.subarray(-16));
  assert.equal(Buffer.concat([derived.update(extended.subarray(44, -16)), derived.final()]).toString(), 'hello');
  // RFC 5869, test case 1: the first block.
  const hex = (text: string) => Buffer.from(text, 'hex');
  const prk = hex('077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5');
  assert.equal(
    expand(prk, hex('f0f1f2f3f4f5f6f7f8f9')).toString('hex'),
    '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf',
  );
  assert.equal(Buffer.from(extendedNonceGcm(seed, counting).fromStorage(extended, at).value).toString(), 'hello');
});

// crypto_secretbox of NaCl's own test (tests/secretbox.c): its key, nonce and first bytes.
test("secretbox is NaCl's", () => {
  const hex = (text: string) => Buffer.from(text.replace(/\s/g, ''), 'hex');
  const firstKey = hex('1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389');
  const nonce = hex('69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37');
  const message = hex(`
    be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c61296cdc3c01233561f4
    1db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c60902e52
    f0a089bc76897040e082f937763848645e0705`);
  const box = hex(`
    f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186ac0dfc17c98dce87b
    4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae90224368517acfeabd6bb3732bc0e9da
    99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5`);
  const given: Random = { next: () => 0, bytes: () => nonce };
  const made = Buffer.from(secretbox(firstKey, given).toStorage(message, ''));
  assert.equal(made.toString('hex'), Buffer.concat([nonce, box]).toString('hex'));
  assert.deepEqual(Buffer.from(secretbox(firstKey, given).fromStorage(made, '').value), message);
});

test('whatever is written is read again, where it was written, and not changed unnoticed', () => {
  const random = seededRandom(3);
  const all: [Transformer, bound: boolean, authentic: boolean][] = [
    [aesGcm(key(1), random), true, true],
    [extendedNonceGcm(key(2), random), true, true],
    [secretbox(key(3), random), false, true],
    [aesCbc(key(4), random), false, false],
  ];
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(), (value, flip) => {
      for (const [transformer, bound, authentic] of all) {
        const stored = transformer.toStorage(value, '/a');
        assert.deepEqual(Uint8Array.from(transformer.fromStorage(stored, '/a').value), value);
        if (bound) assert.throws(() => transformer.fromStorage(stored, '/b'), /message authentication failed/);
        const bent = Buffer.from(stored);
        bent[flip % bent.length]! ^= 1;
        if (authentic) assert.throws(() => transformer.fromStorage(bent, '/a'));
        assert.throws(() => transformer.fromStorage(stored.subarray(0, 10), '/a'), /shorter than/);
      }
    }),
  );
});

storeConformance('encrypted', async () => {
  const clock = new VirtualClock();
  const transformer = aesGcm(key(1), systemRandom);
  const store = new EncryptedStore(memoryStore({ clock }), () => transformer);
  return { store, clock, cleanup: () => store.close() };
});

test('events that must be waited for come in their order; who throws is told of nothing more', async () => {
  const inner = memoryStore({ clock: new VirtualClock() });
  const waits = new Map<string, PromiseWithResolvers<void>>();
  const transformer = (at: string): Transformer => ({
    ...aesGcm(key(1), systemRandom),
    prepare: () => waits.get(at)?.promise,
  });
  const store = new EncryptedStore(inner, transformer);
  const writer = new EncryptedStore(inner, transformer);
  const recorder = new Recorder(store, '/', 0);
  const errors: Error[] = [];
  const told: number[] = [];
  store.watch('/', 0, {
    onEvents: events => {
      told.push(...events.map(e => e.revision));
      throw new Error('cannot take it');
    },
    onError: error => errors.push(error),
  });
  for (const name of ['/a', '/b']) waits.set(name, Promise.withResolvers());
  for (const name of ['/a', '/b', '/c']) await writer.create(name, () => Buffer.from(name));
  waits.get('/b')!.resolve();
  await new Promise(resolve => setImmediate(resolve));
  assert.deepEqual(recorder.revisions, []);
  waits.get('/a')!.resolve();
  await recorder.until(() => recorder.events.length === 3);
  assert.deepEqual(recorder.revisions, [1, 2, 3]);
  assert.deepEqual([told, errors.map(e => e.message)], [[1], ['cannot take it']]);
});

test('prefixes are as kube-apiserver writes them; what is not the first is stale; resources by name and wildcard', async () => {
  const { write, raw, read, encryption } = world(
    configuration(
      one(['secrets', 'widgets.example.com'], cipher('aesgcm', 'key1', 'old'), { identity: {} }),
      one(['*.apps'], cipher('aescbc', 'c')),
      one(['events'], { identity: {} }),
      one(['*.'], cipher('secretbox', 'box')),
    ),
  );
  const starts = async (k: string, prefix: string) => {
    await write(k, 'text');
    assert.ok((await raw(k)).toString('latin1').startsWith(prefix), (await raw(k)).toString('latin1'));
    assert.equal(await read(k), 'text');
    assert.equal(await encryption.store.isStale(k), false);
  };
  await starts('/registry/secrets/default/a', 'k8s:enc:aesgcm:v1:key1:');
  await starts('/registry/example.com/widgets/default/a', 'k8s:enc:aesgcm:v1:key1:');
  await starts('/registry/deployments/default/a', 'k8s:enc:aescbc:v1:c:');
  await starts('/registry/services/specs/default/a', 'k8s:enc:secretbox:v1:box:');
  await starts('/registry/configmaps/default/a', 'k8s:enc:secretbox:v1:box:');
  await starts('/registry/events/default/a', 'text');
  await starts('/registry/example.com/gadgets/default/a', 'text');
  await starts('/registry/leases/default/a', 'text');
  // A core resource whose name is a group's.
  assert.deepEqual(
    (await encryption.store.list('/registry/secrets/')).entries.map(e => Buffer.from(e.value).toString()),
    ['text'],
  );
});

test('keys are rotated by moving the new one to the front', async () => {
  const before = world(configuration(one(['secrets'], { identity: {} })));
  const at = '/registry/secrets/default/a';
  await before.write(at, 'plain');
  const steps = [
    [one(['secrets'], { identity: {} }, cipher('aesgcm', 'a')), false],
    [one(['secrets'], cipher('aesgcm', 'a'), { identity: {} }), true],
    [one(['secrets'], cipher('aesgcm', 'b', 'a')), true],
    [one(['secrets'], cipher('secretbox', 'c'), cipher('aesgcm', 'b')), true],
    [one(['secrets'], { identity: {} }, cipher('secretbox', 'c')), true],
  ] as const;
  for (const [entry, stale] of steps) {
    const { encryption, read } = world(configuration(entry), before.inner);
    assert.equal(await read(at), 'plain');
    assert.equal(await encryption.store.isStale(at), stale);
    const { revision } = (await encryption.store.get(at))!;
    await encryption.store.update(at, revision, () => Buffer.from('plain'));
    assert.equal(await encryption.store.isStale(at), false);
  }
  assert.equal((await before.raw(at)).toString(), 'plain');
  const lost = world(configuration(one(['secrets'], cipher('aesgcm', 'z'))), before.inner);
  await assert.rejects(lost.read(at), {
    message: 'unable to transform key "/registry/secrets/default/a": no matching prefix found',
  });
  const swapped = new PrefixTransformers([{ prefix: '', transformer: identity }]);
  assert.throws(
    () => swapped.fromStorage(Buffer.from('k8s:enc:x'), at),
    /identity transformer tried to read encrypted data/,
  );
});

test('configurations are checked', () => {
  const complaint = (...resources: object[]): string => {
    try {
      configuration(...resources);
      return '';
    } catch (error) {
      return (error as Error).message;
    }
  };
  assert.equal(complaint(), 'resources: Required value: at least one resources is required');
  const bad = (names: string[], message: RegExp) => assert.match(complaint(one(names, { identity: {} })), message);
  bad(['*'], /use '\*\.' to encrypt all the resources from core API group or \*\.\* to encrypt all resources/);
  bad(['secrets', '*.'], /using overlapping resources such as 'secrets' and '\*\.'/);
  bad(['pods.*'], /encrypting the same resource across groups is not supported/);
  bad(['events.events.k8s.io'], /are stored using the 'events' API group/);
  bad(['Secrets'], /resource name should not contain capital letters/);
  bad(['secrets', 'secrets'], /the same resource cannot be specified multiple times/);
  const provider = (given: object, message: RegExp) => assert.match(complaint(one(['secrets'], given)), message);
  provider({ aesgcm: { keys: [{ name: 'a', secret: secretOf(1, 15) }] } }, /got 15, expected one of \[16 24 32\]/);
  provider({ secretbox: { keys: [{ name: 'a', secret: secretOf(1, 16) }] } }, /got 16, expected one of \[32\]/);
  provider({ aescbc: { keys: [{ name: 'a', secret: '!' }] } }, /secrets must be base64 encoded/);
  provider({ aesgcm: { keys: [] } }, /providers\[0\].aesgcm.keys: Required value: at least one keys is required/);
  provider({ ...cipher('aesgcm', 'a'), identity: {} }, /more than one provider specified in a single element/);
  const kms = (more: object) => ({ kms: { apiVersion: 'v2', name: 'k', endpoint: 'unix:///x', ...more } });
  provider(kms({ apiVersion: 'v1' }), /KMSv1 is deprecated/);
  provider(
    kms({ apiVersion: 'v3' }),
    /unsupported apiVersion apiVersion for KMS provider, only v1 and v2 are supported/,
  );
  provider(kms({ name: 'a:b' }), /invalid KMS provider name a:b, must not contain ':'/);
  provider(kms({ endpoint: 'tcp://x' }), /unsupported scheme "tcp" for KMS provider, only unix is supported/);
  provider(kms({ timeout: '0s' }), /timeout should be a positive value/);
  assert.throws(() => readEncryptionConfiguration(`${header}resource: []`), /unknown field "resource"/);
});

// What k8s.io/apiserver says of such plugins.
test('a KMS plugin that is not well may still encrypt; what it may not say is refused', async () => {
  const kms = await startTestKms(join(directory, 'odd.sock'));
  const plan = configuration(one(['secrets'], { kms: { apiVersion: 'v2', name: 'p', endpoint: kms.endpoint } }));
  const attempt = async (given: Partial<TestKms>): Promise<[health: string, write: string]> => {
    Object.assign(kms, { keyId: '1', healthz: 'ok', version: 'v2', encrypted: {} }, given);
    const { encryption, write } = world(plan);
    const said = (promise: Promise<unknown>) =>
      promise.then(
        () => '',
        error => error.message.replace('kms-provider-0: kmsv2 Provider p is not healthy, error: ', ''),
      );
    try {
      await encryption.start();
      return [
        await said(encryption.checks[0]!.check() as Promise<void>),
        await said(write('/registry/secrets/a/a', 'x')),
      ];
    } finally {
      encryption.stop();
    }
  };
  const none = 'got unexpected nil transformer';
  const hash = (text: string) => `sha256:${createHash('sha256').update(text).digest('hex')}`;
  const unrotated = (why: string) => [`failed to rotate DEK: ${why}`, none];
  const long = 'x'.repeat(1025);
  try {
    assert.deepEqual(await attempt({}), ['', '']);
    assert.deepEqual(await attempt({ version: 'v2beta1' }), ['', '']);
    assert.deepEqual(await attempt({ version: 'v1' }), ['expected KMSv2 API version v2, got v1', '']);
    assert.deepEqual(await attempt({ healthz: 'bad' }), ['got unexpected healthz status: bad', '']);
    assert.deepEqual(await attempt({ keyId: '' }), ['got invalid KMSv2 KeyID hash "": keyID is empty', none]);
    assert.deepEqual(await attempt({ keyId: long }), [
      `got invalid KMSv2 KeyID hash "${hash(long)}": keyID is 1025 bytes, which exceeds the max size of 1024`,
      none,
    ]);
    for (const [encrypted, why] of [
      [{ keyId: '' }, 'failed to validate key id: keyID is empty'],
      [{ keyId: '2' }, `keyIDHash of status "${hash('1')}" and of encrypt "${hash('2')}" differ`],
      [{ ciphertext: Buffer.alloc(0) }, 'failed to validate encrypted DEK source: encrypted DEK source is empty'],
      [
        { ciphertext: Buffer.alloc(1025) },
        'failed to validate encrypted DEK source: encrypted DEK source is 1025 bytes, which exceeds the max size of 1024',
      ],
      [
        { annotations: [{ key: 'a', value: Buffer.alloc(1) }] },
        'failed to validate annotations: annotations: Invalid value: "a": should be a domain with at least two segments separated by dots',
      ],
      [
        { annotations: [{ key: '', value: Buffer.alloc(1) }] },
        'failed to validate annotations: annotations: Required value',
      ],
    ] as const)
      assert.deepEqual(await attempt({ encrypted }), unrotated(why));
  } finally {
    kms.stop();
  }
});

test('a KMS plugin wraps a seed; its key may change; who reads later asks it once a seed', async () => {
  const kms = await startTestKms(join(directory, 'kms.sock'));
  const plan = configuration(
    one(['secrets'], { kms: { apiVersion: 'v2', name: 'mine', endpoint: kms.endpoint } }, { identity: {} }),
  );
  const first = world(plan);
  const later = world(plan, first.inner);
  try {
    await assert.rejects(first.write('/registry/secrets/a/a', 'x'), /got unexpected nil transformer/);
    await first.encryption.start();
    for (const name of ['a', 'b']) await first.write(`/registry/secrets/ns/${name}`, `secret ${name}`);
    assert.ok((await first.raw('/registry/secrets/ns/a')).toString('latin1').startsWith('k8s:enc:kms:v2:mine:'));
    assert.equal(await first.read('/registry/secrets/ns/a'), 'secret a');
    assert.deepEqual(kms.calls, { Status: 1, Encrypt: 1, Decrypt: 0 });
    kms.keyId = 'key-2';
    await first.clock.advance(60_000);
    while (kms.calls.Encrypt! < 2) await new Promise(resolve => setImmediate(resolve));
    while (!(await first.encryption.store.isStale('/registry/secrets/ns/a')))
      await new Promise(resolve => setImmediate(resolve));
    await first.write('/registry/secrets/ns/c', 'secret c');
    assert.equal(await first.encryption.store.isStale('/registry/secrets/ns/c'), false);
    // Another server, or this one started again.
    await later.encryption.start();
    const recorder = new Recorder(later.encryption.store, '/registry/secrets/', 0);
    await recorder.until(() => recorder.events.length === 3);
    assert.deepEqual(
      recorder.events.map(e => e.value),
      ['secret a', 'secret b', 'secret c'],
    );
    recorder.watch.stop();
    assert.equal(kms.calls.Decrypt, 2);
    const { entries } = await later.encryption.store.list('/registry/secrets/');
    assert.equal(Buffer.from(entries[2]!.value).toString(), 'secret c');
    assert.equal(kms.calls.Decrypt, 2);
    const [check] = later.encryption.checks;
    assert.equal(check!.name, 'kms-providers');
    await check!.check();
    kms.healthz = 'no';
    await later.clock.advance(20_000);
    await assert.rejects(
      async () => check!.check(),
      /^Error: kms-provider-0: kmsv2 Provider mine is not healthy, error: got unexpected healthz status: no$/,
    );
  } finally {
    first.encryption.stop();
    later.encryption.stop();
    kms.stop();
  }
});

test('what cannot be opened stands for itself in lists and watches; what was written here is not opened again', async () => {
  const before = world(configuration(one(['secrets'], cipher('aesgcm', 'a'))));
  await before.write('/registry/secrets/ns/a', 'x');
  const { encryption, write } = world(configuration(one(['secrets'], cipher('aesgcm', 'b'))), before.inner);
  await write('/registry/secrets/ns/b', 'y');
  const message =
    'unable to transform key "/registry/secrets/ns/a": transformer prefix "k8s:enc:aesgcm:v1:": no matching key was found for the provided AES transformer';
  const events: StoreEvent[] = [];
  const told = Promise.withResolvers<void>();
  const watch = encryption.store.watch('/registry/', 0, {
    onEvents: more => {
      events.push(...more);
      if (events.length === 2) told.resolve();
    },
    onError: told.reject,
  });
  await told.promise;
  watch.stop();
  const { entries } = await encryption.store.list('/registry/secrets/');
  for (const seen of [events, entries])
    assert.deepEqual(
      seen.map(e => [e.key, Buffer.from(e.value).toString(), e.failure?.message]),
      [
        ['/registry/secrets/ns/a', '', message],
        ['/registry/secrets/ns/b', 'y', undefined],
      ],
    );
  await assert.rejects(encryption.store.get('/registry/secrets/ns/a'), { message });
  let opened = 0;
  const aes = aesGcm(key(1), systemRandom);
  const counting: Transformer = {
    ...aes,
    fromStorage(stored, at) {
      opened++;
      return aes.fromStorage(stored, at);
    },
  };
  const store = new EncryptedStore(memoryStore({ clock: new VirtualClock() }), () => counting);
  const own = new Recorder(store, '/', 0);
  await store.create('/a', () => Buffer.from('mine'));
  assert.equal(own.events[0]?.value, 'mine');
  assert.equal(opened, 0);
});

test('values are bound to where they lie; what was bound to their name below /registry is read, and renewed', async () => {
  const inner = memoryStore({ clock: new VirtualClock() });
  const placeOf = (at: string) => at.replace(/^\/registry/, '/other');
  const transformer = aesGcm(key(1), systemRandom);
  const plain = new EncryptedStore(inner, () => transformer);
  const placed = new EncryptedStore(Object.assign(inner, { placeOf }), () => transformer);
  const at = '/registry/secrets/default/a';
  await placed.create(at, () => Buffer.from('hello'));
  const stored = (await inner.get(at))!.value;
  assert.equal(Buffer.from(transformer.fromStorage(stored, '/other/secrets/default/a').value).toString(), 'hello');
  assert.equal(await placed.isStale(at), false);
  await assert.rejects(plain.get(at), /unable to transform key "\/registry\/secrets\/default\/a": /);
  const old = '/registry/secrets/default/b';
  await plain.create(old, () => Buffer.from('old'));
  assert.equal(Buffer.from((await placed.get(old))!.value).toString(), 'old');
  assert.equal(await placed.isStale(old), true);
  const moved = '/registry/secrets/default/c';
  await inner.create(moved, () => stored);
  await assert.rejects(placed.get(moved), /unable to transform key "\/other\/secrets\/default\/c": /);
});
