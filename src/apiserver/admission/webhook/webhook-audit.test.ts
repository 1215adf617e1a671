// What webhooks leave in the audit log.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Event } from '../../../api/type/audit-v1.ts';
import { checkPolicy } from '../../audit/kernel/policy.ts';
import { startTestExtension, type TestExtension } from '../../extension/test-extension.ts';
import { type Caller, caller, type Json } from '../../test-caller.ts';
import { startTestServer, type TestServer } from '../../test-server.ts';

const base = '/apis/admissionregistration.k8s.io/v1/';
const maps = '/api/v1/namespaces/default/configmaps';
const patch = (text: string) => ({ patchType: 'JSONPatch', patch: Buffer.from(text).toString('base64') });
const answers: Readonly<Record<string, object>> = {
  '/same': {},
  '/change': patch('[{"value":{"a":"<b>"},"path":"/data","op":"add"}]'),
  '/undecodable': patch('{'),
  '/annotate': { auditAnnotations: { good: 'v', 'bad key': 'x', 'two/parts': 'y', '': 'z' } },
};

let server: TestServer;
let extension: TestExtension;
let api: Caller;
const events: Event[] = [];

before(async () => {
  extension = await startTestExtension(({ url = '' }, response, body) => {
    const { request } = JSON.parse(body);
    const answer = answers[url.split('?')[0]!];
    if (!answer) return void response.writeHead(500).end();
    const made = { uid: request.uid, allowed: true, ...answer };
    response.end(JSON.stringify({ kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1', response: made }));
  });
  const sink = { write: (event: Event) => events.push(structuredClone(event)) > 0 };
  const rules = [
    { level: 'Request', resources: [{ group: '', resources: ['configmaps'] }], namespaces: ['default'] },
    { level: 'Metadata', resources: [{ group: '', resources: ['configmaps'] }] },
  ];
  const policy = checkPolicy({
    kind: 'Policy',
    apiVersion: 'audit.k8s.io/v1',
    omitStages: ['RequestReceived'],
    rules,
  } as never);
  server = await startTestServer({ audit: { policy, sinks: [sink] } });
  api = caller({ url: server.url, ca: server.ca, cert: server.admin.certificatePem, key: server.admin.keyPem });
  const names = Object.keys(answers).concat('/broken');
  const hook = (path: string) => ({
    name: `${path.slice(1)}.example.com`,
    clientConfig: { url: extension.url + path, caBundle: extension.caBundle },
    rules: [{ operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['configmaps'] }],
    ...{ sideEffects: 'None', admissionReviewVersions: ['v1'], failurePolicy: 'Ignore' },
  });
  for (const [kind, paths] of [
    ['mutating', names],
    ['validating', ['/same', '/broken']],
  ] as const)
    await api.expect(201, 'POST', `${base}${kind}webhookconfigurations`, {
      metadata: { name: 'hooks' },
      webhooks: paths.map(hook),
    });
});
after(async () => {
  api.close();
  await server.stop();
  await extension.stop();
});

async function annotationsOf(path: string): Promise<Record<string, Json>> {
  const { code, headers } = await api.send('POST', path, { metadata: { name: 'm' } });
  assert.equal(code, 201);
  const { annotations = {} } = events.find(e => e.auditID === headers['audit-id'])!;
  return Object.fromEntries(Object.entries(annotations).filter(([key]) => !key.startsWith('authorization.')));
}

const mutation = (index: number, webhook: string, mutated: boolean) => [
  `mutation.webhook.admission.k8s.io/round_0_index_${index}`,
  `{"configuration":"hooks","webhook":"${webhook}.example.com","mutated":${mutated}}`,
];
const always = Object.fromEntries([
  mutation(0, 'same', false),
  mutation(1, 'change', true),
  mutation(2, 'undecodable', false),
  ['failed-open.mutation.webhook.admission.k8s.io/round_0_index_2', 'undecodable.example.com'],
  mutation(3, 'annotate', false),
  ['annotate.example.com/good', 'v'],
  mutation(4, 'broken', false),
  ['failed-open.mutation.webhook.admission.k8s.io/round_0_index_4', 'broken.example.com'],
  ['failed-open.validating.webhook.admission.k8s.io/round_0_index_1', 'broken.example.com'],
]);

test('who was asked, what that changed, what failed, and the patch where the request is recorded', async () => {
  assert.deepEqual(await annotationsOf(maps), {
    ...always,
    'patch.webhook.admission.k8s.io/round_0_index_1':
      '{"configuration":"hooks","webhook":"change.example.com","patch":[{"op":"add","path":"/data","value":{"a":"\\u003cb\\u003e"}}],"patchType":"JSONPatch"}',
  });
  await api.expect(201, 'POST', '/api/v1/namespaces', { metadata: { name: 'other' } });
  assert.deepEqual(await annotationsOf(maps.replace('default', 'other')), always);
});

test('calls are counted by the code of their answer, and as rejections only where they reject', async () => {
  const { object } = await api.send('GET', '/metrics');
  const lines = String(object).split('\n');
  const of = (name: string) => `name="${name}.example.com",type="admit",operation="CREATE"`;
  for (const labels of [
    `${of('broken')},rejected="false",code="500"`,
    `${of('same')},rejected="false",code="200"`,
    `${of('undecodable')},rejected="false",code="200"`,
  ])
    assert.ok(
      lines.includes(`apiserver_admission_webhook_request_total{${labels}} 2`),
      lines.filter(line => line.startsWith('apiserver_admission_webhook_request_total')).join('\n'),
    );
});
