import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { systemClock, VirtualClock } from '../../base/clock.ts';
import { createLog, silentLog } from '../../base/log.ts';
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

/** Plugins whose questions are counted, and which answer as told. */
function plugins(providers: readonly CredentialProvider[], say: (file: string, image: string) => string) {
  const clock = new VirtualClock();
  const asked: string[] = [];
  const run: RunPlugin = async (file, args, { input }) => {
    const { kind, apiVersion, image } = JSON.parse(input);
    assert.deepEqual([kind, apiVersion], ['CredentialProviderRequest', version]);
    asked.push([file, ...args, image].join(' '));
    return say(file, image);
  };
  const all = new CredentialProviders({ providers, directory: '/bin', run, clock, log: silentLog });
  const users = async (image: string) => (await all.credentials(image)).map(c => c.username);
  return { clock, asked, users };
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

test('a configuration that is wrong is refused', () => {
  const cases: [object, RegExp][] = [
    [{ name: 'a/b' }, /^providers\[0\]\.name: Invalid value: "a\/b"/],
    [{ matchImages: [] }, /^providers\[0\]\.matchImages: Required value/],
    [{ defaultCacheDuration: undefined }, /^providers\[0\]\.defaultCacheDuration: Required value/],
    [{ apiVersion: 'v1' }, /^providers\[0\]\.apiVersion: Unsupported value: "v1"/],
    [{ tokenAttributes: {} }, /unknown field "tokenAttributes"/],
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
  const lines: string[] = [];
  const log = createLog('test', { level: 'info', clock: systemClock, write: line => void lines.push(line) });
  const all = new CredentialProviders({ providers, directory, clock: systemClock, log });
  assert.deepEqual(await all.credentials('registry.example.com/a:1'), [{ username: 'me', password: '' }]);
  assert.match(lines.join(''), /broken.*it ended with 4: no luck/s);
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
