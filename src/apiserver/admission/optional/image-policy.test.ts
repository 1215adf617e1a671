import assert from 'node:assert/strict';
import { test } from 'node:test';
import { builtinResources } from '../../../api/resource.ts';
import { VirtualClock } from '../../../base/clock.ts';
import type { AdmissionAttributes } from '../admission.ts';
import { type ImagePolicy, imagePolicyWebhook, readImagePolicy } from './image-policy.ts';

const pods = builtinResources().byId('/v1/pods')!;
const usual: ImagePolicy = { kubeConfigFile: '/k', allowMs: 10_000, denyMs: 1000, retryMs: 500, defaultAllow: false };

function reviewed(policy: Partial<ImagePolicy>, answer: () => unknown) {
  const clock = new VirtualClock();
  const asked: { spec: object }[] = [];
  const post = async (body: unknown) => {
    asked.push(body as { spec: object });
    return answer();
  };
  const plugin = imagePolicyWebhook({ policy: { ...usual, ...policy }, post, clock });
  const admit = async (object: object, subresource = '') => {
    const audit: Record<string, string> = {};
    const attributes = {
      operation: 'CREATE',
      resource: pods,
      subresource,
      namespace: 'ns',
      name: 'p',
      object,
      annotate: (key: string, value: string) => {
        audit[key] = value;
      },
    } as unknown as AdmissionAttributes;
    assert.ok(plugin.handles(attributes));
    const refused = await Promise.resolve(plugin.validate!(attributes)).then(
      () => '',
      error => String(error.message),
    );
    return { refused, audit };
  };
  return { clock, asked, admit };
}

const pod = () => ({
  metadata: { annotations: { 'mine.image-policy.k8s.io/ticket': '7', other: 'x' } as Record<string, string> },
  spec: {
    containers: [{ name: 'c', image: 'app:1' }],
    initContainers: [{ name: 'i', image: 'init:1' }],
    ephemeralContainers: [{ name: 'e', image: 'debug:1' }],
  },
});

test('the server is told images, what annotations say to it, and the namespace', async () => {
  const { asked, admit } = reviewed({}, () => ({ status: { allowed: true, auditAnnotations: { who: 'me' } } }));
  const { refused, audit } = await admit(pod());
  assert.equal(refused, '');
  assert.deepEqual(audit, { 'imagepolicywebhook.image-policy.k8s.io/who': 'me' });
  assert.deepEqual(asked, [
    {
      kind: 'ImageReview',
      apiVersion: 'imagepolicy.k8s.io/v1alpha1',
      metadata: {},
      spec: {
        containers: [{ image: 'app:1' }, { image: 'init:1' }],
        annotations: { 'mine.image-policy.k8s.io/ticket': '7' },
        namespace: 'ns',
      },
      status: { allowed: false },
    },
  ]);
  await admit(pod(), 'ephemeralcontainers');
  assert.deepEqual((asked[1]!.spec as { containers: object }).containers, [{ image: 'debug:1' }]);
});

test('answers are believed for as long as they are told to be', async () => {
  let status: object = { allowed: true };
  const { clock, asked, admit } = reviewed({}, () => ({ status }));
  await admit(pod());
  await clock.advance(9999);
  await admit(pod());
  assert.equal(asked.length, 1);
  await clock.advance(1);
  status = { allowed: false, reason: 'no ticket' };
  const why = 'pods "p" is forbidden: image policy webhook backend denied one or more images: no ticket';
  assert.equal((await admit(pod())).refused, why);
  await clock.advance(999);
  assert.equal((await admit(pod())).refused, why);
  assert.equal(asked.length, 2);
  await clock.advance(1);
  status = {};
  assert.equal((await admit(pod())).refused, 'pods "p" is forbidden: one or more images rejected by webhook backend');
  assert.equal(asked.length, 3);
});

test('a server that cannot be asked denies, or is passed over with a word', async () => {
  const down = () => {
    throw new Error('Post "https://x": dial tcp: no');
  };
  assert.equal(
    (await reviewed({}, down).admit(pod())).refused,
    'pods "p" is forbidden: Post "https://x": dial tcp: no',
  );
  const object = pod();
  const { refused, audit } = await reviewed({ defaultAllow: true }, down).admit(object);
  assert.equal(refused, '');
  assert.equal(object.metadata.annotations['alpha.image-policy.k8s.io/failed-open'], 'true');
  assert.deepEqual(audit, { 'imagepolicywebhook.image-policy.k8s.io/failed-open': 'true' });
});

test('the configuration is checked', () => {
  const read = (rest: string) => readImagePolicy(`imagePolicy: {kubeConfigFile: /k, ${rest}}`);
  assert.deepEqual(read('allowTTL: 50, denyTTL: -1, retryBackoff: 20, defaultAllow: true'), {
    kubeConfigFile: '/k',
    allowMs: 50_000,
    denyMs: 0,
    retryMs: 20,
    defaultAllow: true,
  });
  assert.deepEqual(read('allowTTL: 0'), { ...usual, allowMs: 300_000, denyMs: 30_000 });
  assert.throws(() => read('allowTTL: 1801'), /valid value is between 1s and 30m0s, got 30m1s/);
  assert.throws(() => read('retryBackoff: 300001'), /valid value is between 1ms and 5m0s, got 5m0.001s/);
  assert.throws(() => read('ttl: 1'), /unknown field "imagePolicy.ttl"/);
  assert.throws(() => readImagePolicy('{}'), /imagePolicy.kubeConfigFile: Required value/);
});

test('an answer that is no review of images allows nothing', async () => {
  const refusals: readonly [answer: unknown, why: string][] = [
    [
      { status: { allowed: 'false' } },
      'json: cannot unmarshal string into Go struct field ImageReviewStatus.status.allowed of type bool',
    ],
    [
      { kind: 'TokenReview', apiVersion: 'authentication.k8s.io/v1', status: { allowed: true } },
      'converting (v1.TokenReview) to (v1alpha1.ImageReview): unknown conversion',
    ],
    [[], "couldn't get version/kind; json parse error: json: cannot unmarshal array"],
  ];
  for (const [answer, why] of refusals) {
    const { refused } = await reviewed({}, () => answer).admit(pod());
    assert.ok(refused.includes(why), refused);
  }
});
