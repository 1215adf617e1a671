// Discovery and OpenAPI say what definitions say, at once: the clock of the test moves by a second at most.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { systemClock, VirtualClock } from '../../base/clock.ts';
import { superuserOf } from '../test-api.ts';
import { type Caller, type Json, mergePatch } from '../test-caller.ts';
import { ask } from '../test-request.ts';
import { startTestServer, type TestServer } from '../test-server.ts';
import { definition, definitions, establish, specSchema } from './test-definition.ts';

const clock = new VirtualClock(systemClock.now());
let server: TestServer;
let api: Caller;
before(async () => {
  server = await startTestServer({ clock });
  api = superuserOf(server);
});
after(async () => {
  api.close();
  await server.stop();
});
const group = 'follows.example.com';
const name = `widgets.${group}`;
const aggregated = { accept: 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList' };

/** What each document says of the group: its versions, its kinds, whether a schema has this property. */
async function said(property: string) {
  await clock.advance(1000);
  const get = async (path: string, headers = {}) => (await api.send('GET', path, undefined, headers)).object as Json;
  const groups = await get('/apis');
  const all = await get('/apis', aggregated);
  const resources = await get(`/apis/${group}/v1`);
  // Megabytes: what is looked for is found without reading all.
  const v2 = (await ask(server, '/openapi/v2')).body.toString();
  const roots = await get('/openapi/v3');
  const v3 = await get(`/openapi/v3/apis/${group}/v1`);
  const of = (properties: Json) => properties?.spec?.properties?.[property] !== undefined;
  const schema = 'com.example.follows.v1.Widget';
  const at = v2.indexOf(`"${schema}":`);
  return {
    plain: groups.groups.find((g: Json) => g.name === group)?.versions.map((v: Json) => v.version),
    aggregated: all.items.find((g: Json) => g.metadata.name === group)?.versions.map((v: Json) => v.version),
    resources: resources.resources?.map((r: Json) => r.name),
    v2: at > 0 && v2.slice(at, v2.indexOf('x-kubernetes-group-version-kind', at)).includes(`"${property}":`),
    roots: Object.keys(roots.paths).filter(p => p.includes(group)),
    v3: of(v3.components?.schemas[schema]?.properties),
  };
}

const version = (property: string) => ({ schema: specSchema({ [property]: { type: 'string' } }) });

test('definitions are followed within a second: made, changed, with another version, deleted', async () => {
  const none = { plain: undefined, aggregated: undefined, resources: undefined, v2: false, roots: [], v3: false };
  await establish(api, definition(group, [version('a')]));
  const here = {
    plain: ['v1'],
    aggregated: ['v1'],
    resources: ['widgets'],
    v2: true,
    roots: [`apis/${group}/v1`],
    v3: true,
  };
  assert.deepEqual(await said('a'), here);

  const change = async (versions: readonly object[]) => {
    const { spec } = definition(group, versions);
    await api.expect(200, 'PATCH', `${definitions}/${name}`, { spec: { versions: spec.versions } }, mergePatch);
  };
  await change([version('b')]);
  assert.deepEqual(await said('b'), here);
  assert.deepEqual(await said('a'), { ...here, v2: false, v3: false });

  await change([version('b'), { ...version('b'), name: 'v2', storage: false }]);
  const both = ['v2', 'v1'];
  const roots = [...here.roots, `apis/${group}/v2`];
  assert.deepEqual(await said('b'), { ...here, plain: both, aggregated: both, roots });

  await api.expect(200, 'DELETE', `${definitions}/${name}`);
  assert.deepEqual(await said('b'), none);
});
