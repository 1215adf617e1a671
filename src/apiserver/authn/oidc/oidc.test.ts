import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { authenticationV1 } from '../../../api/refs.ts';
import { systemClock, VirtualClock } from '../../../base/clock.ts';
import { numberText } from '../../../base/metric-number.ts';
import { createMetrics } from '../../../base/metrics.ts';
import { httpClient } from '../../../client/http-client.ts';
import { hashOf } from '../../configuration/followed-file.ts';
import { startTestExtension, type TestExtension } from '../../extension/test-extension.ts';
import { startTestServer } from '../../test-server.ts';
import { readAuthenticationConfiguration } from '../configuration.ts';
import { TokenCacheCounts } from '../metrics.ts';
import { CredentialError, type TokenIdentity } from '../user.ts';
import { webhookTokenAuthenticator } from '../webhook-token.ts';
import type { JwtAuthenticator } from './configuration.ts';
import { JwksFetches } from './jwks-fetches.ts';
import { oidcAuthenticator } from './oidc.ts';

const clock = new VirtualClock();
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
let published: object[] = [];
let issuer: TestExtension;
let asked = 0;

before(async () => {
  published = [{ ...rsa.publicKey.export({ format: 'jwk' }), kid: 'one', use: 'sig' }];
  issuer = await startTestExtension((request, response) => {
    asked++;
    const keysAt = request.url === '/lost' ? 'http://lost' : `${issuer.url}/keys`;
    const document = request.url === '/keys' ? { keys: published } : { issuer: issuer.url, jwks_uri: keysAt };
    response.end(JSON.stringify(document));
  });
});
after(() => issuer.stop());

function tokenOf(claims: object, key: KeyObject = rsa.privateKey, alg = 'RS256', kid = 'one'): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const exp = clock.now() / 1000 + 600;
  const text = `${part({ alg, kid })}.${part({ iss: issuer.url, aud: 'k8s', exp, sub: 'me', ...claims })}`;
  return `${text}.${sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

const jwt = (
  claimMappings: JwtAuthenticator['claimMappings'],
  over: Partial<JwtAuthenticator> = {},
): JwtAuthenticator => ({
  issuer: {
    url: issuer.url,
    audiences: ['k8s'],
    certificateAuthority: Buffer.from(issuer.caBundle, 'base64').toString(),
  },
  claimMappings,
  ...over,
});
const authenticatorOf = (...all: JwtAuthenticator[]) =>
  oidcAuthenticator({ jwt: all, ownIssuers: ['https://own'], apiAudiences: ['api'], clock });
const identify = async (config: JwtAuthenticator, token: string): Promise<TokenIdentity | undefined> =>
  authenticatorOf(config).authenticateToken(token, ['api']);
const refusedWith = (promise: Promise<unknown>, message: RegExp) =>
  assert.rejects(promise, error => error instanceof CredentialError && message.test(error.message));

test('claims become a user', async () => {
  const config = jwt({
    username: { claim: 'sub', prefix: 'oidc:' },
    groups: { claim: 'groups', prefix: 'g:' },
    uid: { claim: 'id' },
  });
  assert.deepEqual(await identify(config, tokenOf({ groups: ['a', 'b'], id: '7' })), {
    user: { name: 'oidc:me', uid: '7', groups: ['g:a', 'g:b'] },
    audiences: ['api'],
  });
  assert.deepEqual((await identify(config, tokenOf({ groups: 'one', id: '7' })))?.user.groups, ['g:one']);
});

test('expressions map and judge claims and users', async () => {
  const config = jwt(
    {
      username: { expression: 'claims.sub + "@" + claims.realm' },
      groups: { expression: 'dyn(claims.roles).map(r, "role:" + r)' },
      extra: [{ key: 'example.com/tenant', valueExpression: 'claims.realm' }],
    },
    {
      claimValidationRules: [{ expression: 'claims.level >= 2', message: 'level 2 is needed' }],
      userValidationRules: [{ expression: '!user.username.startsWith("system:")', message: 'not a system user' }],
    },
  );
  const claims = { realm: 'r', roles: ['x'], level: 2 };
  assert.deepEqual((await identify(config, tokenOf(claims)))?.user, {
    name: 'me@r',
    groups: ['role:x'],
    extra: { 'example.com/tenant': ['r'] },
  });
  await refusedWith(identify(config, tokenOf({ ...claims, level: 1 })), /level 2 is needed/);
  await refusedWith(identify(config, tokenOf({ ...claims, sub: 'system:x' })), /not a system user/);
  await refusedWith(identify(config, tokenOf({ roles: [], level: 2 })), /no such key: realm/);
});

test('what is forged, late, early, for others or unverified is refused', async () => {
  const config = jwt({ username: { claim: 'email', prefix: '' } });
  const mail = { email: 'a@b' };
  const now = clock.now() / 1000;
  assert.equal((await identify(config, tokenOf(mail)))?.user.name, 'a@b');
  await refusedWith(identify(config, tokenOf({ ...mail, email_verified: false })), /email not verified/);
  await refusedWith(identify(config, tokenOf({ ...mail, aud: 'other' })), /expected audience/);
  await refusedWith(identify(config, tokenOf({ ...mail, exp: now - 1 })), /expired/);
  await refusedWith(identify(config, tokenOf({ ...mail, nbf: now + 3600 })), /not before/);
  await refusedWith(identify(config, tokenOf(mail, ec.privateKey, 'ES256')), /failed to verify/);
  await refusedWith(identify(config, `${tokenOf(mail).split('.').slice(0, 2).join('.')}.AAAA`), /failed to verify/);
  await refusedWith(
    (async () => identify(config, tokenOf(mail, rsa.privateKey, 'none')))(),
    /signed with unsupported algorithm, expected \["ES256" .* got "none"/,
  );
  assert.equal(await identify(config, tokenOf({ iss: 'https://elsewhere' })), undefined);
  const chosen = { ...config, signingAlgorithms: ['PS512', 'RS384'] };
  await refusedWith(
    identify(chosen, tokenOf(mail)),
    /signed with unsupported algorithm, expected \["PS512" "RS384"\] got "RS256"$/,
  );
  assert.ok(await identify({ ...config, signingAlgorithms: ['RS256'] }, tokenOf(mail)));
});

test('new keys of the issuer are found, without asking it for every bad token', async () => {
  const authenticator = authenticatorOf(jwt({ username: { claim: 'sub', prefix: '' } }));
  const token = tokenOf({}, ec.privateKey, 'ES256', 'two');
  const attempt = async () => authenticator.authenticateToken(token, ['api']);
  await refusedWith(attempt(), /failed to verify/);
  const before = asked;
  await refusedWith(attempt(), /failed to verify/);
  assert.equal(asked, before);
  published.push({ ...ec.publicKey.export({ format: 'jwk' }), kid: 'two' });
  await clock.advance(10_000);
  assert.equal((await attempt())?.user.name, 'me');
});

test('configurations are checked', () => {
  const username = { claim: 'sub', prefix: '' };
  const url = (text: string) => jwt({ username }, { issuer: { url: text, audiences: ['a'] } });
  assert.throws(() => authenticatorOf(url('http://x')), /jwt\[0\].issuer.url: .*URL scheme must be https/);
  assert.throws(() => authenticatorOf(url('https://own')), /disallowed issuers/);
  assert.throws(() => authenticatorOf(jwt({ username }), jwt({ username })), /jwt\[1\].issuer.url: Duplicate value/);
  assert.throws(() => authenticatorOf(jwt({ username: { claim: 'sub' } })), /prefix is required when claim is set/);
  assert.throws(() => authenticatorOf(jwt({ username: { expression: 'claims.' } })), /compilation failed/);
  assert.throws(
    () => authenticatorOf(jwt({ username: { expression: 'claims.email' } })),
    /email_verified must be used/,
  );
});

test('a webhook is asked once for a token it knows', async () => {
  let reviews = 0;
  const metrics = createMetrics();
  const authenticator = webhookTokenAuthenticator({
    apiAudiences: ['api'],
    clock,
    counts: new TokenCacheCounts(metrics, clock),
    post: async body => {
      reviews++;
      const { token } = (body as { spec: { token: string } }).spec;
      if (token === 'down') throw new Error('connection refused');
      return { status: token === 'good' ? { authenticated: true, user: { username: 'u', groups: ['g'] } } : {} };
    },
  });
  const ask = async (token: string) => authenticator.authenticateToken(token, ['api']);
  for (let i = 0; i < 2; i++)
    assert.deepEqual(await ask('good'), { user: { name: 'u', groups: ['g'] }, audiences: ['api'] });
  assert.equal(reviews, 1);
  await clock.advance(120_000);
  await ask('good');
  assert.equal(reviews, 2);
  assert.equal(await ask('bad'), undefined);
  for (let i = 0; i < 2; i++) await refusedWith(ask('down'), /connection refused/);
  assert.equal(reviews, 5);
  const text = await metrics.text();
  for (const line of [
    'request_total{status="hit"} 1',
    'request_total{status="miss"} 5',
    'fetch_total{status="ok"} 3',
    'fetch_total{status="error"} 2',
    'request_duration_seconds_count{status="miss"} 5',
  ])
    assert.ok(text.includes(`\nauthentication_token_cache_${line}\n`), line);
});

test('the API server knows the users of issuers', async () => {
  const config = jwt({ username: { claim: 'sub', prefix: 'oidc:' } });
  const server = await startTestServer({ authentication: { jwt: [config] } });
  try {
    const exp = systemClock.now() / 1000 + 600;
    const client = httpClient({ server: server.url, ca: server.ca, token: tokenOf({ exp }), userAgent: 'test' });
    const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' } as never;
    const { status } = await client.create(authenticationV1.selfsubjectreviews, review);
    assert.equal(status?.userInfo?.username, 'oidc:me');
    assert.deepEqual(status?.userInfo?.groups, ['system:authenticated']);
    client.close();
  } finally {
    await server.stop();
  }
});

test('an issuer is found elsewhere, and files are read strictly', async () => {
  const elsewhere = { ...jwt({ username: { claim: 'sub', prefix: '' } }).issuer, discoveryURL: `${issuer.url}/other` };
  const config = jwt({ username: { claim: 'sub', prefix: '' } }, { issuer: elsewhere });
  assert.equal((await identify(config, tokenOf({})))?.user.name, 'me');
  const header = 'apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\n';
  const read = (text: string) => readAuthenticationConfiguration(header + text, ['https://own']);
  assert.deepEqual(read('anonymous: {enabled: true, conditions: [{path: /livez}]}'), {
    jwt: [],
    anonymousPaths: ['/livez'],
  });
  assert.throws(() => read('anonymous: {conditions: [{path: /livez}]}'), /enabled should be set to true/);
  assert.throws(() => read('jwt: [{issuer: {uri: x}}]'), /unknown field "jwt\[0\].issuer.uri"/);
  const complaints = (text: string): string[] => {
    try {
      read(`jwt: [${text}]`);
      return [];
    } catch (error) {
      return (error as Error).message.replace(/^\[|\]$/g, '').split(', jwt');
    }
  };
  assert.deepEqual(
    complaints(
      '{issuer: {url: "https://i", discoveryURL: "https://i/", audiences: [a, b]}, claimMappings: {username: {claim: a, expression: "claims.a", prefix: ""}, extra: [{key: k8s.io/x, valueExpression: "claims.x"}]}, claimValidationRules: [{claim: a, message: m}, {}]}',
    ).map(c => c.replace(/^jwt|^\[0\]\.|^jwt\[0\]\./g, '').replace(/^\[0\]\./, '')),
    [
      'issuer.discoveryURL: Invalid value: "https://i/": discoveryURL must be different from URL',
      'issuer.audienceMatchPolicy: Invalid value: "": audienceMatchPolicy must be MatchAny for multiple audiences',
      'claimValidationRules[0].message: Invalid value: "m": may not be specified when claim is set',
      'claimValidationRules[1]: Required value: claim or expression is required',
      'claimMappings.username: Invalid value: "": claim and expression can\'t both be set',
      'claimMappings.extra[0].key: Invalid value: "k8s.io/x": k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use',
    ],
  );
});

test('a server follows its file of issuers, and asks a webhook where a kubeconfig leads', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'authentication-'));
  const path = join(directory, 'authentication.yaml');
  const kubeconfig = join(directory, 'kubeconfig');
  const document = (...all: JwtAuthenticator[]) =>
    JSON.stringify({ apiVersion: 'apiserver.config.k8s.io/v1', kind: 'AuthenticationConfiguration', jwt: all });
  const text = document();
  writeFileSync(path, text);
  const versions: string[] = [];
  const reviewer = await startTestExtension((_request, response, body) => {
    const { apiVersion, spec } = JSON.parse(body);
    versions.push(apiVersion);
    const user = { username: 'carol', uid: '9', groups: ['web'], extra: { a: ['b'] } };
    response.end(JSON.stringify({ status: spec.token === 'hers' ? { authenticated: true, user } : {} }));
  });
  const cluster = { server: reviewer.url, 'certificate-authority-data': reviewer.caBundle };
  const contexts = [{ name: 'x', context: { cluster: 'c', user: 'u' } }];
  const users = [{ name: 'u', user: {} }];
  writeFileSync(
    kubeconfig,
    JSON.stringify({ 'current-context': 'x', clusters: [{ name: 'c', cluster }], contexts, users }),
  );
  const serverClock = new VirtualClock(systemClock.now());
  const server = await startTestServer({
    clock: serverClock,
    authentication: { jwt: [], file: { path, text }, webhook: { kubeconfig, version: 'v1beta1' } },
  });
  try {
    const whoami = async (token: string) => {
      const client = httpClient({ server: server.url, ca: server.ca, token, userAgent: 'test' });
      try {
        return (await client.create(authenticationV1.selfsubjectreviews, {} as never)).status?.userInfo;
      } finally {
        client.close();
      }
    };
    assert.deepEqual(await whoami('hers'), {
      ...{ username: 'carol', uid: '9', groups: ['web', 'system:authenticated'], extra: { a: ['b'] } },
    });
    await assert.rejects(whoami('nobodys'), /Unauthorized/);
    assert.deepEqual(versions, ['authentication.k8s.io/v1beta1', 'authentication.k8s.io/v1beta1']);
    const token = tokenOf({ exp: systemClock.now() / 1000 + 600 });
    await assert.rejects(whoami(token), /Unauthorized/);
    writeFileSync(path, document(jwt({ username: { claim: 'sub', prefix: 'x:' } })));
    await serverClock.advance(10_000);
    assert.equal((await whoami(token))?.username, 'x:me');
  } finally {
    await server.stop();
    await reviewer.stop();
    rmSync(directory, { recursive: true });
  }
});

test('metrics tell when an issuer gave its keys, which, and when it did not', async () => {
  const metrics = createMetrics();
  const fetches = new JwksFetches(metrics, clock);
  const config = jwt({ username: { claim: 'sub', prefix: '' } });
  const options = { ownIssuers: [], apiAudiences: ['api'], clock, fetches };
  const all = oidcAuthenticator({ jwt: [config], ...options });
  const told = async () => (await metrics.text()).split('\n').filter(l => l.startsWith('apiserver_authentication_jwt'));
  assert.deepEqual(await told(), []);
  await all.authenticateToken(tokenOf({}), ['api']);
  const name = 'apiserver_authentication_jwt_authenticator_jwks_fetch_last';
  const labels = `apiserver_id_hash="${hashOf('kube-apiserver')}",jwt_issuer_hash="${hashOf(issuer.url)}"`;
  const keySet = hashOf(JSON.stringify({ keys: published }));
  const atSeconds = numberText(clock.now() / 1000);
  assert.deepEqual(await told(), [
    `${name}_timestamp_seconds{${labels},result="success"} ${atSeconds}`,
    `${name}_key_set_info{${labels},hash="${keySet}"} 1`,
  ]);
  oidcAuthenticator({ jwt: [], ...options });
  assert.deepEqual(await told(), [], 'an issuer that is believed no more is forgotten');

  const lost = jwt({ username: { claim: 'sub', prefix: '' } });
  const discoveryURL = `${issuer.url}/lost`;
  const broken = oidcAuthenticator({ jwt: [{ ...lost, issuer: { ...lost.issuer, discoveryURL } }], ...options });
  await assert.rejects(async () => broken.authenticateToken(tokenOf({}), ['api']));
  assert.deepEqual(await told(), [`${name}_timestamp_seconds{${labels},result="failure"} ${atSeconds}`]);
});

test('groups that a token only refers to are asked of their source, which signs them too', async () => {
  let answer = '';
  let authorization: string | undefined;
  const source = await startTestExtension((request, response) => {
    authorization = request.headers.authorization;
    response.end(answer);
  });
  try {
    const ca = [issuer, source].map(e => Buffer.from(e.caBundle, 'base64').toString()).join('');
    const config = jwt({ username: { claim: 'sub', prefix: '' }, groups: { claim: 'groups', prefix: 'g:' } });
    const trusting = { ...config, issuer: { ...config.issuer, certificateAuthority: ca } };
    const token = tokenOf({
      _claim_names: { groups: 'src' },
      _claim_sources: { src: { endpoint: `${source.url}/groups`, access_token: 'let me' } },
    });
    answer = tokenOf({ groups: ['far', 'away'] });
    assert.deepEqual((await identify(trusting, token))?.user.groups, ['g:far', 'g:away']);
    assert.equal(authorization, 'Bearer let me');
    const refused = (why: RegExp) =>
      refusedWith(
        identify(trusting, token),
        new RegExp(
          `^oidc: could not expand distributed claims: while getting distributed claim "groups": ${why.source}`,
        ),
      );
    answer = tokenOf({ groups: ['far'] }, ec.privateKey, 'ES256');
    await refused(/oidc: verify token: failed to verify signature/);
    answer = tokenOf({ groups: ['far'], aud: 'other' });
    await refused(/verify distributed claim token: oidc: expected audience "k8s" got \["other"\]/);
    answer = tokenOf({});
    await refused(/could not find distributed claim "groups"/);
    answer = 'nothing';
    await refused(/not a signed token with an issuer/);
    const odd = tokenOf({ _claim_names: { groups: 's' }, _claim_sources: { s: { endpoint: 'x://y' } } });
    await refusedWith(identify(trusting, odd), /Get "x:\/\/y": unsupported protocol scheme "x"$/);
    assert.deepEqual(
      (
        await identify(
          trusting,
          tokenOf({ groups: ['here'], _claim_names: { groups: 's' }, _claim_sources: { s: {} } }),
        )
      )?.user.groups,
      ['g:here'],
    );
  } finally {
    await source.stop();
  }
});

test('an issuer that cannot be found, or has no keys to give, is told of in the words of Kubernetes', async () => {
  let document: string | undefined;
  let keys = '';
  let code = 200;
  const provider = await startTestExtension((request, response) => {
    response.writeHead(code, { 'content-type': 'application/json' });
    response.end(request.url === '/keys' ? keys : document);
  });
  const found = () => JSON.stringify({ issuer: provider.url, jwks_uri: `${provider.url}/keys` });
  const refusal = async () => {
    const certificateAuthority = Buffer.from(provider.caBundle, 'base64').toString();
    const issuerThere = { url: provider.url, audiences: ['k8s'], certificateAuthority };
    const config = jwt({ username: { claim: 'sub', prefix: '' } }, { issuer: issuerThere });
    const said = await identify(config, tokenOf({ iss: provider.url })).catch(error => error.message);
    return String(said).replace('oidc: ', '');
  };
  try {
    for (const text of [
      'x',
      '',
      JSON.stringify({ issuer: 'https://other' }),
      JSON.stringify({ issuer: provider.url }),
    ]) {
      document = text;
      assert.equal(await refusal(), 'authenticator not initialized');
    }
    document = found();
    code = 404;
    assert.equal(await refusal(), 'authenticator not initialized');
    code = 200;
    const before = 'verify token: failed to verify signature:';
    keys = '{"keys":[]}';
    assert.equal(await refusal(), `${before} failed to verify id token signature`);
    keys = 'x';
    assert.equal(
      await refusal(),
      `${before} fetching keys oidc: failed to decode keys: got Content-Type = application/json, but could not unmarshal as JSON: invalid character 'x' looking for beginning of value x`,
    );
  } finally {
    await provider.stop();
  }
});
