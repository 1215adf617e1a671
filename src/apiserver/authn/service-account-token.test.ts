import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import type { Draft } from '../../api/meta.ts';
import { formatTime } from '../../api/meta.ts';
import { isNotFound, type StatusError } from '../../api/status.ts';
import type { TokenRequest } from '../../api/type/authentication-v1.ts';
import { VirtualClock } from '../../base/clock.ts';
import { seededRandom } from '../../base/random.ts';
import { decodeJws, openidConfiguration, TokenKeys } from './jws.ts';
import {
  legacyIssuer,
  ServiceAccountTokenAuthenticator,
  type ServiceAccountTokenOptions,
} from './service-account-token.ts';
import { issueServiceAccountToken, type TokenIssuerOptions } from './token-request.ts';
import { CredentialError, defaultIssuer } from './user.ts';

const pem = (type: 'rsa' | 'ec') =>
  (type === 'rsa'
    ? generateKeyPairSync('rsa', { modulusLength: 2048 })
    : generateKeyPairSync('ec', { namedCurve: 'P-256' })
  ).privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
const rsaPem = pem('rsa');
const api = [defaultIssuer];

function world(keys = new TokenKeys({ signingKeyPem: rsaPem })) {
  const clock = new VirtualClock();
  const objects = new Map<string, any>();
  const put = (key: string, uid: string, more: object = {}) =>
    objects.set(key, { ...more, metadata: { name: key.split('/').at(-1), uid, ...((more as any).metadata ?? {}) } });
  const lookup = {
    serviceAccount: (ns: string, n: string) => objects.get(`sa/${ns}/${n}`),
    secret: (ns: string, n: string) => objects.get(`secret/${ns}/${n}`),
    pod: (ns: string, n: string) => objects.get(`pod/${ns}/${n}`),
    node: (n: string) => objects.get(`node/${n}`),
  };
  const events: string[] = [];
  const shared = { keys, apiAudiences: api, lookup, clock };
  const issuer: TokenIssuerOptions = { ...shared, issuer: defaultIssuer, random: seededRandom(7) };
  const options: ServiceAccountTokenOptions = {
    ...shared,
    issuers: [defaultIssuer],
    onStaleToken: user => events.push(`stale ${user.name}`),
    onLegacyToken: secret => events.push(`legacy ${secret.metadata.name}`),
  };
  put('sa/team/robot', 'sa-1');
  put('pod/team/p', 'pod-1', { spec: { serviceAccountName: 'robot', nodeName: 'n1' } });
  put('secret/team/s', 'secret-1');
  put('node/n1', 'node-1');
  return {
    clock,
    objects,
    put,
    events,
    issue: (spec: Draft<TokenRequest>['spec'] = {}, more: Partial<TokenIssuerOptions> = {}) =>
      issueServiceAccountToken({ ...issuer, ...more }, { namespace: 'team', name: 'robot' }, { spec }),
    issuer,
    authenticator: new ServiceAccountTokenAuthenticator(options),
    keys,
  };
}

const refused = (run: () => unknown, message: RegExp | string) =>
  assert.throws(run, (e: unknown) => {
    assert.ok(e instanceof CredentialError, String(e));
    if (typeof message === 'string') assert.equal(e.message, message);
    else assert.match(e.message, message);
    return true;
  });

/** Keys of this process let nobody wait. */
function atOnce<T>(answer: T | Promise<T>): T {
  assert.ok(!(answer instanceof Promise));
  return answer;
}

test('a bound token: its claims, its user, the answer', async () => {
  const w = world();
  const answer = await w.issue({ boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'p', uid: 'pod-1' } });
  const token = answer.status.token!;
  const now = w.clock.now() / 1000;
  const jti = decodeJws(token)!.claims.jti as string;
  assert.deepEqual(decodeJws(token)!.claims, {
    aud: [defaultIssuer],
    exp: now + 3600,
    iat: now,
    iss: defaultIssuer,
    jti,
    'kubernetes.io': {
      namespace: 'team',
      node: { name: 'n1', uid: 'node-1' },
      pod: { name: 'p', uid: 'pod-1' },
      serviceaccount: { name: 'robot', uid: 'sa-1' },
    },
    nbf: now,
    sub: 'system:serviceaccount:team:robot',
  });
  assert.equal(answer.status.expirationTimestamp, formatTime((now + 3600) * 1000));
  assert.deepEqual(answer.spec.audiences, [defaultIssuer]);
  const found = w.authenticator.authenticateToken(token, api)!;
  assert.deepEqual(found, {
    audiences: api,
    user: {
      name: 'system:serviceaccount:team:robot',
      uid: 'sa-1',
      groups: ['system:serviceaccounts', 'system:serviceaccounts:team'],
      extra: {
        'authentication.kubernetes.io/credential-id': [`JTI=${jti}`],
        'authentication.kubernetes.io/node-name': ['n1'],
        'authentication.kubernetes.io/node-uid': ['node-1'],
        'authentication.kubernetes.io/pod-name': ['p'],
        'authentication.kubernetes.io/pod-uid': ['pod-1'],
      },
    },
  });
  assert.equal(atOnce(w.authenticator.authenticateToken(token, api))!.user, found.user);
});

test('expired, not yet valid, wrong audience', async () => {
  const w = world();
  const token = (await w.issue({ expirationSeconds: 600 })).status.token!;
  refused(
    () => w.authenticator.authenticateToken(token, ['vault']),
    `token audiences ["${defaultIssuer}"] is invalid for the target audiences ["vault"]`,
  );
  await w.clock.advance(600_000);
  w.authenticator.authenticateToken(token, api);
  await w.clock.advance(1);
  refused(() => w.authenticator.authenticateToken(token, api), 'service account token has expired');
  const early = world();
  await w.clock.advance(7_200_000);
  const future = (await w.issue()).status.token!;
  early.put('sa/team/robot', 'sa-1');
  refused(
    () =>
      new ServiceAccountTokenAuthenticator({
        keys: w.keys,
        issuers: api,
        apiAudiences: api,
        lookup: w.issuer.lookup,
        clock: early.clock,
      }).authenticateToken(future, api),
    'service account token is not valid yet',
  );
  const vault = (await w.issue({ audiences: ['vault', 'x'] })).status.token!;
  assert.deepEqual(atOnce(w.authenticator.authenticateToken(vault, ['y', 'vault']))!.audiences, ['vault']);
  refused(() => w.authenticator.authenticateToken(vault, api), /invalid for the target audiences/);
});

test('tampered, unsigned, foreign and malformed tokens', async () => {
  const w = world();
  const token = (await w.issue()).status.token!;
  const [h, c, s] = token.split('.') as [string, string, string];
  const claims = JSON.parse(Buffer.from(c, 'base64url').toString());
  const encode = (v: object) => Buffer.from(JSON.stringify(v)).toString('base64url');
  const forged = `${h}.${encode({ ...claims, exp: claims.exp + 1e9 })}.${s}`;
  refused(() => w.authenticator.authenticateToken(forged, api), 'error in cryptographic primitive');
  refused(() => w.authenticator.authenticateToken(`${encode({ alg: 'none' })}.${c}.`, api), /cryptographic/);
  refused(() => w.authenticator.authenticateToken(`${encode({ alg: 'HS256' })}.${c}.${s}`, api), /cryptographic/);
  refused(() => w.authenticator.authenticateToken(`${token}=`, api), /malformed signature/);
  w.authenticator.authenticateToken(token, api);
  refused(() => w.authenticator.authenticateToken(forged, api), 'error in cryptographic primitive');
  const foreign = await world(new TokenKeys({ signingKeyPem: pem('rsa') })).issue();
  refused(() => w.authenticator.authenticateToken(foreign.status.token!, api), /cryptographic/);
  for (const other of ['x', 'a.b.c', '', `${h}.${encode({ ...claims, iss: 'https://elsewhere' })}.${s}`])
    assert.equal(w.authenticator.authenticateToken(other, api), undefined);
  for (const bad of [{ exp: 'never' }, { 'kubernetes.io': null }, { sub: 'system:serviceaccount:team:boss' }]) {
    const signed = await w.keys.sign({ ...claims, ...bad });
    refused(() => w.authenticator.authenticateToken(signed, api), /malformed|sub claim/);
  }
});

test('deleted or made again: service account, pod, secret, node', async () => {
  const w = world();
  const check = (token: string) => w.authenticator.authenticateToken(token, api);
  const bound = async (kind: string, name: string) =>
    (await w.issue({ boundObjectRef: { kind, apiVersion: 'v1', name } })).status.token!;
  const cases = [
    ['pod/team/p', await bound('Pod', 'p'), 'pod'],
    ['secret/team/s', await bound('Secret', 's'), 'secret'],
    ['node/n1', await bound('Node', 'n1'), 'node'],
  ] as const;
  for (const [key, token, what] of cases) {
    const before = w.objects.get(key);
    check(token);
    w.put(key, 'new');
    refused(
      () => check(token),
      `${what} UID (new) does not match service account ${what} ref claim (${before.metadata.uid})`,
    );
    w.objects.delete(key);
    refused(() => check(token), 'service account token has been invalidated');
    w.objects.set(key, before);
    check(token);
  }
  const plain = (await w.issue()).status.token!;
  check(plain);
  w.put('sa/team/robot', 'sa-1', { metadata: { deletionTimestamp: formatTime(w.clock.now()) } });
  await w.clock.advance(60_000);
  check(plain);
  await w.clock.advance(1);
  refused(() => check(plain), 'ServiceAccount team/robot has been deleted');
  w.put('sa/team/robot', 'sa-2');
  refused(() => check(plain), 'ServiceAccount UID (sa-2) does not match claim (sa-1)');
  w.objects.delete('sa/team/robot');
  refused(() => check(plain), /not found/);
  await assert.rejects(w.issue(), isNotFound);
});

test('a pod on a node that is gone keeps the token: the pod is what counts', async () => {
  const w = world();
  const token = (await w.issue({ boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'p' } })).status.token!;
  w.objects.delete('node/n1');
  assert.ok(w.authenticator.authenticateToken(token, api));
  const later = (await w.issue({ boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'p' } })).status.token!;
  assert.deepEqual((decodeJws(later)!.claims['kubernetes.io'] as any).node, { name: 'n1' });
  assert.ok(w.authenticator.authenticateToken(later, api));
});

test('tokens for old clients live a year and warn after an hour', async () => {
  const w = world();
  const answer = await w.issue({ expirationSeconds: 3607 });
  const claims = decodeJws(answer.status.token!)!.claims as any;
  assert.equal(claims.exp - claims.iat, 365 * 24 * 3600);
  assert.equal(claims['kubernetes.io'].warnafter, claims.iat + 3607);
  assert.equal(answer.status.expirationTimestamp, formatTime((claims.iat + 3607) * 1000));
  w.authenticator.authenticateToken(answer.status.token!, api);
  assert.deepEqual(w.events, []);
  await w.clock.advance(3_608_000);
  w.authenticator.authenticateToken(answer.status.token!, api);
  assert.deepEqual(w.events, ['stale system:serviceaccount:team:robot']);
  const other = decodeJws((await w.issue({ expirationSeconds: 3607, audiences: ['x'] })).status.token!)!.claims as any;
  assert.equal(other.exp - other.iat, 3607);
  const off = decodeJws((await w.issue({ expirationSeconds: 3607 }, { extendExpiration: false })).status.token!)!;
  assert.equal((off.claims as any).exp - (off.claims as any).iat, 3607);
});

test('requests that cannot be met', async () => {
  const w = world();
  const message = async (spec: Draft<TokenRequest>['spec'], metadata: object = {}) =>
    issueServiceAccountToken(w.issuer, { namespace: 'team', name: 'robot' }, { spec, metadata }).then(
      () => 'issued',
      (e: StatusError) => `${e.code} ${e.message}`,
    );
  assert.equal(
    await message({ expirationSeconds: 599 }),
    '422 TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes',
  );
  assert.match(await message({ expirationSeconds: 2 ** 32 + 1 }), /larger than 2\^32 seconds/);
  const ref = (kind: string, name: string, uid?: string) => ({
    boundObjectRef: { kind, apiVersion: 'v1', name, ...(uid ? { uid } : {}) },
  });
  assert.equal(await message(ref('Pod', 'none')), '404 pods "none" not found');
  assert.match(await message(ref('Pod', 'p', 'other')), /^409 .*does not match the UID in record/);
  assert.match(await message(ref('ConfigMap', 'x')), /^400 cannot bind token to object of type/);
  w.put('pod/team/q', 'pod-2', { spec: { serviceAccountName: 'default' } });
  assert.equal(
    await message(ref('Pod', 'q')),
    '400 cannot bind token for serviceaccount "robot" to pod running with different serviceaccount name.',
  );
  assert.match(await message({}, { name: 'boss' }), /^422 .*must match the service account name/);
  assert.match(await message({}, { uid: 'old' }), /^409 .*the UID in the token request \(old\)/);
  const cut = await w.issue({ expirationSeconds: 86_400 }, { maxExpirationSeconds: 7200 });
  assert.equal(cut.spec.expirationSeconds, 7200);
});

test('legacy tokens live as long as their secret', async () => {
  const w = world();
  const claims = {
    iss: legacyIssuer,
    'kubernetes.io/serviceaccount/namespace': 'team',
    'kubernetes.io/serviceaccount/secret.name': 'old',
    'kubernetes.io/serviceaccount/service-account.name': 'robot',
    'kubernetes.io/serviceaccount/service-account.uid': 'sa-1',
    sub: 'system:serviceaccount:team:robot',
  };
  const token = await w.keys.sign(claims);
  const check = () => w.authenticator.authenticateToken(token, api);
  refused(check, 'Token has been invalidated');
  const data = { token: Buffer.from(token).toString('base64') };
  w.put('secret/team/old', 'u', { data });
  const user = atOnce(check())!.user;
  assert.deepEqual([user.name, user.extra, w.events], ['system:serviceaccount:team:robot', undefined, ['legacy old']]);
  w.put('secret/team/old', 'u', { data: { token: 'eA==' } });
  refused(check, "Token does not match server's copy");
  w.put('secret/team/old', 'u', { data, metadata: { labels: { 'kubernetes.io/legacy-token-invalid-since': 'x' } } });
  refused(check, /has been marked invalid/);
  refused(() => w.authenticator.authenticateToken(token, ['vault']), /audiences/);
});

test('keys: EC keys sign too, old public keys stay good, the key set tells them', async () => {
  const ec = pem('ec');
  const w = world(new TokenKeys({ signingKeyPem: ec, publicKeyPems: [rsaPem, ec] }));
  assert.ok(w.authenticator.authenticateToken((await w.issue()).status.token!, api));
  const old = await world().issue();
  assert.ok(w.authenticator.authenticateToken(old.status.token!, api));
  const set = w.keys.jsonWebKeySet();
  assert.deepEqual(
    set.keys.map(k => [k.use, k.kty, k.alg, Object.keys(k).includes('d')]),
    [
      ['sig', 'EC', 'ES256', false],
      ['sig', 'RSA', 'RS256', false],
    ],
  );
  assert.equal(set.keys[1]!.kid, decodeJws(old.status.token!)!.header.kid);
  const page = openidConfiguration(defaultIssuer, 'https://x/openid/v1/jwks', w.keys);
  assert.deepEqual(page.id_token_signing_alg_values_supported, ['ES256', 'RS256']);
});

test('remembers verified tokens: a second look costs next to nothing', async () => {
  const w = world();
  const token = (await w.issue()).status.token!;
  let verified = 0;
  const keys = Object.assign(Object.create(w.keys), {
    verify: (...args: Parameters<TokenKeys['verify']>) => {
      verified++;
      w.keys.verify(...args);
    },
  });
  const authenticator = new ServiceAccountTokenAuthenticator({ ...w.issuer, keys, issuers: api });
  for (let i = 0; i < 1000; i++) authenticator.authenticateToken(token, api);
  assert.equal(verified, 1);
});
