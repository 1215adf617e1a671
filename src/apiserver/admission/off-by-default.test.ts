import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { builtinResources } from '../../api/resource.ts';
import { type Caller, caller, mergePatch } from '../test-caller.ts';
import { startTestServer, type TestServer } from '../test-server.ts';
import type { AdmissionAttributes } from './admission.ts';
import { alwaysDeny, alwaysPullImages } from './off-by-default.ts';

let server: TestServer;
let api: Caller;

async function start(enableAdmissionPlugins: readonly string[], disableAdmissionPlugins: readonly string[] = []) {
  const started = await startTestServer({ enableAdmissionPlugins, disableAdmissionPlugins });
  const { url, ca, admin } = started;
  return { started, calls: caller({ url, ca, cert: admin.certificatePem, key: admin.keyPem }) };
}

before(async () => {
  const { started, calls } = await start([
    'AlwaysAdmit',
    'AlwaysPullImages',
    'DenyServiceExternalIPs',
    'ExtendedResourceToleration',
    'LimitPodHardAntiAffinityTopology',
    'NamespaceAutoProvision',
    'NamespaceExists',
  ]);
  [server, api] = [started, calls];
  await api.expect(201, 'POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
});
after(async () => {
  api.close();
  await server.stop();
});

const pods = '/api/v1/namespaces/default/pods';
const pod = (name: string, container: object = {}, spec: object = {}) => ({
  metadata: { name },
  spec: { containers: [{ name: 'c', image: 'i:1', ...container }], ...spec },
});

test('images are always pulled', async () => {
  const volumes = [{ name: 'v', image: { reference: 'r', pullPolicy: 'IfNotPresent' } }];
  const made = await api.expect(201, 'POST', pods, pod('pulled', { imagePullPolicy: 'Never' }, { volumes }));
  assert.equal(made.spec.containers[0].imagePullPolicy, 'Always');
  assert.equal(made.spec.volumes[0].image.pullPolicy, 'Always');
});

test('what came after does not keep an image from being pulled', () => {
  const resource = builtinResources().byId('/v1/pods');
  const attributes = (spec: object, old?: object) =>
    ({ resource, name: 'p', object: { metadata: {}, spec }, old }) as unknown as AdmissionAttributes;
  const always = [{ name: 'c', imagePullPolicy: 'Always' }];
  const never = [...always, { name: 'd', imagePullPolicy: 'Never' }];
  alwaysPullImages.validate!(attributes({ initContainers: always, containers: always }));
  alwaysPullImages.validate!(attributes({ containers: never }, {}));
  const why = 'imagePullPolicy: Unsupported value: "Never": supported values: "Always"';
  for (const [spec, at] of [
    [{ containers: never }, 'spec.containers[1]'],
    [{ initContainers: never, containers: always }, 'spec.initContainers[1]'],
  ] as const)
    assert.throws(() => alwaysPullImages.validate!(attributes(spec)), {
      code: 403,
      message: `pods "p" is forbidden: ${at}.${why}`,
    });
});

test('pods bear the taints of the extended resources they ask for', async () => {
  const limits = { 'example.com/gpu': 1, 'example.com/fpga': 2, cpu: 1 };
  const made = await api.expect(201, 'POST', pods, pod('extended', { resources: { limits } }));
  assert.deepEqual(
    made.spec.tolerations.filter((t: { key: string }) => t.key.startsWith('example.com/')),
    [
      { key: 'example.com/fpga', operator: 'Exists' },
      { key: 'example.com/gpu', operator: 'Exists' },
    ],
  );
});

test('nobody keeps others off more than a node', async () => {
  const away = (topologyKey: string) => ({
    affinity: {
      podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey, labelSelector: {} }] },
    },
  });
  await api.expect(201, 'POST', pods, pod('near', {}, away('kubernetes.io/hostname')));
  const refused = await api.expect(403, 'POST', pods, pod('far', {}, away('topology.kubernetes.io/zone')));
  assert.match(refused.message, /has TopologyKey topology.kubernetes.io\/zone but only key kubernetes.io\/hostname/);
});

test('services claim no external addresses', async () => {
  const services = '/api/v1/namespaces/default/services';
  const spec = { ports: [{ port: 80 }] };
  await api.expect(201, 'POST', services, { metadata: { name: 's' }, spec });
  const externalIPs = ['192.0.2.1'];
  const refused = await api.expect(403, 'PATCH', `${services}/s`, { spec: { externalIPs } }, mergePatch);
  assert.equal(refused.message, 'services "s" is forbidden: Use of external IPs is denied by admission control.');
});

test('a namespace is made by what is made in it, and must be there for the rest', async () => {
  const maps = '/api/v1/namespaces/provided/configmaps';
  await api.expect(201, 'POST', `${maps}?dryRun=All`.replace('provided', 'default'), { metadata: { name: 'dry' } });
  await api.expect(201, 'POST', maps, { metadata: { name: 'a' } });
  assert.equal((await api.expect(200, 'GET', '/api/v1/namespaces/provided')).status.phase, 'Active');
  await api.expect(404, 'POST', '/api/v1/namespaces/absent/configmaps?dryRun=All', { metadata: { name: 'a' } });
});

test('what is on by default is switched off', async () => {
  const { started, calls } = await start([], ['NamespaceLifecycle']);
  await calls.expect(201, 'POST', '/api/v1/namespaces/nowhere/configmaps', { metadata: { name: 'a' } });
  calls.close();
  await started.stop();
});

test('all may be denied', () => {
  const attributes = {
    resource: builtinResources().byId('/v1/configmaps'),
    name: 'a',
  } as unknown as AdmissionAttributes;
  for (const phase of ['mutate', 'validate'] as const)
    assert.throws(
      () => alwaysDeny[phase]!(attributes),
      /^StatusError: configmaps "a" is forbidden: admission control is denying all modifications$/,
    );
});

test('plugins that nobody knows are named', async () => {
  await assert.rejects(
    startTestServer({ enableAdmissionPlugins: ['Mystery'] }),
    /enable-admission-plugins plugin "Mystery" is unknown/,
  );
  await assert.rejects(
    startTestServer({ disableAdmissionPlugins: ['PodCertificateRequestSigning'] }),
    /disable-admission-plugins plugin "PodCertificateRequestSigning" is unknown/,
  );
  const both = ['NamespaceExists', 'LimitRanger'];
  await assert.rejects(
    startTestServer({ enableAdmissionPlugins: both, disableAdmissionPlugins: both }),
    /\[LimitRanger NamespaceExists\] in enable-admission-plugins and disable-admission-plugins overlapped/,
  );
});
