// What apiextensions-apiserver 0.36.2 was seen to do with custom objects as they change.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { applyPatch, type Json, mergePatch } from '../test-caller.ts';
import { fileServer } from '../test-file-server.ts';
import { definition, definitions, establish, specSchema, widget, widgets } from './test-definition.ts';

const on = fileServer();
const table = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' };
const fieldsOf = (object: Json, manager: string): Json =>
  object.metadata.managedFields.find((e: Json) => e.manager === manager)?.fieldsV1;

test('a status without its subresource is a field like any other', async () => {
  const group = 'plain.example.com';
  await establish(on.api, definition(group));
  const made = await on.api.expect(
    201,
    'POST',
    `${widgets(group)}?fieldManager=a`,
    widget(group, 'w', { status: { x: 1 } }),
  );
  assert.deepEqual(fieldsOf(made, 'a'), { 'f:status': { '.': {}, 'f:x': {} } });
  const config = widget(group, 'w', { status: { y: 2 } });
  const applied = await on.api.expect(200, 'PATCH', `${widgets(group)}/w?fieldManager=b`, config, applyPatch);
  assert.deepEqual(applied.status, { x: 1, y: 2 });
  assert.deepEqual(fieldsOf(applied, 'b'), { 'f:status': { 'f:y': {} } });
});

test('conflicts are told level by level', async () => {
  const group = 'levels.example.com';
  await establish(on.api, definition(group));
  const apply = (manager: string, spec: object) =>
    on.api.send('PATCH', `${widgets(group)}/w?fieldManager=${manager}`, widget(group, 'w', { spec }), applyPatch);
  await apply('one', { a: { b: 1 }, z: 1 });
  const { object } = await apply('two', { a: { b: 2 }, z: 2 });
  assert.deepEqual(
    object.details.causes.map((c: Json) => c.field),
    ['.spec.z', '.spec.a.b'],
  );
});

test('what has not changed may go on breaking rules, with a warning, and need not become a set', async () => {
  const group = 'stands.example.com';
  const set = { type: 'array', items: { type: 'string' }, 'x-kubernetes-list-type': 'set' };
  const rules = [{ rule: 'self != "bad"' }];
  const path = `${definitions}/widgets.${group}`;
  const served = (schema?: object) => definition(group, [{ ...(schema ? { schema } : {}) }]);
  await establish(on.api, served());
  await on.api.expect(201, 'POST', widgets(group), widget(group, 'w', { spec: { s: 'bad', l: ['a', 'a'] } }));
  const { versions } = served(specSchema({ s: { type: 'string', 'x-kubernetes-validations': rules }, l: set })).spec;
  await on.api.expect(200, 'PATCH', path, { spec: { versions } }, mergePatch);
  const patch = (body: object) => on.api.send('PATCH', `${widgets(group)}/w`, body, mergePatch);
  let labelled = await patch({ metadata: { labels: { a: 'b' } } });
  // The new schema is not served at once.
  while (!labelled.headers.warning) labelled = await patch({ metadata: { labels: { a: 'b' } } });
  assert.equal(labelled.headers.warning, `299 - "spec.s: Invalid value: \\"bad\\": failed rule: self != \\"bad\\""`);
  assert.equal((await patch({ spec: { l: ['a', 'a', 'b'] } })).code, 200);
  assert.equal((await patch({ spec: { l: ['a'] } })).code, 200);
  assert.equal((await patch({ spec: { l: ['a', 'a'] } })).code, 422);
});

test('faults of metadata are told again for every step of an update', async () => {
  const group = 'again.example.com';
  await establish(on.api, definition(group));
  await on.api.expect(201, 'POST', widgets(group), widget(group, 'w'));
  const metadata = { labels: { 'a b': 'c' } };
  const { message, details } = await on.api.expect(422, 'PATCH', `${widgets(group)}/w`, { metadata }, mergePatch);
  const fields = details.causes.map((c: Json) => c.field);
  assert.deepEqual(fields, ['metadata.labels', 'metadata.labels', 'metadata.labels']);
  assert.equal(message.split('metadata.labels').length, 2, message);
});

test('what is not stored may say of which version it is', async () => {
  const group = 'dry.example.com';
  await establish(on.api, definition(group));
  const one = widget(group, 'w');
  one.metadata.resourceVersion = '5';
  await on.api.expect(500, 'POST', widgets(group), one);
  await on.api.expect(201, 'POST', `${widgets(group)}?dryRun=All`, one);
});

test('tables: columns end before a path nobody can read, cells are empty where a value does not fit', async () => {
  const group = 'cells.example.com';
  const column = (name: string, jsonPath: string, type = 'string') => ({ name, type, jsonPath });
  const additionalPrinterColumns = [
    column('Old', '.at', 'date'),
    column('None', '.none', 'date'),
    column('Number', '.n', 'date'),
    column('Mixed', '.l[?(@.a==1)].a'),
    column('Past', '.l[0:9].a'),
    column('Markup', '.m'),
    column('Bad', '.l['),
    column('Lost', '.n'),
  ];
  await establish(on.api, definition(group, [{ more: { additionalPrinterColumns } }]));
  const more = { at: '5', none: '', n: 5, l: [{ a: 1 }, { a: 'x' }], m: [{ a: '<b>' }] };
  await on.api.expect(201, 'POST', widgets(group), widget(group, 'w', more));
  const path = `${widgets(group)}?includeObject=None`;
  const { columnDefinitions, rows } = await on.api.expect(200, 'GET', path, undefined, table);
  const names = columnDefinitions.map((c: Json) => c.name);
  assert.deepEqual(names, ['Name', 'Old', 'None', 'Number', 'Mixed', 'Past', 'Markup']);
  const markup = '[{"a":"\\u003cb\\u003e"}]';
  assert.deepEqual(rows, [{ cells: ['w', '<invalid>', '<unknown>', null, null, null, markup], object: null }]);
});
