// Numbers that no float holds, and YAML that JSON has no word for: recorded from k8s.io/apiextensions-apiserver 1.36.2.
import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { parseYaml } from '../api/decode.ts';
import { definition, definitions, establish, widget, widgets } from './custom/test-definition.ts';
import { testApi } from './test-api.ts';
import { applyPatch, jsonPatch, mergePatch, strategicPatch } from './test-caller.ts';

const api = testApi();
const group = 'numbers.example.com';
const one = `${widgets(group)}/one`;
const yaml = { 'content-type': 'application/yaml' };
before(async () => {
  await establish(api, definition(group));
  await api.expect(201, 'POST', widgets(group), widget(group, 'one'));
});

async function refused(message: string, ...request: Parameters<typeof api.send>): Promise<void> {
  const { code, object } = await api.send(...request);
  assert.deepEqual([code, object.message], [400, message], `${request}`);
}

const body = (number: string, name = 'x') =>
  JSON.stringify(widget(group, name, { spec: { n: 0 } })).replace(':0', `:${number}`);
const value = (number: string) => `json: cannot unmarshal number ${number} into Go value of type float64`;

test('in JSON they are refused', async () => {
  for (const number of ['1e400', '-1e400', '1E309', '12e308', `1${'0'.repeat(309)}`, `9${'0'.repeat(308)}.5`]) {
    const why = `Widget in version "v1" cannot be handled as a Widget: ${value(number)}`;
    await refused(why, 'POST', widgets(group), body(number));
    await refused(why, 'PUT', one, body(number, 'one'));
    await refused(`error decoding patch: ${value(number)}`, 'PATCH', one, `{"spec":{"n":${number}}}`, mergePatch);
    const place = `json: cannot unmarshal number ${number} into Go struct field jsonPatchOp.value of type float64`;
    const operation = `[{"op":"add","path":"/spec","value":{"n":${number}}}]`;
    await refused(`error decoding patch: ${place}`, 'PATCH', one, operation, jsonPatch);
    await refused(value(number), 'PATCH', '/api/v1/namespaces/default', `{"x":${number}}`, strategicPatch);
  }
  const grace =
    'json: cannot unmarshal number 1e400 into Go struct field DeleteOptions.gracePeriodSeconds of type int64';
  await refused(grace, 'DELETE', one, '{"gracePeriodSeconds":1e400}');
  const field = 'json: cannot unmarshal number 1e400 into Go struct field ObjectMeta.metadata.generation of type int64';
  const why = `CustomResourceDefinition in version "v1" cannot be handled as a CustomResourceDefinition: ${field}`;
  await refused(why, 'POST', definitions, '{"metadata":{"name":"a","generation":1e400}}');
});

test('what a float does hold is kept', async () => {
  for (const [number, kept] of [
    ['1e308', 1e308],
    ['0.1e-400', 0],
    ['1.7976931348623157e308', Number.MAX_VALUE],
    ['1e5', 100_000],
  ] as const) {
    const made = await api.expect(201, 'POST', `${widgets(group)}?dryRun=All`, body(number));
    assert.equal(made.spec.n, kept);
  }
  const text = await api.expect(201, 'POST', `${widgets(group)}?dryRun=All`, body('"1e400"'));
  assert.equal(text.spec.n, '1e400');
});

test('in YAML they are text, and infinity is refused', async () => {
  const made = await api.expect(201, 'POST', `${widgets(group)}?dryRun=All`, body('1e400'), yaml);
  assert.equal(made.spec.n, '1e400');
  const applied = await api.expect(200, 'PATCH', `${one}?fieldManager=m&dryRun=All`, body('1e400', 'one'), applyPatch);
  assert.equal(applied.spec.n, '1e400');
  for (const [text, name] of [
    ['.inf', '+Inf'],
    ['-.inf', '-Inf'],
    ['.nan', 'NaN'],
  ] as const) {
    const why = `json: unsupported value: ${name}`;
    const shown = '{"apiVersion":"numbers.example ...';
    await refused(
      `the object provided is unrecognized (must be of type Widget): ${why} (${shown})`,
      'POST',
      widgets(group),
      body(text),
      yaml,
    );
    await refused(
      `error decoding YAML: error converting YAML to JSON: ${why}`,
      'PATCH',
      `${one}?fieldManager=m`,
      body(text, 'one'),
      applyPatch,
    );
  }
  const octal = await api.expect(201, 'POST', `${widgets(group)}?dryRun=All`, body('[0o17, -0o17, "0o17", 017]'), yaml);
  assert.deepEqual(octal.spec.n, [15, -15, '0o17', 15]);
});

test('JSON that is sent as YAML does not pass the YAML reader', () => {
  const items = Array.from({ length: 20_000 }, (_, i) => ({
    name: `n${i}`,
    on: true,
    none: null,
    text: 'yes',
    value: 1.5,
  }));
  const { user } = process.threadCpuUsage();
  const { value, duplicates } = parseYaml(JSON.stringify({ items }));
  assert.ok(process.threadCpuUsage().user - user < 300_000);
  assert.deepEqual([value, duplicates], [{ items }, []]);
  assert.deepEqual(parseYaml('{"a": 1, "a": 2}').duplicates, ['a']);
});
