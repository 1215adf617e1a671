import assert from 'node:assert/strict';
import { test } from 'node:test';
import { builtinResources } from '../api/resource.ts';
import { gatesWithoutKind, parseRuntimeConfig, servedResources } from './runtime-config.ts';
import { type Caller, caller, mergePatch } from './test-caller.ts';
import { startTestServer } from './test-server.ts';

const all = builtinResources().resources;
const off = () => false;
const names = (config: Record<string, boolean>, gate = off) =>
  servedResources(all, config, gate).map(r => `${r.group}/${r.version}/${r.resource}`);

test('without configuration the defaults are served', () => {
  const defaults = all.filter(r => r.onByDefault).map(r => `${r.group}/${r.version}/${r.resource}`);
  assert.deepEqual(names({}), defaults);
});

test('the more exact item decides; gates keep what they guard', () => {
  const beta = names({ 'api/beta': true });
  assert.ok(beta.includes('networking.k8s.io/v1beta1/servicecidrs'));
  assert.ok(!beta.includes('certificates.k8s.io/v1beta1/clustertrustbundles'));
  assert.ok(names({ 'api/beta': true }, () => true).includes('certificates.k8s.io/v1beta1/clustertrustbundles'));
  assert.ok(
    !names({ 'api/beta': true, 'networking.k8s.io/v1beta1': false }).includes('networking.k8s.io/v1beta1/servicecidrs'),
  );
  const one = names({ 'networking.k8s.io/v1beta1/ipaddresses': true });
  assert.ok(
    one.includes('networking.k8s.io/v1beta1/ipaddresses') && !one.includes('networking.k8s.io/v1beta1/servicecidrs'),
  );
  assert.ok(!names({ 'batch/v1': false }).includes('batch/v1/jobs'));
  assert.deepEqual(names({ 'flowcontrol.apiserver.k8s.io/v1beta3': true }), names({}));
  assert.ok(!names({ '/v1': false }).includes('/v1/pods'));
});

test('values of --runtime-config; what else it is told is in switches.test.ts', () => {
  const flags = ['api/all=true', ' certificates.k8s.io/v1beta1 = 0 ,,batch/v1,apps/v1=', 'batch/v1/jobs=F'];
  assert.deepEqual(parseRuntimeConfig(flags, all), {
    'api/all': true,
    'certificates.k8s.io/v1beta1': false,
    'batch/v1': true,
    'apps/v1': true,
    'batch/v1/jobs': false,
  });
  assert.throws(() => names({ 'no/v1': true }), { message: 'unknown api groups no/v1' });
});

test('gates whose kind is not served are named', () => {
  const on = (gate: string) => gate === 'ClusterTrustBundle' || gate === 'DRADeviceTaintRules';
  const lacking = (config: Record<string, boolean>) =>
    gatesWithoutKind(servedResources(all, config, on), on).map(l => `${l.gate} ${l.kind}`);
  assert.deepEqual(lacking({ 'certificates.k8s.io/v1beta1': true }), [
    'DRADeviceTaintRules resource.k8s.io/v1beta2/devicetaintrules',
  ]);
  assert.deepEqual(lacking({ 'api/beta': true }), []);
});

test('a version that is switched on shows and takes the objects of the other', async () => {
  const server = await startTestServer({
    runtimeConfig: { 'networking.k8s.io/v1beta1': true, 'resource.k8s.io/v1beta2': true },
    featureGates: { GenericWorkload: false },
  });
  const api: Caller = caller({
    url: server.url,
    ca: server.ca,
    cert: server.admin.certificatePem,
    key: server.admin.keyPem,
  });
  try {
    const group = await api.expect(200, 'GET', '/apis/networking.k8s.io');
    assert.deepEqual(
      group.versions.map((v: { version: string }) => v.version),
      ['v1', 'v1beta1'],
    );
    assert.equal(group.preferredVersion.version, 'v1');
    const beta = '/apis/networking.k8s.io/v1beta1/servicecidrs';
    const listed = await api.expect(200, 'GET', beta);
    assert.equal(listed.apiVersion, 'networking.k8s.io/v1beta1');
    assert.deepEqual(
      listed.items.map((i: any) => i.metadata.name),
      ['kubernetes'],
    );
    const made = await api.expect(201, 'POST', beta, {
      apiVersion: 'networking.k8s.io/v1beta1',
      kind: 'ServiceCIDR',
      metadata: { name: 'b' },
      spec: { cidrs: ['10.9.0.0/24'] },
    });
    assert.equal(made.apiVersion, 'networking.k8s.io/v1beta1');
    const stable = await api.expect(200, 'GET', '/apis/networking.k8s.io/v1/servicecidrs/b');
    assert.equal(stable.apiVersion, 'networking.k8s.io/v1');
    await api.expect(200, 'PATCH', `${beta}/b`, { metadata: { labels: { a: 'b' } } }, mergePatch);
    assert.equal((await api.expect(200, 'GET', '/apis/networking.k8s.io/v1/servicecidrs/b')).metadata.labels.a, 'b');
    const watching = await api.watch(`${beta}?watch=true&resourceVersion=0`);
    const { object } = await watching.next(e => e.object.metadata.name === 'b');
    assert.equal(object.apiVersion, 'networking.k8s.io/v1beta1');
    watching.stop();
    await api.expect(404, 'GET', '/apis/scheduling.k8s.io/v1alpha2');
    await api.expect(200, 'GET', '/apis/resource.k8s.io/v1beta2/deviceclasses');
  } finally {
    api.close();
    await server.stop();
  }
});
