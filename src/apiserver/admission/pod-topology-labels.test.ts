import assert from 'node:assert/strict';
import { test } from 'node:test';
import { superuserOf } from '../test-api.ts';
import type { Caller } from '../test-caller.ts';
import { startTestServer } from '../test-server.ts';

const pods = '/api/v1/namespaces/default/pods';
const zone = 'topology.kubernetes.io/zone';
const region = 'topology.kubernetes.io/region';

async function withServer(act: (api: Caller) => Promise<void>, featureGates: Record<string, boolean> = {}) {
  const server = await startTestServer({ featureGates });
  const api = superuserOf(server);
  try {
    await api.expect(201, 'POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
    for (const [name, labels] of Object.entries({
      zoned: { [zone]: 'z1', [region]: 'r1', 'kubernetes.io/hostname': 'zoned' },
      plain: { other: 'x' },
    }))
      await api.expect(201, 'POST', '/api/v1/nodes', { metadata: { name, labels } });
    await act(api);
  } finally {
    api.close();
    await server.stop();
  }
}

async function placed(api: Caller, name: string, labels: object, target: object, more: object = {}) {
  const spec = { containers: [{ name: 'c', image: 'i' }] };
  await api.expect(201, 'POST', pods, { metadata: { name, labels }, spec });
  await api.expect(201, 'POST', `${pods}/${name}/binding`, {
    apiVersion: 'v1',
    kind: 'Binding',
    metadata: { name, ...more },
    target,
  });
  return (await api.expect(200, 'GET', `${pods}/${name}`)).metadata.labels;
}
const node = (name: string) => ({ apiVersion: 'v1', kind: 'Node', name });

test('a pod has the zone and the region of the node it is bound to or made for', async () =>
  withServer(async api => {
    assert.deepEqual(await placed(api, 'bound', { app: 'a', [zone]: 'wrong' }, node('zoned')), {
      app: 'a',
      [zone]: 'z1',
      [region]: 'r1',
    });
    assert.deepEqual(await placed(api, 'elsewhere', { [zone]: 'own' }, node('plain')), { [zone]: 'own' });
    assert.equal(await placed(api, 'no-kind', undefined!, { name: 'zoned' }), undefined);
    assert.deepEqual(await placed(api, 'more', { a: '1' }, node('zoned'), { labels: { a: '2', b: '3' } }), {
      ...{ a: '2', b: '3' },
      [zone]: 'z1',
      [region]: 'r1',
    });
    const made = await api.expect(201, 'POST', pods, {
      metadata: { name: 'made' },
      spec: { nodeName: 'zoned', containers: [{ name: 'c', image: 'i' }] },
    });
    assert.deepEqual(made.metadata.labels, { [zone]: 'z1', [region]: 'r1' });
    await api.expect(201, 'POST', pods, {
      metadata: { name: 'nowhere' },
      spec: { nodeName: 'unknown', containers: [{ name: 'c', image: 'i' }] },
    });
  }));

test('switched off, bindings change no labels', async () =>
  withServer(
    async api => {
      const given = { labels: { b: '3' } };
      assert.deepEqual(await placed(api, 'bound', { app: 'a' }, node('zoned'), given), { app: 'a' });
    },
    { PodTopologyLabelsAdmission: false },
  ));
