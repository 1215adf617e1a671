// The essence of the official suite's tests of namespaces, quotas and other kinds: nothing but the API server is needed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { namespaces, testApi } from './test-api.ts';
import { type Json, jsonPatch, mergePatch, strategicPatch } from './test-caller.ts';

const api = testApi();
const namespace = namespaces(api);

test('[sig-api-machinery] Namespaces [Serial] should patch a Namespace', async () => {
  const ns = await namespace();
  await api.expect(200, 'PATCH', `/api/v1/namespaces/${ns}`, { metadata: { labels: { l: 'v' } } }, strategicPatch);
  const read = await api.expect(200, 'GET', `/api/v1/namespaces/${ns}`);
  assert.deepEqual(read.metadata.labels, { 'kubernetes.io/metadata.name': ns, l: 'v' });
});

test('[sig-api-machinery] Namespaces [Serial] should apply an update to a Namespace', async () => {
  const path = `/api/v1/namespaces/${await namespace()}`;
  const read = await api.expect(200, 'GET', path);
  read.metadata.labels.l = 'v';
  assert.equal((await api.expect(200, 'PUT', path, read)).metadata.labels.l, 'v');
});

test('[sig-api-machinery] Namespaces [Serial] should apply changes to a namespace status', async () => {
  const path = `/api/v1/namespaces/${await namespace()}/status`;
  const read = await api.expect(200, 'GET', path);
  assert.equal(read.status.phase, 'Active');
  const condition = { type: 'StatusPatch', status: 'True', reason: 'E2E', message: 'patched' };
  const patch = { metadata: { annotations: { e2e: 'v' } }, status: { conditions: [condition] } };
  const patched = await api.expect(200, 'PATCH', path, patch, mergePatch);
  assert.equal(patched.status.conditions[0].type, 'StatusPatch');
  assert.equal(patched.status.phase, 'Active');
  patched.status.conditions.push({ ...condition, type: 'StatusUpdate', message: 'updated' });
  const updated = await api.expect(200, 'PUT', path, patched);
  assert.deepEqual(
    updated.status.conditions.map((c: Json) => c.type),
    ['StatusPatch', 'StatusUpdate'],
  );
});

test('[sig-api-machinery] Namespaces [Serial] should apply a finalizer to a Namespace', async () => {
  const path = `/api/v1/namespaces/${await namespace()}`;
  const read = await api.expect(200, 'GET', path);
  assert.deepEqual(read.spec.finalizers, ['kubernetes']);
  read.spec.finalizers.push('e2e.example.com/fake');
  const finalized = await api.expect(200, 'PUT', `${path}/finalize`, read);
  assert.deepEqual(finalized.spec.finalizers, ['kubernetes', 'e2e.example.com/fake']);
  const gone = await api.expect(200, 'DELETE', path);
  assert.equal(gone.status.phase, 'Terminating');
  gone.spec.finalizers = [];
  await api.expect(200, 'PUT', `${path}/finalize`, gone);
  await api.expect(404, 'GET', path);
});

for (const [name, path, spec, precedence] of [
  [
    '[sig-api-machinery] API priority and fairness should support FlowSchema API operations',
    '/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas',
    {
      matchingPrecedence: 10_000,
      priorityLevelConfiguration: { name: 'global-default' },
      distinguisherMethod: { type: 'ByUser' },
      rules: [
        {
          subjects: [{ kind: 'User', user: { name: 'example-e2e-non-existent-user' } }],
          nonResourceRules: [{ verbs: ['*'], nonResourceURLs: ['*'] }],
        },
      ],
    },
    { matchingPrecedence: 9999 },
  ],
  [
    '[sig-api-machinery] API priority and fairness should support PriorityLevelConfiguration API operations',
    '/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations',
    { type: 'Limited', limited: { nominalConcurrencyShares: 2, limitResponse: { type: 'Reject' } } },
    { limited: { nominalConcurrencyShares: 4 } },
  ],
] as const) {
  test(name, async () => {
    const made = await api.expect(201, 'POST', path, {
      metadata: { generateName: 'e2e-example-', labels: { special: 'x' } },
      spec,
    });
    const one = `${path}/${made.metadata.name}`;
    const patched = await api.expect(200, 'PATCH', one, { spec: precedence }, mergePatch);
    assert.equal(patched.metadata.generation, 2);
    for (const [key, value] of Object.entries(precedence))
      assert.deepEqual(
        { ...patched.spec[key], ...(value as object) },
        typeof value === 'object' ? patched.spec[key] : {},
      );
    const condition = {
      type: 'patched',
      status: 'True',
      lastTransitionTime: '2026-01-01T00:00:00Z',
      reason: 'r',
      message: 'm',
    };
    const status = await api.expect(200, 'PATCH', `${one}/status`, { status: { conditions: [condition] } }, mergePatch);
    assert.equal(status.status.conditions.at(-1).type, 'patched');
    // The server writes a condition of its own, which may come between.
    let updated: Json;
    do {
      const read = await api.expect(200, 'GET', `${one}/status`);
      read.status.conditions.find((c: Json) => c.type === 'patched').message = 'updated';
      updated = (await api.send('PUT', `${one}/status`, read)).object;
    } while (updated.reason === 'Conflict');
    assert.ok(
      updated.status.conditions.some((c: Json) => c.message === 'updated'),
      JSON.stringify(updated),
    );
    assert.equal(updated.metadata.generation, 2);
    await api.expect(200, 'DELETE', one);
    await api.expect(404, 'GET', one);
    await api.expect(201, 'POST', path, { metadata: { name: 'second', labels: { special: 'x' } }, spec });
    await api.expect(200, 'DELETE', `${path}?labelSelector=special%3Dx`);
    assert.equal((await api.expect(200, 'GET', `${path}?labelSelector=special%3Dx`)).items.length, 0);
  });
}

for (const [name, base, about] of [
  ['[sig-instrumentation] Events should manage the lifecycle of an event', '/api/v1', 'involvedObject'],
  [
    '[sig-instrumentation] Events API should ensure that an event can be fetched, patched, deleted, and listed',
    '/apis/events.k8s.io/v1',
    'regarding',
  ],
] as const) {
  test(name, async () => {
    const ns = await namespace();
    const path = `${base}/namespaces/${ns}/events`;
    const core = base === '/api/v1';
    const object: Json = {
      metadata: { name: 'e', labels: { testevent: 'true' } },
      [about]: { namespace: ns, kind: 'Pod', name: 'p' },
      reason: 'Test',
      type: 'Normal',
      ...(core
        ? { message: 'This is a test event', source: { component: 'test' } }
        : {
            note: 'This is a test event',
            eventTime: '2026-01-01T00:00:00.000000Z',
            reportingController: 'test-controller',
            reportingInstance: 'test-node',
            action: 'Do',
          }),
    };
    await api.expect(201, 'POST', path, object);
    const everywhere = await api.expect(200, 'GET', `${base}/events?labelSelector=testevent%3Dtrue`);
    assert.equal(everywhere.items.length, 1);
    const note = core ? 'message' : 'note';
    if (core) {
      const patched = await api.expect(200, 'PATCH', `${path}/e`, { [note]: 'patched' }, strategicPatch);
      assert.equal(patched.message, 'patched');
    } else {
      const series = { series: { count: 2, lastObservedTime: '2026-01-01T00:01:00.000000Z' } };
      const patched = await api.expect(200, 'PATCH', `${path}/e`, series, strategicPatch);
      assert.equal(patched.series.count, 2);
      patched.series.count = 100;
      assert.equal((await api.expect(200, 'PUT', `${path}/e`, patched)).series.count, 100);
      assert.equal(
        (await api.expect(200, 'GET', `${path}?fieldSelector=reportingController%3Dtest-controller`)).items.length,
        1,
      );
    }
    await api.expect(200, 'DELETE', `${path}/e`);
    assert.equal((await api.expect(200, 'GET', `${path}?labelSelector=testevent%3Dtrue`)).items.length, 0);
  });
}

for (const [name, base] of [
  ['[sig-instrumentation] Events should delete a collection of events', '/api/v1'],
  ['[sig-instrumentation] Events API should delete a collection of events', '/apis/events.k8s.io/v1'],
] as const) {
  test(name, async () => {
    const ns = await namespace();
    for (const e of ['e1', 'e2', 'e3'])
      await api.expect(201, 'POST', `/api/v1/namespaces/${ns}/events`, {
        metadata: { name: e, labels: { set: 'x' } },
        involvedObject: { namespace: ns, kind: 'Pod', name: 'p' },
        message: 'm',
        reason: 'r',
        type: 'Normal',
      });
    const path = `${base}/namespaces/${ns}/events?labelSelector=set%3Dx`;
    assert.equal((await api.expect(200, 'GET', path)).items.length, 3);
    await api.expect(200, 'DELETE', path);
    assert.equal((await api.expect(200, 'GET', path)).items.length, 0);
  });
}

test('[sig-scheduling] SchedulerPreemption [Serial] PriorityClass endpoints verify PriorityClass endpoints can be operated with different HTTP methods', async () => {
  const path = '/apis/scheduling.k8s.io/v1/priorityclasses';
  for (const [name, value] of [
    ['p1', 1],
    ['p2', 2],
  ] as const)
    await api.expect(201, 'POST', path, { metadata: { name, labels: { x: 'y' } }, value });
  const forbidden = await api.expect(
    422,
    'PATCH',
    `${path}/p1`,
    [{ op: 'replace', path: '/value', value: 5 }],
    jsonPatch,
  );
  assert.match(forbidden.message, /value: Forbidden: may not be changed in an update\./);
  const described = await api.expect(200, 'PATCH', `${path}/p1`, { description: 'updated' }, mergePatch);
  assert.equal(described.description, 'updated');
  for (const verb of ['GET', 'DELETE']) await api.expect(200, verb, `${path}?labelSelector=x%3Dy`);
  assert.equal((await api.expect(200, 'GET', `${path}?labelSelector=x%3Dy`)).items.length, 0);
});
