// Whole numbers past 2^53 as clients see them: every form, write, patch, watch and list; webhooks, audit and a restart.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { parse } from 'yaml';
import type { KubeObject } from '../api/meta.ts';
import { decodeProtobuf, encodeProtobuf } from '../api/protobuf.ts';
import { builtinResources, type Resource } from '../api/resource.ts';
import { schemaOf } from '../api/schema.ts';
import type { Event } from '../api/type/audit-v1.ts';
import { systemClock } from '../base/clock.ts';
import { parseExactJson } from '../base/whole-number.ts';
import { memoryStore } from '../store/memory-store.ts';
import { checkPolicy } from './audit/kernel/policy.ts';
import { definition, establish, established, widget, widgets } from './custom/test-definition.ts';
import { startTestExtension, type TestExtension } from './extension/test-extension.ts';
import { superuserOf } from './test-api.ts';
import { applyPatch, type Caller, type Json, jsonPatch, mergePatch, strategicPatch } from './test-caller.ts';
import { ask } from './test-request.ts';
import { samples } from './test-samples.ts';
import { startTestServer, type TestServer } from './test-server.ts';
import { configurations } from './test-webhooks.ts';

const past = 9007199254740993n;
const most = 9223372036854775807n;
const jobs = '/apis/batch/v1/namespaces/default/jobs';
const group = 'whole.example.com';
const count = { type: 'integer', format: 'int64' };
const open = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };
const schema = (more: object = {}) => ({
  type: 'object',
  properties: { count, bound: count, port: { 'x-kubernetes-int-or-string': true }, free: open, ...more },
});

const store = memoryStore({ clock: systemClock });
const audited: Event[] = [];
const sink = { write: async (event: Event) => void audited.push(event), close: async () => {} };
const audit = {
  policy: checkPolicy({
    apiVersion: 'audit.k8s.io/v1',
    kind: 'Policy',
    rules: [{ level: 'RequestResponse' }],
  } as never),
  sinks: [sink],
};
let server: TestServer;
let call: Caller;
let hook: TestExtension;
let asked: string[] = [];

before(async () => {
  server = await startTestServer({ store, audit } as never);
  call = superuserOf(server);
  await call.expect(201, 'POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
  hook = await startTestExtension((_, response, body) => {
    asked.push(body);
    const { request, apiVersion, kind } = parseExactJson(body) as Json;
    response.setHeader('content-type', 'application/json');
    if (kind === 'ConversionReview') {
      const convert = (o: Json) => ({ ...o, apiVersion: request.desiredAPIVersion, count: o.count + 2n });
      const answer = {
        uid: request.uid,
        convertedObjects: request.objects.map(convert),
        result: { status: 'Success' },
      };
      response.end(JSON.stringify({ apiVersion, kind, response: answer }));
      return;
    }
    const patch = `[{"op":"test","path":"/count","value":${request.object.count}},{"op":"replace","path":"/count","value":${most}}]`;
    const verdict = {
      uid: request.uid,
      allowed: true,
      patchType: 'JSONPatch',
      patch: Buffer.from(patch).toString('base64'),
    };
    response.end(JSON.stringify({ apiVersion, kind, response: verdict }));
  });
  await establish(call, definition(group, [{ schema: schema({ defaulted: { ...count, default: past } }) }]));
});
after(async () => {
  call.close();
  await hook.stop();
  await server.stop();
});

const job = (name: string, seconds: bigint): Json => ({
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name },
  spec: {
    activeDeadlineSeconds: seconds,
    suspend: true,
    template: { spec: { restartPolicy: 'Never', containers: [{ name: 'a', image: 'a' }] } },
  },
});
const accept = (type: string) => ({ headers: { accept: type } });
const protobuf = 'application/vnd.kubernetes.protobuf';

/** Reads the field in every form a client may ask for. */
async function seen(path: string, field: string): Promise<Set<string>> {
  const text = new RegExp(`"?${field}"?: ?(-?[0-9]+)`);
  const found = new Set<string>();
  for (const [at, type] of [
    [path, 'application/json'],
    [`${path}?pretty=1`, 'application/json'],
    [path, 'application/yaml'],
    [path.replace(/\/[^/]*$/, ''), 'application/json'],
    [path.replace(/\/[^/]*$/, ''), 'application/yaml'],
  ] as const) {
    const { body } = await ask(server, at, accept(type));
    found.add(text.exec(body.toString())?.[1] ?? `none in ${body}`);
  }
  return found;
}

test('an int64 field of a built-in kind keeps its digits in JSON, protobuf, YAML, lists and watches', async () => {
  const watching = await call.watch(`${jobs}?watch=1`);
  const made = await call.expect(201, 'POST', jobs, job('json', past));
  assert.equal(made.spec.activeDeadlineSeconds, past);
  assert.equal((await watching.next(e => e.object.metadata.name === 'json')).object.spec.activeDeadlineSeconds, past);
  assert.deepEqual(await seen(`${jobs}/json`, 'activeDeadlineSeconds'), new Set([`${past}`]));
  const answer = await ask(server, `${jobs}/json`, accept(protobuf));
  const { object } = decodeProtobuf(answer.body) as { object: Json };
  assert.equal(object.spec.activeDeadlineSeconds, past);

  const yaml = `apiVersion: batch/v1\nkind: Job\nmetadata: {name: yaml}\nspec: {activeDeadlineSeconds: ${most}, suspend: true, template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}\n`;
  const fromYaml = await ask(server, jobs, {
    method: 'POST',
    headers: { 'content-type': 'application/yaml', accept: 'application/yaml' },
    raw: yaml,
  });
  assert.equal(fromYaml.code, 201, fromYaml.body.toString());
  assert.equal(parse(fromYaml.body.toString(), { intAsBigInt: true }).spec.activeDeadlineSeconds, most);

  const next = { ...object, spec: { ...object.spec, activeDeadlineSeconds: most - 1n } };
  const put = await ask(server, `${jobs}/json`, {
    method: 'PUT',
    headers: { 'content-type': protobuf, accept: protobuf },
    raw: encodeProtobuf('io.k8s.api.batch.v1.Job', next as KubeObject),
  });
  assert.equal(put.code, 200);
  assert.equal((decodeProtobuf(put.body).object as Json).spec.activeDeadlineSeconds, most - 1n);
  await watching.next(e => e.type === 'MODIFIED' && e.object.spec.activeDeadlineSeconds === most - 1n);
  watching.stop();
});

test('each kind of patch changes it exactly and a change by one is a change', async () => {
  const path = `${jobs}/patched`;
  const { metadata } = await call.expect(201, 'POST', jobs, job('patched', past - 1n));
  const value = (seconds: bigint) => ({ spec: { activeDeadlineSeconds: seconds } });
  const one = await call.expect(200, 'PATCH', `${path}?fieldManager=m`, value(past), mergePatch);
  assert.equal(one.spec.activeDeadlineSeconds, past);
  assert.notEqual(one.metadata.resourceVersion, metadata.resourceVersion);
  const owners = one.metadata.managedFields.filter((m: Json) => m.fieldsV1['f:spec']?.['f:activeDeadlineSeconds']);
  assert.deepEqual(
    owners.map((m: Json) => m.manager),
    ['m'],
  );
  const same = await call.expect(200, 'PATCH', path, value(past), mergePatch);
  assert.equal(same.metadata.resourceVersion, one.metadata.resourceVersion);
  const two = await call.expect(200, 'PATCH', path, value(past + 1n), strategicPatch);
  assert.equal(two.spec.activeDeadlineSeconds, past + 1n);
  const at = '/spec/activeDeadlineSeconds';
  const tested = (was: bigint, is: bigint) => [
    { op: 'test', path: at, value: was },
    { op: 'replace', path: at, value: is },
  ];
  await call.expect(422, 'PATCH', path, tested(past, most), jsonPatch);
  const three = await call.expect(200, 'PATCH', path, tested(past + 1n, most), jsonPatch);
  assert.equal(three.spec.activeDeadlineSeconds, most);
  const config = (seconds: bigint) =>
    `{apiVersion: batch/v1, kind: Job, metadata: {name: patched}, spec: {activeDeadlineSeconds: ${seconds}}}`;
  const conflict = await call.expect(409, 'PATCH', `${path}?fieldManager=a`, config(most - 1n), applyPatch);
  assert.match(conflict.message, /\.spec\.activeDeadlineSeconds/);
  await call.expect(200, 'PATCH', `${path}?fieldManager=a`, config(most), applyPatch);
  const four = await call.expect(200, 'PATCH', `${path}?fieldManager=a&force=true`, config(most - 1n), applyPatch);
  assert.equal(four.spec.activeDeadlineSeconds, most - 1n);
});

test('what is no int64, or int32, is refused', async () => {
  const { message } = await call.expect(400, 'POST', jobs, job('wide', most + 1n));
  assert.equal(
    message,
    'Job in version "v1" cannot be handled as a Job: json: cannot unmarshal number 9223372036854775808 into Go struct field JobSpec.spec.activeDeadlineSeconds of type int64',
  );
  const narrow = job('narrow', 1n);
  narrow.spec.parallelism = past;
  const refused = await call.expect(400, 'POST', jobs, narrow);
  assert.match(refused.message, /cannot unmarshal number 9007199254740993 into .* of type int32$/);
  const root = job('root', 1n);
  root.spec.template.spec.securityContext = { runAsUser: past };
  const { message: bounds } = await call.expect(422, 'POST', jobs, root);
  assert.match(bounds, /runAsUser: Invalid value: 9007199254740993: must be between 0 and 2147483647, inclusive/);
});

test('a custom resource keeps whole numbers of 64 bits, named or not; wider ones are floats', async () => {
  const path = `${widgets(group)}/a`;
  const watching = await call.watch(`${widgets(group)}?watch=1`);
  const free = { list: [past, { n: -most }], wide: most + 1n };
  const made = await call.expect(201, 'POST', widgets(group), widget(group, 'a', { count: past, port: past, free }));
  assert.deepEqual([made.count, made.port, made.defaulted, made.free.list], [past, past, past, [past, { n: -most }]]);
  assert.equal(Number(made.free.wide), 2 ** 63);
  assert.equal((await watching.next(e => e.type === 'ADDED')).object.count, past);
  watching.stop();
  assert.deepEqual(await seen(path, 'count'), new Set([`${past}`]));

  const yaml = await ask(server, path, {
    method: 'PUT',
    headers: { 'content-type': 'application/yaml' },
    raw: `apiVersion: ${group}/v1\nkind: Widget\nmetadata: {name: a, resourceVersion: "${made.metadata.resourceVersion}"}\ncount: ${past + 1n}\nfree: {hex: 0x7fffffffffffffff}\n`,
  });
  assert.deepEqual([yaml.code, (parseExactJson(yaml.body.toString()) as Json).free.hex], [200, most]);
  assert.equal((await call.expect(200, 'PATCH', path, { count: past + 2n }, mergePatch)).count, past + 2n);
  const op = (kind: string, value: bigint) => ({ op: kind, path: '/count', value });
  await call.expect(422, 'PATCH', path, [op('test', past)], jsonPatch);
  assert.equal(
    (await call.expect(200, 'PATCH', path, [op('test', past + 2n), op('replace', most)], jsonPatch)).count,
    most,
  );
  const config = (n: bigint) => `{apiVersion: ${group}/v1, kind: Widget, metadata: {name: a}, count: ${n}}`;
  await call.expect(409, 'PATCH', `${path}?fieldManager=b`, config(most - 1n), applyPatch);
  const applied = await call.expect(200, 'PATCH', `${path}?fieldManager=b&force=true`, config(most - 1n), applyPatch);
  assert.equal(applied.count, most - 1n);
  const { message } = await call.expect(422, 'PATCH', path, { count: most + 1n }, mergePatch);
  assert.match(message, /count in body must be of type int64: "float64"/);
});

test('bounds, multiples, enums, lists and rules of a schema see the exact number', async () => {
  const own = 'rules.example.com';
  const properties = {
    bounded: { ...count, minimum: -9007199254740992, maximum: 9007199254740992 },
    seven: { ...count, multipleOf: 7 },
    one: { ...count, enum: [past] },
    set: { type: 'array', items: count, 'x-kubernetes-list-type': 'set' },
    ruled: {
      ...count,
      'x-kubernetes-validations': [
        {
          rule: 'self != 9007199254740992 && self % 2 == 1',
          message: 'is even',
        },
      ],
    },
  };
  await establish(call, definition(own, [{ schema: { type: 'object', properties } }]));
  const refused = async (fields: object, message: RegExp) =>
    assert.match((await call.expect(422, 'POST', widgets(own), widget(own, 'x', fields))).message, message);
  await refused(
    { bounded: past },
    /9007199254740993: bounded in body should be less than or equal to 9007199254740992$/,
  );
  await refused({ bounded: -past }, /-9007199254740993: bounded in body should be greater than or equal to/);
  await refused({ seven: 7n * 2n ** 57n + 1n }, /should be a multiple of 7/);
  await refused({ one: past - 1n }, /Unsupported value: 9007199254740992: supported values: "9007199254740993"/);
  await refused({ set: [past, past - 1n, past] }, /set\[2\]: Duplicate value: 9007199254740993/);
  await refused({ ruled: past - 1n }, /ruled: Invalid value: 9007199254740992: is even/);
  const fields = { bounded: past - 1n, seven: 7n * 2n ** 57n, one: past, set: [past, past - 1n], ruled: past };
  const made = await call.expect(201, 'POST', widgets(own), widget(own, 'x', fields));
  for (const [name, value] of Object.entries(fields)) assert.deepEqual(made[name], value, name);
});

test('a webhook is told the number and its patch is taken to the digit', async () => {
  const rules = [{ operations: ['CREATE'], apiGroups: [group], apiVersions: ['v1'], resources: ['widgets'] }];
  const configuration = {
    metadata: { name: 'whole' },
    webhooks: [
      {
        name: 'whole.example.com',
        rules,
        clientConfig: { url: `${hook.url}/`, caBundle: hook.caBundle },
        sideEffects: 'None',
        admissionReviewVersions: ['v1'],
        objectSelector: { matchLabels: { hooked: 'yes' } },
      },
    ],
  };
  await call.expect(201, 'POST', configurations('mutating'), configuration);
  const body = widget(group, 'hooked', { count: past });
  body.metadata.labels = { hooked: 'yes' };
  asked = [];
  const made = await call.expect(201, 'POST', widgets(group), body);
  assert.deepEqual([asked.length, made.count], [1, most]);
  assert.match(asked[0]!, /"count":9007199254740993/);
});

test('a webhook converts it, a table shows it, a scale refuses it', async () => {
  const own = 'converted.example.com';
  const webhook = {
    clientConfig: { url: `${hook.url}/convert`, caBundle: hook.caBundle },
    conversionReviewVersions: ['v1'],
  };
  const more = {
    additionalPrinterColumns: [{ name: 'Count', type: 'integer', jsonPath: '.count' }],
    subresources: { scale: { specReplicasPath: '.spec.n', statusReplicasPath: '.status.n' } },
  };
  const versions = [
    { name: 'v1', schema: open },
    { name: 'v2', schema: open, storage: false, more },
  ];
  await establish(call, definition(own, versions, { conversion: { strategy: 'Webhook', webhook } }));
  await call.expect(201, 'POST', widgets(own), widget(own, 'a', { count: past }));
  assert.equal((await call.expect(200, 'GET', `${widgets(own, 'v2')}/a`)).count, past + 2n);
  const table = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };
  const { rows } = await call.expect(200, 'GET', widgets(own, 'v2'), undefined, table);
  assert.deepEqual(rows[0].cells, ['a', past + 2n]);
  const made = widget(own, 'b', { count: past, spec: { n: past } }, 'v2');
  const refused = await call.expect(422, 'POST', widgets(own, 'v2'), made);
  assert.match(refused.message, /spec.n: Invalid value: 9007199254740993: should be less than or equal to 2147483647/);
});

test('no int64 field of any kind makes the server fail', async () => {
  const unlike: string[] = [];
  for (const [id, sample] of Object.entries(samples)) {
    const resource = builtinResources().byId(id)!;
    for (const path of int64Paths(resource.typeName)) {
      const body = structuredClone(sample('one', 'default'));
      body.metadata = { ...body.metadata, name: 'one' };
      put(body, path, past);
      const { code, object } = await call.send('POST', `${collectionOf(resource)}?dryRun=All`, body);
      const kept = path.reduce((at: Json, key) => at?.[key], object);
      // The generation is the server's, a status is not written by those who create.
      const fits = code === 201 ? kept === past || kept === undefined || path.includes('generation') : code === 422;
      if (!fits) unlike.push(`${id} ${path.join('.')}: ${code} ${object.message ?? kept}`);
    }
  }
  assert.deepEqual(unlike, []);
});

type Path = readonly (string | number)[];

// A field of a type that many kinds hold is tried in the first of them.
const tried = new Set<string>();
const isNew = (field: string): boolean => tried.size < tried.add(field).size;

function int64Paths(typeName: string, around: readonly string[] = []): Path[] {
  if (around.length > 7) return [];
  return schemaOf(typeName).fields.flatMap(({ name, type }): Path[] => {
    const [item, path] = type.kind === 'list' ? [type.item, [name, 0]] : [type, [name]];
    if (item.kind === 'scalar') return item.scalar === 'int64' && isNew(`${typeName}.${name}`) ? [path] : [];
    if (item.kind !== 'struct' || name === 'managedFields' || around.includes(item.name)) return [];
    return int64Paths(item.name, [...around, typeName]).map(rest => [...path, ...rest]);
  });
}

function put(object: Json, path: Path, value: unknown): void {
  let at = object;
  for (const [i, key] of path.entries()) {
    if (i === path.length - 1) at[key] = value;
    else at = at[key] ??= typeof path[i + 1] === 'number' ? [] : {};
  }
}

const collectionOf = ({ group: g, version, namespaced, resource }: Resource): string =>
  `${g ? `/apis/${g}` : '/api'}/${version}${namespaced ? '/namespaces/default' : ''}/${resource}`;

test('the audit log tells request and answer to the digit', async () => {
  await call.expect(201, 'POST', widgets(group), widget(group, 'audited', { count: past }));
  const of = (event: Event) => (event.responseObject as Json)?.metadata?.name === 'audited';
  while (!audited.some(of)) await new Promise(setImmediate);
  const text = JSON.stringify(audited.find(of));
  assert.equal(text.match(/"count":9007199254740993/g)?.length, 2);
});

test('a server that starts again reads from the store what was written', async () => {
  await call.expect(201, 'POST', widgets(group), widget(group, 'kept', { count: past, free: { n: [past] } }));
  await call.expect(201, 'POST', jobs, job('kept', past));
  const again = await startTestServer({ store });
  const other = superuserOf(again);
  try {
    await established(other, `widgets.${group}`);
    const kept = await other.expect(200, 'GET', `${widgets(group)}/kept`);
    assert.deepEqual([kept.count, kept.free], [past, { n: [past] }]);
    assert.equal((await other.expect(200, 'GET', `${jobs}/kept`)).spec.activeDeadlineSeconds, past);
  } finally {
    other.close();
    await again.stop().catch(() => {});
  }
});
