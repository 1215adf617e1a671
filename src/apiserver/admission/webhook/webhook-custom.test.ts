// Webhooks for custom resources and definitions, and changing configurations.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResourceRef } from '../../../api/ref.ts';
import { admissionregistrationV1, apiextensionsV1, coreV1 } from '../../../api/refs.ts';
import { refusal } from '../../test-refusal.ts';
import {
  asked,
  client,
  configMap,
  configure,
  createOf,
  established,
  handlers,
  hook,
  server,
  type Thing,
  useWebhookServer,
} from './test-webhook-server.ts';

useWebhookServer();

// Admission webhook, mutate custom resource, with pruning, with different stored version; deny custom resources.
test('custom resources: mutated in each version, pruned, refused', async () => {
  const schema = {
    openAPIV3Schema: {
      type: 'object',
      properties: { data: { type: 'object', properties: { a: { type: 'string' }, b: { type: 'string' } } } },
    },
  };
  const version = (name: string, storage: boolean) => ({ name, served: true, storage, schema });
  const definition = {
    metadata: { name: 'things.stable.example.com' },
    spec: {
      group: 'stable.example.com',
      scope: 'Namespaced',
      names: { plural: 'things', singular: 'thing', kind: 'Thing', listKind: 'ThingList' },
      versions: [version('v1', true), version('v2', false)],
    },
  };
  await client.create(apiextensionsV1.customresourcedefinitions, definition as never);
  await established('things.stable.example.com');
  const things = (v: string) =>
    ({
      group: 'stable.example.com',
      version: v,
      resource: 'things',
      kind: 'Thing',
      namespaced: true,
    }) as unknown as ResourceRef<Thing>;
  const draft = (v: string, name: string, data: object) =>
    ({ apiVersion: `stable.example.com/${v}`, kind: 'Thing', metadata: { name, namespace: 'a' }, data }) as never;
  handlers.set('/thing', ({ object }) => {
    if (!object) return {};
    const { data } = object as Thing;
    return {
      patches: data.a
        ? [
            { op: 'add', path: '/data/b', value: 'mutated' },
            { op: 'add', path: '/data/gone', value: 'x' },
          ]
        : [],
    };
  });
  handlers.set('/guard', ({ operation, object, oldObject }) => {
    const held = operation === 'DELETE' ? (oldObject as Thing) : (object as Thing);
    return held.data.a === 'bad'
      ? { allowed: false, status: { message: 'the custom resource contains unwanted data' } as never }
      : {};
  });
  const rules = [{ operations: ['*'], apiGroups: ['stable.example.com'], apiVersions: ['v1'], resources: ['things'] }];
  await configure('mutating', 'm', hook('/thing', { rules }));
  await configure('validating', 'v', hook('/guard', { rules }));
  for (const v of ['v1', 'v2']) {
    const made = await client.create(things(v), draft(v, `t-${v}`, { a: 'x' }));
    assert.deepEqual(made.data, { a: 'x', b: 'mutated' });
    assert.equal(made.apiVersion, `stable.example.com/${v}`);
  }
  assert.deepEqual(
    asked.map(({ path, request: r }) => [
      path,
      r.kind!.version,
      r.requestKind!.version,
      (r.object as Thing).apiVersion,
    ]),
    [
      ['/thing', 'v1', 'v1', 'stable.example.com/v1'],
      ['/guard', 'v1', 'v1', 'stable.example.com/v1'],
      ['/thing', 'v1', 'v2', 'stable.example.com/v1'],
      ['/guard', 'v1', 'v2', 'stable.example.com/v1'],
    ],
  );
  const unwanted =
    /admission webhook "guard.example.com" denied the request: the custom resource contains unwanted data/;
  assert.match((await refusal(client.create(things('v1'), draft('v1', 'bad', { a: 'bad' })))).message, unwanted);
  await client.deleteCollection(admissionregistrationV1.validatingwebhookconfigurations, {});
  const kept = await client.create(things('v1'), draft('v1', 'kept', { a: 'bad' }));
  await configure('validating', 'v', hook('/guard', { rules }));
  assert.match((await refusal(client.delete(things('v1'), { namespace: 'a', name: 'kept' }))).message, unwanted);
  await client.update(things('v1'), { ...kept, data: { a: 'good' } } as never);
  await client.delete(things('v1'), { namespace: 'a', name: 'kept' });
});

// Admission webhook, update validating webhook; list validating webhooks; reject invalid matchConditions.
test('configurations take effect as they are changed, and are checked', async () => {
  const { validatingwebhookconfigurations: configurations } = admissionregistrationV1;
  handlers.set('/deny', () => ({ allowed: false }));
  await configure('validating', 'v', hook('/deny'));
  const http = await server.http();
  await refusal(http.create(coreV1.configmaps, configMap()));
  const rules = (operations: string[]) => [
    { op: 'replace', path: '/webhooks/0/rules/0/operations', value: operations },
  ];
  await http.patch(configurations, { name: 'v' }, { type: 'json', body: rules(['UPDATE']) });
  await http.create(coreV1.configmaps, configMap());
  await http.patch(configurations, { name: 'v' }, { type: 'json', body: rules(['CREATE']) });
  await refusal(http.create(coreV1.configmaps, configMap()));
  assert.equal((await http.list(configurations)).items.length, 1);
  const broken = [{ name: 'broken', expression: '... [] bad expression' }];
  const error = await refusal(configure('validating', 'w', hook('/deny', { matchConditions: broken })));
  assert.equal(error.code, 422);
  assert.match(error.message, /webhooks\[0\].matchConditions\[0\].expression: Invalid value: .*compilation failed/);
});

// Admission webhook, deny custom resource definition.
test('definitions can be refused', async () => {
  handlers.set('/crd', () => ({ allowed: false, status: { message: 'the crd contains unwanted label' } as never }));
  const rules = [createOf(['customresourcedefinitions'], ['CREATE'], ['apiextensions.k8s.io'])];
  await configure('validating', 'v', hook('/crd', { rules, objectSelector: { matchLabels: { refuse: 'me' } } }));
  const definition = {
    metadata: { name: 'gadgets.stable.example.com', labels: { refuse: 'me' } },
    spec: {
      group: 'stable.example.com',
      scope: 'Cluster',
      names: { plural: 'gadgets', kind: 'Gadget' },
      versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } }],
    },
  };
  const error = await refusal(client.create(apiextensionsV1.customresourcedefinitions, definition as never));
  assert.match(error.message, /the crd contains unwanted label$/);
});

test('calls and refusals are counted', async () => {
  handlers.set('/counted', () => ({ allowed: false, status: { code: 403 } as never }));
  await configure('validating', 'v', hook('/counted'));
  await refusal(client.create(coreV1.configmaps, configMap()));
  const text = await server.server.metrics.text();
  const labels = 'name="counted.example.com",type="validating",operation="CREATE"';
  assert.ok(
    text.includes(
      `apiserver_admission_webhook_rejection_count{${labels},error_type="no_error",rejection_code="403"} 1`,
    ),
  );
  assert.ok(text.includes('apiserver_admission_webhook_request_total{'));
});
