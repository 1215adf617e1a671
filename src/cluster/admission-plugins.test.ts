// Plugins that are off by default, switched on and told what to do as kube-apiserver is: by flags and one file.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startTestExtension, type TestExtension } from '../apiserver/extension/test-extension.ts';
import { type Caller, caller, type Json } from '../apiserver/test-caller.ts';
import { startTestServer, type TestServer } from '../apiserver/test-server.ts';
import { systemClock } from '../base/clock.ts';
import { silentLog } from '../base/log.ts';
import { readApiServerFiles } from './api-server-files.ts';
import { parseConfig } from './config.ts';

const directory = mkdtempSync(join(tmpdir(), 'admission-plugins-'));
const kubeconfig = join(directory, 'images.kubeconfig');
const file = join(directory, 'admission.yaml');

const configuration = `apiVersion: apiserver.config.k8s.io/v1
kind: AdmissionConfiguration
plugins:
- name: EventRateLimit
  configuration:
    apiVersion: eventratelimit.admission.k8s.io/v1alpha1
    kind: Configuration
    limits: [{type: Namespace, qps: 1, burst: 2}]
- name: ImagePolicyWebhook
  path: images.yaml
- name: ValidatingAdmissionWebhook
  configuration:
    apiVersion: apiserver.config.k8s.io/v1
    kind: WebhookAdmissionConfiguration
    kubeConfigFile: WEBHOOKS
- name: PodNodeSelector
  configuration:
    podNodeSelectorPluginConfig: {clusterDefaultNodeSelector: env=dev}
- name: PodTolerationRestriction
  configuration:
    apiVersion: podtolerationrestriction.admission.k8s.io/v1alpha1
    kind: Configuration
    default: [{key: team, operator: Exists}]
`;
const plugins =
  '[EventRateLimit, ImagePolicyWebhook, OwnerReferencesPermissionEnforcement, PodNodeSelector, PodTolerationRestriction]';

let images: TestExtension;
let server: TestServer;
let api: Caller;

async function start(spec: string): Promise<[TestServer, Caller]> {
  const text = `apiVersion: k8ts.dev/v1alpha1\nkind: ClusterConfiguration\nspec:\n  apiServer: ${spec}\n`;
  const { options } = readApiServerFiles(parseConfig(text, 'c.yaml').apiServer, { clock: systemClock, log: silentLog });
  const started = await startTestServer(options);
  const { url, ca, admin } = started;
  return [started, caller({ url, ca, cert: admin.certificatePem, key: admin.keyPem })];
}

before(async () => {
  images = await startTestExtension((request, response, body) => {
    const review = JSON.parse(body);
    if (review.kind === 'AdmissionReview') {
      const message = `asked by ${request.headers.authorization}`;
      response.end(
        JSON.stringify({ ...review, response: { uid: review.request.uid, allowed: false, status: { message } } }),
      );
      return;
    }
    const allowed = review.spec.containers.every((c: Json) => !c.image.startsWith('evil'));
    response.end(JSON.stringify({ ...review, status: { allowed, ...(allowed ? {} : { reason: 'evil' }) } }));
  });
  const cluster = { server: `${images.url}/images`, 'certificate-authority-data': images.caBundle };
  const contexts = [{ name: 'x', context: { cluster: 'c', user: 'u' } }];
  const users = [{ name: 'u', user: {} }];
  const head = { kind: 'Config', apiVersion: 'v1', 'current-context': 'x' };
  writeFileSync(kubeconfig, JSON.stringify({ ...head, clusters: [{ name: 'c', cluster }], users, contexts }));
  writeFileSync(join(directory, 'images.yaml'), `imagePolicy: {kubeConfigFile: ${kubeconfig}}`);
  const webhooks = join(directory, 'webhooks.kubeconfig');
  const known = [{ name: new URL(images.url).host, user: { token: 'it is me' } }];
  writeFileSync(webhooks, JSON.stringify({ kind: 'Config', apiVersion: 'v1', users: known }));
  writeFileSync(file, configuration.replace('WEBHOOKS', webhooks));
  [server, api] = await start(`{admissionControlConfigFile: ${file}, enableAdmissionPlugins: ${plugins}}`);
  await api.expect(201, 'POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
});
after(async () => {
  api.close();
  await server.stop();
  await images.stop();
  rmSync(directory, { recursive: true });
});

const pods = '/api/v1/namespaces/default/pods';
const pod = (name: string, container: object = {}, spec: object = {}, metadata: object = {}) => ({
  metadata: { name, ...metadata },
  spec: { containers: [{ name: 'c', image: 'i:1', ...container }], ...spec },
});

test('pods get what the file gives them, and images that are allowed', async () => {
  const made = await api.expect(201, 'POST', pods, pod('given', { resources: { requests: { cpu: '1' } } }));
  assert.deepEqual(made.spec.nodeSelector, { env: 'dev' });
  assert.deepEqual(
    made.spec.tolerations.map((t: Json) => t.key),
    ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable', 'team', 'node.kubernetes.io/memory-pressure'],
  );
  const refused = await api.expect(403, 'POST', pods, pod('bad', { image: 'evil:1' }));
  assert.equal(
    refused.message,
    'pods "bad" is forbidden: image policy webhook backend denied one or more images: evil',
  );
});

test('annotations of a namespace come before the file', async () => {
  const annotations = {
    'scheduler.alpha.kubernetes.io/node-selector': 'env=prod',
    'scheduler.alpha.kubernetes.io/defaultTolerations': '',
    'scheduler.alpha.kubernetes.io/tolerationsWhitelist': JSON.stringify([
      { operator: 'Exists', effect: 'NoExecute' },
      { key: 'mine', operator: 'Exists' },
    ]),
  };
  await api.expect(201, 'POST', '/api/v1/namespaces', { metadata: { name: 'own', annotations } });
  await api.expect(201, 'POST', '/api/v1/namespaces/own/serviceaccounts', { metadata: { name: 'default' } });
  const own = '/api/v1/namespaces/own/pods';
  const mine = { key: 'mine', operator: 'Equal', value: '1', effect: 'NoSchedule' };
  const made = await api.expect(201, 'POST', own, pod('p', {}, { tolerations: [mine] }));
  assert.deepEqual(made.spec.nodeSelector, { env: 'prod' });
  assert.deepEqual(
    made.spec.tolerations.map((t: Json) => t.key),
    ['mine', 'node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'],
  );
  const refused = await api.expect(500, 'POST', own, pod('q', {}, { tolerations: [{ key: 'x', operator: 'Exists' }] }));
  assert.equal(
    refused.message,
    'pod tolerations (possibly merged with namespace default tolerations) conflict with its namespace whitelist',
  );
  assert.equal(refused.reason, undefined);
  await api.expect(403, 'POST', own, pod('r', {}, { nodeSelector: { env: 'dev' } }));
});

test('events past the limit are turned away, those of events.k8s.io are not', async () => {
  const events = '/api/v1/namespaces/default/events';
  const event = (name: string) => ({ metadata: { name }, involvedObject: { namespace: 'default' } });
  const replies = [];
  for (const name of ['a', 'b', 'c', 'd', 'e']) replies.push(await api.send('POST', events, event(name)));
  assert.deepEqual([replies[0]?.code, replies[1]?.code], [201, 201]);
  const refused = replies.find(({ code }) => code === 429)?.object;
  assert.equal(refused.message, 'Too many requests: limit reached on type Namespace for key default');
  assert.equal(refused.reason, 'TooManyRequests');
  const newer = (name: string) => ({
    metadata: { name },
    eventTime: '2026-01-01T00:00:00.000000Z',
    ...{ reportingController: 'x.io/y', reportingInstance: 'y', action: 'a', reason: 'r', type: 'Normal' },
    regarding: { namespace: 'default' },
  });
  for (const name of ['f', 'g', 'h', 'i'])
    await api.expect(201, 'POST', '/apis/events.k8s.io/v1/namespaces/default/events', newer(name));
});

test('owners are for those who may hold up their deletion', async () => {
  const rules = [{ apiGroups: [''], resources: ['configmaps'], verbs: ['create', 'update'] }];
  const at = '/apis/rbac.authorization.k8s.io/v1/namespaces/default';
  await api.expect(201, 'POST', `${at}/roles`, { metadata: { name: 'maker' }, rules });
  await api.expect(201, 'POST', `${at}/rolebindings`, {
    metadata: { name: 'maker' },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'maker' },
    subjects: [{ kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'ann' }],
  });
  const maps = '/api/v1/namespaces/default/configmaps';
  const ann = { 'impersonate-user': 'ann' };
  const owner = { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'o', uid: 'u', blockOwnerDeletion: true };
  const owned = (ownerReferences?: object[]) => ({
    metadata: { name: 'm', ...(ownerReferences && { ownerReferences }) },
  });
  const refused = await api.expect(403, 'POST', maps, owned([owner]), ann);
  assert.equal(
    refused.message,
    `configmaps "m" is forbidden: cannot set blockOwnerDeletion if an ownerReference refers to a resource you can't set finalizers on: , <nil>`,
  );
  const { blockOwnerDeletion, ...free } = owner;
  await api.expect(201, 'POST', maps, owned([free]), ann);
  const kept = await api.expect(403, 'PUT', `${maps}/m`, owned(), ann);
  assert.match(kept.message, /cannot set an ownerRef on a resource you can't delete: , <nil>$/);
  await api.expect(200, 'PUT', `${maps}/m`, owned());
});

test('webhooks are told who asks', async () => {
  const rules = [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['secrets'] }];
  const clientConfig = { url: `${images.url}/hook`, caBundle: images.caBundle };
  const hook = { name: 'a.example.com', rules, clientConfig, sideEffects: 'None', admissionReviewVersions: ['v1'] };
  const at = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';
  await api.expect(201, 'POST', at, { metadata: { name: 'hook' }, webhooks: [hook] });
  const { message } = await api.expect(400, 'POST', '/api/v1/namespaces/default/secrets', { metadata: { name: 's' } });
  assert.equal(message, 'admission webhook "a.example.com" denied the request: asked by Bearer it is me');
});

test('plugins that need to be told something say so', async () => {
  for (const name of ['EventRateLimit', 'ImagePolicyWebhook'])
    await assert.rejects(
      start(`{enableAdmissionPlugins: [${name}]}`),
      new RegExp(`failed to initialize admission: couldn't init admission plugin "${name}": `),
    );
});
