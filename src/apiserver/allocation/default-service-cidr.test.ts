import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock, VirtualClock } from '../../base/clock.ts';
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
  options: NonNullable<Parameters<typeof startTestServer>[0]>,
  act: (api: Caller) => Promise<void>,
) {
  const server = await startTestServer(options);
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

test('a server whose range is not the cluster’s starts without a service of its own, and makes it when it can', async () => {
  await using store = storeToShare();
  await withServer({ store, serviceCidrs: ['10.96.0.0/16'] }, async () => {});
  const clock = new VirtualClock(systemClock.now());
  const advertise = { address: '192.0.2.1', port: 6443 };
  await withServer({ store, clock, serviceCidrs: ['10.97.0.0/16'], advertise }, async api => {
    const services = '/api/v1/namespaces/default/services';
    await api.expect(404, 'GET', `${services}/kubernetes`);
    const refused = await api.expect(422, 'POST', services, {
      metadata: { name: 'a' },
      spec: { clusterIP: '10.97.0.9', ports: [{ port: 1 }] },
    });
    assert.match(refused.message, /does not match the current range/);
    const watching = await api.watch(`${services}?watch=true`);
    await api.expect(201, 'POST', ranges, { metadata: { name: 'more' }, spec: { cidrs: ['10.97.0.0/16'] } });
    await clock.advance(10_000);
    const { object } = await watching.next(e => e.object.metadata.name === 'kubernetes');
    assert.equal(object.spec.clusterIP, '10.97.0.1');
    watching.stop();
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
