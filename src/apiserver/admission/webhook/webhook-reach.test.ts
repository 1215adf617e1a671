// What webhooks reach: subresources, connections, services, configurations of their own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Draft } from '../../../api/meta.ts';
import { admissionregistrationV1, appsV1, coreV1 } from '../../../api/refs.ts';
import type { MutatingWebhook } from '../../../api/type/admissionregistration-v1.ts';
import type { Pod } from '../../../api/type/core-v1.ts';
import { refusal } from '../../test-refusal.ts';
import {
  asked,
  client,
  configMap,
  configure,
  createOf,
  extension,
  handlers,
  hook,
  rawCreate,
  server,
  useWebhookServer,
} from './test-webhook-server.ts';

useWebhookServer();

test('subresources: scale, eviction, binding, token, status', async () => {
  handlers.set('/sub', ({ name }) => (name === 'refused' ? { allowed: false } : {}));
  const rules = [
    createOf(['pods/eviction', 'pods/binding', 'serviceaccounts/token', 'pods/status'], ['*']),
    createOf(['*/scale'], ['*'], ['*']),
  ];
  await configure('validating', 'v', hook('/sub', { rules }));
  const labels = { app: 'x' };
  const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'x' }] } };
  const deployment = await client.create(appsV1.deployments, {
    metadata: { name: 'd', namespace: 'a' },
    spec: { replicas: 1, selector: { matchLabels: labels }, template },
  } as never);
  const key = { namespace: 'a', name: 'd' };
  const { resourceVersion } = deployment.metadata;
  const scale = { metadata: { ...key, resourceVersion }, spec: { replicas: 3 } };
  await client.updateSubresource(appsV1.deployments, key, 'scale', scale);
  const pods = ['bound', 'evicted', 'refused'];
  for (const name of pods)
    await client.create(coreV1.pods, { metadata: { name, namespace: 'a' }, spec: template.spec } as Draft<Pod>);
  const pod = (name: string) => ({ namespace: 'a', name });
  const binding = { metadata: { name: 'bound' }, target: { kind: 'Node', name: 'n' } };
  await client.createSubresource(coreV1.pods, pod('bound'), 'binding', binding);
  await client.createSubresource(coreV1.pods, pod('evicted'), 'eviction', { metadata: { name: 'evicted' } });
  const refused = client.createSubresource(coreV1.pods, pod('refused'), 'eviction', { metadata: { name: 'refused' } });
  assert.match((await refusal(refused)).message, /denied the request/);
  await client.get(coreV1.pods, pod('refused'));
  const account = { namespace: 'a', name: 'default' };
  await client.createSubresource(coreV1.serviceaccounts, account, 'token', { spec: {} });
  await client.updateStatus(coreV1.pods, (await client.get(coreV1.pods, pod('bound'))) as never);
  assert.equal(deployment.spec.replicas, 1);
  assert.deepEqual(
    asked.map(({ request: r }) => [r.operation, `${r.resource!.resource}/${r.subResource}`, r.kind!.kind, r.name]),
    [
      ['UPDATE', 'deployments/scale', 'Scale', 'd'],
      ['CREATE', 'pods/binding', 'Binding', 'bound'],
      ['CREATE', 'pods/eviction', 'Eviction', 'evicted'],
      ['CREATE', 'pods/eviction', 'Eviction', 'refused'],
      ['CREATE', 'serviceaccounts/token', 'TokenRequest', 'default'],
      ['UPDATE', 'pods/status', 'Pod', 'bound'],
    ],
  );
  const [scaled] = asked;
  assert.deepEqual(scaled!.request.kind, { group: 'autoscaling', version: 'v1', kind: 'Scale' });
  assert.equal((scaled!.request.object as { spec: { replicas: number } }).spec.replicas, 3);
  assert.equal((scaled!.request.oldObject as { spec: { replicas: number } }).spec.replicas, 1);
});

// Admission webhook, deny attach.
test('connections to pods can be refused', async () => {
  handlers.set('/attach', () => ({ allowed: false, status: { message: 'attaching to pod is not allowed' } as never }));
  await configure(
    'validating',
    'v',
    hook('/attach', { rules: [createOf(['pods/attach', 'services/proxy'], ['CONNECT'])] }),
  );
  await client.create(coreV1.pods, {
    metadata: { name: 'attached', namespace: 'a' },
    spec: { containers: [{ name: 'c', image: 'x' }], nodeName: 'n' },
  } as Draft<Pod>);
  const http = await server.http();
  const error = await refusal(http.createSubresource(coreV1.pods, { namespace: 'a', name: 'attached' }, 'attach', {}));
  assert.match(
    error.message,
    /admission webhook "attach.example.com" denied the request: attaching to pod is not allowed/,
  );
  const { request } = asked[0]!;
  assert.equal(request.operation, 'CONNECT');
  assert.equal(request.kind!.kind, 'PodAttachOptions');
  assert.equal(request.options, null);
  assert.equal((request.object as { kind: string }).kind, 'PodAttachOptions');
});

// Admission control not allowed on webhook configuration objects.
test('webhook configurations are nobody’s to mutate or keep', async () => {
  handlers.set('/all', () => ({ allowed: false }));
  const rules = [{ operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*/*'] }];
  const { namespaceSelector: _, ...all } = hook('/all', { rules });
  await configure('validating', 'v', all as MutatingWebhook);
  await configure('mutating', 'm', all as MutatingWebhook);
  await client.delete(admissionregistrationV1.mutatingwebhookconfigurations, { name: 'm' });
  await client.delete(admissionregistrationV1.validatingwebhookconfigurations, { name: 'v' });
  assert.equal(asked.length, 0);
});

test('services lead to webhooks; connections are kept; warnings become headers', async () => {
  await client.create(coreV1.services, {
    metadata: { name: 'hook', namespace: 'default' },
    spec: { ports: [{ name: 'https', port: 8443, targetPort: 9443 }] },
  } as never);
  handlers.set('/served', () => ({ warnings: ['mind the gap'] }));
  const clientConfig = {
    service: { namespace: 'default', name: 'hook', port: 8443, path: '/served' },
    caBundle: extension.caBundle,
  };
  await configure('validating', 'v', hook('/served', { clientConfig }));
  const url = 'Post "https://hook.default.svc:8443/served?timeout=10s"';
  const failing = 'Internal error occurred: failed calling webhook "served.example.com": failed to call webhook:';
  assert.equal(
    (await refusal(client.create(coreV1.configmaps, configMap()))).message,
    `${failing} ${url}: no endpoints available for service "hook"`,
  );
  await client.create(
    {
      group: 'discovery.k8s.io',
      version: 'v1',
      resource: 'endpointslices',
      kind: 'EndpointSlice',
      namespaced: true,
    } as never,
    {
      metadata: { name: 'hook-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 'hook' } },
      addressType: 'IPv4',
      ports: [{ name: 'https', port: 9443, protocol: 'TCP' }],
      endpoints: [{ addresses: ['10.9.9.9'], conditions: { ready: true } }],
    } as never,
  );
  const before = extension.connections();
  const { headers } = await rawCreate(configMap());
  for (let i = 0; i < 5; i++) await client.create(coreV1.configmaps, configMap());
  assert.equal(headers.get('warning'), '299 - "mind the gap"');
  assert.equal(extension.connections() - before, 1);
});

// Validating Admission webhook, create and update configurations with matchConditions; skip-me.
test('match conditions decide who is asked', async () => {
  handlers.set('/skip', () => ({ patches: [{ op: 'add', path: '/data/touched', value: 'yes' }] }));
  const condition = (name: string, expression: string) => ({ name, expression });
  const matchConditions = [
    condition('skip-me', 'object.metadata.name != "skip-me"'),
    condition('not-admin', 'request.userInfo.username != "nobody"'),
    condition('may', 'authorizer.group("").resource("configmaps").namespace("a").check("create").allowed()'),
  ];
  await configure('mutating', 'm', hook('/skip', { matchConditions }));
  assert.equal((await client.create(coreV1.configmaps, configMap({ a: '' }, 'skip-me'))).data?.touched, undefined);
  assert.equal((await client.create(coreV1.configmaps, configMap({ a: '' }))).data?.touched, 'yes');
  await client.deleteCollection(admissionregistrationV1.mutatingwebhookconfigurations, {});
  const broken = [condition('broken', 'object.data.nothing == "x"')];
  await configure('validating', 'v', hook('/skip', { matchConditions: broken }));
  const error = await refusal(client.create(coreV1.configmaps, configMap({}, 'undecided')));
  assert.equal(error.code, 403);
  assert.equal(
    error.message,
    `configmaps "undecided" is forbidden: expression 'object.data.nothing == "x"' resulted in error: no such key: data`,
  );
  await client.deleteCollection(admissionregistrationV1.validatingwebhookconfigurations, {});
  await configure('validating', 'v', hook('/skip', { matchConditions: broken, failurePolicy: 'Ignore' }));
  await client.create(coreV1.configmaps, configMap());
});

test('conditions that do not hold are counted, under the names Kubernetes has for it', async () => {
  handlers.set('/unasked', () => ({}));
  const of = (name: string, expression: string) =>
    ({ name: `${name}.example.com`, failurePolicy: 'Ignore', matchConditions: [{ name: 'x', expression }] }) as const;
  await configure('mutating', 'm', hook('/unasked', of('unmet-m', 'object.none == 1')));
  await configure('validating', 'v', hook('/unasked', of('unmet-v', 'false')));
  await client.create(coreV1.configmaps, configMap());
  const counted = (await server.server.metrics.text())
    .split('\n')
    .filter(l => /^apiserver_admission_match_condition_.*unmet-/.test(l) && !/_(bucket|sum)\{/.test(l))
    .map(l => l.replace('apiserver_admission_match_condition_', '').replace(/name="[^"]*(unmet-.)[^"]*"/, '$1'));
  assert.deepEqual(counted, [
    'evaluation_errors_total{kind="webhook",unmet-m,operation="CREATE",type="admit"} 1',
    'exclusions_total{kind="webhook",unmet-m,operation="CREATE",type="admit"} 1',
    'exclusions_total{kind="webhook",unmet-v,operation="CREATE",type="validate"} 1',
    'evaluation_seconds_count{kind="webhook",unmet-m,operation="CREATE",type="admit"} 1',
    'evaluation_seconds_count{kind="webhook",unmet-v,operation="CREATE",type="validating"} 1',
  ]);
});
