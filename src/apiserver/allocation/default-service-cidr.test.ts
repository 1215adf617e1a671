import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { memoryStore } from '../../store/memory-store.ts';
import { superuserOf } from '../test-api.ts';
import { type Caller, type Json, mergePatch } from '../test-caller.ts';
import { startTestServer } from '../test-server.ts';

const ranges = '/apis/networking.k8s.io/v1/servicecidrs';
const own = `${ranges}/kubernetes`;

/** One that outlives its servers. */
function storeToShare() {
  const store = memoryStore({ clock: systemClock });
  const close = store.close.bind(store);
  return Object.assign(store, { close: async () => {}, [Symbol.asyncDispose]: close });
}

async function withServer(
  { store, serviceCidrs }: { store: ReturnType<typeof storeToShare>; serviceCidrs: string[] },
  act: (api: Caller) => Promise<void>,
) {
  const server = await startTestServer({ serviceCidrs, store });
  const api = superuserOf(server);
  try {
    await act(api);
  } finally {
    api.close();
    await server.stop();
  }
}

async function told(api: Caller, count: number): Promise<string[]> {
  for (;;) {
    const { items } = await api.expect(200, 'GET', '/api/v1/events');
    const found = items.filter((e: Json) => e.source.component === 'kubernetes-service-cidr-controller');
    if (found.length >= count)
      return found.map((e: Json) => `${e.type} ${e.reason} ${e.involvedObject.name}: ${e.message}`).sort();
    await new Promise(resolve => setImmediate(resolve));
  }
}

test('the range of the server comes back when it is deleted, and one that differs is told of', async () => {
  await using store = storeToShare();
  await withServer({ store, serviceCidrs: ['10.96.0.0/16'] }, async api => {
    const before = await api.expect(200, 'GET', own);
    assert.equal(before.status.conditions[0].status, 'True');
    const watching = await api.watch(`${ranges}?watch=true`);
    await api.expect(200, 'DELETE', own);
    const { object } = await watching.next(
      e => e.object.metadata.uid !== before.metadata.uid && e.object.status?.conditions?.[0]?.status === 'True',
    );
    assert.deepEqual(object.spec.cidrs, ['10.96.0.0/16']);
    watching.stop();
  });
  await withServer({ store, serviceCidrs: ['10.96.0.0/16', 'fd00::/112'] }, async api => {
    const { spec, status } = await api.expect(200, 'GET', own);
    assert.deepEqual(spec.cidrs, ['10.96.0.0/16', 'fd00::/112'], 'a second family is added');
    assert.equal(status.conditions.length, 1);
    const down = { type: 'Ready', status: 'False', reason: 'Terminating', message: 'no more' };
    const condition = { ...down, lastTransitionTime: '2026-01-01T00:00:00Z' };
    await api.expect(200, 'PATCH', `${own}/status`, { status: { conditions: [condition] } }, mergePatch);
    assert.deepEqual(await told(api, 1), ['Warning Terminating kubernetes: no more']);
  });
  await withServer({ store, serviceCidrs: ['10.97.0.0/16'] }, async api => {
    assert.deepEqual(await told(api, 2), [
      'Warning KubernetesDefaultServiceCIDRInconsistent kubernetes: The default ServiceCIDR [10.96.0.0/16 fd00::/112] does not match the controller flag configurations [10.97.0.0/16]',
      'Warning Terminating kubernetes: no more',
    ]);
  });
});

test('a range that policy keeps from being made is told of', async () => {
  await using store = storeToShare();
  await withServer({ store, serviceCidrs: ['10.96.0.0/16'] }, async api => {
    const registration = '/apis/admissionregistration.k8s.io/v1';
    await api.expect(201, 'POST', `${registration}/validatingadmissionpolicies`, {
      metadata: { name: 'none' },
      spec: {
        matchConstraints: {
          resourceRules: [
            {
              apiGroups: ['networking.k8s.io'],
              apiVersions: ['*'],
              operations: ['CREATE'],
              resources: ['servicecidrs'],
            },
          ],
        },
        validations: [{ expression: 'false', message: 'not here' }],
      },
    });
    await api.expect(201, 'POST', `${registration}/validatingadmissionpolicybindings`, {
      metadata: { name: 'none' },
      spec: { policyName: 'none', validationActions: ['Deny'] },
    });
    while ((await api.send('POST', ranges, { metadata: { name: 'x' }, spec: { cidrs: ['10.1.0.0/24'] } })).code === 201)
      await api.expect(200, 'DELETE', `${ranges}/x`);
    await api.expect(200, 'DELETE', own);
    assert.deepEqual(await told(api, 1), [
      'Warning KubernetesDefaultServiceCIDRError kubernetes: The default ServiceCIDR can not be created',
    ]);
  });
});
