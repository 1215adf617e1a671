import assert from 'node:assert/strict';
import { test } from 'node:test';
import { superuserOf } from '../test-api.ts';
import type { Caller } from '../test-caller.ts';
import { startTestServer } from '../test-server.ts';

const pods = '/api/v1/namespaces/default/pods';
const features = ['InPlacePodLevelResourcesVerticalScaling', 'InPlacePodVerticalScalingInitContainers'];
const strategicPatch = { 'content-type': 'application/strategic-merge-patch+json' };
const cpu = (amount: string) => ({ requests: { cpu: amount }, limits: { cpu: '2' } });

async function withServer(act: (api: Caller) => Promise<void>, featureGates: Record<string, boolean> = {}) {
  const server = await startTestServer({ featureGates });
  const api = superuserOf(server);
  try {
    await api.expect(201, 'POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
    for (const [name, declaredFeatures] of Object.entries({ old: [], new: features, some: features.slice(1) }))
      await api.expect(201, 'POST', '/api/v1/nodes', { metadata: { name }, status: { declaredFeatures } });
    await act(api);
  } finally {
    api.close();
    await server.stop();
  }
}

async function placed(api: Caller, name: string, nodeName?: string) {
  const spec = {
    nodeName,
    resources: cpu('1500m'),
    initContainers: [{ name: 'i', image: 'i', resources: cpu('1') }],
    containers: [{ name: 'c', image: 'i', resources: cpu('1') }],
  };
  await api.expect(201, 'POST', pods, { metadata: { name }, spec });
}

const inPod = { resources: cpu('1600m') };
const inInit = { initContainers: [{ name: 'i', resources: cpu('1200m') }] };
const inContainer = { containers: [{ name: 'c', resources: cpu('1200m') }] };
const resize = (api: Caller, status: number, name: string, spec: object) =>
  api.expect(status, 'PATCH', `${pods}/${name}/resize`, { spec }, strategicPatch);

test('a pod changes only as far as the features reach that its node declares', async () =>
  withServer(async api => {
    await placed(api, 'p', 'old');
    await resize(api, 200, 'p', inContainer);
    const { message } = await resize(api, 403, 'p', { ...inPod, ...inInit });
    assert.equal(
      message,
      `pods "p" is forbidden: pod update requires features ${features.join(', ')} which are not available on node "old"`,
    );
    assert.match(
      (await resize(api, 403, 'p', inInit)).message,
      /features InPlacePodVerticalScalingInitContainers which/,
    );
    await api.expect(200, 'PATCH', `${pods}/p`, { metadata: { labels: { a: 'b' } } }, strategicPatch);

    await placed(api, 'able', 'new');
    const able = await resize(api, 200, 'able', { ...inPod, ...inInit });
    assert.equal(able.spec.initContainers[0].resources.requests.cpu, '1200m');

    await placed(api, 'half', 'some');
    await resize(api, 200, 'half', inInit);
    assert.match((await resize(api, 403, 'half', inPod)).message, /InPlacePodLevelResourcesVerticalScaling which/);

    await placed(api, 'lost', 'unknown');
    assert.equal((await resize(api, 403, 'lost', inPod)).message, 'pods "lost" is forbidden: node "unknown" not found');
    await resize(api, 200, 'lost', inContainer);

    await placed(api, 'unbound');
    await resize(api, 200, 'unbound', { ...inPod, ...inInit });
  }));

test('switched off, nobody looks at what nodes declare', async () =>
  withServer(
    async api => {
      await placed(api, 'p', 'old');
      await resize(api, 200, 'p', inPod);
      const { details } = await resize(api, 422, 'p', inInit);
      assert.equal(details.causes[0].message, 'Forbidden: resources for non-sidecar init containers are immutable');
    },
    {
      NodeDeclaredFeatures: false,
      ExtendWebSocketsToKubelet: false,
      InPlacePodLevelResourcesVerticalScaling: false,
      InPlacePodVerticalScalingInitContainers: false,
      RestartAllContainersOnContainerExits: false,
    },
  ));
