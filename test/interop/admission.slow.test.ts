// Webhooks and policies of a k8ts, heeded by it and by apiextensions-apiserver: both ask, answer and audit the same.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { applyPatch, type Json, mergePatch } from '../../src/apiserver/test-caller.ts';
import { systemClock } from '../../src/base/clock.ts';
import { missingEtcd } from '../../src/store/test-etcd.ts';
import {
  type AdmissionBench,
  comparable,
  type Handler,
  type Request,
  startAdmissionBench,
  type Told,
} from './admission-bench.ts';
import { storageProgram } from './storage-process.ts';

const program = await storageProgram();
const missing = (await missingEtcd()) ?? ('missing' in program ? program.missing : undefined);
const group = 'hooks.example';
const base = '/apis/admissionregistration.k8s.io/v1/';
const text = { type: 'string' };
const list = { type: 'array', items: text };
const schema = {
  type: 'object',
  properties: {
    spec: {
      type: 'object',
      properties: {
        replicas: { type: 'integer' },
        size: { type: 'integer', default: 3 },
        colour: text,
        list,
        set: { ...list, 'x-kubernetes-list-type': 'set' },
        map: { type: 'object', additionalProperties: text },
      },
    },
    status: { type: 'object', properties: { replicas: { type: 'integer' } } },
  },
};
const definition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `things.${group}` },
  spec: {
    ...{ group, scope: 'Namespaced', names: { plural: 'things', kind: 'Thing' } },
    versions: ['v1', 'v2'].map((name, i) => ({
      ...{ name, served: true, storage: i === 0, schema: { openAPIV3Schema: schema } },
      subresources: { status: {} },
    })),
  },
};

let bench: AdmissionBench;
const cases: { readonly name: string; readonly requests: readonly Request[] }[] = [];

if (missing !== undefined) test('apiextensions-apiserver beside k8ts', { skip: missing }, () => {});
else suite();

function suite(): void {
  before(async () => {
    bench = await startAdmissionBench((program as { path: string }).path, [definition]);
    await requests();
    await badAnswers();
    await conditions();
    await validatingPolicies();
    await mutatingPolicies();
    await behindFailures();
    // What looks for changes of policies looks each second.
    await systemClock.sleep(3000);
  });
  after(() => bench?.stop());

  test('both ask, answer and audit the same', { timeout: 120_000 }, async () => {
    for (const { name, requests } of cases)
      for (const [i, request] of requests.entries()) {
        const [ours, real] = [await bench.tell('ours', request), await ofReal(request)];
        const asked = `${name}, request ${i}: ${request.slice(0, 2).join(' ')}`;
        assert.deepEqual(unordered(comparable(ours)), unordered(comparable(real)), asked);
      }
  });
}

/** There policies come in any order, and what denied first speaks for all. */
function unordered(told: Json): Json {
  const causes: { message: string }[] = told.object?.details?.causes ?? [];
  if (causes.length < 2) return told;
  assert.equal(told.object.message, causes[0]!.message);
  causes.sort((a, b) => (a.message < b.message ? -1 : 1));
  return { ...told, object: { ...told.object, message: '', reason: '' } };
}

/** It learns the types of a new definition when it has one already, and refuses policies that mutate until then. */
async function ofReal(request: Request): Promise<Told> {
  for (;;) {
    const told = await bench.tell('real', request);
    if (told.code !== 503 || !/There can be a delay/.test(told.object.message)) return told;
    await systemClock.sleep(200);
  }
}

const rule = (more: object = {}) => ({
  ...{ operations: ['*'], apiGroups: [group], apiVersions: ['v1'], resources: ['things'], ...more },
});
const things = (ns: string, version = 'v1') => `/apis/${group}/${version}/namespaces/${ns}/things`;
const thing = (metadata: object, spec: object = {}, version = 'v1') => ({
  ...{ apiVersion: `${group}/${version}`, kind: 'Thing', metadata, spec },
});

/** A namespace for one case, and what is asked in it. */
async function place(name: string, requests: (path: string, ns: string) => readonly Request[]): Promise<string> {
  const ns = `case-${cases.length}`;
  await bench.ours.expect(201, 'POST', '/api/v1/namespaces', { metadata: { name: ns, labels: { case: ns } } });
  cases.push({ name, requests: requests(things(ns), ns) });
  return ns;
}

const create = (path: string): Request[] => [['POST', path, thing({ name: 'a' }, { replicas: 5, list: ['x'] })]];
const answer =
  (more: object): Handler =>
  (response, { apiVersion, request }) =>
    response.end(JSON.stringify({ kind: 'AdmissionReview', apiVersion, response: { uid: request.uid, ...more } }));
const allow = answer({ allowed: true });
const patch = (...operations: object[]) =>
  answer({
    ...{ allowed: true, patchType: 'JSONPatch' },
    patch: Buffer.from(JSON.stringify(operations)).toString('base64'),
  });

interface Hook {
  readonly kind: 'mutating' | 'validating';
  readonly handler: Handler;
  readonly more?: object;
}

async function hooks(ns: string, ...list: readonly Hook[]): Promise<void> {
  for (const kind of ['mutating', 'validating'] as const) {
    const webhooks = list
      .filter(hook => hook.kind === kind)
      .map(({ handler, more }, i) => {
        const path = `/${ns}/${kind}-${i}`;
        bench.handlers.set(path, handler);
        return {
          name: `${kind}-${i}.${ns}.example`,
          clientConfig: { url: bench.extension.url + path, caBundle: bench.extension.caBundle },
          rules: [rule()],
          namespaceSelector: { matchLabels: { case: ns } },
          ...{ sideEffects: 'None', admissionReviewVersions: ['v1'], ...more },
        };
      });
    if (webhooks.length)
      await bench.ours.expect(201, 'POST', `${base}${kind}webhookconfigurations`, { metadata: { name: ns }, webhooks });
  }
}

async function requests(): Promise<void> {
  const ns = await place('requests', path => [
    ...create(path),
    ['POST', path, thing({ generateName: 'made-' })],
    ['PATCH', `${path}/a`, { spec: { replicas: 3 } }, mergePatch],
    ['PATCH', `${path}/b?fieldManager=m&force=true`, thing({ name: 'b' }, { colour: 'red' }), applyPatch],
    ['PATCH', `${path}/b?fieldManager=m&force=true`, thing({ name: 'b' }, { colour: 'blue' }), applyPatch],
    ['PATCH', `${path}/a/status`, { status: { replicas: 3 } }, mergePatch],
    ['POST', `${path}?dryRun=All`, thing({ name: 'dry' })],
    ['DELETE', `${path}/a`, { kind: 'DeleteOptions', apiVersion: 'v1', propagationPolicy: 'Background' }],
    ['DELETE', `${path}?fieldSelector=metadata.name=b`],
  ]);
  const more = { rules: [rule({ resources: ['*/*'] })] };
  await hooks(ns, { kind: 'mutating', handler: allow, more }, { kind: 'validating', handler: allow, more });
  const equivalent = { rules: [rule({ apiVersions: ['v2'] })] };
  const red = patch({ op: 'add', path: '/spec/colour', value: 'red' });
  const again = { ...equivalent, reinvocationPolicy: 'IfNeeded' };
  const exact = { ...equivalent, matchPolicy: 'Exact' };
  await hooks(
    await place('equivalent versions, asked again', path => [
      ...create(path),
      ['POST', path.replace('/v1/', '/v2/'), thing({ name: 'c' }, {}, 'v2')],
    ]),
    { kind: 'mutating', handler: allow, more: again },
    { kind: 'mutating', handler: red, more: equivalent },
    { kind: 'validating', handler: allow, more: exact },
  );
}

const said = (status: object) => answer({ allowed: false, status });
const review =
  (more: object): Handler =>
  (response, { request }) =>
    response.end(JSON.stringify({ response: { uid: request.uid, allowed: true }, ...more }));
const http =
  (code: number, body = '', headers: Record<string, string> = {}): Handler =>
  response =>
    response.writeHead(code, headers).end(body);
const kind = 'AdmissionReview';
const plain = { 'content-type': 'text/plain' };

const answers: Readonly<Record<string, Handler>> = {
  'nothing allowed': answer({}),
  'no reason': answer({ allowed: false }),
  'a reason': said({ reason: 'Because', code: 200 }),
  'all of a status': said({
    code: 422,
    reason: 'Invalid',
    message: 'no',
    details: { name: 'n', causes: [{ field: 'f' }] },
  }),
  'another uid': answer({ allowed: true, uid: 'x' }),
  'no response': review({ kind, apiVersion: 'admission.k8s.io/v1', response: undefined }),
  'no kind': review({}),
  'another kind': review({ kind: 'Pod', apiVersion: 'v1' }),
  'another version': review({ kind, apiVersion: 'admission.k8s.io/v1beta1' }),
  'a list': response => response.end('[]'),
  nothing: http(200),
  'wrong types': answer({ allowed: 'yes' }),
  'wrong warnings': answer({ allowed: true, warnings: 'x' }),
  warnings: answer({
    allowed: true,
    warnings: ['one', 'one', '', 'a\nb', '"q"'],
    auditAnnotations: { k: 'v', 'a b': 'w' },
  }),
  'many warnings': answer({ allowed: false, warnings: Array.from({ length: 20 }, (_, i) => `${i}${'y'.repeat(400)}`) }),
  'a patch without type': answer({ allowed: true, patch: 'W10=' }),
  'no base64': answer({ allowed: true, patchType: 'JSONPatch', patch: '!' }),
  'no JSON': answer({ allowed: true, patchType: 'JSONPatch', patch: Buffer.from('{').toString('base64') }),
  'no operations': answer({ allowed: true, patchType: 'JSONPatch', patch: Buffer.from('[5]').toString('base64') }),
  'no such path': patch({ op: 'remove', path: '/spec/none' }),
  'another namespace': patch({ op: 'replace', path: '/metadata/namespace', value: 'x' }),
  'an explicit null': patch({ op: 'add', path: '/spec/colour', value: null }),
  annotations: patch({ op: 'add', path: '/metadata/annotations', value: { a: '<b>' } }),
  'an error': http(500, 'oops', plain),
  'a refusal': http(403, 'no', plain),
  'too many': http(429),
};

async function badAnswers(): Promise<void> {
  for (const [name, handler] of Object.entries(answers))
    for (const failurePolicy of ['Fail', 'Ignore']) {
      const more = { failurePolicy };
      const both = [{ kind: 'mutating', handler, more } as const, { kind: 'validating', handler, more } as const];
      if (failurePolicy === 'Ignore') await hooks(await place(`${name}, ignored`, create), ...both);
      else for (const hook of both) await hooks(await place(`${name}, ${hook.kind}`, create), hook);
    }
}

async function conditions(): Promise<void> {
  for (const expression of [
    'object.spec.none == 1',
    "authorizer.path('/x').check('get').allowed()",
    "request.name == 'b'",
  ])
    for (const failurePolicy of ['Fail', 'Ignore']) {
      const more = { failurePolicy, matchConditions: [{ name: 'x', expression }] };
      await hooks(await place(expression, create), { kind: 'validating', handler: allow, more });
    }
}

interface Bound {
  readonly spec: object;
  readonly binding?: object;
  readonly requests?: (path: string) => readonly Request[];
}

async function policy(name: string, which: 'validating' | 'mutating', { spec, binding, requests = create }: Bound) {
  const ns = await place(name, requests);
  const matchConstraints = {
    resourceRules: [rule({ operations: ['CREATE', 'UPDATE'] })],
    namespaceSelector: { matchLabels: { case: ns } },
  };
  const mutates = which === 'mutating';
  await bench.ours.expect(201, 'POST', `${base}${which}admissionpolicies`, {
    metadata: { name: `${ns}.example` },
    spec: { matchConstraints, ...(mutates ? { reinvocationPolicy: 'Never' } : {}), ...spec },
  });
  await bench.ours.expect(201, 'POST', `${base}${which}admissionpolicybindings`, {
    metadata: { name: `bound.${ns}.example` },
    spec: { policyName: `${ns}.example`, ...(mutates ? {} : { validationActions: ['Deny'] }), ...binding },
  });
}

async function validatingPolicies(): Promise<void> {
  const fails = { expression: 'object.spec.replicas < 3' };
  const two = [
    { ...fails, message: 'one' },
    { ...fails, reason: 'Forbidden', messageExpression: "'two ' + request.name" },
  ];
  const auditAnnotations = [{ key: 'note', valueExpression: "' of ' + object.metadata.name" }];
  for (const validationActions of [['Deny'], ['Warn'], ['Audit'], ['Deny', 'Audit'], ['Warn', 'Audit']])
    await policy(`actions ${validationActions}`, 'validating', {
      spec: { validations: two, auditAnnotations },
      binding: { validationActions },
    });
  for (const failurePolicy of ['Fail', 'Ignore']) {
    await policy('an error', 'validating', {
      spec: { failurePolicy, validations: [{ expression: 'object.none == 1' }] },
    });
    const paramKind = { apiVersion: 'none.example/v1', kind: 'None' };
    const paramRef = { name: 'p', parameterNotFoundAction: 'Deny' };
    await policy('no such kind', 'validating', {
      spec: { failurePolicy, paramKind, validations: [fails] },
      binding: { paramRef },
    });
    const maps = { apiVersion: 'v1', kind: 'ConfigMap' };
    await policy('no such parameters', 'validating', {
      spec: { failurePolicy, paramKind: maps, validations: [fails] },
      binding: { paramRef },
    });
  }
  const shown = [
    'request.name + request.operation + request.kind.version + request.requestKind.version + request.userInfo.username',
    'string(namespaceObject.metadata.labels.size()) + string(oldObject == null) + string(has(request.subResource))',
    'variables.v',
    'request.subResource',
  ];
  for (const messageExpression of shown)
    await policy(messageExpression, 'validating', {
      spec: {
        variables: [{ name: 'v', expression: "'v ' + object.metadata.name" }],
        validations: [{ expression: 'false', messageExpression }],
      },
      requests: path => [...create(path), ['POST', path, thing({ generateName: 'made-' })]],
    });
}

async function mutatingPolicies(): Promise<void> {
  const applied = [
    "Object{spec: Object.spec{colour: 'blue', map: {'a': 'b'}, set: ['s']}, metadata: Object.metadata{labels: {'a': 'b'}}}",
    "Object{spec: Object.spec{bogus: 'x'}}",
    "Object{spec: Object.spec{replicas: 'x'}}",
    "Object{spec: Object.spec{list: ['x']}}",
    "Object{spec: Object.spec{set: ['x', 'x']}}",
    'Object{spec: Object.set{}}',
    'Object{spec: Object.spec{colour: object.none}}',
  ];
  for (const expression of applied)
    await policy(expression, 'mutating', {
      spec: { mutations: [{ patchType: 'ApplyConfiguration', applyConfiguration: { expression } }] },
    });
  const patches = [
    "[JSONPatch{op: 'test', path: '/spec/replicas', value: 5}, JSONPatch{op: 'add', path: '/spec/list/-', value: 'y'}]",
    "[JSONPatch{op: 'test', path: '/spec/replicas', value: 6}, JSONPatch{op: 'add', path: '/spec/list/-', value: 'y'}]",
    "[JSONPatch{op: 'remove', path: '/none'}]",
    "[JSONPatch{op: 'add', path: '/spec/list/9', value: 'y'}]",
    "[JSONPatch{op: 'add', value: 'y'}]",
    "[JSONPatch{op: 'replace', path: '/kind', value: 'Other'}]",
  ];
  for (const expression of patches)
    await policy(expression, 'mutating', {
      spec: { mutations: [{ patchType: 'JSONPatch', jsonPatch: { expression } }] },
    });
}

/** Several policies for one case, in the order of their names. */
async function together(name: string, policies: readonly Json[]): Promise<void> {
  const ns = await place(name, create);
  for (const [i, { bindings = 1, ...spec }] of policies.entries()) {
    const policyName = `${ns}-${i}.example`;
    const matchConstraints = {
      resourceRules: [rule({ operations: ['CREATE'] })],
      namespaceSelector: { matchLabels: { case: ns } },
    };
    await bench.ours.expect(201, 'POST', `${base}mutatingadmissionpolicies`, {
      metadata: { name: policyName },
      spec: { matchConstraints, reinvocationPolicy: 'Never', ...spec },
    });
    for (let b = 0; b < bindings; b++)
      await bench.ours.expect(201, 'POST', `${base}mutatingadmissionpolicybindings`, {
        metadata: { name: `bound-${b}.${policyName}` },
        spec: {
          policyName,
          ...(spec.paramKind ? { paramRef: { name: 'p', parameterNotFoundAction: 'Deny' } } : {}),
        },
      });
  }
}

async function behindFailures(): Promise<void> {
  const applying = (expression: string) => ({ patchType: 'ApplyConfiguration', applyConfiguration: { expression } });
  const labels = (key: string) => applying(`Object{metadata: Object.metadata{labels: {'${key}': 'x'}}}`);
  const failing = {
    expression: applying('Object{spec: Object.spec{replicas: object.spec.none}}'),
    type: applying("Object{spec: Object.spec{bogus: 'x'}}"),
    patch: { patchType: 'JSONPatch', jsonPatch: { expression: "[JSONPatch{op: 'remove', path: '/none'}]" } },
  };
  const [ignore, fail] = [{ failurePolicy: 'Ignore' }, { failurePolicy: 'Fail' }];
  const paramKind = { apiVersion: 'none.example/v1', kind: 'None' };
  const matchConditions = [{ name: 'x', expression: 'object.spec.none == 1' }];
  for (const [why, mutation] of Object.entries(failing)) {
    const mutations = [mutation];
    await together(`${why}: mutations around an ignored failure`, [
      { ...ignore, mutations: [labels('a'), mutation, labels('b')] },
    ]);
    await together(`${why}: a policy behind an ignored failure`, [
      { ...ignore, mutations },
      { ...fail, mutations: [labels('a')] },
    ]);
    await together(`${why}: a policy behind two bindings`, [
      { ...ignore, mutations: [labels('a'), mutation], bindings: 2 },
      { ...ignore, mutations: [labels('b')] },
    ]);
    await together(`${why}: failures of one policy`, [
      { ...fail, mutations: [labels('a'), mutation, failing.type, labels('b'), failing.patch] },
    ]);
    await together(`${why}: failures`, [
      { ...fail, mutations: [labels('a')] },
      { ...ignore, mutations },
      { ...fail, mutations },
      { ...fail, mutations, bindings: 2 },
    ]);
  }
  for (const failurePolicy of ['Ignore', 'Fail']) {
    const mutations = [labels('a')];
    const other = { ...fail, mutations: [labels('b')] };
    const broken = { ...fail, mutations: [failing.type] };
    await together(`${failurePolicy}: no such kind`, [{ failurePolicy, paramKind, mutations }, other]);
    await together(`${failurePolicy}: no such kind, later`, [other, { failurePolicy, paramKind, mutations }, broken]);
    await together(`${failurePolicy}: behind a failure`, [broken, { failurePolicy, paramKind, mutations }]);
    await together(`${failurePolicy}: conditions`, [{ failurePolicy, matchConditions, mutations }, other]);
    await together(`${failurePolicy}: conditions, later`, [
      other,
      { failurePolicy, matchConditions, mutations },
      broken,
    ]);
    const maps = { apiVersion: 'v1', kind: 'ConfigMap' };
    await together(`${failurePolicy}: no parameters`, [{ failurePolicy, paramKind: maps, mutations }, other]);
    await together(`${failurePolicy}: no parameters, later`, [broken, { failurePolicy, paramKind: maps, mutations }]);
  }
}
