import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { TokenKeys } from '../apiserver/authn/jws.ts';
import { readAccessFiles } from './access-files.ts';
import type { ApiServerFiles } from './api-server-fields.ts';
import { parseConfig } from './config.ts';

const directory = mkdtempSync(join(tmpdir(), 'access-files-'));
after(() => rmSync(directory, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}
const kubeconfig = file('kubeconfig', '{}');
const throws = (files: ApiServerFiles, message: RegExp) => assert.throws(() => readAccessFiles(files), message);

test('modes and a webhook become a plan', () => {
  assert.deepEqual(readAccessFiles({}), {});
  const { authorization } = readAccessFiles({
    authorizationMode: ['Node', 'RBAC', 'Webhook'],
    authorizationWebhookConfigFile: kubeconfig,
    authorizationWebhookCacheUnauthorizedTtl: '0s',
  });
  assert.deepEqual(authorization?.plan, [
    { type: 'Node', name: 'node' },
    { type: 'RBAC', name: 'rbac' },
    {
      type: 'Webhook',
      name: 'default',
      webhook: {
        authorizedMs: 300_000,
        unauthorizedMs: 0,
        timeoutMs: 30_000,
        version: 'v1beta1',
        failurePolicy: 'NoOpinion',
        kubeconfig,
        conditions: [],
      },
    },
  ]);
  throws({ authorizationMode: ['Webhook'] }, /authorization config file not passed/);
  throws(
    { authorizationMode: ['RBAC', 'RBAC'] },
    /authorization-mode \["RBAC" "RBAC"\] has mode specified more than once/,
  );
  throws({ authorizationMode: ['ABAC'] }, /authorization-mode ABAC's authorization policy file not passed/);
  const authorizationPolicyFile = file('policies.jsonl', '');
  throws({ authorizationMode: ['RBAC'], authorizationPolicyFile }, /without mode ABAC/);
  assert.deepEqual(readAccessFiles({ authorizationMode: ['ABAC'], authorizationPolicyFile }).authorization, {
    plan: [{ type: 'ABAC', name: 'abac' }],
    abacPolicies: '',
  });
  throws({ authorizationMode: ['Rbac'] }, /authorization-mode "Rbac" is not a valid mode/);
  throws({ authorizationMode: ['RBAC'], authorizationWebhookConfigFile: kubeconfig }, /without mode Webhook/);
  const authorizationConfig = file(
    'authorization.yaml',
    'apiVersion: apiserver.config.k8s.io/v1\nkind: AuthorizationConfiguration\nauthorizers: [{type: RBAC, name: r}]\n',
  );
  assert.deepEqual(readAccessFiles({ authorizationConfig }).authorization?.plan, [{ type: 'RBAC', name: 'r' }]);
  assert.equal(readAccessFiles({ authorizationConfig }).authorization?.file?.path, authorizationConfig);
  throws({ authorizationConfig, authorizationMode: ['RBAC'] }, /authorization-config can not be specified when/);
});

test('who may come without a name, by flag or by file', () => {
  assert.deepEqual(readAccessFiles({ anonymousAuth: false }).authentication?.anonymousPaths, []);
  assert.deepEqual(readAccessFiles({ anonymousAuth: true }).authentication?.anonymousPaths, ['*']);
  const authenticationConfig = file(
    'authentication.yaml',
    'apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\nanonymous: {enabled: true}\n',
  );
  assert.deepEqual(readAccessFiles({ authenticationConfig }).authentication?.anonymousPaths, ['*']);
  throws({ authenticationConfig, anonymousAuth: true }, /reading .*authentication.yaml: anonymous is set here/);
});

test('tokens, proxies and webhooks', () => {
  const keys = ['one', 'two'].map(() =>
    generateKeyPairSync('ec', {
      namedCurve: 'P-256',
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    }),
  );
  const serviceAccountKeyFile = [file('sa.pub', keys.map(k => k.publicKey).join(''))];
  const { serviceAccountTokens: tokens } = readAccessFiles({
    serviceAccountIssuer: ['https://new', 'https://old'],
    serviceAccountKeyFile,
    serviceAccountMaxTokenExpiration: '2h',
  });
  assert.deepEqual(tokens?.issuers, ['https://new', 'https://old']);
  assert.equal(tokens?.maxExpirationSeconds, 7200);
  assert.equal(new TokenKeys({ publicKeyPems: tokens!.publicKeys! }).jsonWebKeySet().keys.length, 2);
  throws({ serviceAccountMaxTokenExpiration: '10m' }, /must be between 1 hour and 2\^32 seconds/);
  throws({ serviceAccountJwksUri: 'http://x' }, /requires https scheme/);
  const { authentication, tokenFile } = readAccessFiles({
    authenticationTokenWebhookConfigFile: kubeconfig,
    authenticationTokenWebhookCacheTtl: '10s',
    requestheaderAllowedNames: [],
    requestheaderUsernameHeaders: ['X-Who'],
    tokenAuthFile: file('tokens.csv', 't,u,1'),
  });
  assert.deepEqual(authentication, {
    webhook: { kubeconfig, version: 'v1beta1', cacheMs: 10_000 },
    requestHeader: { allowedNames: [], usernameHeaders: ['X-Who'] },
  });
  assert.equal(tokenFile, 't,u,1');
});

test('an issuer by flags', () => {
  const both = { oidcIssuerUrl: 'https://i', oidcClientId: 'k8s' };
  const issuer = { url: 'https://i', audiences: ['k8s'] };
  assert.deepEqual(readAccessFiles(both).authentication?.jwt, [
    {
      issuer,
      claimMappings: { username: { claim: 'sub', prefix: 'https://i#' } },
      claimValidationRules: [],
      signingAlgorithms: ['RS256'],
    },
  ]);
  const algorithms = { oidcSigningAlgs: ['ES256', 'RS256'] };
  const more = {
    ...both,
    ...algorithms,
    oidcUsernameClaim: 'email',
    oidcGroupsClaim: 'g',
    oidcRequiredClaim: ['a=b=c'],
  };
  assert.deepEqual(readAccessFiles(more).authentication?.jwt, [
    {
      issuer,
      claimMappings: { username: { claim: 'email', prefix: '' }, groups: { claim: 'g', prefix: '' } },
      claimValidationRules: [{ claim: 'a', requiredValue: 'b=c' }],
      signingAlgorithms: ['ES256', 'RS256'],
    },
  ]);
  throws({ oidcClientId: 'k8s' }, /must be specified together/);
  throws({ oidcGroupsClaim: 'g' }, /must be specified together/);
  throws(algorithms, /must be specified together/);
  throws({ ...both, oidcSigningAlgs: ['HS256'] }, /oidc: unsupported signing alg: "HS256"/);
  throws({ ...both, oidcIssuerUrl: 'http://i' }, /URL scheme must be https/);
});

test('what is encrypted', () => {
  const encryptionProviderConfig = file(
    'encryption.yaml',
    'apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources: [{resources: [secrets], providers: [{identity: {}}]}]\n',
  );
  const plan = [{ resources: ['secrets'], providers: [{ type: 'identity' }] }];
  assert.deepEqual(readAccessFiles({ encryptionProviderConfig }).encryption, {
    plan,
    source: encryptionProviderConfig,
  });
  const followed = readAccessFiles({ encryptionProviderConfig, encryptionProviderConfigAutomaticReload: true });
  assert.equal(followed.encryption?.file?.path, encryptionProviderConfig);
  throws({ encryptionProviderConfigAutomaticReload: true }, /encryptionProviderConfig must be set/);
});

test('the cluster configuration takes them by name, each of its kind', () => {
  const config = (spec: string) =>
    parseConfig(`apiVersion: k8ts.dev/v1alpha1\nkind: ClusterConfiguration\nspec:\n  apiServer: ${spec}\n`, 'c.yaml');
  const said = '{authorizationMode: [Node], serviceAccountKeyFile: [/k], anonymousAuth: false}';
  assert.deepEqual(config(said).apiServer, {
    authorizationMode: ['Node'],
    serviceAccountKeyFile: ['/k'],
    anonymousAuth: false,
  });
  assert.throws(() => config('{serviceAccountKeyFile: [k]}'), /serviceAccountKeyFile\[0\]: .*must be an absolute path/);
  assert.throws(() => config('{authenticationTokenWebhookCacheTtl: x}'), /time: invalid duration "x"/);
  assert.throws(() => config('{anonymousAuth: 1}'), /must be a boolean/);
});

test('a signer elsewhere is named by its socket, and has all the keys', () => {
  const signingEndpoint = '/run/signer.sock';
  const serviceAccountTokens = { signingEndpoint };
  assert.deepEqual(readAccessFiles({ serviceAccountSigningEndpoint: signingEndpoint }), { serviceAccountTokens });
  throws({ serviceAccountSigningEndpoint: 'signer' }, /want the absolute path of a socket, or @name/);
  throws(
    { serviceAccountSigningEndpoint: '@signer', serviceAccountKeyFile: [file('k.pub', 'x')] },
    /mutually exclusive/,
  );
});
