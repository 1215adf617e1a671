// The official suite's tests of the node's kinds that need no container of their own, on simulated nodes and virtual time.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coordinationV1, coreV1, nodeV1 } from '../api/refs.ts';
import { isNotFound } from '../api/status.ts';
import { conformanceBench } from './test-conformance.ts';

type Any = any;

const { client, until, namespace, get, remove, patch, gone } = conformanceBench('n', 21);
const refused = (code: number, pattern: RegExp) => (error: Any) => {
  assert.equal(error.code, code, error.message);
  assert.match(error.message, pattern);
  return true;
};
const strategic = (ref: Any, namespace: string, name: string, body: object): Promise<Any> =>
  client.patch(ref, { namespace, name }, { type: 'strategic', body });

/** Types of events of one kind's labelled objects, from now on. */
async function watching(ref: Any, namespace: string, labelSelector: string) {
  const { metadata } = await client.list(ref, { namespace, labelSelector });
  const seen: string[] = [];
  const { stop } = client.watch(
    ref,
    { namespace, labelSelector, resourceVersion: metadata.resourceVersion },
    { onEvent: (type: string) => seen.push(type), onClose: () => {} },
  );
  return { seen, stop };
}

for (const [title, ref] of [
  ['[sig-node] ConfigMap should fail to create ConfigMap with empty key', coreV1.configmaps],
  ['[sig-node] Secrets should fail to create secret due to empty secret key', coreV1.secrets],
] as const)
  test(title, async () => {
    const data = { '': 'dmFsdWUtMQ==' };
    const made = client.create(ref, { metadata: { namespace: await namespace(), name: 'empty' }, data });
    await assert.rejects(made, refused(422, /data\[\]: Invalid value: ""/));
  });

for (const [title, ref, before, after] of [
  ['[sig-node] ConfigMap should run through a ConfigMap lifecycle', coreV1.configmaps, 'valueName', 'patched value'],
  ['[sig-node] Secrets should patch a secret', coreV1.secrets, 'dmFsdWU=', 'dmFsdWUx'],
] as const)
  test(title, async () => {
    const ns = await namespace();
    const label = `static-${ref.resource}=true`;
    const { seen, stop } = await watching(ref, ns, label);
    const labels = { [`static-${ref.resource}`]: 'true' };
    await client.create(ref, { metadata: { namespace: ns, name: 'one', labels }, data: { key: before } });
    await until(() => seen.length === 1);
    const everywhere = async () => (await client.list(ref, { labelSelector: label })).items;
    assert.deepEqual(
      (await everywhere()).map((o: Any) => [o.metadata.namespace, o.metadata.name]),
      [[ns, 'one']],
    );
    await strategic(ref, ns, 'one', { metadata: { labels: { test: 'patched' } }, data: { key: after } });
    const read = await get(ref, ns, 'one');
    assert.deepEqual([read.data, read.metadata.labels.test], [{ key: after }, 'patched']);
    assert.equal((await client.list(ref, { namespace: ns, labelSelector: `${label},test=patched` })).items.length, 1);
    await client.deleteCollection(ref, { namespace: ns, labelSelector: label });
    await until(() => seen.length === 3);
    assert.deepEqual(seen, ['ADDED', 'MODIFIED', 'DELETED']);
    assert.deepEqual(await everywhere(), []);
    stop();
  });

test('[sig-node] ConfigMap should update ConfigMap successfully [NodeConformance]', async () => {
  const ns = await namespace();
  const made = await client.create(coreV1.configmaps, {
    metadata: { namespace: ns, name: 'one' },
    data: { 'data-1': 'a' },
  });
  const data = { data: 'value' };
  const updated = await client.update(coreV1.configmaps, { ...made, data });
  assert.deepEqual([updated.data, (await get(coreV1.configmaps, ns, 'one')).data], [data, data]);
});

test('[sig-node] Lease lease API should be available', async () => {
  const ns = await namespace();
  const ref = coordinationV1.leases;
  // The suite counts seconds from the first year there is.
  const at = (seconds: number) =>
    `0001-01-01T00:0${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}.000000Z`;
  const held = (
    holderIdentity: string,
    seconds: number,
    acquired: number,
    renewed: number,
    leaseTransitions: number,
  ) => ({
    holderIdentity,
    leaseDurationSeconds: seconds,
    acquireTime: at(acquired),
    renewTime: at(renewed),
    leaseTransitions,
  });
  const first = held('holder', 30, 2, 5, 0);
  await client.create(ref, { metadata: { namespace: ns, name: 'lease' }, spec: first });
  const created = await get(ref, ns, 'lease');
  assert.deepEqual(created.spec, first);
  const second = held('holder2', 100, 50, 70, 1);
  await client.update(ref, { ...created, spec: second });
  assert.deepEqual((await get(ref, ns, 'lease')).spec, second);
  const third = held('holder3', 60, 50, 70, 2);
  await strategic(ref, ns, 'lease', {
    spec: { holderIdentity: 'holder3', leaseDurationSeconds: 60, leaseTransitions: 2 },
  });
  assert.deepEqual((await get(ref, ns, 'lease')).spec, third);
  const labels = { deletecollection: 'true' };
  await client.create(ref, { metadata: { namespace: ns, name: 'other', labels }, spec: first });
  const count = async () => (await client.list(ref, { namespace: ns })).items.length;
  assert.equal(await count(), 2);
  await client.deleteCollection(ref, { namespace: ns, labelSelector: 'deletecollection=true' });
  assert.equal(await count(), 1);
  await remove(ref, ns, 'lease');
  await assert.rejects(get(ref, ns, 'lease'), isNotFound);
});

const template = { metadata: { labels: { app: 'a' } }, spec: { containers: [{ name: 'c', image: 'i' }] } };

test('[sig-node] PodTemplates should delete a collection of pod templates', async () => {
  const ns = await namespace();
  const labels = { 'podtemplate-set': 'true' };
  for (const name of ['test-podtemplate-1', 'test-podtemplate-2', 'test-podtemplate-3'])
    await client.create(coreV1.podtemplates, { metadata: { namespace: ns, name, labels }, template });
  const list = async () =>
    (await client.list(coreV1.podtemplates, { namespace: ns, labelSelector: 'podtemplate-set=true' })).items;
  assert.equal((await list()).length, 3);
  await client.deleteCollection(coreV1.podtemplates, { namespace: ns, labelSelector: 'podtemplate-set=true' });
  assert.equal((await list()).length, 0);
});

test('[sig-node] PodTemplates should replace a pod template', async () => {
  const ns = await namespace();
  const made = await client.create(coreV1.podtemplates, {
    metadata: { namespace: ns, name: 't', labels: { 'podtemplate-set': 'true' } },
    template,
  });
  const annotations = { updated: 'true' };
  const updated = await client.update(coreV1.podtemplates, { ...made, metadata: { ...made.metadata, annotations } });
  assert.deepEqual(updated.metadata.annotations, annotations);
});

// ---- runtime classes ----

const classOf = (ns: string, handler: string, more: object = {}) =>
  client.create(nodeV1.runtimeclasses, { metadata: { name: `${ns}-${handler}` }, handler, ...more });
const podOf = (ns: string, name: string, spec: object = {}, more: object = {}) =>
  client.create(coreV1.pods, {
    metadata: { namespace: ns, name, ...more },
    spec: { containers: [{ name: 'c', image: 'registry.example/web:1' }], terminationGracePeriodSeconds: 1, ...spec },
  });

test('[sig-node] RuntimeClass should reject a Pod requesting a non-existent RuntimeClass [NodeConformance]', async () => {
  const ns = await namespace();
  const made = podOf(ns, 'p', { runtimeClassName: `${ns}-nonexistent` });
  await assert.rejects(made, refused(403, /pod rejected: RuntimeClass "n\d+-nonexistent" not found/));
});

test('[sig-node] RuntimeClass should reject a Pod requesting a deleted RuntimeClass [NodeConformance]', async () => {
  const ns = await namespace();
  const { metadata } = await classOf(ns, 'delete-me');
  await client.delete(nodeV1.runtimeclasses, { name: metadata.name });
  await until(async () => gone(client.get(nodeV1.runtimeclasses, { name: metadata.name })));
  await assert.rejects(podOf(ns, 'p', { runtimeClassName: metadata.name }), refused(403, /not found/));
});

for (const [title, overhead] of [
  [
    '[sig-node] RuntimeClass should schedule a Pod requesting a RuntimeClass without PodOverhead [NodeConformance]',
    undefined,
  ],
  [
    '[sig-node] RuntimeClass should schedule a Pod requesting a RuntimeClass and initialize its Overhead [NodeConformance]',
    { cpu: '10m', memory: '1Mi' },
  ],
] as const)
  test(title, async () => {
    const ns = await namespace();
    const { metadata } = await classOf(ns, 'test-handler', overhead && { overhead: { podFixed: overhead } });
    const made = await podOf(ns, 'p', { runtimeClassName: metadata.name });
    assert.deepEqual(made.spec.overhead, overhead);
    await until(async () => (await get(coreV1.pods, ns, 'p')).spec.nodeName);
    assert.deepEqual((await get(coreV1.pods, ns, 'p')).spec.overhead, overhead);
    // The class may go once its pods are admitted; its label is on it still.
    await client.delete(nodeV1.runtimeclasses, { name: metadata.name });
  });

// ---- pods: class and generation ----

test('[sig-node] Pods Extended Pods Set QOS Class should be set on Pods with matching resource requests and limits for memory and cpu', async () => {
  const ns = await namespace();
  const amount = { cpu: '100m', memory: '100Mi' };
  const resources = { requests: amount, limits: amount };
  await podOf(ns, 'p', { containers: [{ name: 'c', image: 'i', resources }] }, { labels: { name: 'foo' } });
  assert.equal((await get(coreV1.pods, ns, 'p')).status.qosClass, 'Guaranteed');
});

const observed = (ns: string, name: string) => async () => {
  const { metadata, status } = await get(coreV1.pods, ns, name);
  return status.observedGeneration === metadata.generation;
};

test('[sig-node] Pods Extended (pod generation) Pod Generation pod generation should start at 1 and increment per update [MinimumKubeletVersion:1.34]', async () => {
  const ns = await namespace();
  const pods = coreV1.pods;
  const made = await podOf(
    ns,
    'p',
    {
      initContainers: [{ name: 'init', image: 'registry.example/web:1' }],
      containers: [{ name: 'c', image: 'registry.example/web:1', resources: { requests: { cpu: '10m' } } }],
    },
    { annotations: { 'k8ts.local/simulate': '{}' } },
  );
  assert.equal(made.metadata.generation, 1);
  const container = (more: object) => ({ spec: { containers: [{ name: 'c', ...more }] } });
  const sub = (subresource: string, body: object) => () =>
    client.patch(pods, { namespace: ns, name: 'p' }, { type: 'strategic', body }, { subresource });
  const change = (body: object) => () => strategic(pods, ns, 'p', body);
  const tolerations = [{ key: 'k', operator: 'Equal', value: 'v', effect: 'NoExecute', tolerationSeconds: 5 }];
  let wanted = 1;
  for (const [what, act, more] of [
    ['nothing', change({}), 0],
    ['an annotation', change({ metadata: { annotations: { a: 'b' } } }), 0],
    ['a label', change({ metadata: { labels: { a: 'b' } } }), 0],
    ['its status', sub('status', { status: { message: 'm' } }), 0],
    [
      'a toleration',
      async () =>
        patch(pods, ns, 'p', {
          spec: { tolerations: [...(await get(pods, ns, 'p')).spec.tolerations, ...tolerations] },
        }),
      1,
    ],
    ['the deadline', change({ spec: { activeDeadlineSeconds: 3600 } }), 1],
    ['the image', change(container({ image: 'registry.example/web:2' })), 1],
    ['an init image', change({ spec: { initContainers: [{ name: 'init', image: 'registry.example/web:2' }] } }), 1],
    ['the resources', sub('resize', container({ resources: { requests: { cpu: '20m' } } })), 1],
    [
      'an ephemeral container',
      sub('ephemeralcontainers', { spec: { ephemeralContainers: [{ name: 'e', image: 'registry.example/web:1' }] } }),
      1,
    ],
    ['a finalizer', change({ metadata: { finalizers: ['example.com/f'] } }), 0],
    ['none', change({ metadata: { finalizers: null } }), 0],
  ] as const) {
    await act();
    wanted += more;
    assert.equal((await get(pods, ns, 'p')).metadata.generation, wanted, what);
    await until(observed(ns, 'p'));
  }
});

test('[sig-node] Pods Extended (pod generation) Pod Generation custom-set generation on new pods and graceful delete', async () => {
  const ns = await namespace();
  const made = await podOf(
    ns,
    'p',
    { terminationGracePeriodSeconds: 30 },
    { generation: 100, finalizers: ['example.com/keep'] },
  );
  assert.equal(made.metadata.generation, 1);
  await until(async () => (await get(coreV1.pods, ns, 'p')).status.phase === 'Running');
  await remove(coreV1.pods, ns, 'p');
  const ending = await get(coreV1.pods, ns, 'p');
  assert.ok(ending.metadata.deletionTimestamp);
  assert.equal(ending.metadata.generation, 2);
  await until(observed(ns, 'p'));
  await patch(coreV1.pods, ns, 'p', { metadata: { finalizers: null } });
  await until(async () => gone(get(coreV1.pods, ns, 'p')));
});

test('[sig-node] Pods Extended (pod generation) Pod Generation issue 500 podspec updates and verify generation and observedGeneration eventually converge [MinimumKubeletVersion:1.34]', async () => {
  const ns = await namespace();
  let pod = await podOf(ns, 'p');
  await until(async () => (await get(coreV1.pods, ns, 'p')).status.phase === 'Running');
  for (let i = 0; i < 500; i++) {
    const toleration = { key: 'k', operator: 'Equal', value: String(i), effect: 'NoExecute', tolerationSeconds: 5 };
    const tolerations = [...pod.spec.tolerations, toleration];
    pod = await patch(coreV1.pods, ns, 'p', { spec: { tolerations } });
  }
  assert.equal(pod.metadata.generation, 501);
  await until(observed(ns, 'p'), '30s');
  assert.equal((await get(coreV1.pods, ns, 'p')).status.observedGeneration, 501);
});
