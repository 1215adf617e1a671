import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergeInto, partOf, urlsOf } from './remote-openapi.ts';

const to = (name: string) => ({ $ref: `#/definitions/${name}` });

// As kube-aggregator merges the same document.
test('a document gives its paths of one group version, and no definition that only others need', () => {
  const document = {
    paths: {
      '/apis/one/v1/things': { get: to('Thing') },
      '/apis/one/v1': { get: {} },
      '/apis/one/v10/things': { get: to('Ten') },
      '/version': { get: to('Both') },
    },
    definitions: { Thing: { items: to('Inner') }, Inner: to('Both'), Both: {}, Ten: to('Deep'), Deep: {}, Unused: {} },
  };
  const { paths, definitions } = partOf('apis/one/v1', document);
  assert.deepEqual([...paths.keys()], ['/apis/one/v1/things', '/apis/one/v1']);
  assert.deepEqual([...definitions.keys()], ['Thing', 'Inner', 'Both', 'Unused']);
});

test('of a list of documents only groups and their versions are taken', () => {
  const serverRelativeURL = '/openapi/v3/x';
  const urls = urlsOf({
    paths: { 'apis/one/v1': { serverRelativeURL }, version: { serverRelativeURL }, 'apis/two': {} },
  });
  assert.deepEqual([...urls], [['apis/one/v1', serverRelativeURL]]);
  for (const odd of [undefined, null, {}, { paths: { 'apis/x': null } }]) assert.equal(urlsOf(odd).size, 0);
});

test('a definition that differs from one of its name gets another name, wherever it is meant', () => {
  const paths = new Map<string, Record<string, unknown>>();
  const definitions = new Map<string, Record<string, unknown>>([
    ['Meta', { type: 'object' }],
    ['Meta_v2', { type: 'number' }],
    ['Same', { type: 'string' }],
  ]);
  mergeInto(paths, definitions, {
    id: 'apis/one/v1',
    hash: '',
    urls: new Map(),
    paths: new Map([['/a', { get: to('Meta') }]]),
    definitions: new Map<string, Record<string, unknown>>([
      ['Meta', { type: 'array', items: to('Same') }],
      ['Same', { type: 'string' }],
    ]),
  });
  assert.deepEqual(paths.get('/a'), { get: to('Meta_v3') });
  assert.deepEqual([...definitions.keys()], ['Meta', 'Meta_v2', 'Same', 'Meta_v3']);
});
