// JSON that breaks off, halves of characters, and patches with fields of other types: recorded from
// k8s.io/apiextensions-apiserver 1.36.2.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { definition, definitions, establish, widget, widgets } from './custom/test-definition.ts';
import { testApi } from './test-api.ts';
import { applyPatch, type Json, jsonPatch, mergePatch, strategicPatch } from './test-caller.ts';

const api = testApi();
const group = 'syntax.example.com';
const one = `${widgets(group)}/one`;
const dry = `${widgets(group)}?dryRun=All`;
before(async () => {
  await establish(api, definition(group));
  await api.expect(201, 'POST', widgets(group), widget(group, 'one', { spec: {} }));
});

async function refuses(
  cases: Readonly<Record<string, string>>,
  ...request: [method: string, path: string, headers?: Json]
) {
  const [method, path, headers] = request;
  for (const [body, why] of Object.entries(cases)) {
    const { code, object } = await api.send(method, path, body, headers);
    assert.equal(code, 400, body);
    assert.ok(object.message.includes(why), `${body}: ${object.message}`);
  }
}

test('what ends within a word ends in a space', async () => {
  await refuses(
    {
      '-': "invalid character ' ' in numeric literal",
      '[1.': "invalid character ' ' after decimal point in numeric literal",
      '[1e': "invalid character ' ' in exponent of numeric literal",
      '"\\': "invalid character ' ' in string escape code",
      '"\\u1': "invalid character ' ' in \\u hexadecimal character escape",
      fal: "invalid character ' ' in literal false (expecting 's')",
      '{"a":t': "invalid character ' ' in literal true (expecting 'r')",
      '[1': 'unexpected end of JSON input',
      '"a': 'unexpected end of JSON input',
    },
    'POST',
    dry,
  );
});

test('what is too deep is told by what opens it', async () => {
  const deep = (sign: string) => `{"a":${sign.repeat(200_000)}`;
  await refuses({ [deep('[')]: "json parse error: invalid character '[' exceeded max depth" }, 'POST', dry);
  await refuses({ [deep('{"a":')]: "invalid character '{' exceeded max depth" }, 'PATCH', one, mergePatch);
});

test('half of a character is none', async () => {
  const spec = '{"a":"\\ud800","b":"\\ude00\\uD83Dx","c":"\\ud83d\\ude00","\\udc00":"\\\\ud800"}';
  const body = JSON.stringify(widget(group, 'x', { spec: 0 })).replace(':0', `:${spec}`);
  const wanted = { a: '\ufffd', b: '\ufffd\ufffdx', c: '😀', '\ufffd': '\\ud800' };
  assert.deepEqual((await api.expect(201, 'POST', dry, body)).spec, wanted);
  const map = `{"metadata":{"name":"x"},"data":${spec.replace('"\\udc00"', '"d"')}}`;
  const { data } = await api.expect(201, 'POST', '/api/v1/namespaces/default/configmaps?dryRun=All', map);
  assert.deepEqual(data, { a: '\ufffd', b: '\ufffd\ufffdx', c: '😀', d: '\\ud800' });
});

test('a field that is given twice is told, and not what is in it', async () => {
  const body = JSON.stringify(widget(group, 'x')).replace('"metadata"', '"metadata":{"name":"y"},"metadata"');
  const { object } = await api.send('POST', `${dry}&fieldValidation=Strict`, body);
  assert.match(object.message, /: strict decoding error: duplicate field "metadata"$/);
  const again = JSON.stringify(widget(group, 'one', { spec: 0 })).replace(':0', ':{"a":1,"a":2}');
  const { headers } = await api.send('PATCH', `${one}?dryRun=All&fieldManager=m`, again, applyPatch);
  assert.equal(headers.warning, '299 - "line 1: key \\"a\\" already set in map"');
});

test('operations of a JSON patch are decoded before the first one is done', async () => {
  const field = (what: string, name: string) =>
    `error decoding patch: json: cannot unmarshal ${what} into Go struct field jsonPatchOp.${name} of type string`;
  await refuses(
    {
      '[{"op":5}]': field('number', 'op'),
      '[{"path":true}]': field('bool', 'path'),
      '[{"op":"add","from":{},"path":"/spec/a","value":1}]': field('object', 'from'),
      '[{"op":null,"path":[]}]': field('array', 'path'),
      '[{"op":"remove","path":"/none"},5]':
        'error decoding patch: json: cannot unmarshal number into Go value of type handlers.jsonPatchOp',
    },
    'PATCH',
    one,
    jsonPatch,
  );
  assert.equal((await api.send('PATCH', one, '[null]', jsonPatch)).code, 422);
});

test('a strategic patch that is null changes nothing', async () => {
  const path = `${definitions}/widgets.${group}`;
  const before = await api.expect(200, 'GET', path);
  assert.deepEqual(await api.expect(200, 'PATCH', path, 'null', strategicPatch), before);
});
