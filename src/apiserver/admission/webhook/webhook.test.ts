// What webhooks are asked, and what their answers do.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Draft } from '../../../api/meta.ts';
import { admissionregistrationV1, autoscalingV1, autoscalingV2, coreV1 } from '../../../api/refs.ts';
import type { AdmissionRequest } from '../../../api/type/admission-v1.ts';
import type { ConfigMap, Pod } from '../../../api/type/core-v1.ts';
import { refusal } from '../../test-refusal.ts';
import {
  type Answer,
  asked,
  client,
  configMap,
  configure,
  createOf,
  extension,
  handlers,
  hook,
  server,
  useWebhookServer,
} from './test-webhook-server.ts';

useWebhookServer();

// Admission webhook, deny create.
test('a validating webhook refuses with its status', async () => {
  handlers.set('/deny', ({ name }) =>
    name?.startsWith('bad')
      ? {
          allowed: false,
          status: { message: 'the configmap contains unwanted key and value', reason: 'Nope', code: 418 } as never,
        }
      : {},
  );
  await configure('validating', 'v', hook('/deny'));
  const error = await refusal(client.create(coreV1.configmaps, configMap({}, 'bad')));
  assert.equal(
    error.message,
    'admission webhook "deny.example.com" denied the request: the configmap contains unwanted key and value',
  );
  assert.equal(error.code, 418);
  assert.equal(error.reason, 'Nope');
  await client.create(coreV1.configmaps, configMap());
  handlers.set('/deny', () => ({ allowed: false }));
  const plain = await refusal(client.create(coreV1.configmaps, configMap()));
  assert.equal(plain.message, 'admission webhook "deny.example.com" denied the request without explanation');
  assert.equal(plain.code, 400);
});

test('what is asked: the review, its kinds, user, object and options', async () => {
  handlers.set('/look', () => ({}));
  await configure('validating', 'v', hook('/look', { rules: [createOf(['configmaps'], ['*'])] }));
  const http = await server.http();
  const made = await http.create(coreV1.configmaps, configMap({ a: '1' }, 'looked'), { fieldManager: 'me' });
  await http.update(coreV1.configmaps, { ...made, data: { a: '2' } } as never);
  await http.delete(coreV1.configmaps, { namespace: 'a', name: 'looked' });
  const [create, update, remove] = asked.map(a => a.request) as [AdmissionRequest, AdmissionRequest, AdmissionRequest];
  assert.match(create.uid!, /^[0-9a-f-]{36}$/);
  const { uid: _uid, object, userInfo, ...rest } = create;
  assert.equal(userInfo!.username, 'kubernetes-admin');
  assert.deepEqual(userInfo!.groups, ['system:masters', 'system:authenticated']);
  assert.deepEqual(rest, {
    kind: { group: '', version: 'v1', kind: 'ConfigMap' },
    resource: { group: '', version: 'v1', resource: 'configmaps' },
    requestKind: { group: '', version: 'v1', kind: 'ConfigMap' },
    requestResource: { group: '', version: 'v1', resource: 'configmaps' },
    name: 'looked',
    namespace: 'a',
    operation: 'CREATE',
    oldObject: null,
    dryRun: false,
    options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1', fieldManager: 'me' },
  });
  assert.equal((object as ConfigMap).metadata.uid, made.metadata.uid);
  assert.equal((update.oldObject as ConfigMap).data?.a, '1');
  assert.equal((update.object as ConfigMap).data?.a, '2');
  assert.equal(remove.operation, 'DELETE');
  assert.equal(remove.object, null);
  assert.equal((remove.oldObject as ConfigMap).data?.a, '2');
  assert.equal((remove.options as { kind: string }).kind, 'DeleteOptions');
  assert.equal(asked[0]!.apiVersion, 'admission.k8s.io/v1');
});

// Admission webhook, ordered mutation.
test('mutating webhooks run in order of their configurations and see what came before', async () => {
  const stage =
    (n: string) =>
    ({ object }: AdmissionRequest) => ({
      patches:
        (object as ConfigMap).data?.[`mutation-${Number(n) - 1}`] || n === '1'
          ? [{ op: 'add', path: `/data/mutation-${n}`, value: 'yes' }]
          : [],
    });
  handlers.set('/stage1', stage('1'));
  handlers.set('/stage2', stage('2'));
  await configure('mutating', 'b', hook('/stage2'));
  await configure('mutating', 'a', hook('/stage1'));
  const made = await client.create(coreV1.configmaps, configMap({ start: 'yes' }));
  assert.deepEqual(made.data, { start: 'yes', 'mutation-1': 'yes', 'mutation-2': 'yes' });
});

// Admission webhook, mutation with defaulting.
test('defaults are filled in after mutation', async () => {
  handlers.set('/pods', () => ({
    patches: [{ op: 'add', path: '/spec/initContainers', value: [{ name: 'added', image: 'busybox' }] }],
  }));
  await configure('mutating', 'm', hook('/pods', { rules: [createOf(['pods'])] }));
  const pod = await client.create(coreV1.pods, {
    metadata: { name: 'p', namespace: 'a' },
    spec: { containers: [{ name: 'c', image: 'x' }] },
  } as Draft<Pod>);
  const init = pod.spec.initContainers![0]!;
  assert.equal(init.terminationMessagePolicy, 'File');
  assert.equal(init.terminationMessagePath, '/dev/termination-log');
  assert.equal(init.imagePullPolicy, 'Always');
  assert.ok(init.volumeMounts?.some(m => m.mountPath === '/var/run/secrets/kubernetes.io/serviceaccount'));
});

test('a new object has no name, uid or creation time for mutating webhooks until it is made', async () => {
  handlers.set('/names', ({ object }) => {
    const { metadata } = object as ConfigMap;
    return { patches: [{ op: 'add', path: '/data', value: { seen: Object.keys(metadata).sort().join() } }] };
  });
  await configure('mutating', 'm', hook('/names'));
  const draft = { metadata: { generateName: 'gen-', namespace: 'a' } } as unknown as Draft<ConfigMap>;
  const made = await client.create(coreV1.configmaps, draft);
  assert.match(made.metadata.name, /^gen-.{5}$/);
  assert.ok(made.metadata.uid);
  assert.equal(made.data?.seen, 'generateName,managedFields,namespace');
  assert.equal(asked[0]!.request.name, undefined);
});

// Admission webhook, fail closed; honor timeout.
test('what cannot be called fails closed or open', async () => {
  await configure('validating', 'v', hook('/broken', { failurePolicy: 'Fail' }));
  const error = await refusal(client.create(coreV1.configmaps, configMap()));
  assert.equal(error.code, 500);
  assert.equal(
    error.message,
    'Internal error occurred: failed calling webhook "broken.example.com": failed to call webhook: an error on the server ("no answer") has prevented the request from succeeding',
  );
  await client.deleteCollection(admissionregistrationV1.validatingwebhookconfigurations, {});
  await configure('validating', 'v', hook('/broken', { failurePolicy: 'Ignore' }));
  await client.create(coreV1.configmaps, configMap());
  await client.deleteCollection(admissionregistrationV1.validatingwebhookconfigurations, {});
  const nowhere = { clientConfig: { url: 'https://127.0.0.1:1/x', caBundle: extension.caBundle } };
  await configure('mutating', 'm', hook('/nowhere', nowhere));
  assert.equal(
    (await refusal(client.create(coreV1.configmaps, configMap()))).message,
    'Internal error occurred: failed calling webhook "nowhere.example.com": failed to call webhook: Post "https://127.0.0.1:1/x?timeout=10s": dial tcp 127.0.0.1:1: connect: connection refused',
  );
});

test('answers that are none', async () => {
  const cases: [Answer, string][] = [
    [{ uid: 'other' }, 'received invalid webhook response: expected response.uid='],
    [{ patch: 'W10=' }, 'webhook returned response.patch but not response.patchType'],
    [{ patchType: 'JSONPatch' }, 'webhook returned response.patchType but not response.patch'],
  ];
  await configure('mutating', 'm', hook('/odd'));
  for (const [answer, message] of cases) {
    handlers.set('/odd', () => answer);
    assert.ok((await refusal(client.create(coreV1.configmaps, configMap()))).message.includes(message));
  }
  handlers.set('/odd', () => ({ patches: [{ op: 'remove', path: '/data/none' }] }));
  assert.equal((await refusal(client.create(coreV1.configmaps, configMap()))).code, 500);
});

test('dry runs reach only webhooks without side effects', async () => {
  handlers.set('/dry', () => ({}));
  await configure('validating', 'v', hook('/dry'));
  await client.create(coreV1.configmaps, configMap(), { dryRun: true });
  assert.equal(asked[0]!.request.dryRun, true);
  // Kinds of side effects that may not be written any more, but may still be stored.
  const registry = server.server.context.registries.get(
    'admissionregistration.k8s.io/validatingwebhookconfigurations',
  )!;
  const stored = registry.get({ name: 'v' });
  const old = structuredClone(stored.object) as unknown as { webhooks: { sideEffects: string }[] };
  old.webhooks[0]!.sideEffects = 'Unknown';
  await registry.put('v', old as never, stored.revision);
  await client.get(admissionregistrationV1.validatingwebhookconfigurations, { name: 'v' });
  await server.server.context.dispatcher.waitFor(server.server.context.dispatcher.revision);
  const error = await refusal(client.create(coreV1.configmaps, configMap(), { dryRun: true }));
  assert.equal(error.message, 'admission webhook "dry.example.com" does not support dry run');
  assert.equal(error.code, 400);
});

test('a webhook that may be is called again after another changed the object, once', async () => {
  handlers.set('/first', ({ object }) => {
    const { data = {} } = object as ConfigMap;
    return data.late && !data.again ? { patches: [{ op: 'add', path: '/data/again', value: 'yes' }] } : {};
  });
  handlers.set('/second', ({ object }) =>
    (object as ConfigMap).data?.late ? {} : { patches: [{ op: 'add', path: '/data/late', value: 'yes' }] },
  );
  await configure('mutating', 'm', hook('/first', { reinvocationPolicy: 'IfNeeded' }), hook('/second'));
  const made = await client.create(coreV1.configmaps, configMap({ a: '' }));
  assert.deepEqual(made.data, { a: '', late: 'yes', again: 'yes' });
  assert.deepEqual(
    asked.map(a => a.path),
    ['/first', '/second', '/first'],
  );
});

test('the equivalent version of a request is shown to webhooks that ask for it, and its patch taken back', async () => {
  handlers.set('/hpa', ({ object }) => {
    const { spec } = object as { spec: { targetCPUUtilizationPercentage: number } };
    return {
      patches: [
        { op: 'replace', path: '/spec/targetCPUUtilizationPercentage', value: spec.targetCPUUtilizationPercentage + 1 },
      ],
    };
  });
  const rules = [createOf(['horizontalpodautoscalers'], ['CREATE'], ['autoscaling'])];
  await configure('mutating', 'm', hook('/hpa', { rules }));
  const scaleTargetRef = { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' };
  const resource = { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } };
  const made = await client.create(autoscalingV2.horizontalpodautoscalers, {
    metadata: { name: 'h', namespace: 'a' },
    spec: { scaleTargetRef, maxReplicas: 2, metrics: [{ type: 'Resource', resource }] },
  } as never);
  assert.equal(made.spec.metrics?.[0]?.resource?.target.averageUtilization, 51);
  const { request } = asked[0]!;
  assert.deepEqual(request.kind, { group: 'autoscaling', version: 'v1', kind: 'HorizontalPodAutoscaler' });
  assert.deepEqual(request.requestKind, { group: 'autoscaling', version: 'v2', kind: 'HorizontalPodAutoscaler' });
  const http = await server.http();
  await http.create(autoscalingV1.horizontalpodautoscalers, {
    metadata: { name: 'h1', namespace: 'a' },
    spec: { scaleTargetRef, maxReplicas: 2, targetCPUUtilizationPercentage: 60 },
  } as never);
  assert.equal(asked[1]!.request.requestKind!.version, 'v1');
  const seen = await http.get(autoscalingV1.horizontalpodautoscalers, { namespace: 'a', name: 'h1' });
  assert.equal((seen.spec as { targetCPUUtilizationPercentage?: number }).targetCPUUtilizationPercentage, 61);
});
