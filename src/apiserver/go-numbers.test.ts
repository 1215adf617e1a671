// Numbers in the fields of built-in kinds, and orders of lists, as apimachinery 0.36.2 decodes and merges them; recorded by
// test/interop/decode, which both its decoders agree in.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { normalize, parseJson } from '../api/decode.ts';
import { builtinResources } from '../api/resource.ts';
import { StatusError } from '../api/status.ts';
import { asWritten } from './body-format.ts';
import { parsePatch, patchedBy } from './patch.ts';
import { strategicFault } from './strategic-fault.ts';
import { testApi } from './test-api.ts';
import { jsonPatch, mergePatch, strategicPatch } from './test-caller.ts';

type Answer = [complaint: string, object?: string];
type Recorded =
  | [what: 'decode', kind: string, body: string, strict: Answer, lenient: Answer]
  | [what: 'patch', kind: string, original: string, patch: string, answer: Answer];

const lines = readFileSync(new URL('testdata/numbers.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n');

/** Of `Deployment.v1.apps`. */
function typeOf(text: string): string {
  const [, kind = '', version = '', group = ''] = /^(\w+)\.(\w+)\.?(.*)$/.exec(text) ?? [];
  return builtinResources().typeNameOf(group ? `${group}/${version}` : version, kind)!;
}

function answerOf(run: () => unknown, saying = (why: string) => why): Answer {
  try {
    return ['', JSON.stringify(run())];
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    return [saying(error.message.replace(/^.* cannot be handled as a \w+: /, ''))];
  }
}

test('bodies and strategic patches as recorded', () => {
  for (const line of lines) {
    const recorded = JSON.parse(line) as Recorded;
    const type = typeOf(recorded[1]);
    if (recorded[0] === 'decode') {
      const [, , body, strict, lenient] = recorded;
      const got = answerOf(() => normalize(type, parseJson(body, asWritten).value));
      assert.deepEqual([got, got], [strict, lenient], line);
    } else {
      const [, , original, text, answer] = recorded;
      const patch = parsePatch(Buffer.from(text), 'strategic').value;
      const merged = () => patchedBy('strategic', type, normalize(type, JSON.parse(original)), patch);
      const got = answerOf(
        () => normalize(type, merged()),
        why => strategicFault(why, patch, type),
      );
      assert.deepEqual(got, answer, line);
    }
  }
});

const api = testApi();
const deployments = '/apis/apps/v1/namespaces/default/deployments';
const deployment = (replicas: string) =>
  JSON.stringify({
    metadata: { name: 'a' },
    spec: {
      replicas: 7,
      selector: { matchLabels: { a: 'a' } },
      template: { metadata: { labels: { a: 'a' } }, spec: { containers: [{ name: 'a', image: 'a' }] } },
    },
  }).replace(':7', `:${replicas}`);
const why = (number: string, place = 'DeploymentSpec.spec.replicas') =>
  `json: cannot unmarshal number ${number} into Go struct field ${place} of type int32`;

test('every write of a body or JSON patch refuses what is not digits alone', async () => {
  await api.expect(201, 'POST', deployments, deployment('2'));
  const one = `${deployments}/a`;
  const refused = (message: string) => `Deployment in version "v1" cannot be handled as a Deployment: ${message}`;
  for (const number of ['1.0', '1e5', '12e-1', '1e400', '2147483648', `1${'0'.repeat(400)}`]) {
    for (const [method, path] of [['POST', deployments] as const, ['PUT', one] as const]) {
      const { message } = await api.expect(400, method, path, deployment(number));
      assert.equal(message, refused(why(number)));
    }
    if (Number(number) > 2 ** 31) continue;
    const merged = await api.expect(422, 'PATCH', one, `{"spec":{"replicas":${number}}}`, mergePatch);
    assert.ok(merged.message.endsWith(`: ${why(number)}`), merged.message);
    assert.ok(merged.message.includes(String.raw`\"replicas\":${number},`), merged.message);
    const operation = `[{"op":"replace","path":"/spec/replicas","value":${number}}]`;
    const { message } = await api.expect(422, 'PATCH', one, operation, jsonPatch);
    assert.ok(message.endsWith(`: ${why(number)}`), message);
    const scale = `{"metadata":{"name":"a"},"spec":{"replicas":${number}}}`;
    const { message: scaled } = await api.expect(400, 'PUT', `${one}/scale`, scale);
    assert.ok(scaled.endsWith(why(number, 'ScaleSpec.spec.replicas')), scaled);
  }
  const grace = await api.expect(400, 'DELETE', one, '{"gracePeriodSeconds":1.0}');
  assert.match(grace.message, /^json: cannot unmarshal number 1.0 into .*\.gracePeriodSeconds of type int64$/);
});

test('a JSON patch tests numbers by their values, a strategic one and YAML take whole floats', async () => {
  const one = `${deployments}/a`;
  const operations = '[{"op":"test","path":"/spec/replicas","value":2.0}]';
  assert.equal((await api.expect(200, 'PATCH', one, operations, jsonPatch)).spec.replicas, 2);
  assert.equal((await api.expect(200, 'PATCH', one, '{"spec":{"replicas":3.0}}', strategicPatch)).spec.replicas, 3);
  const yaml = await api.expect(200, 'PUT', one, deployment('4.0'), { 'content-type': 'application/yaml' });
  assert.equal(yaml.spec.replicas, 4);
});
