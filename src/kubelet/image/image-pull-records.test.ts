import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { cloneDeep } from '../../api/meta.ts';
import { coreV1 } from '../../api/refs.ts';
import { RuntimeError } from '../../cri/runtime-error.ts';
import { checkVerification, needsVerification, recordedName } from '../kernel/image-access.ts';
import { startTestNode, type TestNode, type TestNodeOptions } from '../test-node.ts';

const image = 'registry.example.com/team/private:1';
const other = 'registry.example.com/team/other:1';
const records = '/var/lib/kubelet/image_manager';
const present = `Pulled: Container image "${image}" already present on machine and can be accessed by the pod`;

/** A node beside a registry that gives `private` to those who know the password, and the rest to everybody. */
async function startNode(options: TestNodeOptions = {}) {
  const registry = { password: 'right', down: false, pulls: [] as string[] };
  const t = await startTestNode({
    ...options,
    simulate: {
      pull(wanted, _sandbox, auth) {
        registry.pulls.push(`${wanted.split('/').at(-1)} as ${auth?.username || 'nobody'}`);
        if (registry.down) return { error: new RuntimeError('PullImage', 'Unavailable', 'connection refused') };
        if (!wanted.includes('private') || auth?.password === registry.password) return {};
        return { error: new RuntimeError('PullImage', 'Unknown', '401 Unauthorized') };
      },
    },
  });
  return { ...t, t, registry };
}

const secretOf = (name: string, password: string) => ({
  metadata: { name, namespace: 'default' },
  type: 'kubernetes.io/dockerconfigjson',
  data: {
    '.dockerconfigjson': btoa(
      JSON.stringify({ auths: { 'registry.example.com': { auth: btoa(`user:${password}`) } } }),
    ),
  },
});

type Policy = 'Always' | 'IfNotPresent' | 'Never';

async function run(
  t: TestNode,
  name: string,
  secret?: string,
  imagePullPolicy: Policy = 'IfNotPresent',
  wanted = image,
) {
  const pull = secret ? { imagePullSecrets: [{ name: secret }] } : {};
  const containers = [{ name: 'app', image: wanted, imagePullPolicy }];
  await t.createPod({ metadata: { name }, spec: { ...pull, containers } });
  const { status } = await t.getPod(name);
  return status?.containerStatuses?.[0]?.state?.waiting?.reason ?? status?.phase;
}

test('an image that one pod has pulled with its secret is not given to pods without one', async () => {
  const { t, client, registry } = await startNode();
  try {
    await client.create(coreV1.secrets, secretOf('right', 'right'));
    await client.create(coreV1.secrets, secretOf('wrong', 'wrong'));
    assert.equal(await run(t, 'first', 'right'), 'Running');
    assert.equal(await run(t, 'none'), 'ErrImagePull');
    assert.equal(await run(t, 'other', 'wrong'), 'ErrImagePull');
    assert.equal(await run(t, 'never', 'wrong', 'Never'), 'ErrImageNeverPull');
    const said =
      'ErrImageNeverPull: Container image "registry.example.com/team/private:1" is not present with pull policy of Never';
    assert.ok((await t.events('never')).includes(said), (await t.events('never')).join('\n'));
    registry.pulls.length = 0;
    assert.equal(await run(t, 'again', 'right'), 'Running');
    assert.equal(await run(t, 'never-again', 'right', 'Never'), 'Running');
    assert.ok((await t.events('again')).includes(present));
    assert.deepEqual(registry.pulls, []);
  } finally {
    await t.stop();
  }
});

test('a secret with the same content counts, and so does the same secret with another', async () => {
  const { t, client, registry } = await startNode();
  try {
    const made = await client.create(coreV1.secrets, secretOf('one', 'right'));
    await client.create(coreV1.secrets, secretOf('two', 'right'));
    assert.equal(await run(t, 'first', 'one'), 'Running');
    registry.down = true;
    assert.equal(await run(t, 'second', 'two'), 'Running');
    await client.update(coreV1.secrets, { ...cloneDeep(made), data: secretOf('one', 'next').data });
    await t.pass(100);
    assert.equal(await run(t, 'third', 'one'), 'Running');
    // What the rotated secret holds now is known as well.
    await client.create(coreV1.secrets, secretOf('three', 'next'));
    assert.equal(await run(t, 'fourth', 'three'), 'Running');
    assert.deepEqual(registry.pulls, ['private:1 as user']);
  } finally {
    await t.stop();
  }
});

test('images that were there before, or were pulled without credentials, are for everybody', async () => {
  const { t, client, registry } = await startNode();
  try {
    await t.runtime.PullImage({ image: { image }, auth: { username: 'admin', password: 'right' } });
    registry.pulls.length = 0;
    assert.equal(await run(t, 'preloaded'), 'Running');
    assert.equal(await run(t, 'never', undefined, 'Never'), 'Running');
    await client.create(coreV1.secrets, secretOf('any', 'any'));
    assert.equal(await run(t, 'free', undefined, 'IfNotPresent', other), 'Running');
    assert.equal(await run(t, 'free-secret', 'any', 'Always', other), 'Running');
    assert.equal(await run(t, 'free-never', undefined, 'Never', other), 'Running');
    assert.deepEqual(registry.pulls, ['other:1 as nobody', 'other:1 as user']);
  } finally {
    await t.stop();
  }
});

test('who has pulled what is kept over restarts, in the form of a kubelet', async () => {
  const { t, client, host, registry } = await startNode();
  try {
    const { metadata } = await client.create(coreV1.secrets, secretOf('right', 'right'));
    assert.equal(await run(t, 'first', 'right'), 'Running');
    const [file, ...more] = await host.list(`${records}/pulled`);
    assert.deepEqual([more, await host.list(`${records}/pulling`)], [[], []]);
    const { lastUpdatedTime, ...record } = JSON.parse((await host.readFile(`${records}/pulled/${file}`))!);
    assert.equal(file, `sha256-${createHash('sha256').update(record.imageRef).digest('hex')}`);
    assert.match(lastUpdatedTime, /Z$/);
    const secrets = record.credentialMapping['registry.example.com/team/private'].kubernetesSecrets;
    assert.match(secrets[0].credentialHash, /^[0-9a-f]{64}$/);
    const { credentialHash } = secrets[0];
    assert.deepEqual(record, {
      kind: 'ImagePulledRecord',
      apiVersion: 'kubelet.config.k8s.io/v1beta1',
      imageRef: (await t.runtime.ImageStatus({ image: { image } })).image?.id,
      credentialMapping: {
        'registry.example.com/team/private': {
          kubernetesSecrets: [{ uid: metadata.uid, namespace: 'default', name: 'right', credentialHash }],
        },
      },
    });
    await t.restart();
    registry.down = true;
    assert.equal(await run(t, 'again', 'right'), 'Running');
    assert.equal(await run(t, 'none'), 'ErrImagePull');
    // What cannot be read belongs to nobody.
    await host.writeFile(`${records}/pulled/${file}`, '{"kind":');
    await t.restart();
    assert.equal(await run(t, 'unreadable', 'right'), 'ErrImagePull');
    registry.down = false;
    await t.pass(60_000);
    assert.equal((await t.getPod('unreadable')).status?.phase, 'Running');
  } finally {
    await t.stop();
  }
});

test('what a pull brought that the kubelet did not live to see must be proven', async () => {
  const { t, host, client, registry } = await startNode();
  try {
    await client.create(coreV1.secrets, secretOf('right', 'right'));
    await t.runtime.PullImage({ image: { image }, auth: { username: 'user', password: 'right' } });
    await host.makeDirectory(`${records}/pulling`);
    const intent = { kind: 'ImagePullIntent', apiVersion: 'kubelet.config.k8s.io/v1beta1', image };
    await host.writeFile(`${records}/pulling/sha256-x`, JSON.stringify(intent));
    await t.restart();
    assert.deepEqual(await host.list(`${records}/pulling`), []);
    assert.equal(await run(t, 'none'), 'ErrImagePull');
    registry.pulls.length = 0;
    assert.equal(await run(t, 'first', 'right'), 'Running');
    assert.deepEqual(registry.pulls, ['private:1 as user']);
  } finally {
    await t.stop();
  }
});

test('records go with their images', async () => {
  const { t, client, host } = await startNode();
  try {
    await client.create(coreV1.secrets, secretOf('right', 'right'));
    assert.equal(await run(t, 'first', 'right'), 'Running');
    await t.deletePod('first', 0);
    await t.runtime.RemoveImage({ image: { image } });
    assert.equal((await host.list(`${records}/pulled`)).length, 1);
    await t.pass(600_000);
    assert.deepEqual(await host.list(`${records}/pulled`), []);
  } finally {
    await t.stop();
  }
});

test('with AlwaysVerify an image that was there before is pulled once, with NeverVerify none is', async () => {
  const preloaded = async (policy: 'AlwaysVerify' | 'NeverVerify') => {
    const { t, client, registry } = await startNode({ imagePullCredentialsVerificationPolicy: policy });
    try {
      await client.create(coreV1.secrets, secretOf('right', 'right'));
      await t.runtime.PullImage({ image: { image }, auth: { username: 'admin', password: 'right' } });
      registry.pulls.length = 0;
      const ends = [await run(t, 'none'), await run(t, 'first', 'right'), await run(t, 'second', 'right')];
      return [ends, registry.pulls];
    } finally {
      await t.stop();
    }
  };
  assert.deepEqual(await preloaded('AlwaysVerify'), [
    ['ErrImagePull', 'Running', 'Running'],
    ['private:1 as nobody', 'private:1 as user'],
  ]);
  assert.deepEqual(await preloaded('NeverVerify'), [['Running', 'Running', 'Running'], []]);
});

test('an allowlist names images, or what they begin with', () => {
  const list = ['example.com/org/app', 'example.com/public/*', 'host:5000/*'];
  checkVerification('NeverVerifyAllowlistedImages', list);
  const needs = (wanted: string, byKubelet = false) =>
    needsVerification('NeverVerifyAllowlistedImages', list, recordedName(wanted), byKubelet);
  for (const free of ['example.com/org/app:1', 'example.com/public/a/b', 'host:5000/x'])
    assert.equal(needs(free), false, free);
  for (const guarded of ['example.com/org/app2', 'example.com/public', 'example.com/publicity/a', 'host/x'])
    assert.equal(needs(guarded), true, guarded);
  assert.equal(needs('example.com/org/app', true), true);
  for (const bad of ['example.com/a:1', 'example.com/*/a', `a@sha256:${'0'.repeat(64)}`, '*', ''])
    assert.throws(() => checkVerification('NeverVerifyAllowlistedImages', [bad]), /invalid image pattern/, bad);
  assert.throws(() => checkVerification('AlwaysVerify', list), /only with the policy/);
  assert.throws(() => checkVerification('Sometimes', []), /unknown policy "Sometimes"/);
});
