// The official suite's tests of the resource.k8s.io kinds: every operation and every form of patch, for spec and status.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import {
  applyPatch,
  type Caller,
  caller,
  type Json,
  jsonPatch,
  mergePatch,
  type SeenEvent,
  strategicPatch,
} from './test-caller.ts';
import { startTestServer, type TestServer } from './test-server.ts';

let server: TestServer;
let api: Caller;
before(async () => {
  server = await startTestServer();
  api = caller({ url: server.url, ca: server.ca, cert: server.admin.certificatePem, key: server.admin.keyPem });
  await api.expect(201, 'POST', '/api/v1/namespaces', { metadata: { name: 'dra' } });
});
after(async () => {
  api.close();
  await server.stop();
});

const base = '/apis/resource.k8s.io/v1';
const driver = 'gpu.example.com';
const cel = (expression: string) => ({ cel: { expression } });
const request = { name: 'gpu', exactly: { deviceClassName: 'gpu.example.com' } };
const device = (name: string) => ({ name, attributes: { model: { string: 'a' } } });

interface Sample {
  readonly kind: string;
  readonly resource: string;
  readonly namespaced: boolean;
  readonly spec: Json;
  /** What the spec becomes; absent where it never changes. */
  readonly changed?: Json;
}
const deviceClass: Sample = {
  kind: 'DeviceClass',
  resource: 'deviceclasses',
  namespaced: false,
  spec: { selectors: [cel(`device.driver == "${driver}"`)] },
  changed: { selectors: [cel(`device.driver == "${driver}"`), cel('device.driver != "x"')] },
};
const claim: Sample = {
  kind: 'ResourceClaim',
  resource: 'resourceclaims',
  namespaced: true,
  spec: { devices: { requests: [request] } },
};
const template: Sample = {
  kind: 'ResourceClaimTemplate',
  resource: 'resourceclaimtemplates',
  namespaced: true,
  spec: { spec: claim.spec },
};
const slice: Sample = {
  kind: 'ResourceSlice',
  resource: 'resourceslices',
  namespaced: false,
  spec: {
    driver,
    nodeName: 'n',
    pool: { name: 'p', generation: 1, resourceSliceCount: 1 },
    devices: [device('gpu-0')],
  },
  changed: {
    driver,
    nodeName: 'n',
    pool: { name: 'p', generation: 2, resourceSliceCount: 1 },
    devices: [device('gpu-0'), device('gpu-1')],
  },
};
const pathOf = (s: Sample) => `${base}/${s.namespaced ? 'namespaces/dra/' : ''}${s.resource}`;
const objectOf = (s: Sample, name: string, spec = s.spec): Json => ({
  apiVersion: 'resource.k8s.io/v1',
  kind: s.kind,
  metadata: { name, labels: { e2e: 'dra' } },
  spec,
});

/** Walks the operations; gives the path of an object that is left. */
async function operate(s: Sample): Promise<void> {
  const { resources } = await api.expect(200, 'GET', base);
  const { namespaced, kind } = resources.find((r: Json) => r.name === s.resource);
  assert.deepEqual([namespaced, kind], [s.namespaced, s.kind]);
  const many = pathOf(s);
  const one = `${many}/one`;
  const made = await api.expect(201, 'POST', many, objectOf(s, 'one'));
  assert.equal((await api.expect(409, 'POST', many, objectOf(s, 'one'))).reason, 'AlreadyExists');
  assert.deepEqual(await api.expect(200, 'GET', one), made);
  for (const path of [many, `${base}/${s.resource}`]) {
    const { items } = await api.expect(200, 'GET', `${path}?labelSelector=e2e%3Ddra`);
    assert.deepEqual(
      items.map((i: Json) => i.metadata.uid),
      [made.metadata.uid],
    );
  }
  const watching = await api.watch(
    `${many}?watch=1&fieldSelector=metadata.name%3Done&resourceVersion=${made.metadata.resourceVersion}`,
  );
  await change(s, one, made);
  assert.equal((await api.expect(200, 'DELETE', one)).metadata.uid, made.metadata.uid);
  await watching.next((e: SeenEvent) => e.type === 'DELETED');
  assert.ok(watching.events.every((e, i, all) => e.type === (i === all.length - 1 ? 'DELETED' : 'MODIFIED')));
  watching.stop();
  await api.expect(404, 'GET', one);
  for (const name of ['a', 'b']) await api.expect(201, 'POST', many, objectOf(s, name));
  await api.expect(200, 'DELETE', `${many}?labelSelector=e2e%3Ddra`);
  assert.deepEqual((await api.expect(200, 'GET', many)).items, []);
}

async function change(s: Sample, one: string, made: Json): Promise<void> {
  const updated = await api.expect(200, 'PUT', one, { ...made, spec: s.changed ?? made.spec });
  const generations = s.kind === 'ResourceSlice' || s.kind === 'DeviceClass' ? [1, 2] : [undefined, undefined];
  assert.deepEqual([made.metadata.generation, updated.metadata.generation], generations);
  if (!s.changed) {
    const spec = JSON.parse(JSON.stringify(made.spec).replace('"gpu"', '"other"'));
    const { message } = await api.expect(422, 'PUT', one, { ...updated, spec });
    assert.match(message, /field is immutable/);
  }
  const note = (value: string) => ({ metadata: { annotations: { patched: value } } });
  const patches: readonly [Json, Record<string, string>, string, string][] = [
    [note('merge'), mergePatch, '', 'merge'],
    [note('strategic'), strategicPatch, '', 'strategic'],
    [[{ op: 'replace', path: '/metadata/annotations/patched', value: 'json' }], jsonPatch, '', 'json'],
    [
      { apiVersion: 'resource.k8s.io/v1', kind: s.kind, ...note('apply') },
      applyPatch,
      '?fieldManager=e2e&force=true',
      'apply',
    ],
  ];
  for (const [body, form, query, value] of patches) {
    const patched = await api.expect(200, 'PATCH', one + query, body, form);
    assert.equal(patched.metadata.annotations.patched, value);
    assert.deepEqual(patched.spec, updated.spec);
  }
  if (s.changed) await patchSpec(s, one, made.spec);
  const applied = await api.expect(
    201,
    'PATCH',
    `${pathOf(s)}/applied?fieldManager=e2e`,
    objectOf(s, 'applied'),
    applyPatch,
  );
  assert.deepEqual(applied.spec, made.spec);
  await api.expect(200, 'DELETE', `${pathOf(s)}/applied`);
}

/** Back and forth between the sample's specs, in every form. */
async function patchSpec(s: Sample, one: string, first: Json): Promise<void> {
  const changed = (await api.expect(200, 'GET', one)).spec;
  const applied = { apiVersion: 'resource.k8s.io/v1', kind: s.kind };
  const forms: readonly [(spec: Json) => Json, Record<string, string>, string][] = [
    [spec => ({ spec }), mergePatch, ''],
    [spec => ({ spec }), strategicPatch, ''],
    [spec => [{ op: 'replace', path: '/spec', value: spec }], jsonPatch, ''],
    [spec => ({ ...applied, spec }), applyPatch, '?fieldManager=e2e&force=true'],
  ];
  for (const [body, form, query] of forms)
    for (const spec of [first, changed]) {
      const before = (await api.expect(200, 'GET', one)).metadata.generation;
      const patched = await api.expect(200, 'PATCH', one + query, body(spec), form);
      assert.deepEqual([patched.spec, patched.metadata.generation], [spec, before + 1]);
    }
}

async function claimStatus(): Promise<void> {
  const path = `${pathOf(claim)}/held`;
  const made = await api.expect(201, 'POST', pathOf(claim), objectOf(claim, 'held'));
  const status = {
    allocation: { devices: { results: [{ request: 'gpu', driver, pool: 'p', device: 'gpu-0' }] } },
    reservedFor: [{ resource: 'pods', name: 'pod', uid: '1234' }],
  };
  const allocated = await api.expect(200, 'PUT', `${path}/status`, { ...made, spec: {}, status });
  assert.deepEqual([allocated.spec, allocated.status], [made.spec, status]);
  const ready = (message: string) => ({
    type: 'Ready',
    status: 'True',
    reason: 'Tested',
    message,
    lastTransitionTime: '2026-01-01T00:00:00Z',
  });
  const of = (message: string) => ({
    status: { devices: [{ driver, pool: 'p', device: 'gpu-0', conditions: [ready(message)] }] },
  });
  const applied = { apiVersion: 'resource.k8s.io/v1', kind: 'ResourceClaim', metadata: { name: 'held' } };
  const patches: readonly [Json, Record<string, string>, string, string][] = [
    [of('merge'), mergePatch, '', 'merge'],
    [of('strategic'), strategicPatch, '', 'strategic'],
    [[{ op: 'replace', path: '/status/devices/0/conditions/0/message', value: 'json' }], jsonPatch, '', 'json'],
    [{ ...applied, ...of('apply') }, applyPatch, '?fieldManager=e2e&force=true', 'apply'],
  ];
  for (const [body, form, query, message] of patches) {
    const patched = await api.expect(200, 'PATCH', `${path}/status${query}`, body, form);
    assert.deepEqual(patched.status, { ...status, ...of(message).status });
  }
  // What is written to the object itself leaves its status alone.
  const kept = await api.expect(200, 'PATCH', path, { status: { reservedFor: null } }, mergePatch);
  assert.deepEqual(kept.status.reservedFor, status.reservedFor);
  assert.deepEqual((await api.expect(200, 'GET', `${path}/status`)).status, kept.status);
  const freed = { status: { allocation: null, reservedFor: null, devices: null } };
  assert.equal((await api.expect(200, 'PATCH', `${path}/status`, freed, mergePatch)).status?.allocation, undefined);
  await api.expect(200, 'DELETE', path);
}

describe('kinds of devices', { concurrency: true }, () => {
  test('[sig-node] [DRA] CRUD Tests resource.k8s.io/v1 DeviceClass', () => operate(deviceClass));
  test('[sig-node] [DRA] CRUD Tests resource.k8s.io/v1 ResourceClaim', async () => {
    await operate(claim);
    await claimStatus();
  });
  test('[sig-node] [DRA] CRUD Tests resource.k8s.io/v1 ResourceClaimTemplate', () => operate(template));
  test('[sig-node] [DRA] CRUD Tests resource.k8s.io/v1 ResourceSlice', () => operate(slice));
});
