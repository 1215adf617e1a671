// The official suite's tests of admission webhooks, with webhooks that answer as its test image does.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { systemClock } from '../base/clock.ts';
import { jsonPatch, mergePatch, strategicPatch } from './test-caller.ts';
import { configurations, hook, rule, startWebhookBench, type WebhookBench } from './test-webhooks.ts';

let bench: WebhookBench;
before(async () => {
  bench = await startWebhookBench({ delay: () => systemClock.sleep(1_200) });
});
after(() => bench.stop());

const core = (ns: string, resource: string, name = '') => `/api/v1/namespaces/${ns}/${resource}${name && `/${name}`}`;
const create = (code: number, ns: string, resource: string, object: object) =>
  bench.api.expect(code, 'POST', core(ns, resource), object);
const disallowed = { 'webhook-e2e-test': 'webhook-disallow' };
const denial = (name: string, why: string) => `admission webhook "${name}" denied the request: ${why}`;
const container = (name = 'c') => ({ name, image: 'registry.example/pause:3' });
const mapDenier = 'deny-unwanted-configmap-data.k8s.io';
const unwanted = denial(mapDenier, 'the configmap contains unwanted key and value');
const denyMaps = (ns: string, operations = ['CREATE', 'UPDATE', 'DELETE']) =>
  hook(ns, mapDenier, '/configmaps', [rule('configmaps', operations)]);
const stage = (ns: string, n: number, more: object = {}) =>
  hook(ns, `adding-configmap-data-stage-${n}.k8s.io`, '/mutating-configmaps', [rule('configmaps')], more);

const kinds = ['validating', 'mutating'] as const;

describe('admission webhooks', { concurrency: true }, () => {
  test('[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should include webhook resources in discovery documents', async () => {
    const { api } = bench;
    const version = { groupVersion: 'admissionregistration.k8s.io/v1', version: 'v1' };
    const { groups } = await api.expect(200, 'GET', '/apis');
    const listed = groups.find((g: { name: string }) => g.name === 'admissionregistration.k8s.io');
    const alone = await api.expect(200, 'GET', '/apis/admissionregistration.k8s.io');
    for (const { versions } of [listed, alone]) assert.deepEqual(versions[0], version);
    const { resources } = await api.expect(200, 'GET', '/apis/admissionregistration.k8s.io/v1');
    for (const kind of kinds)
      assert.ok(resources.some((r: { name: string }) => r.name === `${kind}webhookconfigurations`));
  });

  test('[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should be able to deny pod and configmap creation', async () => {
    const { api } = bench;
    const ns = await bench.namespace();
    const podDenier = 'deny-unwanted-pod-container-name-and-label.k8s.io';
    // Only the one that hangs has little time, so that a slow machine spoils no answer.
    const patient = { objectSelector: { matchExpressions: [{ key: 'hang', operator: 'DoesNotExist' }] } };
    const hasty = { objectSelector: { matchLabels: { hang: 'yes' } }, timeoutSeconds: 1 };
    await bench.configure('validating', ns, [
      hook(ns, podDenier, '/pods', [rule('pods')], patient),
      hook(ns, `hanging.${podDenier}`, '/pods', [rule('pods')], hasty),
      denyMaps(ns),
    ]);
    const bad = { metadata: { name: 'p', labels: disallowed }, spec: { containers: [container('webhook-disallow')] } };
    assert.equal(
      (await create(400, ns, 'pods', bad)).message,
      denial(podDenier, 'the pod contains unwanted container name; the pod contains unwanted label'),
    );
    const hung = { name: 'hung', labels: { hang: 'yes' } };
    const hanging = { metadata: hung, spec: { containers: [container('wait-forever')] } };
    const { message, reason } = await create(500, ns, 'pods', hanging);
    assert.equal(reason, 'InternalError');
    assert.match(message, /^Internal error occurred: failed calling webhook .*: context deadline exceeded/);
    await api.expect(404, 'GET', core(ns, 'pods', 'hung'));
    const map = { metadata: { name: 'm' }, data: disallowed };
    assert.equal((await create(400, ns, 'configmaps', map)).message, unwanted);
    await api.expect(404, 'GET', core(ns, 'configmaps', 'm'));
    const path = core(ns, 'configmaps', 'fine');
    const fine = await create(201, ns, 'configmaps', {
      metadata: { name: 'fine' },
      data: { 'webhook-e2e-test': 'webhook-allow' },
    });
    assert.equal((await api.expect(400, 'PUT', path, { ...fine, data: disallowed })).message, unwanted);
    const patch = { data: disallowed };
    for (const form of [strategicPatch, mergePatch])
      assert.equal((await api.expect(400, 'PATCH', path, patch, form)).message, unwanted);
    await api.expect(201, 'POST', '/api/v1/namespaces', {
      metadata: { name: `${ns}-exempted`, labels: { 'skip-webhook-admission': 'yes' } },
    });
    await create(201, `${ns}-exempted`, 'configmaps', map);
  });

  test('[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should be able to deny attaching pod', async () => {
    const { api } = bench;
    const ns = await bench.namespace();
    const name = 'deny-attaching-pod.k8s.io';
    await bench.configure('validating', ns, [hook(ns, name, '/pods/attach', [rule('pods/attach', ['CONNECT'])])]);
    const spec = { containers: [container('container1')], nodeName: 'n' };
    await create(201, ns, 'pods', { metadata: { name: 'to-be-attached-pod' }, spec });
    const why = denial(name, "attaching to pod 'to-be-attached-pod' is not allowed");
    const path = `${core(ns, 'pods', 'to-be-attached-pod')}/attach?container=container1&stdin=true&stdout=true`;
    const spdy = { connection: 'Upgrade', upgrade: 'SPDY/3.1', 'x-stream-protocol-version': 'v4.channel.k8s.io' };
    const webSocket = {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
      'sec-websocket-version': '13',
      'sec-websocket-protocol': 'v5.channel.k8s.io',
    };
    assert.equal((await api.expect(400, 'POST', path, undefined, spdy)).message, why);
    assert.equal((await api.expect(400, 'GET', path, undefined, webSocket)).message, why);
  });

  test('[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should unconditionally reject operations on fail closed webhook', async () => {
    const ns = await bench.namespace();
    const open = hook(ns, 'fail-closed.k8s.io', '/configmaps', [rule('configmaps')], { failurePolicy: 'Fail' });
    // An authority that did not sign the webhook's certificate.
    const { caBundle: _, ...clientConfig } = open.clientConfig;
    await bench.configure('validating', ns, [{ ...open, clientConfig }]);
    const { reason, message } = await create(500, ns, 'configmaps', { metadata: { name: 'foo' } });
    assert.equal(reason, 'InternalError');
    assert.match(message, /failed calling webhook "fail-closed.k8s.io": failed to call webhook: Post/);
    assert.match(message, /x509: certificate signed by unknown authority$/);
  });

  test('[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should mutate configmap', async () => {
    const ns = await bench.namespace();
    await bench.configure('mutating', ns, [stage(ns, 1), stage(ns, 2)]);
    const map = { metadata: { name: 'to-be-mutated' }, data: { 'mutation-start': 'yes' } };
    const { data } = await create(201, ns, 'configmaps', map);
    assert.deepEqual(data, { 'mutation-start': 'yes', 'mutation-stage-1': 'yes', 'mutation-stage-2': 'yes' });
  });

  test('[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should mutate pod and apply defaults after mutation', async () => {
    const ns = await bench.namespace();
    await bench.configure('mutating', ns, [hook(ns, 'adding-init-container.k8s.io', '/mutating-pods', [rule('pods')])]);
    const pod = { metadata: { name: 'webhook-to-be-mutated' }, spec: { containers: [container('example')] } };
    const { initContainers } = (await create(201, ns, 'pods', pod)).spec;
    assert.equal(initContainers.length, 1);
    const [{ name, terminationMessagePolicy, terminationMessagePath, imagePullPolicy }] = initContainers;
    assert.deepEqual(
      [name, terminationMessagePolicy, terminationMessagePath, imagePullPolicy],
      ['webhook-added-init-container', 'File', '/dev/termination-log', 'IfNotPresent'],
    );
  });

  test('[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should not be able to mutate or prevent deletion of webhook configuration objects', async () => {
    const { api } = bench;
    const ns = await bench.namespace();
    const resources = kinds.map(kind => `${kind}webhookconfigurations`);
    const all = (operation: string) => ({ ...rule('', [operation], 'admissionregistration.k8s.io', '*'), resources });
    // Labels keep the other tests' configurations out of reach; the selector of namespaces never concerns the cluster's.
    const objectSelector = { matchLabels: { [ns]: 'true' } };
    const more = { objectSelector, namespaceSelector: {}, failurePolicy: 'Fail' };
    const deny = hook(ns, 'deny-deletions.k8s.io', '/always-deny', [all('DELETE')], more);
    const label = hook(ns, 'add-label.k8s.io', '/add-label', [all('CREATE')], more);
    await bench.configure('validating', ns, [deny]);
    await bench.configure('mutating', ns, [label]);
    const dummy = hook(ns, 'dummy.k8s.io', '/invalid', [rule('invalid', ['CREATE'], 'invalid.example.com')]);
    for (const kind of kinds) {
      const metadata = { name: `${ns}-dummy-${kind}`, labels: { [ns]: 'true' } };
      const made = await api.expect(201, 'POST', configurations(kind), { metadata, webhooks: [dummy] });
      assert.deepEqual(made.metadata.labels, { [ns]: 'true' });
      await api.expect(200, 'DELETE', `${configurations(kind)}/${metadata.name}`);
    }
  });

  test('[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should honor timeout', async () => {
    const slow = async (timeoutSeconds: number | undefined, failurePolicy: string, code: number) => {
      const ns = await bench.namespace();
      const more = { ...(timeoutSeconds ? { timeoutSeconds } : {}), failurePolicy };
      const name = 'allow-configmap-with-delay-webhook.k8s.io';
      const slow = hook(ns, name, '/always-allow-delay-5s', [rule('configmaps')], more);
      const made = await bench.configure('validating', ns, [slow]);
      assert.equal(made.webhooks[0].timeoutSeconds, timeoutSeconds ?? 10);
      return create(code, ns, 'configmaps', { metadata: { name: 'e2e-test-slow-webhook-configmap' } });
    };
    const [early] = await Promise.all([
      slow(1, 'Fail', 500),
      slow(1, 'Ignore', 201),
      slow(10, 'Fail', 201),
      slow(undefined, 'Fail', 201),
    ]);
    assert.match(early.message, /\/always-allow-delay-5s\?timeout=1s": context deadline exceeded/);
  });

  // [sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] patching/updating a validating webhook should work
  // [sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] patching/updating a mutating webhook should work
  for (const kind of kinds)
    test(`patching and updating a ${kind} webhook`, async () => {
      const { api } = bench;
      const ns = await bench.namespace();
      const first = kind === 'validating' ? denyMaps(ns, ['CREATE']) : stage(ns, 1);
      const made = await bench.configure(kind, ns, [first]);
      let count = 0;
      const effective = async () => {
        const data = { ...disallowed, 'mutation-start': 'yes' };
        const { code, object } = await api.send('POST', core(ns, 'configmaps'), {
          metadata: { name: `m${++count}` },
          data,
        });
        return kind === 'validating' ? code === 400 : object.data['mutation-stage-1'] === 'yes';
      };
      assert.equal(await effective(), true);
      const path = `${configurations(kind)}/${made.metadata.name}`;
      const current = await api.expect(200, 'GET', path);
      current.webhooks[0].rules[0].operations = ['UPDATE'];
      await api.expect(200, 'PUT', path, current);
      assert.equal(await effective(), false);
      const operations = [{ op: 'replace', path: '/webhooks/0/rules/0/operations', value: ['CREATE'] }];
      await api.expect(200, 'PATCH', path, operations, jsonPatch);
      assert.equal(await effective(), true);
    });

  // [sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] listing validating webhooks should work
  // [sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] listing mutating webhooks should work
  for (const kind of kinds)
    test(`listing ${kind} webhooks`, async () => {
      const { api } = bench;
      const ns = await bench.namespace();
      const webhook = kind === 'validating' ? denyMaps(ns, ['CREATE']) : stage(ns, 1);
      const labels = { 'e2e-list-test-webhooks': ns };
      for (let i = 0; i < 10; i++)
        await api.expect(201, 'POST', configurations(kind), {
          metadata: { name: `${ns}-${i}`, labels },
          webhooks: [{ ...webhook, name: `${i}.${webhook.name}` }],
        });
      await bench.configure(kind, ns, [], labels);
      const listed = `${configurations(kind)}?labelSelector=e2e-list-test-webhooks=${ns}`;
      assert.equal((await api.expect(200, 'GET', listed)).items.length, 11);
      const map = (name: string) => ({ metadata: { name }, data: { ...disallowed, 'mutation-start': 'yes' } });
      if (kind === 'validating') await create(400, ns, 'configmaps', map('before'));
      else assert.ok((await create(201, ns, 'configmaps', map('before'))).data['mutation-stage-1']);
      await api.expect(200, 'DELETE', listed);
      assert.deepEqual((await create(201, ns, 'configmaps', map('after'))).data, map('').data);
    });

  // [sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should be able to create and update validating webhook configurations with match conditions
  // [sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should be able to create and update mutating webhook configurations with match conditions
  // [sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should reject validating webhook configurations with invalid match conditions
  // [sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should reject mutating webhook configurations with invalid match conditions
  for (const kind of kinds)
    test(`match conditions of ${kind} webhooks`, async () => {
      const { api } = bench;
      const ns = await bench.namespace();
      const initial = [{ name: 'expression-1', expression: "object.metadata.namespace == 'production'" }];
      const updated = [...initial, { name: 'expression-2', expression: "object.metadata.namespace == 'staging'" }];
      const webhook = (matchConditions: object[]) => ({ ...stage(ns, 1), matchConditions });
      const made = await bench.configure(kind, ns, [webhook(initial)]);
      const path = `${configurations(kind)}/${made.metadata.name}`;
      assert.deepEqual((await api.expect(200, 'GET', path)).webhooks[0].matchConditions, initial);
      made.webhooks[0].matchConditions = updated;
      await api.expect(200, 'PUT', path, made);
      assert.deepEqual((await api.expect(200, 'GET', path)).webhooks[0].matchConditions, updated);
      const broken = [{ name: 'invalid-expression-1', expression: '... [] bad expression' }];
      const { reason, message } = await api.expect(422, 'POST', configurations(kind), {
        metadata: { name: `${ns}-invalid` },
        webhooks: [webhook(broken)],
      });
      assert.equal(reason, 'Invalid');
      assert.match(message, /compilation failed/);
    });

  test("[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should mutate everything except 'skip-me' configmaps", async () => {
    const ns = await bench.namespace();
    const matchConditions = [{ name: 'skip-me', expression: "object.metadata.name != 'skip-me'" }];
    await bench.configure('mutating', ns, [stage(ns, 1, { matchConditions })]);
    const data = { 'mutation-start': 'yes' };
    const skipped = await create(201, ns, 'configmaps', { metadata: { name: 'skip-me' }, data });
    assert.deepEqual(skipped.data, data);
    const { data: mutated } = await create(201, ns, 'configmaps', { metadata: { name: 'mutate-me' }, data });
    assert.deepEqual(mutated, { ...data, 'mutation-stage-1': 'yes' });
  });
});
