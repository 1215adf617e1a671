// What extends the API server from within the cluster, as the official suite's webhooks and sample API server do: pods
// behind services, certificates in secrets, the real way there and back.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { systemClock } from '../../src/base/clock.ts';
import { systemRandom } from '../../src/base/random.ts';
import { createCa, issueCertificate } from '../../src/base/x509.ts';
import { type ClusterAccess, sh, waiting } from '../cluster-access.ts';
import { eventually } from '../lab.ts';
import { nodeMounts, nodeVolumes } from './peers.ts';

const namespace = 'extensions';
const webhookService = 'e2e-test-webhook';
const apiServiceName = 'v1alpha1.wardle.example.com';
const flunders = `/apis/wardle.example.com/v1alpha1/namespaces/${namespace}/flunders`;
const services = '/apis/apiregistration.k8s.io/v1/apiservices';
const rbac = '/apis/rbac.authorization.k8s.io/v1';

/** Gives the authority that signed the server's certificate, base64 of its PEM. */
async function deploy(c: ClusterAccess): Promise<string> {
  const making = { nowMs: systemClock.now(), random: systemRandom, days: 1 };
  const ca = await createCa({ commonName: 'e2e-server-cert-ca', ...making });
  const { certificatePem, keyPem } = await issueCertificate(ca, {
    subject: { commonName: 'extension' },
    dnsNames: [webhookService, 'sample-api'].map(name => `${name}.${namespace}.svc`),
    usages: 'server',
    ...making,
  });
  await c.ask('POST', '/api/v1/namespaces', { metadata: { name: namespace, labels: { [namespace]: 'true' } } });
  const script = readFileSync(join(import.meta.dirname, 'extension.cjs'), 'utf8');
  const subjects = [{ kind: 'ServiceAccount', name: 'default', namespace }];
  const roleOf = (kind: string, name: string) => ({ apiGroup: 'rbac.authorization.k8s.io', kind, name });
  await Promise.all([
    c.create('secrets', {
      metadata: { name: 'tls' },
      type: 'kubernetes.io/tls',
      stringData: { 'tls.crt': certificatePem, 'tls.key': keyPem },
    }),
    c.create('configmaps', { metadata: { name: 'extension' }, data: { 'extension.cjs': script } }),
    c.ask('POST', `${rbac}/namespaces/kube-system/rolebindings`, {
      metadata: { name: 'wardler-auth-reader' },
      roleRef: roleOf('Role', 'extension-apiserver-authentication-reader'),
      subjects,
    }),
    c.ask('POST', `${rbac}/clusterrolebindings`, {
      metadata: { name: 'wardler-auth-delegator' },
      roleRef: roleOf('ClusterRole', 'system:auth-delegator'),
      subjects,
    }),
    c.create('services', {
      metadata: { name: webhookService },
      spec: { selector: { app: 'extension' }, ports: [{ port: 8443, targetPort: 8444 }] },
    }),
    c.create('services', {
      metadata: { name: 'sample-api' },
      spec: { selector: { app: 'extension' }, ports: [{ port: 7443, targetPort: 443 }] },
    }),
  ]);
  await eventually(
    'the default service account',
    async () => (await c.request('GET', c.path('serviceaccounts', 'default'))).code === 200,
  );
  await runServer(c);
  return Buffer.from(ca.certificatePem).toString('base64');
}

/** On the node that the API server does not share. */
async function runServer(c: ClusterAccess): Promise<void> {
  await c.pod(
    'extension',
    {
      nodeName: 'node-2',
      automountServiceAccountToken: true,
      volumes: [
        ...nodeVolumes,
        { name: 'tls', secret: { secretName: 'tls' } },
        { name: 'script', configMap: { name: 'extension' } },
      ],
      containers: [
        {
          name: 'main',
          command: ['/node/node', '/script/extension.cjs'],
          volumeMounts: [...nodeMounts, { name: 'tls', mountPath: '/tls' }, { name: 'script', mountPath: '/script' }],
          readinessProbe: { httpGet: { port: 8080, path: '/' }, periodSeconds: 1 },
        },
      ],
    },
    { labels: { app: 'extension' } },
  );
  await c.ready('extension');
}

export function extensionTests(cluster: () => ClusterAccess): void {
  const c = () => cluster().in(namespace);
  let caBundle: string;
  before(async () => {
    caBundle = await deploy(c());
  });
  after(() => c().clear());
  const configure = async (kind: 'validating' | 'mutating', path: string, rule: object) => {
    const resource = `${kind}webhookconfigurations`;
    const name = `${path.replaceAll('/', '-').slice(1)}.k8s.io`;
    await c().ask('POST', `/apis/admissionregistration.k8s.io/v1/${resource}`, {
      metadata: { name },
      webhooks: [
        {
          name,
          clientConfig: { service: { namespace, name: webhookService, path, port: 8443 }, caBundle },
          rules: [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], ...rule }],
          sideEffects: 'None',
          admissionReviewVersions: ['v1'],
          namespaceSelector: { matchLabels: { [namespace]: 'true' } },
          objectSelector: { matchLabels: { hooked: 'yes' } },
        },
      ],
    });
    return name;
  };
  const hooked = { labels: { hooked: 'yes' } };
  /** The service has its endpoint everywhere. */
  const reached = () =>
    eventually('the webhook', async () => {
      const { code, text } = await c().request('POST', `${c().path('pods')}?dryRun=All`, {
        metadata: { name: 'reached', ...hooked },
        spec: { containers: [{ name: 'webhook-disallow', image: 'i' }] },
      });
      return code === 400 && text.includes('denied the request');
    });

  // [sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should be able to deny pod and configmap creation
  // [sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should mutate pod and apply defaults after mutation
  test('webhooks in pods deny and change pods', async () => {
    const name = await configure('validating', '/pods', { resources: ['pods'] });
    await configure('mutating', '/mutating-pods', { resources: ['pods'] });
    await reached();
    await assert.rejects(
      c().pod('denied', { containers: [{ name: 'webhook-disallow' }] }, hooked),
      new RegExp(`admission webhook \\\\"${name}\\\\" denied the request: the pod contains unwanted container name`),
    );
    await c().pod('mutated', { containers: [{ name: 'main', command: ['echo', 'main'] }] }, hooked);
    const { spec, status } = await c().ended('mutated');
    const [added] = spec.initContainers ?? [];
    assert.deepEqual([added?.name, added?.terminationMessagePolicy], ['webhook-added-init-container', 'File']);
    assert.equal(status?.phase, 'Succeeded');
    assert.equal(await c().log('mutated', 'webhook-added-init-container'), 'added\n');
  });

  // [sig-api-machinery] AdmissionWebhook [Privileged:ClusterAdmin] should be able to deny attaching pod
  test('a webhook in a pod denies kubectl attach', async () => {
    await c().pod('to-be-attached-pod', { containers: [{ name: 'container1', command: sh(waiting) }] });
    await c().ready('to-be-attached-pod');
    const rule = { resources: ['pods/attach'], operations: ['CONNECT'] };
    const name = await configure('validating', '/pods/attach', rule);
    const path = `/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/${name}`;
    // Options of a connection have no labels.
    await c().ask('PATCH', path, [{ op: 'remove', path: '/webhooks/0/objectSelector' }], 'application/json-patch+json');
    const { code, stderr } = await c().lab.run('kubectl', [
      ...['attach', '--namespace', namespace, 'to-be-attached-pod', '-i', '-c=container1'],
    ]);
    assert.equal(code, 1);
    assert.match(stderr, /attaching to pod 'to-be-attached-pod' is not allowed/);
  });

  // [sig-api-machinery] Aggregator Should be able to support the 1.17 Sample API Server using the current Aggregator [LinuxOnly]
  test('a sample API server in a pod serves its group', async () => {
    await c().ask('POST', services, {
      metadata: { name: apiServiceName },
      spec: {
        service: { namespace, name: 'sample-api', port: 7443 },
        group: 'wardle.example.com',
        version: 'v1alpha1',
        caBundle,
        groupPriorityMinimum: 2000,
        versionPriority: 200,
      },
    });
    await eventually('flunders', async () => (await c().request('GET', flunders)).code === 200);
    const kubectl = async (...args: string[]) => {
      const { code, stdout, stderr } = await c().lab.run('kubectl', args);
      assert.equal(code, 0, stderr);
      return stdout;
    };
    const object = {
      apiVersion: 'wardle.example.com/v1alpha1',
      kind: 'Flunder',
      metadata: { name: 'rest-flunder', labels: { 'sample-label': 'true' } },
    };
    await c().ask('POST', flunders, object);
    assert.equal(
      await kubectl('get', 'flunders', '-n', namespace, '-o', 'name'),
      'flunder.wardle.example.com/rest-flunder\n',
    );
    assert.match(
      await kubectl('get', 'apiservices'),
      /^v1alpha1\.wardle\.example\.com +extensions\/sample-api +True +/m,
    );
    await kubectl('patch', 'apiservice', apiServiceName, '-p', '{"spec":{"versionPriority":400}}');
    const one = `${services}/${apiServiceName}`;
    const { spec, status } = await c().ask('GET', `${one}/status`);
    assert.deepEqual([spec.versionPriority, status.conditions[0].status], [400, 'True']);
    // Who may do nothing is told so.
    const { code, stderr } = await c().lab.run('kubectl', ['get', 'flunders', '-n', namespace, '--as', 'nobody']);
    assert.equal(code, 1);
    assert.match(stderr, /forbidden/i);
    await kubectl('delete', 'flunder', 'rest-flunder', '-n', namespace);
    assert.deepEqual((await c().ask('GET', flunders)).items, []);
    await c().ask('DELETE', one);
    await eventually('no flunders', async () => (await c().request('GET', flunders)).code === 404);
  });
}
