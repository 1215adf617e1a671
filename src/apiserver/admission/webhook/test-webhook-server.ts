import { after, afterEach, before } from 'node:test';
import type { Draft, KubeObject } from '../../../api/meta.ts';
import { admissionregistrationV1, apiextensionsV1, coreV1 } from '../../../api/refs.ts';
import type { AdmissionRequest, AdmissionResponse } from '../../../api/type/admission-v1.ts';
import type { MutatingWebhook, WebhookClientConfig } from '../../../api/type/admissionregistration-v1.ts';
import type { ConfigMap } from '../../../api/type/core-v1.ts';
import type { Client } from '../../../client/client.ts';
import { startTestExtension, type TestExtension } from '../../extension/test-extension.ts';
import { startTestServer, type TestServer } from '../../test-server.ts';

export type Answer = Partial<AdmissionResponse> & { readonly patches?: readonly object[] };
export type Handler = (request: AdmissionRequest, url: URL) => Answer | Promise<Answer> | undefined;

// Live: each test file sees them from when its tests begin.
export let server: TestServer;
export let client: Client;
export let extension: TestExtension;
/** By path: what the webhooks there say. */
export const handlers = new Map<string, Handler>();
export const asked: { path: string; request: AdmissionRequest; apiVersion: string }[] = [];
let count = 0;

/** Starts the server and the webhooks of a test file; between its tests all configurations go. */
export function useWebhookServer(): void {
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
}

export const createOf = (
  resources: readonly string[],
  operations: readonly string[] = ['CREATE'],
  apiGroups = [''],
) => ({
  operations: [...operations],
  apiGroups,
  apiVersions: ['v1'],
  resources: [...resources],
});
export const at = (path: string): WebhookClientConfig => ({ url: extension.url + path, caBundle: extension.caBundle });

export function hook(path: string, over: Partial<MutatingWebhook> = {}): MutatingWebhook {
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

export async function configure(kind: 'mutating' | 'validating', name: string, ...webhooks: MutatingWebhook[]) {
  const draft = { metadata: { name }, webhooks };
  if (kind === 'mutating') await client.create(admissionregistrationV1.mutatingwebhookconfigurations, draft as never);
  else await client.create(admissionregistrationV1.validatingwebhookconfigurations, draft as never);
}

export const configMap = (data: Record<string, string> = {}, name = `c${++count}`): Draft<ConfigMap> => ({
  metadata: { name, namespace: 'a' },
  data,
});

export interface Thing extends KubeObject {
  readonly data: { readonly a?: string; readonly b?: string };
}

export function established(name: string): Promise<void> {
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

export async function rawCreate(object: object): Promise<Response & { headers: Map<string, string> }> {
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
