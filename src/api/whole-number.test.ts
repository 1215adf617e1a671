// Numbers past 2^53 through everything that reads, writes, compares and changes objects.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { maxInt64, minInt64, wholeNumber } from '../base/whole-number.ts';
import { encodeJson, normalize, parseJson, parseYaml } from './decode.ts';
import { diffFields, shapeOf } from './field-diff.ts';
import { keyElement, parseFieldSet, valueElement } from './field-set.ts';
import type { KubeObject } from './meta.ts';
import { applyJsonPatch } from './patch/json-patch.ts';
import { applyMergePatch } from './patch/merge-patch.ts';
import { equalJson } from './patch/plain.ts';
import { applyStrategicMergePatch } from './patch/strategic-merge-patch.ts';
import { decodeProtobuf, encodeProtobuf } from './protobuf.ts';
import { parseJsonPath } from './structural/json-path.ts';

const job = 'io.k8s.api.batch.v1.Job';
const past = 2n ** 53n + 1n;

const int64 = fc.oneof(
  fc.bigInt({ min: minInt64, max: maxInt64 }),
  fc.bigInt({ min: 2n ** 53n - 3n, max: 2n ** 53n + 3n }),
  fc.bigInt({ min: -(2n ** 53n) - 3n, max: -(2n ** 53n) + 3n }),
  fc.bigInt({ min: -300n, max: 300n }),
);

const jobText = (n: bigint): string =>
  `{"kind":"Job","apiVersion":"batch/v1","metadata":{"name":"a"},"spec":{"activeDeadlineSeconds":${n},"template":{"metadata":{},"spec":{"containers":null,"tolerations":[{"tolerationSeconds":${n}}]}}},"status":{}}`;

test('an int64 field holds its digits through JSON, protobuf and YAML', () => {
  fc.assert(
    fc.property(int64, n => {
      const text = jobText(n);
      const object = normalize(job, parseJson(text).value) as KubeObject;
      assert.equal(encodeJson(object).toString(), text);
      const bytes = encodeProtobuf(job, object);
      const again = decodeProtobuf(bytes).object;
      assert.equal(encodeJson(again).toString(), text);
      assert.deepEqual(Buffer.from(encodeProtobuf(job, again as KubeObject)), Buffer.from(bytes));
      const yaml = stringify(again);
      assert.match(yaml, new RegExp(`activeDeadlineSeconds: ${n}\n`));
      assert.equal(encodeJson(normalize(job, parseYaml(yaml).value)).toString(), text);
    }),
  );
});

test('YAML reads whole numbers as YAML 1.1 does, exactly', () => {
  const text = `{a: 0x7fffffffffffffff, b: 9_223_372_036_854_775_807, c: -9223372036854775808, d: 0777777777777777777777,
    e: &n 9007199254740993, f: *n, g: 5, h: 1.5, 9007199254740993: [9007199254740991, -0x10], i: '9007199254740993'}`;
  assert.deepEqual(parseYaml(text).value, {
    a: maxInt64,
    b: maxInt64,
    c: minInt64,
    d: maxInt64,
    e: past,
    f: past,
    g: 5,
    h: 1.5,
    [String(past)]: [Number.MAX_SAFE_INTEGER, -16],
    i: '9007199254740993',
  });
  // What no number holds is text.
  const many = '9'.repeat(500_000);
  assert.ok((parseYaml(`a: ${many}`).value as { a: unknown }).a === many);
});

test('what does not fit is refused with its digits', () => {
  const refusal = (text: string) => ({
    code: 400,
    message: `Job in version "v1" cannot be handled as a Job: json: cannot unmarshal ${text}`,
  });
  const read = (text: string) => () => normalize(job, parseJson(text).value);
  const field = 'Go struct field JobSpec.spec.activeDeadlineSeconds of type int64';
  assert.throws(read(jobText(maxInt64 + 1n)), refusal(`number 9223372036854775808 into ${field}`));
  assert.throws(read(jobText(minInt64 - 2n)), refusal(`number -9223372036854775810 into ${field}`));
  assert.throws(
    read(`{"spec":{"parallelism":${past}}}`),
    refusal('number 9007199254740993 into Go struct field JobSpec.spec.parallelism of type int32'),
  );
  assert.throws(
    read(`{"metadata":{"name":${past}}}`),
    refusal('number into Go struct field ObjectMeta.metadata.name of type string'),
  );
  const service = 'io.k8s.api.core.v1.Service';
  assert.throws(() => normalize(service, parseJson(`{"spec":{"ports":[{"targetPort":${past}}]}}`).value), {
    message: /number 9007199254740993 into Go struct field ServicePort\.spec\.ports\.targetPort of type int32$/,
  });
});

test('quantities are exact, free JSON to 64 bits, floats are floats', () => {
  const pod = { spec: { containers: [{ name: 'a', resources: { limits: { 'a.b/c': past, 'a.b/d': 2n ** 70n } } }] } };
  const { limits } = (normalize('io.k8s.api.core.v1.Pod', pod) as any).spec.containers[0].resources;
  assert.equal(limits['a.b/c'], '9007199254740993');
  const revision = 'io.k8s.api.apps.v1.ControllerRevision';
  const { data } = normalize(revision, parseJson(`{"data":{"a":[${past}],"b":${maxInt64 + 1n}}}`).value) as any;
  assert.deepEqual(data, { a: [past], b: 2 ** 63 });
  assert.equal(normalizeProps({ maximum: maxInt64 }).maximum, 2 ** 63);
  assert.equal(normalizeProps({ default: past, maxLength: past }).default, past);
});

const normalizeProps = (props: object) =>
  normalize('io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps', props) as any;

test('neighbours are not equal, and a change from one to the other is a change', () => {
  const at = (n: bigint) => normalize(job, parseJson(jobText(n)).value);
  assert.equal(equalJson(at(past), at(past)), true);
  assert.equal(equalJson(at(past), at(past - 1n)), false);
  assert.equal(diffFields(shapeOf(job), at(past), at(past)), undefined);
  assert.deepEqual(diffFields(shapeOf(job), at(past), at(past - 1n))?.changed?.['f:spec'], {
    'f:activeDeadlineSeconds': {},
    'f:template': { 'f:spec': { 'f:tolerations': {} } },
  });
  assert.equal(equalJson(2n ** 60n, 2 ** 60), true);
  assert.equal(equalJson({ a: 2 ** 60 }, { a: 2n ** 60n }), true);
  assert.equal(equalJson(maxInt64, 2 ** 63), false);
  assert.equal(equalJson(2n ** 60n, '1152921504606846976'), false);
});

test('keys and values of lists in managed fields keep their digits and their order', () => {
  assert.equal(valueElement(past), 'v:9007199254740993');
  assert.equal(keyElement([['n', past]]), 'k:{"n":9007199254740993}');
  const set = { 'f:a': { 'v:10': {}, 'v:9007199254740992': {}, 'v:9007199254740993': {} } };
  assert.deepEqual(parseFieldSet(set), set);
  assert.deepEqual(
    Object.keys(parseFieldSet({ 'f:a': { 'v:9007199254740993': {}, 'v:10': {}, 'v:9007199254740992': {} } })['f:a']!),
    ['v:10', 'v:9007199254740992', 'v:9007199254740993'],
  );
});

test('a filter of a JSON path finds the exact number', () => {
  const found = parseJsonPath('.list[?(@.n==9007199254740993)].name').find({
    list: [past - 1n, past, past + 1n, 2].map(n => ({ n, name: String(n) })),
  });
  assert.deepEqual(found, ['9007199254740993']);
});

test('patches carry them', () => {
  const object = { spec: { n: past, list: [past] } };
  const patch = parseJson(
    '[{"op":"test","path":"/spec/n","value":9007199254740993},{"op":"replace","path":"/spec/n","value":9007199254740995}]',
  ).value;
  assert.equal(applyJsonPatch(object, patch).spec.n, past + 2n);
  const wrong = parseJson('[{"op":"test","path":"/spec/n","value":9007199254740992}]').value;
  assert.throws(() => applyJsonPatch(object, wrong), { code: 422 });
  assert.deepEqual(applyMergePatch(object, { spec: { n: past + 2n } }), { spec: { n: past + 2n, list: [past] } });
  const groups = { spec: { securityContext: { supplementalGroups: [past], fsGroup: past } } };
  const merged = applyStrategicMergePatch('io.k8s.api.core.v1.Pod', groups, {
    spec: { securityContext: { fsGroup: past + 2n } },
  }) as typeof groups;
  assert.deepEqual(merged.spec.securityContext, { supplementalGroups: [past], fsGroup: past + 2n });
  assert.equal(wholeNumber(past), past);
});
