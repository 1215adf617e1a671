import assert from 'node:assert/strict';
import { test } from 'node:test';
import { builtinResources, type Resource } from '../../api/resource.ts';
import { settle } from '../../base/clock.ts';
import type { Exchange } from '../http/exchange.ts';
import { openApiPaths } from './openapi.ts';

const builtin = builtinResources().resources.filter(r => r.group === 'batch');
const custom: Resource = {
  ...builtin[0]!,
  ...{ group: 'example.com', resource: 'widgets', kind: 'Widget', typeName: '' },
  ...{ fieldSelectors: new Map(), subresources: new Map() },
};

test('a document that could not be made is tried anew, also when nobody waited for it', async () => {
  let left = 2;
  const customSchema = (_: Resource, openApi: 2 | 3) => {
    if (openApi === 2 && left-- > 0) throw new Error('not now');
    return {};
  };
  const source = { resources: [...builtin, custom], version: 'v1', customSchema };
  const serve = openApiPaths({ source: () => source });
  const ask = async (headers: object): Promise<number> => {
    let answered = 0;
    const respond = (code: number) => {
      answered = code;
    };
    const exchange = {
      path: '/openapi/v2',
      method: 'GET',
      headers: { 'accept-encoding': 'gzip', ...headers },
      respond,
    };
    await serve(exchange as unknown as Exchange, {} as never);
    return answered;
  };
  await assert.rejects(ask({}), /not now/);
  assert.equal(await ask({ 'if-none-match': '*' }), 304);
  while (left > 0) await settle();
  await settle();
  assert.equal(await ask({}), 200);
});
