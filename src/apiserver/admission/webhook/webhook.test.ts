import assert from 'node:assert/strict';
import { after, afterEach, before, test } from 'node:test';
import type { Draft, KubeObject } from '../../../api/meta.ts';
import type { ResourceRef } from '../../../api/ref.ts';
import {
  admissionregistrationV1,
  apiextensionsV1,
  appsV1,
  autoscalingV1,
  autoscalingV2,
  coreV1,
} from '../../../api/refs.ts';
import { StatusError } from '../../../api/status.ts';
import type { AdmissionRequest, AdmissionResponse } from '../../../api/type/admission-v1.ts';
import type { MutatingWebhook, WebhookClientConfig } from '../../../api/type/admissionregistration-v1.ts';
import type { ConfigMap, Pod } from '../../../api/type/core-v1.ts';
import type { Client } from '../../../client/client.ts';
import { startTestExtension, type TestExtension } from '../../extension/test-extension.ts';
import { startTestServer, type TestServer } from '../../test-server.ts';

type Answer = Partial<AdmissionResponse> & { readonly patches?: readonly object[] };
type Handler = (request: AdmissionRequest, url: URL) => Answer | Promise<Answer> | undefined;

let server: TestServer;
let client: Client;
let extension: TestExtension;
/** By path: what the webhooks there say. */
const handlers = new Map<string, Handler>();
const asked: { path: string; request: AdmissionRequest; apiVersion: string }[] = [];
let count = 0;

before(async () => {
  extension = await startTestExtension(
    async (request, response, body) => {
      const url = new URL(request.url!, 'https://x');
      const review = JSON.parse(body) as { request: AdmissionRequest; apiVersion: string };
      asked.push({ path: url.pathname, request: review.request, apiVersion: review.apiVersion });
      const answer = await handlers.get(url.pathname)?.(review.request, url);
      if (!answer) {
        response.writeHead(500).end('no answer');
        return;
      }
      const { patches, ...said } = answer;
      const patch = patches && {
        patchType: 'JSONPatch',
        patch: Buffer.from(JSON.stringify(patches)).toString('base64'),
      };
      const made = { uid: review.request.uid, allowed: true, ...patch, ...said };
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ kind: 'AdmissionReview', apiVersion: review.apiVersion, response: made }));
    },
    { dnsNames: ['hook.default.svc'] },
  );
  server = await startTestServer({
    dialExtension: at => (at.host === '10.9.9.9' ? { host: '127.0.0.1', port: extension.port } : at),
  });
  client = server.server.client({ userAgent: 'test' });
  await client.create(coreV1.namespaces, { metadata: { name: 'a', labels: { webhooks: 'on' } } });
  await client.create(coreV1.serviceaccounts, { metadata: { name: 'default', namespace: 'a' } });
});
after(async () => {
  await server.stop();
  await extension.stop();
});
afterEach(async () => {
  await client.deleteCollection(admissionregistrationV1.mutatingwebhookconfigurations, {});
  await client.deleteCollection(admissionregistrationV1.validatingwebhookconfigurations, {});
  handlers.clear();
  asked.length = 0;
});

const createOf = (resources: readonly string[], operations: readonly string[] = ['CREATE'], apiGroups = ['']) => ({
  operations: [...operations],
  apiGroups,
  apiVersions: ['v1'],
  resources: [...resources],
});
const at = (path: string): WebhookClientConfig => ({ url: extension.url + path, caBundle: extension.caBundle });

function hook(path: string, over: Partial<MutatingWebhook> = {}): MutatingWebhook {
  return {
    name: `${path.slice(1)}.example.com`,
    clientConfig: at(path),
    rules: [createOf(['configmaps'])],
    sideEffects: 'None',
    admissionReviewVersions: ['v1', 'v1beta1'],
    namespaceSelector: { matchLabels: { webhooks: 'on' } },
    ...over,
  } as MutatingWebhook;
}

async function configure(kind: 'mutating' | 'validating', name: string, ...webhooks: MutatingWebhook[]) {
  const draft = { metadata: { name }, webhooks };
  if (kind === 'mutating') await client.create(admissionregistrationV1.mutatingwebhookconfigurations, draft as never);
  else await client.create(admissionregistrationV1.validatingwebhookconfigurations, draft as never);
}

const configMap = (data: Record<string, string> = {}, name = `c${++count}`): Draft<ConfigMap> => ({
  metadata: { name, namespace: 'a' },
  data,
});

async function refusal(promise: Promise<unknown>): Promise<StatusError> {
  try {
    await promise;
  } catch (error) {
    assert.ok(error instanceof StatusError, String(error));
    return error;
  }
  return assert.fail('expected a refusal');
}

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

interface Thing extends KubeObject {
  readonly data: { readonly a?: string; readonly b?: string };
}

function established(name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const handle = client.watch(
      apiextensionsV1.customresourcedefinitions,
      { fieldSelector: `metadata.name=${name}` },
      {
        onEvent(_type, { status }) {
          if (!status?.conditions?.some(c => c.type === 'Established' && c.status === 'True')) return;
          handle.stop();
          resolve();
        },
        onClose: error => reject(error ?? new Error('closed')),
      },
    );
  });
}

async function rawCreate(object: object): Promise<Response & { headers: Map<string, string> }> {
  const { request } = await import('node:https');
  return new Promise((resolve, reject) => {
    const out = request(
      `${server.url}/api/v1/namespaces/a/configmaps`,
      {
        method: 'POST',
        ca: server.ca,
        cert: server.admin.certificatePem,
        key: server.admin.keyPem,
        headers: { 'content-type': 'application/json' },
        agent: false,
      },
      response => {
        response.resume();
        resolve({ headers: new Map(Object.entries(response.headers).map(([k, v]) => [k, String(v)])) } as never);
      },
    );
    out.on('error', reject);
    out.end(JSON.stringify(object));
  });
}
