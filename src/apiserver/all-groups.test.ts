// A server with every group and version of the release and every gate that is not on by default.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apiVersionOf } from '../api/ref.ts';
import { builtinResources, type Resource } from '../api/resource.ts';
import { testApi } from './test-api.ts';
import { type Json, mergePatch } from './test-caller.ts';
import { offSample } from './test-off-samples.ts';

const all = builtinResources().resources;
const off = all.filter(r => !r.onByDefault);
const api = testApi({ featureGates: { AllAlpha: true, AllBeta: true }, runtimeConfig: { 'api/all': true } });
const baseOf = (r: Resource) => (r.group ? `/apis/${apiVersionOf(r)}` : `/api/${r.version}`);

test('every group, version and resource is served and described', async () => {
  const byVersion = Map.groupBy(all, baseOf);
  const versions = new Set<string>();
  for (const { versions: served } of (await api.expect(200, 'GET', '/apis')).groups)
    for (const { groupVersion } of served) versions.add(`/apis/${groupVersion}`);
  const { paths } = await api.expect(200, 'GET', '/openapi/v3');
  for (const [base, resources] of byVersion) {
    assert.ok(base === '/api/v1' || versions.has(base), base);
    assert.ok(paths[base.slice(1)], `OpenAPI of ${base}`);
    const names = (await api.expect(200, 'GET', base)).resources.map((r: Json) => r.name);
    for (const r of resources)
      for (const name of [r.resource, ...[...r.subresources.keys()].map(s => `${r.resource}/${s}`)])
        assert.ok(names.includes(name), `${base} ${name}`);
  }
});

test('an object of each kind that is off by default is made, read, changed, listed and deleted', async () => {
  assert.ok(off.length >= 27);
  for (const r of off) {
    const id = `${apiVersionOf(r)}/${r.resource}`;
    const many = `${baseOf(r)}/${r.namespaced ? 'namespaces/default/' : ''}${r.resource}`;
    const made = await api.expect(201, 'POST', many, offSample(r, 'one', 'default'));
    const one = `${many}/${encodeURIComponent(made.metadata.name)}`;
    assert.deepEqual([made.apiVersion, made.kind], [apiVersionOf(r), r.kind], id);
    assert.deepEqual(await api.expect(200, 'GET', one), made, id);
    const labels = { off: 'x' };
    await api.expect(200, 'PATCH', one, { metadata: { labels } }, mergePatch);
    const { kind, items } = await api.expect(200, 'GET', `${many}?labelSelector=off=x`);
    assert.deepEqual([kind, items.length, items[0].metadata.uid], [`${r.kind}List`, 1, made.metadata.uid], id);
    // The other versions say the same.
    for (const other of all.filter(o => o.group === r.group && o.resource === r.resource && o.version !== r.version)) {
      const seen = await api.expect(200, 'GET', one.replace(`/${r.version}/`, `/${other.version}/`));
      assert.deepEqual([seen.metadata.uid, seen.apiVersion], [made.metadata.uid, apiVersionOf(other)], id);
    }
    await api.expect(200, 'PATCH', one, { metadata: { finalizers: null } }, mergePatch);
    await api.expect(200, 'DELETE', one);
    await api.expect(404, 'GET', one);
  }
});
