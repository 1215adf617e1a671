import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { parseFieldSelector } from '../../api/field-selector.ts';
import { parseLabelSelector } from '../../api/label-selector.ts';
import { authorizationV1, coreV1 } from '../../api/refs.ts';
import { isForbidden } from '../../api/status.ts';
import { systemClock, VirtualClock } from '../../base/clock.ts';
import { createMetrics } from '../../base/metrics.ts';
import { startTestExtension, type TestExtension } from '../extension/test-extension.ts';
import { startTestServer } from '../test-server.ts';
import type { Attributes, Verdict } from './authorizer.ts';
import { planAuthorizers, readAuthorizationConfiguration } from './configuration.ts';
import { ConfiguredAuthorizer } from './configured-authorizer.ts';
import { WebhookAuthorizer } from './webhook-authorizer.ts';

const directory = mkdtempSync(join(tmpdir(), 'webhook-authorizer-'));
const kubeconfig = join(directory, 'webhook.kubeconfig');
let server: TestExtension;
const seen: { url: string; authorization: string | undefined; review: Record<string, unknown> & { spec: never } }[] =
  [];
/** What the webhook answers. */
let answer: (spec: Record<string, unknown>) => object = () => ({ allowed: false });
let status = 200;

before(async () => {
  server = await startTestExtension((request, response, body) => {
    const review = JSON.parse(body);
    seen.push({ url: request.url!, authorization: request.headers.authorization, review });
    response.statusCode = status;
    response.end(JSON.stringify({ ...review, status: answer(review.spec) }));
  });
  const cluster = { server: `${server.url}/authorize`, 'certificate-authority-data': server.caBundle };
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      kind: 'Config',
      apiVersion: 'v1',
      'current-context': 'x',
      clusters: [{ name: 'c', cluster }],
      users: [{ name: 'u', user: { token: 'secret' } }],
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
    }),
  );
});
after(async () => {
  await server.stop();
  rmSync(directory, { recursive: true });
});

const webhookOf = (more: object = {}) => ({
  timeout: '3s',
  subjectAccessReviewVersion: 'v1',
  failurePolicy: 'NoOpinion',
  connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: kubeconfig },
  ...more,
});
const plan = (more: object = {}) => {
  const [one] = planAuthorizers({ authorizers: [{ type: 'Webhook', name: 'w', webhook: webhookOf(more) }] });
  assert.ok(one?.type === 'Webhook');
  return one.webhook;
};

const pods: Attributes = {
  user: { name: 'ann', groups: ['g'], uid: '7', extra: { k: ['v'] } },
  verb: 'list',
  isResource: true,
  ...{ group: '', version: 'v1', resource: 'pods', subresource: '', namespace: 'ns', name: '', path: '' },
};

function local(more: object, respond: (body: unknown) => unknown) {
  const clock = new VirtualClock();
  const metrics = createMetrics();
  const bodies: unknown[] = [];
  const post = async (body: unknown) => {
    bodies.push(body);
    return respond(body);
  };
  return {
    clock,
    metrics,
    bodies,
    webhook: new WebhookAuthorizer({ name: 'w', plan: plan(more), post, clock, metrics }),
  };
}

test('a review tells all, in either version', async () => {
  const attributes = {
    ...pods,
    fieldSelector: parseFieldSelector('spec.nodeName=n1,status.phase!=Failed'),
    labelSelector: parseLabelSelector('app in (a,b),!old,new'),
  };
  const spec = {
    resourceAttributes: {
      ...{ namespace: 'ns', verb: 'list', version: 'v1', resource: 'pods' },
      fieldSelector: {
        requirements: [
          { key: 'spec.nodeName', operator: 'In', values: ['n1'] },
          { key: 'status.phase', operator: 'NotIn', values: ['Failed'] },
        ],
      },
      labelSelector: {
        requirements: [
          { key: 'app', operator: 'In', values: ['a', 'b'] },
          { key: 'new', operator: 'Exists' },
          { key: 'old', operator: 'DoesNotExist' },
        ],
      },
    },
    user: 'ann',
    groups: ['g'],
    extra: { k: ['v'] },
    uid: '7',
  };
  const { webhook, bodies } = local({}, () => ({ status: { allowed: true, reason: 'fine' } }));
  assert.deepEqual(await webhook.authorize(attributes), { decision: 'allow', reason: 'fine' });
  assert.deepEqual(bodies, [
    {
      kind: 'SubjectAccessReview',
      apiVersion: 'authorization.k8s.io/v1',
      metadata: {},
      spec,
      status: { allowed: false },
    },
  ]);
  const old = local({ subjectAccessReviewVersion: 'v1beta1' }, () => ({}));
  await old.webhook.authorize({ ...pods, isResource: false, path: '/metrics', verb: 'get' });
  const sent = old.bodies[0] as { apiVersion: string; spec: object };
  assert.equal(sent.apiVersion, 'authorization.k8s.io/v1beta1');
  assert.deepEqual(sent.spec, {
    nonResourceAttributes: { path: '/metrics', verb: 'get' },
    ...{ user: 'ann', extra: { k: ['v'] }, uid: '7', group: ['g'] },
  });
});

test('answers are kept: allowed ones for five minutes, others for thirty seconds, failures not at all', async () => {
  let next: unknown = { status: { allowed: true } };
  const { webhook, clock, bodies } = local({}, () => {
    if (next instanceof Error) throw next;
    return next;
  });
  await webhook.authorize(pods);
  assert.deepEqual(webhook.authorize(pods), { decision: 'allow', reason: '' });
  await clock.advance(299_000);
  assert.ok(!(webhook.authorize(pods) instanceof Promise));
  await clock.advance(1000);
  next = { status: { allowed: false, denied: true, reason: 'no' } };
  assert.deepEqual(await webhook.authorize(pods), { decision: 'deny', reason: 'no' });
  await clock.advance(29_000);
  assert.deepEqual(webhook.authorize(pods), { decision: 'deny', reason: 'no' });
  await clock.advance(1000);
  next = new Error('away');
  for (let i = 0; i < 2; i++)
    assert.deepEqual(await webhook.authorize(pods), { decision: 'noOpinion', reason: '', error: 'away' });
  assert.equal(bodies.length, 4);
  next = { status: { allowed: true, denied: true } };
  assert.match((await webhook.authorize(pods)).error!, /both allow and deny/);
  const never = local({ cacheAuthorizedRequests: false }, () => ({ status: { allowed: true } }));
  await never.webhook.authorize(pods);
  await never.webhook.authorize(pods);
  assert.equal(never.bodies.length, 2);
});

test('match conditions keep requests away; what they cannot decide is a failure', async () => {
  const conditions = (...expressions: string[]) => ({
    matchConditionSubjectAccessReviewVersion: 'v1',
    failurePolicy: 'Deny',
    matchConditions: expressions.map(expression => ({ expression })),
  });
  const asked = async (expression: string, attributes: Attributes = pods) => {
    const { webhook, bodies } = local(conditions(expression), () => ({ status: { allowed: true } }));
    const { decision, error = '' } = await webhook.authorize(attributes);
    return [decision, bodies.length, error] as const;
  };
  assert.deepEqual(await asked('has(request.resourceAttributes) && request.resourceAttributes.namespace == "ns"'), [
    'allow',
    1,
    '',
  ]);
  assert.deepEqual(await asked("!('g' in request.groups)"), ['noOpinion', 0, '']);
  assert.deepEqual(await asked('has(request.nonResourceAttributes)'), ['noOpinion', 0, '']);
  assert.deepEqual(await asked('request.resourceAttributes.subresource == "" && request.uid == "7"'), ['allow', 1, '']);
  const [decision, bodies, error] = await asked('request.nonResourceAttributes.path == "/"');
  assert.deepEqual([decision, bodies], ['deny', 0]);
  assert.match(error, /no such key: nonResourceAttributes/);
  const { webhook, metrics } = local(conditions('request.nonResourceAttributes.path == "/"', 'false'), () => ({}));
  assert.deepEqual(webhook.authorize(pods), { decision: 'noOpinion', reason: '' });
  assert.match(await metrics.text(), /match_condition_exclusions_total{type="Webhook",name="w"} 1/);
});

test('webhooks that answer at once and later decide the same as their table', async () => {
  const table = fc.dictionary(fc.constantFrom('get', 'list', 'watch'), fc.constantFrom('allow', 'deny', 'noOpinion'));
  await fc.assert(
    fc.asyncProperty(table, fc.array(fc.constantFrom('get', 'list', 'watch')), async (rules, verbs) => {
      const { webhook } = local({}, body => {
        const { verb } = (body as { spec: { resourceAttributes: { verb: string } } }).spec.resourceAttributes;
        return { status: { allowed: rules[verb] === 'allow', denied: rules[verb] === 'deny' } };
      });
      const parts = { node: never, rbac: never, webhook: () => webhook };
      const all = new ConfiguredAuthorizer(parts, [{ type: 'Webhook', name: 'w', webhook: plan() }]);
      // The second time from what was kept.
      for (const verb of [...verbs, ...verbs])
        assert.equal((await all.authorize({ ...pods, verb })).decision, rules[verb] ?? 'noOpinion');
    }),
  );
});
const never = {
  authorize: (): Verdict => ({ decision: 'noOpinion', reason: '' }),
  rulesFor: () => ({ rules: [], incomplete: false, errors: [] }),
};

test('configurations are checked, every complaint at once', () => {
  const complaint = (authorizers: object[]): string => {
    try {
      planAuthorizers({ authorizers });
      return '';
    } catch (error) {
      return (error as Error).message;
    }
  };
  assert.equal(complaint([]), 'authorizers: Required value: at least one authorization mode must be defined');
  assert.equal(
    complaint([{ type: 'RBAC', name: 'a' }, { type: 'RBAC', name: 'b' }, { type: 'X', name: 'c' }, { type: 'Node' }]),
    '[authorizers[1].type: Duplicate value: "RBAC", authorizers[2].type: Unsupported value: "X": supported values: "ABAC", "AlwaysAllow", "AlwaysDeny", "Node", "RBAC", "Webhook", authorizers[3].name: Required value]',
  );
  assert.equal(
    complaint([{ type: 'Webhook', name: 'w', webhook: { timeout: '1m' } }]),
    '[authorizers[0].timeout: Invalid value: "1m0s": must be > 0s and <= 30s, ' +
      'authorizers[0].subjectAccessReviewVersion: Required value, ' +
      'authorizers[0].failurePolicy: Required value, ' +
      'authorizers[0].connectionInfo.type: Required value]',
  );
  const one = (more: object) => complaint([{ type: 'Webhook', name: 'w', webhook: webhookOf(more) }]);
  assert.match(
    one({ matchConditions: [{ expression: 'request.user' }], matchConditionSubjectAccessReviewVersion: 'v1' }),
    /matchConditions\[0\].expression: Invalid value: "request.user": must evaluate to bool/,
  );
  assert.match(one({ matchConditions: [{ expression: 'true' }] }), /required if match conditions are specified/);
  assert.match(one({ connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: 'x' } }), /must be an absolute path/);
  assert.match(complaint([{ type: 'Node', name: 'n', webhook: {} }]), /may only be specified when type=Webhook/);
  const text = 'apiVersion: apiserver.config.k8s.io/v1\nkind: AuthorizationConfiguration\n';
  assert.throws(() => readAuthorizationConfiguration(`${text}authorizers: [{type: Node, name: node, x: 1}]`), {
    message: 'strict decoding error: unknown field "authorizers[0].x"',
  });
  assert.deepEqual(readAuthorizationConfiguration(`${text}authorizers: [{type: Node, name: node}]`), [
    { type: 'Node', name: 'node' },
  ]);
});

test('a server asks its webhook where RBAC has no opinion, and follows its file', async () => {
  const clock = new VirtualClock(systemClock.now());
  const path = join(directory, 'authorization.yaml');
  const document = (names: string[]) =>
    JSON.stringify({
      apiVersion: 'apiserver.config.k8s.io/v1',
      kind: 'AuthorizationConfiguration',
      authorizers: names.map(type => ({
        type,
        name: type.toLowerCase(),
        ...(type === 'Webhook' ? { webhook: webhookOf() } : {}),
      })),
    });
  const text = document(['Node', 'RBAC', 'Webhook']);
  writeFileSync(path, text);
  const metrics = createMetrics();
  const api = await startTestServer({
    metrics,
    clock,
    authorization: { plan: readAuthorizationConfiguration(text), file: { path, text } },
  });
  try {
    const eve = await api.http({ name: 'eve', groups: ['team'] });
    seen.length = 0;
    answer = spec => ({
      allowed: (spec.resourceAttributes as { verb: string }).verb === 'list',
      reason: 'webhook says',
    });
    assert.deepEqual((await eve.list(coreV1.pods, { namespace: 'default', labelSelector: 'a=b' })).items, []);
    assert.equal(seen[0]?.url, '/authorize?timeout=3s');
    assert.equal(seen[0]?.authorization, 'Bearer secret');
    await assert.rejects(
      eve.get(coreV1.pods, { namespace: 'default', name: 'x' }),
      error => isForbidden(error) && /webhook says/.test((error as Error).message),
    );
    status = 400;
    await assert.rejects(
      eve.list(coreV1.nodes),
      /an error on the server \("Internal Server Error: \\"\/api\/v1\/nodes\\": /,
    );
    status = 200;
    const review = { spec: { resourceAttributes: { verb: 'list', resource: 'pods', namespace: 'default' } } } as never;
    assert.equal((await eve.create(authorizationV1.selfsubjectaccessreviews, review)).status.allowed, true);
    const rules = await eve.create(authorizationV1.selfsubjectrulesreviews, {
      spec: { namespace: 'default' },
    } as never);
    assert.equal(rules.status.incomplete, true);
    assert.match(rules.status.evaluationError!, /webhook authorizer does not support user rule resolution/);
    writeFileSync(path, 'kind: Wrong');
    await clock.advance(10_000);
    await eve.list(coreV1.pods, { namespace: 'default', labelSelector: 'a=b' });
    writeFileSync(path, document(['Node', 'RBAC']));
    await clock.advance(10_000);
    await assert.rejects(eve.list(coreV1.pods, { namespace: 'default', labelSelector: 'a=b' }), isForbidden);
    const told = await metrics.text();
    assert.match(told, /authorization_config_controller_automatic_reloads_total{status="success",[^}]*} 1/);
    assert.match(told, /authorization_config_controller_automatic_reloads_total{status="failure",[^}]*} 1/);
    assert.match(told, /apiserver_authorization_decisions_total{type="Webhook",name="webhook",decision="allowed"} \d/);
    assert.match(told, /apiserver_authorization_webhook_evaluations_total{name="webhook",result="success"} \d/);
  } finally {
    await api.stop();
  }
});
