import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { test } from 'node:test';
import { isUnauthorized } from '../../api/status.ts';
import type { Secret } from '../../api/type/core-v1.ts';
import { VirtualClock } from '../../base/clock.ts';
import { createMetrics } from '../../base/metrics.ts';
import { seededRandom } from '../../base/random.ts';
import { createCa, issueCertificate } from '../../base/x509.ts';
import { bootstrapTokenAuthenticator } from './bootstrap-token.ts';
import { clientCertificateAuthenticator, peerVerifier } from './client-certificate.ts';
import { frontProxyAuthenticator } from './front-proxy.ts';
import { AuthenticationMetrics } from './metrics.ts';
import { reviewSelf, reviewToken } from './reviews.ts';
import { parseTokenFile, tokenFileAuthenticator } from './token-file.ts';
import {
  bearerTokenAuthenticator,
  bearerTokenOf,
  RequestAuthenticator,
  unionTokenAuthenticator,
  websocketTokenOf,
} from './union.ts';
import {
  CredentialError,
  nodeIdentity,
  parseServiceAccountUsername,
  type TokenAuthenticator,
  type UserInfo,
} from './user.ts';

const api = ['api'];
const clock = new VirtualClock();
const making = { nowMs: clock.now(), random: seededRandom(1), days: 10 };

test('client certificates: good, expired, not yet, wrong CA, wrong usage, front proxy', async () => {
  const [ca, other, front] = await Promise.all(['a', 'a', 'f'].map(n => createCa({ ...making, commonName: n })));
  const issue = async (issuer = ca!, more: object = {}) =>
    new X509Certificate(
      (
        await issueCertificate(issuer, {
          ...making,
          subject: { commonName: 'jane', organizations: ['dev', 'ops'] },
          usages: 'client',
          ...more,
        })
      ).certificatePem,
    );
  const verify = peerVerifier({ clientCaPem: ca!.certificatePem, frontProxyCaPem: front!.certificatePem, clock });
  const authenticator = clientCertificateAuthenticator(clock);
  const certificate = await issue();
  const peer = verify(certificate);
  const user = await authenticator.authenticate({ headers: {}, peerCertificate: peer });
  const fingerprint = certificate.fingerprint256.replaceAll(':', '').toLowerCase();
  assert.deepEqual(user, {
    name: 'jane',
    groups: ['dev', 'ops'],
    extra: { 'authentication.kubernetes.io/credential-id': [`X509SHA256=${fingerprint}`] },
  });
  assert.equal(await authenticator.authenticate({ headers: {}, peerCertificate: peer }), user);
  assert.throws(() => verify(new X509Certificate(other!.certificatePem)), /unknown authority/);
  await assert.rejects(async () => verify(await issue(other)), /x509: certificate signed by unknown authority/);
  await assert.rejects(async () => verify(await issue(ca, { nowMs: clock.now() - 11 * 86_400_000 })), /expired/);
  await assert.rejects(async () => verify(await issue(ca, { nowMs: clock.now() + 86_400_000 })), /not yet valid/);
  await assert.rejects(async () => verify(await issue(ca, { usages: 'server' })), /incompatible key usage/);
  assert.equal(verify(new X509Certificate(ca!.certificatePem)).commonName, 'a');
  const proxy = verify(await issue(front));
  assert.equal(proxy.authority, 'frontProxy');
  assert.equal(authenticator.authenticate({ headers: {}, peerCertificate: proxy }), undefined);
  const later = clientCertificateAuthenticator(new VirtualClock(peer.notAfterMs! + 1));
  assert.throws(() => later.authenticate({ headers: {}, peerCertificate: peer }), /expired/);
});

test('front proxy headers count only behind its certificate', () => {
  const authenticator = frontProxyAuthenticator({ allowedNames: ['front-proxy-client'] });
  const headers = {
    'x-remote-user': 'ann',
    'x-remote-group': ['a', 'b'],
    'x-remote-extra-scopes%2fx': 'y',
    'x-remote-uid': 'u',
  };
  const peer = (commonName: string, authority: 'client' | 'frontProxy') => ({
    commonName,
    organizations: [],
    authority,
  });
  assert.deepEqual(authenticator.authenticate({ headers, peerCertificate: peer('front-proxy-client', 'frontProxy') }), {
    name: 'ann',
    uid: 'u',
    groups: ['a', 'b'],
    extra: { 'scopes/x': ['y'] },
  });
  assert.equal(
    authenticator.authenticate({ headers, peerCertificate: peer('front-proxy-client', 'client') }),
    undefined,
  );
  assert.equal(authenticator.authenticate({ headers }), undefined);
  assert.throws(
    () => authenticator.authenticate({ headers, peerCertificate: peer('x', 'frontProxy') }),
    /not in the allowed list/,
  );
});

test('token file', () => {
  const users = parseTokenFile('t1,jane,u1,"dev,ops"\n\nt2,joe,u2\n,ghost,u3\n"t,3","a ""b""",u4,x\n');
  assert.deepEqual(
    [...users],
    [
      ['t1', { name: 'jane', uid: 'u1', groups: ['dev', 'ops'] }],
      ['t2', { name: 'joe', uid: 'u2', groups: [] }],
      ['t,3', { name: 'a "b"', uid: 'u4', groups: ['x'] }],
    ],
  );
  assert.throws(() => parseTokenFile('t,jane\n', 'f'), /token file 'f' must have at least 3 columns/);
  assert.throws(() => parseTokenFile('"t,jane,u\n', 'f'), /line 1/);
  const authenticator = tokenFileAuthenticator(users, api);
  assert.equal(authenticator.authenticateToken('nope', api), undefined);
  assert.throws(() => authenticator.authenticateToken('t1', ['vault']), CredentialError);
});

test('bootstrap tokens', () => {
  const base: Record<string, string> = {
    'token-id': 'abcdef',
    'token-secret': '0123456789abcdef',
    'usage-bootstrap-authentication': 'true',
    'auth-extra-groups': 'system:bootstrappers:kubeadm:default-node-token',
  };
  const ask = (change: Record<string, string> = {}, more: object = {}, token = 'abcdef.0123456789abcdef') => {
    const data = Object.entries({ ...base, ...change }).map(([k, v]) => [k, Buffer.from(v).toString('base64')]);
    const secret = { type: 'bootstrap.kubernetes.io/token', metadata: {}, data: Object.fromEntries(data), ...more };
    const find = (ns: string, name: string) =>
      `${ns}/${name}` === 'kube-system/bootstrap-token-abcdef' ? (secret as unknown as Secret) : undefined;
    return bootstrapTokenAuthenticator({ secret: find, apiAudiences: api, clock }).authenticateToken(token, api);
  };
  assert.deepEqual(ask(), {
    audiences: api,
    user: {
      name: 'system:bootstrap:abcdef',
      groups: ['system:bootstrappers', 'system:bootstrappers:kubeadm:default-node-token'],
    },
  });
  assert.ok(ask({ expiration: '2026-01-01T00:00:01Z' }));
  for (const refused of [
    ask({}, {}, 'abcdef.0123456789abcdee'),
    ask({}, {}, 'ABCDEF.0123456789abcdef'),
    ask({}, {}, 'aaaaaa.0123456789abcdef'),
    ask({ expiration: '2025-12-31T23:59:59Z' }),
    ask({ expiration: 'soon' }),
    ask({ 'usage-bootstrap-authentication': 'false' }),
    ask({ 'auth-extra-groups': 'system:masters' }),
    ask({ 'token-id': 'other1' }),
    ask({}, { type: 'Opaque' }),
    ask({}, { metadata: { deletionTimestamp: '2026-01-01T00:00:00Z' } }),
  ])
    assert.equal(refused, undefined);
});

const failing: TokenAuthenticator = {
  authenticateToken(token) {
    if (token === 'stale') throw new CredentialError('service account token has expired');
    return undefined;
  },
};
const slow: TokenAuthenticator = {
  authenticateToken: async token => {
    if (token === 'far') return { user: { name: 'far', groups: [] }, audiences: api };
    if (token === 'farbad') throw new CredentialError('webhook says no');
    return undefined;
  },
};
const users = parseTokenFile('t1,jane,u1,dev\n');

function front(withSlow = false) {
  const refusals: string[] = [];
  const tokens = unionTokenAuthenticator([failing, ...(withSlow ? [slow] : []), tokenFileAuthenticator(users, api)]);
  const authenticator = new RequestAuthenticator({
    members: [clientCertificateAuthenticator(clock), bearerTokenAuthenticator(tokens, api)],
    onRefused: e => refusals.push(e.message),
  });
  return { tokens, refusals, authenticator };
}

test('the union: the first that knows wins, refusals become 401, never anonymous', async () => {
  const { authenticator, refusals } = front();
  const ask = (bearerToken?: string, path = '/api') =>
    authenticator.authenticate({ headers: {}, path, ...(bearerToken ? { bearerToken } : {}) });
  assert.deepEqual(ask('t1'), { name: 'jane', uid: 'u1', groups: ['dev', 'system:authenticated'] });
  assert.equal(ask('t1'), ask('t1'));
  for (const path of ['/healthz', '/livez', '/readyz', '/version'])
    assert.deepEqual(ask(undefined, path), { name: 'system:anonymous', groups: ['system:unauthenticated'] });
  for (const path of ['/', '/api', '/livez/x', '/metrics', '/version/../api'])
    assert.throws(() => ask(undefined, path), isUnauthorized);
  assert.throws(() => ask('nope', '/healthz'), isUnauthorized);
  assert.throws(() => ask('stale'), isUnauthorized);
  assert.deepEqual(refusals, ['invalid bearer token', '[invalid bearer token, service account token has expired]']);
  const peerCertificate = { commonName: 'cert', organizations: [] };
  const both = await authenticator.authenticate({ headers: {}, bearerToken: 'nope', peerCertificate });
  assert.equal(both.name, 'cert');
});

test('the union with an authenticator that takes time', async () => {
  const { authenticator, refusals } = front(true);
  const ask = async (bearerToken: string) => authenticator.authenticate({ headers: {}, bearerToken });
  assert.equal((await ask('far')).name, 'far');
  assert.equal((await ask('t1')).name, 'jane');
  await assert.rejects(ask('farbad'), isUnauthorized);
  assert.deepEqual(refusals, ['[invalid bearer token, webhook says no]']);
});

test('an authenticator that breaks is a bug, not a refusal', () => {
  const authenticator = new RequestAuthenticator({
    members: [
      {
        authenticate() {
          throw new TypeError('oops');
        },
      },
    ],
  });
  assert.throws(() => authenticator.authenticate({ headers: {}, path: '/livez' }), TypeError);
});

test('TokenReview', async () => {
  const { tokens } = front();
  const ask = (spec: { token?: string; audiences?: string[] }) =>
    reviewToken({ spec }, { tokens, apiAudiences: api }).then(
      r => r.status,
      e => e.message,
    );
  assert.deepEqual(await ask({ token: 't1' }), {
    authenticated: true,
    user: { username: 'jane', uid: 'u1', groups: ['dev', 'system:authenticated'] },
    audiences: ['api'],
  });
  assert.deepEqual(await ask({ token: 'x' }), { user: {}, error: 'invalid bearer token' });
  assert.match((await ask({ token: 't1', audiences: ['vault'] })).error, /target audiences/);
  assert.equal(await ask({}), 'token is required for TokenReview in authentication');
});

test('SelfSubjectReview', () => {
  const review = reviewSelf({}, { name: 'a', groups: ['g'], extra: { k: ['v'] } }, '2026-01-01T00:00:00Z');
  assert.deepEqual(review.status, { userInfo: { username: 'a', groups: ['g'], extra: { k: ['v'] } } });
  assert.throws(() => reviewSelf({}, undefined, ''), /no user present on request/);
});

test('headers and names', () => {
  assert.equal(bearerTokenOf('Bearer abc'), 'abc');
  assert.equal(bearerTokenOf(' bearer abc x'), 'abc');
  for (const none of [undefined, '', 'Bearer', 'Bearer ', 'Basic abc']) assert.equal(bearerTokenOf(none), undefined);
  const protocol = `base64url.bearer.authorization.k8s.io.${Buffer.from('tok').toString('base64url')}`;
  assert.deepEqual(websocketTokenOf([protocol, 'v5.channel.k8s.io']), {
    token: 'tok',
    protocols: ['v5.channel.k8s.io'],
  });
  assert.deepEqual(websocketTokenOf(['v5.channel.k8s.io']), { protocols: ['v5.channel.k8s.io'] });
  assert.throws(() => websocketTokenOf([protocol]), CredentialError);
  assert.deepEqual(nodeIdentity({ name: 'system:node:n', groups: ['system:nodes'] }), { isNode: true, nodeName: 'n' });
  assert.deepEqual(nodeIdentity({ name: 'system:node:n', groups: [] }), { isNode: false, nodeName: '' });
  assert.deepEqual(nodeIdentity({ name: 'system:node:', groups: ['system:nodes'] }), { isNode: true, nodeName: '' });
  assert.deepEqual(parseServiceAccountUsername('system:serviceaccount:a:b'), { namespace: 'a', name: 'b' });
  for (const n of ['system:serviceaccount:a', 'system:serviceaccount:a:b:c', 'x', 'system:serviceaccount::b'])
    assert.equal(parseServiceAccountUsername(n), undefined);
});

test('a front proxy may name users in headers of its own', () => {
  const authenticator = frontProxyAuthenticator({
    usernameHeaders: ['X-Who', 'X-Remote-User'],
    uidHeaders: [],
    groupHeaders: ['X-Team', 'X-Remote-Group'],
    extraHeadersPrefixes: ['X-More-'],
  });
  const peerCertificate = { commonName: 'any', organizations: [], authority: 'frontProxy' } as const;
  const headers = {
    'x-remote-user': 'ann',
    'x-remote-uid': '1',
    'x-team': ['a', 'b'],
    'x-remote-group': 'c',
    'x-more-example.com%2fk': 'v',
    'x-remote-extra-k': 'no',
  };
  assert.deepEqual(authenticator.authenticate({ headers, peerCertificate }), {
    name: 'ann',
    groups: ['a', 'b', 'c'],
    extra: { 'example.com/k': ['v'] },
  });
});

test('attempts are counted, users by kinds of names', async () => {
  const metrics = createMetrics();
  const counted = new AuthenticationMetrics(metrics, new VirtualClock());
  const named = (name: string): UserInfo => ({ name, groups: [] });
  counted.measure(() => named('kubelet'));
  await counted.measure(async () => named('ann@example.com'));
  for (let i = 0; i < 2; i++) counted.measure(() => named('ann'));
  const requests = new RequestAuthenticator({
    members: [bearerTokenAuthenticator(unionTokenAuthenticator([]), ['a'])],
    anonymousPaths: [],
  });
  assert.throws(() => counted.measure(() => requests.authenticate({ headers: {}, bearerToken: 'x' })));
  assert.throws(() => counted.measure(() => requests.authenticate({ headers: {} })));
  const text = await metrics.text();
  for (const line of [
    'authentication_attempts{result="success"} 4',
    'authentication_attempts{result="failure"} 1',
    'authentication_attempts{result="error"} 1',
    'authentication_duration_seconds_count{result="success"} 4',
    'authenticated_user_requests{username="kubelet"} 1',
    'authenticated_user_requests{username="email_id"} 1',
    'authenticated_user_requests{username="other"} 2',
  ])
    assert.ok(text.includes(`${line}\n`), line);
});
