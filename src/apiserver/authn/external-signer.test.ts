import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { coreV1 } from '../../api/refs.ts';
import { systemClock, VirtualClock } from '../../base/clock.ts';
import { silentLog } from '../../base/log.ts';
import { createMetrics } from '../../base/metrics.ts';
import { Message } from '../../store/etcd-wire.ts';
import { caller } from '../test-caller.ts';
import { startTestGrpc } from '../test-grpc.ts';
import { startTestServer } from '../test-server.ts';
import { ExternalSigner } from './external-signer.ts';
import { decodeJws } from './jws.ts';
import { CredentialError } from './user.ts';

const directory = mkdtempSync(join(tmpdir(), 'signer-'));
const socket = join(directory, 'signer.sock');
const ec = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });
const first = ec();
const second = ec();

interface SignerKey {
  readonly keyId: string;
  readonly key: Buffer;
  readonly excluded?: boolean;
}
const keyOf = (keyId: string, { publicKey }: { publicKey: KeyObject }, excluded = false): SignerKey => ({
  ...{ keyId, excluded },
  key: publicKey.export({ type: 'spki', format: 'der' }),
});

/** What the signer says; tests change it. */
const says = {
  longest: 7200,
  refreshSeconds: 60,
  keys: [] as SignerKey[],
  header: {} as Record<string, unknown>,
  by: first.privateKey,
  fetches: 0,
  dataTimestamp: { seconds: 1_700_000_000, nanos: 0 } as object | undefined,
};
beforeEach(() => {
  Object.assign(says, { longest: 7200, refreshSeconds: 60, by: first.privateKey, fetches: 0 });
  says.dataTimestamp = { seconds: 1_700_000_000, nanos: 0 };
  says.keys = [keyOf('one', first), keyOf('old', second, true)];
  says.header = { alg: 'ES256', kid: 'one', typ: 'JWT' };
});

const base64 = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
const signed = (header: string, claims: string, key: KeyObject) =>
  sign('sha256', Buffer.from(`${header}.${claims}`), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url');
const nothing = new Message({});
const timestamp = new Message({ seconds: [1, 'int'], nanos: [2, 'int'] });
const key = new Message({ keyId: [1, 'string'], key: [2, 'bytes'], excluded: [3, 'bool'] });
let stop: () => void;
before(async () => {
  stop = await startTestGrpc(socket, 'v1.ExternalJWTSigner', {
    Metadata: {
      request: nothing,
      response: new Message({ longest: [1, 'int'] }),
      answer: () => ({ longest: says.longest }),
    },
    FetchKeys: {
      request: nothing,
      response: new Message({ keys: [1, [key]], dataTimestamp: [2, timestamp], refreshSeconds: [3, 'int'] }),
      answer() {
        says.fetches++;
        return { keys: says.keys, dataTimestamp: says.dataTimestamp, refreshSeconds: says.refreshSeconds };
      },
    },
    Sign: {
      request: new Message({ claims: [1, 'string'] }),
      response: new Message({ header: [1, 'string'], signature: [2, 'string'] }),
      answer({ claims }) {
        const header = base64(says.header);
        return { header, signature: signed(header, claims, says.by) };
      },
    },
  });
});
after(() => {
  stop();
  rmSync(directory, { recursive: true });
});

const clock = new VirtualClock(systemClock.now());
let signer: ExternalSigner;
const metrics = createMetrics();
const made = () => {
  signer = new ExternalSigner({ endpoint: socket, clock, log: silentLog, metrics });
  return signer;
};
afterEach(() => signer?.stop());

test('tokens are put together from what the signer gives, and checked by its keys', async () => {
  await made().start();
  assert.equal(signer.maxExpirationSeconds, 7200);
  const token = await signer.sign({ sub: 'x' });
  assert.deepEqual(decodeJws(token), { header: says.header, claims: { sub: 'x' } });
  assert.equal(signer.verify(token, decodeJws(token)!), undefined);
  const forged = `${token.slice(0, token.lastIndexOf('.'))}.${'A'.repeat(86)}`;
  assert.throws(() => signer.verify(forged, decodeJws(forged)!), CredentialError);
  assert.deepEqual(
    signer.jsonWebKeySet().keys.map(k => [k.kid, k.alg, k.use, k.kty]),
    [['one', 'ES256', 'sig', 'EC']],
  );
  assert.deepEqual([signer.algorithms, signer.maxAgeSeconds], [['ES256'], 60]);
  const text = await metrics.text();
  assert.match(text, /apiserver_externaljwt_sign_request_total\{code="OK"\} 1/);
  assert.match(text, /apiserver_externaljwt_fetch_keys_data_timestamp 1700000000/);
});

test('keys follow the signer: at the time it hints at, and for a key id nobody knows', async () => {
  await made().start();
  const { revision } = signer;
  says.keys = [keyOf('two', second)];
  says.header = { alg: 'ES256', kid: 'two', typ: 'JWT' };
  says.by = second.privateKey;
  const token = await signer.sign({ sub: 'x' });
  await signer.verify(token, decodeJws(token)!);
  assert.equal(says.fetches, 2);
  assert.notEqual(signer.revision, revision);
  const header = base64({ alg: 'ES256', kid: 'three', typ: 'JWT' });
  const stranger = `${header}.${base64({})}.${signed(header, base64({}), first.privateKey)}`;
  await assert.rejects(async () => signer.verify(stranger, decodeJws(stranger)!), CredentialError);
  assert.equal(says.fetches, 3);
  await clock.advance(61_000);
  for (let i = 0; says.fetches < 4 && i < 1000; i++) await new Promise(resolve => setImmediate(resolve));
  assert.equal(says.fetches, 4);
});

test('a signer that does not keep the contract is refused', async () => {
  const startFails = (why: RegExp) => assert.rejects(made().start(), why).finally(() => signer.stop());
  says.longest = 599;
  await startFails(/max token expiration must be at least 600 seconds, got 599/);
  says.longest = 600;
  says.refreshSeconds = 0;
  await startFails(/refresh hint must be above 0/);
  says.refreshSeconds = 1;
  const good = says.keys;
  says.keys = [];
  await startFails(/there are none/);
  says.keys = [keyOf('one', first), keyOf('one', second)];
  await startFails(/two keys with the id "one"/);
  says.keys = [{ keyId: '', key: good[0]!.key }];
  await startFails(/a key without an id/);
  says.keys = good;
  says.dataTimestamp = undefined;
  await startFails(/no data timestamp/);
  says.dataTimestamp = { seconds: 1, nanos: 0 };
  await made().start();
  for (const [header, why] of [
    [{ alg: 'HS256', kid: 'one', typ: 'JWT' }, /unsupported alg "HS256"/],
    [{ alg: 'ES256', kid: '', typ: 'JWT' }, /kid must not be empty/],
    [{ alg: 'ES256', kid: 'k'.repeat(1025), typ: 'JWT' }, /kid is longer than 1024 characters/],
    [{ alg: 'ES256', kid: 'one', typ: 'at+jwt' }, /typ must be JWT/],
    [{ alg: 'ES256', kid: 'one', typ: 'JWT', crit: [] }, /unknown field "crit"/],
  ] as const) {
    says.header = header;
    await assert.rejects(signer.sign({}), why);
  }
});

test('a server issues, publishes and believes tokens of its signer', async () => {
  const serviceAccountTokens = { signingEndpoint: socket, issuers: ['https://cluster.example'] };
  const api = await startTestServer({ serviceAccountTokens });
  const { certificatePem: cert, keyPem } = api.admin;
  const admin = caller({ url: api.url, ca: api.ca, cert, key: keyPem });
  try {
    await api.server.client({ userAgent: 'test' }).create(coreV1.serviceaccounts, {
      metadata: { name: 'robot', namespace: 'default' },
    });
    const path = '/api/v1/namespaces/default/serviceaccounts/robot/token';
    const asked = (expirationSeconds: number) => ({
      ...{ kind: 'TokenRequest', apiVersion: 'authentication.k8s.io/v1' },
      spec: { expirationSeconds },
    });
    const cut = await admin.send('POST', path, asked(86_400));
    const { spec, status } = cut.object;
    assert.equal(cut.headers.warning, '299 - "requested expiration of 86400 seconds shortened to 7200 seconds"');
    assert.equal(spec.expirationSeconds, 7200);
    assert.equal(decodeJws(status.token)?.header.kid, 'one');
    const robot = caller({ url: api.url, ca: api.ca, token: status.token });
    const who = await robot.expect(201, 'POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', {
      ...{ kind: 'SelfSubjectReview', apiVersion: 'authentication.k8s.io/v1' },
    });
    assert.equal(who.status.userInfo.username, 'system:serviceaccount:default:robot');
    const { object, headers } = await admin.send('GET', '/openid/v1/jwks');
    assert.deepEqual(
      object.keys.map((k: { kid: string }) => k.kid),
      ['one'],
    );
    assert.equal(headers['cache-control'], 'public, max-age=60');
    // What the year of old clients comes to.
    const { status: extended } = await admin.expect(201, 'POST', path, asked(3607));
    const { exp, iat } = decodeJws(extended.token)!.claims as { exp: number; iat: number };
    assert.equal(exp - iat, 7200);
    says.header = { ...says.header, alg: 'none' };
    const { code, object: refusal } = await admin.send('POST', path, asked(3600));
    assert.deepEqual(
      [code, refusal.message],
      [
        500,
        'Internal error occurred: failed to generate token: external signer: header of the token: unsupported alg "none"',
      ],
    );
    robot.close();
  } finally {
    admin.close();
    await api.stop();
  }
  const tokens = { ...serviceAccountTokens, maxExpirationSeconds: 8000 };
  const unready = await startTestServer({ serviceAccountTokens: tokens, whenReady: false });
  await assert.rejects(unready.server.ready, /service-account-max-token-expiration cannot be set longer/);
  await unready.stop();
});
