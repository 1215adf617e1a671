import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { decodeProtobuf } from '../api/protobuf.ts';
import { ask } from './test-request.ts';
import { startTestServer, type TestServer } from './test-server.ts';

let server: TestServer;
before(async () => {
  server = await startTestServer();
});
after(() => server.stop());

const send = async (method: string, path: string, body?: unknown, headers = {}) => {
  const { code, body: text } = await ask(server, path, { method, body, headers });
  return { code, object: JSON.parse(text.toString()) };
};

const modern = '/apis/events.k8s.io/v1/namespaces/default/events';
const core = '/api/v1/namespaces/default/events';

test('an event written in one group is read in both, in the form of each', async () => {
  const made = await send('POST', modern, {
    metadata: { name: 'e' },
    eventTime: '2026-01-01T00:00:00.000000Z',
    regarding: { kind: 'Pod', name: 'p', namespace: 'default' },
    note: 'hello',
    reason: 'Tested',
    action: 'Testing',
    type: 'Normal',
    reportingController: 'example.com/test',
    reportingInstance: 'test-1',
  });
  assert.equal(made.code, 201, JSON.stringify(made.object));
  assert.equal(made.object.apiVersion, 'events.k8s.io/v1');
  assert.equal(made.object.note, 'hello');

  const old = await send('GET', `${core}/e`);
  assert.equal(old.object.apiVersion, 'v1');
  assert.equal(old.object.message, 'hello');
  assert.equal(old.object.note, undefined);
  assert.equal(old.object.involvedObject.name, 'p');
  assert.equal(old.object.reportingComponent, 'example.com/test');

  const list = await send('GET', `${modern}?fieldSelector=regarding.name%3Dp`);
  assert.deepEqual(
    list.object.items.map((i: { note: string }) => i.note),
    ['hello'],
  );
  for (const [path, field] of [
    [core, 'message'],
    [modern, 'note'],
  ] as const) {
    const bytes = await ask(server, `${path}/e`, { headers: { accept: 'application/vnd.kubernetes.protobuf' } });
    assert.equal((decodeProtobuf(bytes.body).object as unknown as Record<string, string>)[field], 'hello');
    const table = await ask(server, path, { headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' } });
    const { cells } = JSON.parse(table.body.toString()).rows[0];
    assert.deepEqual(cells.slice(1, 4), ['Normal', 'Tested', 'pod/p']);
  }
  const gone = await send('DELETE', `${core}/e`);
  assert.equal(gone.code, 200);
  assert.equal((await send('GET', `${modern}/e`)).code, 404);
});

const hpa = (version: string) => `/apis/autoscaling/${version}/namespaces/default/horizontalpodautoscalers`;

test('an autoscaler is read and changed in either version', async () => {
  const scaleTargetRef = { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' };
  const made = await send('POST', hpa('v1'), {
    metadata: { name: 'h' },
    spec: { scaleTargetRef, maxReplicas: 4, targetCPUUtilizationPercentage: 60 },
  });
  assert.equal(made.code, 201, JSON.stringify(made.object));
  assert.equal(made.object.apiVersion, 'autoscaling/v1');
  assert.equal(made.object.spec.targetCPUUtilizationPercentage, 60);
  const second = await send('GET', `${hpa('v2')}/h`);
  assert.equal(second.object.apiVersion, 'autoscaling/v2');
  assert.equal(second.object.spec.metrics[0].resource.target.averageUtilization, 60);
  assert.equal(second.object.spec.targetCPUUtilizationPercentage, undefined);
  const patched = await send(
    'PATCH',
    `${hpa('v1')}/h`,
    { spec: { targetCPUUtilizationPercentage: 75 } },
    { 'content-type': 'application/merge-patch+json' },
  );
  assert.equal(patched.code, 200, JSON.stringify(patched.object));
  assert.equal(patched.object.spec.targetCPUUtilizationPercentage, 75);
  const after = await send('GET', `${hpa('v2')}/h`);
  assert.equal(after.object.spec.metrics[0].resource.target.averageUtilization, 75);
  const { object: replaced, code } = await send('PUT', `${hpa('v1')}/h`, {
    ...patched.object,
    spec: { ...patched.object.spec, maxReplicas: 9 },
  });
  assert.equal(code, 200, JSON.stringify(replaced));
  assert.equal(replaced.spec.maxReplicas, 9);
  for (const version of ['v1', 'v2']) {
    const table = await ask(server, hpa(version), {
      headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' },
    });
    const { cells } = JSON.parse(table.body.toString()).rows[0];
    assert.deepEqual(cells.slice(1, 5), ['Deployment/d', 'cpu: <unknown>/75%', '1', 9]);
  }
});

test('annotations that a conversion writes are nobody else’s to write in version 2', async () => {
  const scaleTargetRef = { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' };
  const annotations = { 'autoscaling.alpha.kubernetes.io/behavior': '{}', a: 'b' };
  const spec = { scaleTargetRef, maxReplicas: 4 };
  const made = await send('POST', hpa('v2'), { metadata: { name: 'noted', annotations }, spec });
  assert.deepEqual(made.object.metadata.annotations, { a: 'b' });
  assert.deepEqual(Object.keys(made.object.metadata.managedFields[0].fieldsV1['f:metadata']['f:annotations']), [
    '.',
    'f:a',
  ]);
  const patched = await send(
    'PATCH',
    `${hpa('v2')}/noted`,
    { metadata: { annotations } },
    { 'content-type': 'application/merge-patch+json' },
  );
  assert.deepEqual(patched.object.metadata.annotations, { a: 'b' });
});

test('who writes an autoscaler in one version owns its fields in that version, whoever writes in the other', async () => {
  const scaleTargetRef = { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' };
  const made = await send('POST', `${hpa('v1')}?fieldManager=first`, {
    metadata: { name: 'owned' },
    spec: { scaleTargetRef, maxReplicas: 4, targetCPUUtilizationPercentage: 60 },
  });
  const entries = (object: { metadata: { managedFields: Record<string, any>[] } }) =>
    Object.fromEntries(
      object.metadata.managedFields.map(e => [
        `${e.manager} ${e.operation} ${e.apiVersion}`,
        Object.keys(e.fieldsV1['f:spec']).toSorted(),
      ]),
    );
  assert.deepEqual(entries(made.object), {
    'first Update autoscaling/v1': [
      'f:maxReplicas',
      'f:minReplicas',
      'f:scaleTargetRef',
      'f:targetCPUUtilizationPercentage',
    ],
  });
  const metric = (averageUtilization: number) => ({
    metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } } }],
  });
  const config = (version: string, spec: object) => ({
    apiVersion: `autoscaling/${version}`,
    kind: 'HorizontalPodAutoscaler',
    metadata: { name: 'owned' },
    spec,
  });
  const apply = (version: string, spec: object, more = '') =>
    send('PATCH', `${hpa(version)}/owned?fieldManager=second${more}`, config(version, spec), {
      'content-type': 'application/apply-patch+yaml',
    });
  const conflict = await apply('v2', metric(70));
  assert.equal(conflict.code, 409);
  assert.equal(
    conflict.object.message,
    'Apply failed with 1 conflict: conflict with "first" using autoscaling/v1: .spec.targetCPUUtilizationPercentage',
  );
  const forced = await apply('v2', metric(70), '&force=true');
  assert.deepEqual(entries(forced.object), {
    'second Apply autoscaling/v2': ['f:metrics'],
    'first Update autoscaling/v1': ['f:maxReplicas', 'f:minReplicas', 'f:scaleTargetRef'],
  });
  const updated = await send(
    'PATCH',
    `${hpa('v1')}/owned?fieldManager=third`,
    { spec: { targetCPUUtilizationPercentage: 75 } },
    { 'content-type': 'application/merge-patch+json' },
  );
  assert.deepEqual(entries(updated.object), {
    'first Update autoscaling/v1': ['f:maxReplicas', 'f:minReplicas', 'f:scaleTargetRef'],
    'third Update autoscaling/v1': ['f:targetCPUUtilizationPercentage'],
  });
  const applied = await send(
    'PATCH',
    `${hpa('v1')}/owned?fieldManager=fourth`,
    config('v1', { targetCPUUtilizationPercentage: 75, maxReplicas: 4 }),
    { 'content-type': 'application/apply-patch+yaml' },
  );
  assert.equal(applied.code, 200, JSON.stringify(applied.object));
  assert.deepEqual(entries(applied.object)['fourth Apply autoscaling/v1'], [
    'f:maxReplicas',
    'f:targetCPUUtilizationPercentage',
  ]);
});
