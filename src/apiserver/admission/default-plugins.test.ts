// What single plugins that are on by default do and refuse, through the whole server.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createCertificateRequest, generateEcKey } from '../../base/x509.ts';
import { testApi } from '../test-api.ts';
import { type Json, mergePatch } from '../test-caller.ts';

const api = testApi();
const at = '/api/v1/namespaces/default';

/** Headers with which the superuser speaks for `user`. */
const as = (user: string, more: Record<string, string> = {}) => ({ 'impersonate-user': user, ...more });

async function allow(user: string, rules: readonly object[]): Promise<void> {
  const rbac = '/apis/rbac.authorization.k8s.io/v1';
  await api.expect(201, 'POST', `${rbac}/clusterroles`, { metadata: { name: user }, rules });
  await api.expect(201, 'POST', `${rbac}/clusterrolebindings`, {
    metadata: { name: user },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: user },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }],
  });
}

const requests = '/apis/certificates.k8s.io/v1/certificatesigningrequests';
const { keyPem } = generateEcKey();
async function signingRequest(name: string, signerName: string, organizations: readonly string[]): Promise<Json> {
  const pem = await createCertificateRequest(keyPem, { commonName: 'ann', organizations });
  const request = Buffer.from(pem).toString('base64');
  return { metadata: { name }, spec: { signerName, request, usages: ['client auth'] } };
}

test('CertificateApproval: who approves or denies must be allowed to for the signer', async () => {
  const rule = { apiGroups: ['certificates.k8s.io'], resources: ['certificatesigningrequests/approval'] };
  const signers = { apiGroups: ['certificates.k8s.io'], resources: ['signers'], verbs: ['approve'] };
  const writes = { ...rule, verbs: ['update', 'patch'] };
  await allow('clerk', [writes, { ...signers, resourceNames: ['example.com/a', 'example.org/*'] }]);
  const why = (name: string, signer: string) =>
    `certificatesigningrequests.certificates.k8s.io "${name}" is forbidden: ` +
    `user not permitted to approve requests with signerName "${signer}"`;
  for (const [name, signer, isAllowed] of [
    ['a', 'example.com/a', true],
    ['b', 'example.com/b', false],
    ['c', 'example.org/any', true],
    ['d', 'kubernetes.io/kube-apiserver-client', false],
  ] as const)
    for (const type of ['Approved', 'Denied']) {
      const id = `${name}-${type.toLowerCase()}`;
      await api.expect(201, 'POST', requests, await signingRequest(id, signer, []));
      const status = { conditions: [{ type, status: 'True', reason: 'Test' }] };
      const reply = await api.send('PATCH', `${requests}/${id}/approval`, { status }, as('clerk', mergePatch));
      assert.equal(reply.code, isAllowed ? 200 : 403, id);
      const { object } = await api.send('GET', `${requests}/${id}`);
      if (isAllowed) assert.equal(object.status.conditions[0].type, type);
      else assert.deepEqual([reply.object.message, object.status], [why(id, signer), {}]);
    }
});

test('CertificateSubjectRestriction: nobody becomes a superuser by a certificate for clients', async () => {
  const client = 'kubernetes.io/kube-apiserver-client';
  const why =
    'certificatesigningrequests.certificates.k8s.io "masters" is forbidden: ' +
    `use of ${client} signer with system:masters group is not allowed`;
  const masters = await signingRequest('masters', client, ['a', 'system:masters']);
  assert.equal((await api.expect(403, 'POST', requests, masters)).message, why);
  await api.expect(404, 'GET', `${requests}/masters`);
  await api.expect(201, 'POST', requests, await signingRequest('others', client, ['system:nodes']));
  await api.expect(201, 'POST', requests, await signingRequest('masters', 'example.com/a', ['system:masters']));
});

test('TaintNodesByCondition: a new node begins as not ready', async () => {
  const notReady = { key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' };
  const other = { key: 'a', effect: 'NoExecute' };
  const later = { ...notReady, effect: 'NoExecute' };
  for (const [name, given, taints] of [
    ['bare', undefined, [notReady]],
    ['tainted', [other], [other, notReady]],
    ['executing', [later], [later, notReady]],
    ['said', [notReady, other], [notReady, other]],
  ] as const) {
    const made = await api.expect(201, 'POST', '/api/v1/nodes', { metadata: { name }, spec: { taints: given } });
    assert.deepEqual(made.spec.taints, taints, name);
  }
  // Those that come to be ready stay so.
  await api.expect(200, 'PATCH', '/api/v1/nodes/bare', { spec: { taints: null } }, mergePatch);
  const untainted = await api.expect(
    200,
    'PATCH',
    '/api/v1/nodes/bare',
    { metadata: { labels: { a: 'b' } } },
    mergePatch,
  );
  assert.equal(untainted.spec.taints, undefined);
});

test('DefaultIngressClass: the newest default class, where none is named', async () => {
  const group = '/apis/networking.k8s.io/v1';
  const classOf = async (name: string, metadata: object = {}, spec: object = {}) => {
    const defaultBackend = { service: { name: 's', port: { number: 80 } } };
    const body = { metadata: { name, ...metadata }, spec: { defaultBackend, ...spec } };
    const made = await api.expect(201, 'POST', `${group}/namespaces/default/ingresses`, body);
    return made.spec.ingressClassName;
  };
  const made = (name: string, isDefault: string) => {
    const annotations = { 'ingressclass.kubernetes.io/is-default-class': isDefault };
    return api.expect(201, 'POST', `${group}/ingressclasses`, {
      metadata: { name, annotations },
      spec: { controller: 'example.com/c' },
    });
  };
  assert.equal(await classOf('before'), undefined);
  await made('no', 'false');
  assert.equal(await classOf('without'), undefined);
  await made('yes', 'true');
  assert.equal(await classOf('with'), 'yes');
  assert.equal(await classOf('chosen', {}, { ingressClassName: 'no' }), 'no');
  assert.equal(await classOf('annotated', { annotations: { 'kubernetes.io/ingress.class': 'x' } }), undefined);
});

test('Priority: the class decides, and only the class', async () => {
  const classes = '/apis/scheduling.k8s.io/v1/priorityclasses';
  const pod = (name: string, spec: object = {}) => ({
    metadata: { name },
    spec: { containers: [{ name: 'c', image: 'x' }], ...spec },
  });
  const given = async (name: string, spec: object = {}) => {
    const made = await api.expect(201, 'POST', `${at}/pods`, pod(name, spec));
    return [made.spec.priorityClassName, made.spec.priority, made.spec.preemptionPolicy];
  };
  await api.expect(201, 'POST', `${at}/serviceaccounts`, { metadata: { name: 'default' } });
  await api.expect(201, 'POST', classes, { metadata: { name: 'high' }, value: 7, preemptionPolicy: 'Never' });
  assert.deepEqual(await given('none'), [undefined, 0, 'PreemptLowerPriority']);
  assert.deepEqual(await given('high', { priorityClassName: 'high' }), ['high', 7, 'Never']);
  assert.deepEqual(await given('same', { priorityClassName: 'high', priority: 7, preemptionPolicy: 'Never' }), [
    ...['high', 7, 'Never'],
  ]);
  assert.deepEqual(await given('system', { priorityClassName: 'system-node-critical' }), [
    ...['system-node-critical', 2000001000, 'PreemptLowerPriority'],
  ]);
  const value = (own: number, computed: number) =>
    `the integer value of priority (${own}) must not be provided in pod spec; ` +
    `priority admission controller computed ${computed} from the given PriorityClass name`;
  const policy = (own: string, computed: string) =>
    `the string value of PreemptionPolicy (${own}) must not be provided in pod spec; ` +
    `priority admission controller computed ${computed} from the given PriorityClass name`;
  for (const [spec, why] of [
    [{ priorityClassName: 'absent' }, 'no PriorityClass with name absent was found'],
    [{ priority: 1 }, value(1, 0)],
    [{ priorityClassName: 'high', priority: 0 }, value(0, 7)],
    [{ preemptionPolicy: 'Never' }, policy('Never', 'PreemptLowerPriority')],
    [{ priorityClassName: 'high', preemptionPolicy: 'PreemptLowerPriority' }, policy('PreemptLowerPriority', 'Never')],
  ] as const)
    assert.equal(
      (await api.expect(403, 'POST', `${at}/pods`, pod('p', spec))).message,
      `pods "p" is forbidden: ${why}`,
    );
  // One default class, of which pods say that they are.
  await api.expect(201, 'POST', classes, { metadata: { name: 'usual' }, value: 3, globalDefault: true });
  assert.deepEqual(await given('default'), ['usual', 3, 'PreemptLowerPriority']);
  // A client that knows no priority may still update.
  const { metadata, spec } = await api.expect(200, 'GET', `${at}/pods/high`);
  const { priority, preemptionPolicy, ...others } = spec;
  const updated = await api.expect(200, 'PUT', `${at}/pods/high`, { metadata, spec: others });
  assert.deepEqual([updated.spec.priority, updated.spec.preemptionPolicy], [priority, preemptionPolicy]);
});
