// kubectl's way from its own apply to the server's, as apiextensions-apiserver goes it: no conflict with what it said before.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { definition, establish, widgets } from './custom/test-definition.ts';
import { testApi } from './test-api.ts';
import { cases, dataSchema, take } from './test-upgrade.ts';

const api = testApi();

test('what kubectl applied on its own side it takes over on the server’s', async () => {
  const group = 'upgrade.example.com';
  await establish(api, definition(group, [{ schema: dataSchema }]));
  for (const [many, kind, apiVersion] of [
    [widgets(group), 'Widget', `${group}/v1`],
    ['/api/v1/namespaces/default/configmaps', 'ConfigMap', 'v1'],
  ] as const)
    for (const [at, one] of cases().entries()) {
      const answer = await take(api, many, kind, apiVersion, at, one);
      assert.deepEqual(JSON.parse(JSON.stringify(answer)), one.answer, `${kind}: ${one.says}`);
    }
});
