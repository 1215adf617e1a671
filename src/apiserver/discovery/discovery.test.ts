import assert from 'node:assert/strict';
import { test } from 'node:test';
import { testApi } from '../test-api.ts';

const api = testApi();
const type = (version: string, more = '') =>
  `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList${more}`;

/** Kind and content type of what comes, as the published server answered. */
async function seen(path: string, accept: string): Promise<string> {
  const { code, headers, object } = await api.send('GET', path, undefined, { accept });
  return `${code} ${object.kind} ${headers['content-type']}`;
}

test('aggregated discovery is v2; who knows only v2beta1 gets the documents there were before, if it takes them', async () => {
  const v2 = `200 APIGroupDiscoveryList ${type('v2')}`;
  for (const accept of [
    type('v2'),
    type('v2', ';profile=nopeer'),
    'application/json;as=APIGroupDiscoveryList;v=v2;g=apidiscovery.k8s.io',
    `${type('v2')},${type('v2beta1')},application/json`,
    `${type('v2beta1')},${type('v2')},application/json`,
  ])
    assert.equal(await seen('/apis', accept), v2, accept);
  assert.equal(await seen('/apis', `${type('v2beta1')},application/json`), '200 APIGroupList application/json');
  assert.equal(await seen('/api', `${type('v2beta1')},application/json`), '200 APIVersions application/json');
  for (const accept of [type('v2beta1'), type('v3')])
    assert.equal(await seen('/apis', accept), '406 Status application/json', accept);
});
