// Webhooks as the official suite's test image serves them, behind a service, and configurations that wait until they hold.
import assert from 'node:assert/strict';
import { startTestExtension, type TestExtension } from './extension/test-extension.ts';
import { type Caller, caller, type Json } from './test-caller.ts';
import { startTestServer, type TestServer } from './test-server.ts';

export interface WebhookBench {
  readonly api: Caller;
  /** A namespace labelled with its own name, and one for the markers that show when a configuration holds. */
  namespace(): Promise<string>;
  /** Creates the configuration, with the suite's marker webhook added, and waits until the server heeds it. */
  configure(kind: 'mutating' | 'validating', ns: string, webhooks: readonly Json[], labels?: object): Promise<Json>;
  /** Resolves when a configuration made for this namespace is heeded. */
  heeded(ns: string): Promise<void>;
  /** How often the path was asked. */
  asked(path: string): number;
  stop(): Promise<void>;
}

export const configurations = (kind: 'mutating' | 'validating') =>
  `/apis/admissionregistration.k8s.io/v1/${kind}webhookconfigurations`;

/** CREATE of one kind in the core group unless told otherwise. */
export const rule = (resource: string, operations: readonly string[] = ['CREATE'], group = '', version = 'v1') => ({
  operations,
  apiGroups: [group],
  apiVersions: [version],
  resources: [resource],
});

const serviceName = 'e2e-test-webhook';
let caBundle = '';

/** A webhook of the service, concerned with one namespace. */
export const hook = (ns: string, name: string, path: string, rules: readonly object[], more: object = {}) => ({
  name,
  rules,
  clientConfig: { service: { namespace: 'webhooks', name: serviceName, path, port: 8443 }, caBundle },
  sideEffects: 'None',
  admissionReviewVersions: ['v1', 'v1beta1'],
  namespaceSelector: { matchLabels: { [ns]: 'true' } },
  ...more,
});

const denied = (message: string) => ({ allowed: false, status: { message } });
const patched = (...patches: object[]) => ({
  allowed: true,
  patchType: 'JSONPatch',
  patch: Buffer.from(JSON.stringify(patches)).toString('base64'),
});
const allowed = { allowed: true };
const add = (path: string, value: unknown) => ({ op: 'add', path, value });
const stages = ({ object }: Json) => [
  ...(object.data?.['mutation-start'] === 'yes' ? [add('/data/mutation-stage-1', 'yes')] : []),
  ...(object.data?.['mutation-stage-1'] === 'yes' ? [add('/data/mutation-stage-2', 'yes')] : []),
];
const key = 'webhook-e2e-test';

function customResource({ operation, object, oldObject }: Json): Json {
  if (operation === 'DELETE')
    return oldObject.data[key] === 'webhook-nondeletable'
      ? denied('the custom resource cannot be deleted because it contains unwanted key and value')
      : allowed;
  return object.data[key] === 'webhook-disallow' ? denied('the custom resource contains unwanted data') : allowed;
}

function pods({ object }: Json): Json | undefined {
  const names = object.spec.containers.map((c: Json) => c.name);
  if (names.includes('wait-forever')) return undefined;
  const why = [
    ...(names.includes('webhook-disallow') ? ['the pod contains unwanted container name'] : []),
    ...(object.metadata.labels?.[key] === 'webhook-disallow' ? ['the pod contains unwanted label'] : []),
  ];
  return why.length ? denied(why.join('; ')) : allowed;
}

/** Answers by path; undefined never answers. */
const answers: Readonly<Record<string, (request: Json) => Json | undefined>> = {
  '/always-deny': () => denied('this webhook denies all requests'),
  '/always-allow-delay-5s': () => allowed,
  '/add-label': ({ object }) =>
    patched(
      object.metadata.labels
        ? add('/metadata/labels/added-label', 'yes')
        : add('/metadata/labels', { 'added-label': 'yes' }),
    ),
  '/pods': pods,
  '/pods/attach': ({ name, object }) =>
    object.container === 'container1' ? denied(`attaching to pod '${name}' is not allowed`) : allowed,
  '/mutating-pods': ({ object }) =>
    object.metadata.name === 'webhook-to-be-mutated'
      ? patched(
          add('/spec/initContainers', [{ image: 'agnhost:2', name: 'webhook-added-init-container', resources: {} }]),
        )
      : allowed,
  '/configmaps': ({ object }) =>
    object?.data?.[key] === 'webhook-disallow' ? denied('the configmap contains unwanted key and value') : allowed,
  '/mutating-configmaps': request => patched(...stages(request)),
  '/custom-resource': customResource,
  '/mutating-custom-resource': request => patched(...stages(request)),
  '/crd': ({ object }) =>
    object.metadata.labels?.[key] === 'webhook-disallow' ? denied('the crd contains unwanted label') : allowed,
};

export interface WebhookBenchOptions {
  /** How long `/always-allow-delay-5s` takes really. */
  readonly delay?: () => Promise<void>;
}

export async function startWebhookBench({ delay }: WebhookBenchOptions = {}): Promise<WebhookBench> {
  const counts = new Map<string, number>();
  const extension = await startTestExtension(
    async ({ url = '' }, response, body) => {
      const { pathname } = new URL(url, 'https://x');
      counts.set(pathname, (counts.get(pathname) ?? 0) + 1);
      const { request, apiVersion } = JSON.parse(body);
      if (pathname === '/always-allow-delay-5s') await delay?.();
      const answer = answers[pathname]!(request);
      if (!answer) return;
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ kind: 'AdmissionReview', apiVersion, response: { uid: request.uid, ...answer } }));
    },
    { dnsNames: [`${serviceName}.webhooks.svc`] },
  );
  ({ caBundle } = extension);
  const server = await startTestServer({
    dialExtension: at => (at.host === '10.9.9.9' ? { host: '127.0.0.1', port: extension.port } : at),
  });
  const api = caller({ url: server.url, ca: server.ca, cert: server.admin.certificatePem, key: server.admin.keyPem });
  await serve(api);
  return { api, ...benchOf(api), asked: path => counts.get(path) ?? 0, stop: () => stop(api, server, extension) };
}

async function stop(api: Caller, server: TestServer, extension: TestExtension): Promise<void> {
  api.close();
  await server.stop();
  await extension.stop();
}

/** The service and its endpoints. */
async function serve(api: Caller): Promise<void> {
  await api.expect(201, 'POST', '/api/v1/namespaces', { metadata: { name: 'webhooks' } });
  await api.expect(201, 'POST', '/api/v1/namespaces/webhooks/services', {
    metadata: { name: serviceName, labels: { test: 'webhook' } },
    spec: { selector: { webhook: 'true' }, ports: [{ protocol: 'TCP', port: 8443, targetPort: 8444 }] },
  });
  await api.expect(201, 'POST', '/apis/discovery.k8s.io/v1/namespaces/webhooks/endpointslices', {
    metadata: { name: 'webhook', labels: { 'kubernetes.io/service-name': serviceName } },
    addressType: 'IPv4',
    ports: [{ name: '', port: 8444, protocol: 'TCP' }],
    endpoints: [{ addresses: ['10.9.9.9'], conditions: { ready: true } }],
  });
}

function benchOf(api: Caller): Pick<WebhookBench, 'namespace' | 'configure' | 'heeded'> {
  let count = 0;
  const heeded = async (ns: string) => {
    const maps = `/api/v1/namespaces/${ns}-markers/configmaps`;
    for (let i = 0; ; i++) {
      const { code, object } = await api.send('POST', maps, { metadata: { name: `m${i}`, labels: { [ns]: 'true' } } });
      if (code === 400 && object.message.includes('denied')) return;
      assert.ok(code === 201 && i < 500, JSON.stringify(object));
    }
  };
  return {
    heeded,
    async namespace() {
      const name = `hooked${++count}`;
      const create = (name: string, labels: object) =>
        api.expect(201, 'POST', '/api/v1/namespaces', { metadata: { name, labels } });
      await create(name, { [name]: 'true' });
      await create(`${name}-markers`, { [`${name}-markers`]: 'true' });
      await api.expect(201, 'POST', `/api/v1/namespaces/${name}/serviceaccounts`, { metadata: { name: 'default' } });
      return name;
    },
    async configure(kind, ns, webhooks, labels = {}) {
      const marker = hook(`${ns}-markers`, `${kind}-is-webhook-configuration-ready.k8s.io`, '/always-deny', [
        rule('configmaps'),
      ]);
      const object = await api.expect(201, 'POST', configurations(kind), {
        metadata: { name: `${ns}-${kind}`, labels },
        webhooks: [...webhooks, { ...marker, objectSelector: { matchLabels: { [ns]: 'true' } } }],
      });
      await heeded(ns);
      return object;
    },
  };
}
