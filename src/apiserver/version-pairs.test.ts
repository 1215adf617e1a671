// Kinds with several versions: written in one, read and written in each other, kept in the same whatever they came in.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeProtobuf, isProtobuf } from '../api/protobuf.ts';
import { builtinResources, type Resource, readFacts } from '../api/resource.ts';
import { systemClock } from '../base/clock.ts';
import { systemRandom } from '../base/random.ts';
import { createCa } from '../base/x509.ts';
import { memoryStore } from '../store/memory-store.ts';
import { testApi } from './test-api.ts';
import { type Json, mergePatch } from './test-caller.ts';
import { samples } from './test-samples.ts';

const { certificatePem: trustBundle } = await createCa({
  commonName: 'bundle',
  nowMs: systemClock.now(),
  random: systemRandom,
  days: 1,
});
const store = memoryStore({ clock: systemClock });
const api = testApi({ store, runtimeConfig: { 'api/all': true }, featureGates: { ClusterTrustBundle: true } });

const facts = readFacts<{ resources: { g: string; r: string; path: string }[] }>('resources.json');
const several = Object.entries(Object.groupBy(builtinResources().resources, r => `${r.group}/${r.resource}`)).filter(
  ([, versions]) => versions!.length > 1,
) as [string, Resource[]][];

const apiVersionOf = ({ group, version }: Resource) => `${group}/${version}`;
const many = (r: Resource) => `/apis/${apiVersionOf(r)}${r.namespaced ? '/namespaces/default' : ''}/${r.resource}`;

/** As it lies in the store. */
async function storedVersion(path: string): Promise<string> {
  const { value } = (await store.get(path))!;
  const object = isProtobuf(value) ? decodeProtobuf(value).object : JSON.parse(Buffer.from(value).toString());
  return (object as Json).apiVersion;
}

const requests = [
  { name: 'r', exactly: { deviceClassName: 'gpu', count: 2, allocationMode: 'ExactCount' } },
  { name: 'f', firstAvailable: [{ name: 's', deviceClassName: 'small', allocationMode: 'All' }] },
];
const devices = { requests, constraints: [{ requests: ['r'], matchAttribute: 'd.example.com/numa' }] };
/** What says more than the least object does, or of kinds that no default server has. */
const fuller: Readonly<Record<string, object>> = {
  'certificates.k8s.io/clustertrustbundles': { spec: { trustBundle } },
  'coordination.k8s.io/leasecandidates': {
    spec: { leaseName: 'l', binaryVersion: '1.36.0', emulationVersion: '1.35.0', strategy: 'OldestEmulationVersion' },
  },
  'resource.k8s.io/devicetaintrules': {
    spec: { deviceSelector: { driver: 'd.example.com' }, taint: { key: 'k', value: 'v', effect: 'NoExecute' } },
  },
  'resource.k8s.io/deviceclasses': { spec: { selectors: [{ cel: { expression: 'true' } }] } },
  'resource.k8s.io/resourceclaims': { spec: { devices } },
  'resource.k8s.io/resourceclaimtemplates': { spec: { metadata: { labels: { a: 'b' } }, spec: { devices } } },
  'resource.k8s.io/resourceslices': {
    spec: {
      driver: 'd.example.com',
      nodeName: 'n',
      pool: { name: 'p', generation: 1, resourceSliceCount: 1 },
      devices: [{ name: 'x', attributes: { model: { string: 'a' } }, capacity: { memory: { value: '1Gi' } } }],
    },
  },
};

async function remove(path: string): Promise<void> {
  await api.expect(200, 'PATCH', path, { metadata: { finalizers: null } }, mergePatch);
  await api.expect(200, 'DELETE', path);
}

/** The least of the kind, as the server shows it in each version. */
async function forms(versions: readonly Resource[]): Promise<Json[]> {
  const first = versions[0]!;
  const sample = samples[`${first.group}/${first.version}/${first.resource}`]?.('one', 'default');
  const body = { ...sample, ...fuller[`${first.group}/${first.resource}`] };
  const made = await api.expect(201, 'POST', many(first), { ...body, metadata: { name: 'one', ...body.metadata } });
  const all = await Promise.all(versions.map(r => api.expect(200, 'GET', `${many(r)}/${made.metadata.name}`)));
  await remove(`${many(first)}/${made.metadata.name}`);
  return all.map(({ metadata, status: _, ...rest }) => ({ ...rest, metadata: { name: metadata.name } }));
}

const bare = ({ metadata: { managedFields: _, resourceVersion: __, ...metadata }, ...rest }: Json): Json => ({
  ...rest,
  metadata,
});

test('what is written in one version is the same in all, and stored in one', async () => {
  for (const [id, versions] of several) {
    const shownAs = await forms(versions);
    const kept = new Set<string>();
    for (const [w, written] of versions.entries()) {
      const made = await api.expect(201, 'POST', many(written), shownAs[w]);
      const { name } = made.metadata;
      const at = (r: Resource) => `${many(r)}/${name}`;
      const fact = facts.resources.find(f => f.g === written.group && f.r === written.resource)!;
      const path = `${fact.path}${written.namespaced ? '/default' : ''}/${name}`;
      kept.add(await storedVersion(path));
      for (const [r, read] of versions.entries()) {
        const shown = await api.expect(200, 'GET', at(read));
        assert.equal(shown.apiVersion, apiVersionOf(read));
        const { apiVersion: _, metadata: __, status: ___, ...body } = shown;
        const { apiVersion: ____, metadata: _____, ...wanted } = shownAs[r];
        assert.deepEqual(body, wanted, `${id}: ${written.version} as ${read.version}`);
        // There and back.
        const before = await api.expect(200, 'GET', at(written));
        const labels = { through: read.version };
        await api.expect(200, 'PUT', at(read), { ...shown, metadata: { ...shown.metadata, labels } });
        const after = await api.expect(200, 'GET', at(written));
        assert.deepEqual(bare(after), bare({ ...before, metadata: { ...before.metadata, labels } }));
        kept.add(await storedVersion(path));
        // An update that changes nothing writes nothing, in no version.
        const again = await api.expect(200, 'GET', at(read));
        const same = await api.expect(200, 'PUT', at(read), again);
        assert.equal(same.metadata.resourceVersion, again.metadata.resourceVersion, `${id} in ${read.version}`);
      }
      await remove(at(written));
    }
    assert.equal(kept.size, 1, `${id} is kept in ${[...kept]}`);
  }
});

test('what another server stored in a former version is stored anew by an update that changes nothing', async () => {
  const cidrs = '/apis/networking.k8s.io/v1/servicecidrs';
  const body = { metadata: { name: 'former' }, spec: { cidrs: ['198.51.100.0/25'] } };
  await api.expect(201, 'POST', cidrs, body);
  const path = '/registry/servicecidrs/former';
  const watching = await api.watch(`${cidrs}?watch=1`);
  const { value, revision } = (await store.get(path))!;
  const former = { ...JSON.parse(Buffer.from(value).toString()), apiVersion: 'networking.k8s.io/v1beta1' };
  former.metadata.labels = { of: 'another' };
  await store.update(path, revision, () => Buffer.from(JSON.stringify(former)));
  const { object } = await watching.next(e => e.object.metadata.labels?.of === 'another');
  watching.stop();
  assert.equal(object.apiVersion, 'networking.k8s.io/v1');
  assert.equal(await storedVersion(path), 'networking.k8s.io/v1beta1');
  await api.expect(200, 'PATCH', `${cidrs}/former`, {}, mergePatch);
  assert.equal(await storedVersion(path), 'networking.k8s.io/v1');
});
