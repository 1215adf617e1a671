// The official suite's tests of admission webhooks that judge and change custom resources and their definitions.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type Json, jsonPatch, mergePatch, strategicPatch } from '../test-caller.ts';
import { hook, rule, startWebhookBench, type WebhookBench } from '../test-webhooks.ts';
import { definition, definitions, establish, type TestVersion, widget, widgets } from './test-definition.ts';

let bench: WebhookBench;
before(async () => {
  bench = await startWebhookBench();
});
after(() => bench.stop());

const mutated = { 'mutation-start': 'yes', 'mutation-stage-1': 'yes', 'mutation-stage-2': 'yes' };
const rulesFor = (group: string, operations: string[]) => [rule('widgets', operations, group, '*')];
const dataSchema = (...keys: string[]) => ({
  type: 'object',
  properties: {
    data: { type: 'object', properties: Object.fromEntries(keys.map(key => [key, { type: 'string' }])) },
  },
});

/** A definition of the test's own, webhooks that add to its objects in two stages, and a namespace. */
async function mutating(versions?: readonly TestVersion[]) {
  const ns = await bench.namespace();
  const group = `${ns}.example.com`;
  const crd = await establish(bench.api, definition(group, versions));
  const stage = (n: number) =>
    hook(
      ns,
      `mutate-custom-resource-data-stage-${n}.k8s.io`,
      '/mutating-custom-resource',
      rulesFor(group, ['CREATE', 'UPDATE']),
    );
  await bench.configure('mutating', ns, [stage(1), stage(2)]);
  return { ns, group, crd };
}
const started = (group: string, version?: string): Json =>
  widget(group, 'to-be-mutated', { data: { 'mutation-start': 'yes' } }, version);

describe('admission webhooks and custom resources', { concurrency: true }, () => {
  test('[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should be able to deny custom resource creation, update and deletion', async () => {
    const { api } = bench;
    const ns = await bench.namespace();
    const group = `${ns}.example.com`;
    await establish(api, definition(group));
    const name = 'deny-unwanted-custom-resource-data.k8s.io';
    const rules = rulesFor(group, ['CREATE', 'UPDATE', 'DELETE']);
    await bench.configure('validating', ns, [hook(ns, name, '/custom-resource', rules)]);
    const many = widgets(group, 'v1', ns);
    const data = (value: string) => ({ data: { 'webhook-e2e-test': value } });
    const denial = `admission webhook "${name}" denied the request: the custom resource`;
    const unwanted = `${denial} contains unwanted data`;
    const { message } = await api.expect(400, 'POST', many, widget(group, 'bad', data('webhook-disallow')));
    assert.equal(message, unwanted);
    await api.expect(404, 'GET', `${many}/bad`);
    await api.expect(201, 'POST', many, widget(group, 'kept', data('webhook-nondeletable')));
    const kept = `${many}/kept`;
    const patch = await api.expect(400, 'PATCH', kept, data('webhook-disallow'), mergePatch);
    assert.equal(patch.message, unwanted);
    const deletion = await api.expect(400, 'DELETE', kept);
    assert.equal(deletion.message, `${denial} cannot be deleted because it contains unwanted key and value`);
    assert.equal((await api.expect(200, 'GET', kept)).data['webhook-e2e-test'], 'webhook-nondeletable');
    await api.expect(200, 'PATCH', kept, data('webhook-deletable'), mergePatch);
    await api.expect(200, 'DELETE', kept);
    await api.expect(404, 'GET', kept);
  });

  test('[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should mutate custom resource', async () => {
    const { ns, group } = await mutating();
    const made = await bench.api.expect(201, 'POST', widgets(group, 'v1', ns), started(group));
    assert.deepEqual(made.data, mutated);
  });

  test('[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should mutate custom resource with pruning', async () => {
    // Of the second stage the schema knows nothing.
    const { ns, group } = await mutating([{ schema: dataSchema('mutation-start', 'mutation-stage-1') }]);
    const many = widgets(group, 'v1', ns);
    const made = await bench.api.expect(201, 'POST', many, started(group));
    const { 'mutation-stage-2': _, ...pruned } = mutated;
    assert.deepEqual(made.data, pruned);
    assert.deepEqual((await bench.api.expect(200, 'GET', `${many}/to-be-mutated`)).data, pruned);
  });

  test('[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should mutate custom resource with different stored version', async () => {
    const { api } = bench;
    const { ns, group, crd } = await mutating([{ name: 'v1' }, { name: 'v2', storage: false }]);
    const [v1, v2] = ['v1', 'v2'].map(v => `${widgets(group, v, ns)}/to-be-mutated`);
    await api.expect(201, 'POST', widgets(group, 'v1', ns), started(group));
    const storing = (version: string) =>
      crd.spec.versions.map((v: Json) => ({
        name: v.name,
        served: true,
        storage: v.name === version,
        schema: v.schema,
      }));
    const path = `${definitions}/${crd.metadata.name}`;
    const patched = await api.expect(200, 'PATCH', path, { spec: { versions: storing('v2') } }, strategicPatch);
    assert.deepEqual(patched.status.storedVersions, ['v1', 'v2']);
    const dummy = [{ op: 'add', path: '/dummy', value: 'test' }];
    const first = await api.expect(200, 'PATCH', v1!, dummy, jsonPatch);
    assert.deepEqual([first.apiVersion, first.dummy, first.data], [`${group}/v1`, 'test', mutated]);
    const second = await api.expect(200, 'GET', v2!);
    assert.deepEqual([second.apiVersion, second.dummy, second.data], [`${group}/v2`, 'test', mutated]);
  });

  test('[sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should deny crd creation', async () => {
    const { api } = bench;
    const ns = await bench.namespace();
    const name = 'deny-crd-with-unwanted-label.k8s.io';
    const rules = [rule('customresourcedefinitions', ['CREATE'], 'apiextensions.k8s.io', '*')];
    const labels = { 'webhook-e2e-test': 'webhook-disallow' };
    // Definitions are in no namespace: only those with the label are asked about, and only this test has such.
    const more = { objectSelector: { matchLabels: labels }, namespaceSelector: {} };
    await bench.configure('validating', ns, [hook(ns, name, '/crd', rules, more)]);
    const crd = definition('denied.example.com');
    crd.metadata.labels = labels;
    const { message } = await api.expect(400, 'POST', definitions, crd);
    assert.equal(message, `admission webhook "${name}" denied the request: the crd contains unwanted label`);
    await api.expect(404, 'GET', `${definitions}/${crd.metadata.name}`);
  });
});
