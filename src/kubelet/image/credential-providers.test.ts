import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { coreV1 } from '../../api/refs.ts';
import type { Pod } from '../../api/type/core-v1.ts';
import { systemClock, VirtualClock } from '../../base/clock.ts';
import { createLog, silentLog } from '../../base/log.ts';
import { seededRandom } from '../../base/random.ts';
import { fakeClient } from '../../client/fake-client.ts';
import { type CredentialProvider, credentialProviders } from '../kernel/credential-provider.ts';
import { startTestNode } from '../test-node.ts';
import { CredentialProviders, type RunPlugin } from './credential-providers.ts';

const version = 'credentialprovider.kubelet.k8s.io/v1';
const configuration = (...providers: object[]) => ({
  kind: 'CredentialProviderConfig',
  apiVersion: 'kubelet.config.k8s.io/v1',
  providers: providers.map(p => ({
    ...{ name: 'plugin', matchImages: ['*.example.com'], defaultCacheDuration: '10m', apiVersion: version },
    ...p,
  })),
});
const read = (...providers: object[]) => credentialProviders(configuration(...providers));

const answer = (more: object = {}) =>
  JSON.stringify({
    ...{ kind: 'CredentialProviderResponse', apiVersion: version, cacheKeyType: 'Image' },
    auth: { 'registry.example.com': { username: 'u', password: 'p' } },
    ...more,
  });

/** `account` is that of a static pod when it is empty. */
const podOf = (name: string, account = 'default') =>
  ({
    metadata: {
      ...{ name, namespace: 'ns', uid: name },
      ...(account ? {} : { annotations: { 'kubernetes.io/config.source': 'file' } }),
    },
    spec: { serviceAccountName: account, containers: [] },
    status: {},
  }) as unknown as Pod;

const accounts = [
  { metadata: { name: 'default', namespace: 'ns', uid: 'uid-default', annotations: { a: '1', b: '2', c: '3' } } },
  { metadata: { name: 'other', namespace: 'ns', uid: 'uid-other', annotations: { b: '2' } } },
];

/** Of service accounts, and tokens that say whose they are. */
function surroundings() {
  const client = fakeClient([], { clock: new VirtualClock(), random: seededRandom(1) });
  for (const account of accounts) client.set(coreV1.serviceaccounts, account);
  const tokens = {
    token: async ({ metadata, spec }: Pod, { audience }: { readonly audience?: string }) => ({
      token: `${metadata.name} as ${spec.serviceAccountName} for ${audience}`,
      refreshAtMs: 0,
      expiresAtMs: 0,
    }),
  };
  return { client, tokens };
}

/** Plugins whose questions are counted, and which answer as told. */
function plugins(providers: readonly CredentialProvider[], say: (file: string, image: string) => string) {
  const clock = new VirtualClock();
  const asked: string[] = [];
  const inputs: Record<string, unknown>[] = [];
  const run: RunPlugin = async (file, args, { input }) => {
    const { kind, apiVersion, image, ...more } = JSON.parse(input);
    assert.deepEqual([kind, apiVersion], ['CredentialProviderRequest', version]);
    inputs.push(more);
    asked.push([file, ...args, image].join(' '));
    return say(file, image);
  };
  const all = new CredentialProviders({ providers, directory: '/bin', run, clock, log: silentLog, ...surroundings() });
  const users = async (image: string, pod = podOf('p')) => (await all.credentials(image, pod)).map(c => c.username);
  return { all, clock, asked, inputs, users };
}

test('only plugins of a registry are asked, with the image as it is known to everybody', async () => {
  const providers = read({ args: ['--fast'] }, { name: 'hub', matchImages: ['docker.io'] });
  const { asked, users } = plugins(providers, (_, image) =>
    answer({ auth: { [image.split('/')[0]!]: { username: 'u' } } }),
  );
  assert.deepEqual(await users('registry.example.com/team/app:1'), ['u']);
  assert.deepEqual(await users(`nginx@sha256:${'a'.repeat(64)}`), ['u']);
  assert.deepEqual(await users('elsewhere.org/app'), []);
  assert.deepEqual(asked, ['/bin/plugin --fast registry.example.com/team/app', '/bin/hub docker.io/library/nginx']);
});

test('answers are kept for an image, a registry or all of them, and for as long as they say', async () => {
  const images = ['a.example.com/one:1', 'a.example.com/one:2', 'a.example.com/two', 'b.example.com/one'];
  const auth = { '*.example.com': { username: 'u', password: 'p' } };
  for (const [more, count] of [
    [{ cacheKeyType: 'Image' }, 3],
    [{ cacheKeyType: 'Registry' }, 2],
    [{ cacheKeyType: 'Global' }, 1],
    [{ cacheKeyType: 'Global', cacheDuration: '0s' }, 4],
    [{ cacheKeyType: 'Nowhere' }, 4],
  ] as const) {
    const { asked, users } = plugins(read({}), () => answer({ auth, ...more }));
    for (const image of images) await users(image);
    assert.equal(asked.length, count, JSON.stringify(more));
  }
  for (const [more, minutes] of [
    [{}, 10],
    [{ cacheDuration: '1h0m0s' }, 60],
  ] as const) {
    const { asked, users, clock } = plugins(read({}), () => answer(more));
    await users('registry.example.com/a');
    await clock.advance(minutes * 60_000 - 1);
    await users('registry.example.com/a');
    assert.equal(asked.length, 1);
    await clock.advance(1);
    await users('registry.example.com/a');
    assert.equal(asked.length, 2);
  }
});

test('who asks at the same time gets the same answer, and a plugin that fails gives none', async () => {
  const { asked, users } = plugins(read({}), () => answer());
  await Promise.all([users('registry.example.com/a'), users('registry.example.com/a:2')]);
  assert.equal(asked.length, 1);
  const providers = read({}, { name: 'second' });
  const broken = ['no JSON', answer({ kind: 'Pod' }), answer({ apiVersion: 'v2' })];
  for (const text of broken) {
    const { users } = plugins(providers, file => (file === '/bin/plugin' ? text : answer()));
    assert.deepEqual(await users('registry.example.com/a'), ['u'], text);
  }
});

test('the more of an image a key names the sooner its credentials are tried; of the same key the first plugin comes first', async () => {
  const auth = (name: string) => ({
    'registry.example.com': { username: `${name} registry` },
    '*.example.com': { username: `${name} any` },
    'registry.example.com/team': { username: `${name} team` },
    'registry.example.com/other': { username: `${name} other` },
  });
  const { users } = plugins(read({}, { name: 'second' }), file => answer({ auth: auth(file.split('/').at(-1)!) }));
  assert.deepEqual(await users('registry.example.com/team/app'), [
    ...['plugin team', 'second team', 'plugin registry', 'second registry', 'plugin any', 'second any'],
  ]);
});

const tokenAttributes = {
  serviceAccountTokenAudience: 'registry',
  cacheType: 'ServiceAccount',
  requireServiceAccount: true,
  requiredServiceAccountAnnotationKeys: ['b'],
};

test('a plugin is given tokens of service accounts, with annotations it wants', async () => {
  const attributes = { ...tokenAttributes, optionalServiceAccountAnnotationKeys: ['a', 'z'] };
  const { users, inputs } = plugins(read({ tokenAttributes: attributes }), () => answer());
  await users('registry.example.com/a');
  await users('registry.example.com/a', podOf('p', 'other'));
  assert.deepEqual(inputs, [
    { serviceAccountToken: 'p as default for registry', serviceAccountAnnotations: { a: '1', b: '2' } },
    { serviceAccountToken: 'p as other for registry', serviceAccountAnnotations: { b: '2' } },
  ]);
  const lacks = plugins(
    read({ tokenAttributes: { ...tokenAttributes, requiredServiceAccountAnnotationKeys: ['a'] } }),
    () => answer(),
  );
  assert.deepEqual(await lacks.users('registry.example.com/a', podOf('p', 'other')), []);
  assert.deepEqual(lacks.asked, []);
});

test('what it answers is kept for a service account, or for a token', async () => {
  for (const [cacheType, count] of [
    ['ServiceAccount', 2],
    ['Token', 3],
  ] as const) {
    const { users, asked } = plugins(read({ tokenAttributes: { ...tokenAttributes, cacheType } }), () => answer());
    for (const pod of [podOf('p'), podOf('q'), podOf('p'), podOf('p', 'other')])
      assert.deepEqual(await users('registry.example.com/a', pod), ['u']);
    assert.equal(asked.length, count, cacheType);
  }
});

test('static pods have no service account', async () => {
  const image = 'registry.example.com/a';
  const needs = plugins(read({ tokenAttributes }), () => answer());
  assert.deepEqual(await needs.users(image, podOf('s', '')), []);
  assert.equal(await needs.all.accountOf(image, podOf('s', '')), undefined);
  const { name, namespace, uid } = accounts[1]!.metadata;
  assert.deepEqual(await needs.all.accountOf(image, podOf('p', 'other')), { name, namespace, uid });
  const can = { ...tokenAttributes, requireServiceAccount: false, requiredServiceAccountAnnotationKeys: [] };
  const { users, inputs } = plugins(read({ tokenAttributes: can }), () => answer());
  assert.deepEqual([await users(image, podOf('s', '')), inputs], [['u'], [{}]]);
});

test('an image brought for a service account is for its pods', async () => {
  const pulls: string[] = [];
  const run: RunPlugin = async (_file, _args, { input }) =>
    answer({ auth: { 'registry.example.com': { username: JSON.parse(input).serviceAccountToken } } });
  const node = await startTestNode({
    credentialProviders: { providers: read({ tokenAttributes }), directory: '/bin', run },
    simulate: {
      pull(_image, _sandbox, auth) {
        pulls.push(auth?.username || 'nobody');
        return {};
      },
    },
  });
  try {
    for (const { metadata } of accounts)
      await node.client.create(coreV1.serviceaccounts, { metadata: { ...metadata, namespace: 'default' } });
    const containers = [{ name: 'app', image: 'registry.example.com/app:1' }];
    const start = async (name: string, serviceAccountName: string) => {
      await node.createPod({ metadata: { name }, spec: { serviceAccountName, containers } });
      assert.equal((await node.getPod(name)).status?.phase, 'Running', (await node.events(name)).join('\n'));
      return pulls.length;
    };
    assert.deepEqual([await start('one', 'default'), await start('two', 'default')], [1, 1]);
    const metrics = await node.kubelet.metrics.own.text();
    assert.match(metrics, /^kubelet_credential_provider_plugin_duration_count\{plugin_name="plugin"\} 1$/m);
    assert.doesNotMatch(metrics, /^kubelet_credential_provider_plugin_errors_total\{/m);
    assert.deepEqual([await start('three', 'other'), await start('four', 'other')], [2, 2]);
    await node.restart();
    assert.deepEqual([await start('five', 'default'), await start('six', 'other')], [2, 2]);
  } finally {
    await node.stop();
  }
});

test('a configuration that is wrong is refused', () => {
  const cases: [object, RegExp][] = [
    [{ name: 'a/b' }, /^providers\[0\]\.name: Invalid value: "a\/b"/],
    [{ matchImages: [] }, /^providers\[0\]\.matchImages: Required value/],
    [{ defaultCacheDuration: undefined }, /^providers\[0\]\.defaultCacheDuration: Required value/],
    [{ apiVersion: 'v1' }, /^providers\[0\]\.apiVersion: Unsupported value: "v1"/],
    [{ tokenAttributes: {} }, /^providers\[0\]\.tokenAttributes\.serviceAccountTokenAudience: Required value$/],
    [{ tokenAttributes: { ...tokenAttributes, cacheType: 'Pod' } }, /cacheType: Unsupported value: "Pod"/],
    [
      { tokenAttributes: { ...tokenAttributes, requireServiceAccount: undefined } },
      /requireServiceAccount: Required value$/,
    ],
    [{ tokenAttributes: { ...tokenAttributes, requireServiceAccount: false } }, /AnnotationKeys: Forbidden/],
    [
      { tokenAttributes: { ...tokenAttributes, optionalServiceAccountAnnotationKeys: ['b'] } },
      /both required and optional$/,
    ],
    [{ tokenAttributes, apiVersion: `${version}beta1` }, /^providers\[0\]\.tokenAttributes: Forbidden: only with/],
  ];
  for (const [wrong, message] of cases) assert.throws(() => read(wrong), { message });
  assert.throws(() => read({}, {}), { message: 'providers[1].name: Duplicate value: "plugin"' });
  assert.throws(() => credentialProviders({ ...configuration({}), kind: 'Pod' }), /no kind "Pod" is registered/);
  assert.throws(() => credentialProviders(configuration()), /^Error: providers: Required value/);
});

test('a program is asked on its standard input, with its arguments and variables', async t => {
  const directory = mkdtempSync(join(tmpdir(), 'k8ts-credential-provider-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const script = '#!/bin/sh\nread asked\necho "$asked" | grep -q registry.example.com/a || exit 3\n';
  writeFileSync(join(directory, 'plugin'), `${script}echo "$ANSWER" | sed "s/NAME/$1/"\n`, { mode: 0o755 });
  writeFileSync(join(directory, 'broken'), '#!/bin/sh\necho no luck >&2\nexit 4\n', { mode: 0o755 });
  const env = [{ name: 'ANSWER', value: answer({ auth: { '*.example.com': { username: 'NAME' } } }) }];
  const providers = read({ args: ['me'], env }, { name: 'broken' });
  const told: string[] = [];
  const lines: string[] = [];
  const log = createLog('test', { level: 'info', clock: systemClock, write: line => void lines.push(line) });
  const all = new CredentialProviders({
    ...{ providers, directory, clock: systemClock, log, ...surroundings() },
    onAsked: (name, _, failed) => void told.push(`${name} ${failed}`),
  });
  assert.deepEqual(await all.credentials('registry.example.com/a:1', podOf('p')), [{ username: 'me', password: '' }]);
  assert.match(lines.join(''), /broken.*it ended with 4: no luck/s);
  assert.deepEqual(told.sort(), ['broken true', 'plugin false']);
});

test("credentials of plugins are tried after those of the pod, and are the whole node's", async () => {
  const pulls: string[] = [];
  const node = await startTestNode({
    credentialProviders: { providers: read({}), directory: '/bin', run: async () => answer() },
    simulate: {
      pull(_image, _sandbox, auth) {
        pulls.push(auth?.username || 'nobody');
        return {};
      },
    },
  });
  try {
    const containers = [{ name: 'app', image: 'registry.example.com/app:1' }];
    for (const name of ['one', 'two']) await node.createPod({ metadata: { name }, spec: { containers } });
    assert.equal((await node.getPod('two')).status?.phase, 'Running');
    assert.deepEqual(pulls, ['u']);
  } finally {
    await node.stop();
  }
});
