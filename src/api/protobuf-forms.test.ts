// What Go's protobuf has and we do not write: recorded from k8s.io/api and apimachinery 0.36.2.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { normalize } from './decode.ts';
import type { KubeObject } from './meta.ts';
import { decodeProtobuf, encodeProtobuf, protobufEnvelope } from './protobuf.ts';

const hex = (text: string) => Buffer.from(text, 'hex');

function read(apiVersion: string, kind: string, raw: string): Record<string, any> {
  const { head, tail } = protobufEnvelope({ apiVersion, kind }, raw.length / 2);
  return decodeProtobuf(Buffer.concat([head, hex(raw), tail])).object;
}

const refusals: Readonly<Record<string, readonly [raw: string, why: string]>> = {
  'a message that is a number': ['0801', 'proto: wrong wireType = 0 for field ObjectMeta'],
  'a number that is a text': ['0a033a012a', 'proto: wrong wireType = 2 for field Generation'],
  'a text that is a number': ['0a020801', 'proto: wrong wireType = 0 for field Name'],
  'the end of no group': ['0c', 'proto: ConfigMap: wiretype end group for non-group'],
  'a field without a number': ['0a020001', 'proto: ObjectMeta: illegal tag 0 (wire type 0)'],
  'a form that is none': ['9e06', 'proto: illegal wireType 6'],
  'a group that does not end': ['9b060801', 'unexpected EOF'],
  'a length that is negative': ['0affffffffffffffffff01', 'proto: negative length found during unmarshaling'],
  'bytes behind the end of what they stand in': ['0a030a0561', 'unexpected EOF'],
};
for (const [what, [raw, message]] of Object.entries(refusals))
  test(`${what} is refused`, () => assert.throws(() => read('v1', 'ConfigMap', raw), { code: 400, message }));

test('fields nobody knows are left out, groups too', () => {
  // A number, a text, a group with a number and a text in it, 32 bits, 64 bits.
  const stray = ['980601', '9a060141', '9b0608010a01419c06', '9d0601020304', '99060102030405060708'].join('');
  assert.deepEqual(read('v1', 'ConfigMap', `${stray}0a030a0161${stray}`).metadata.name, 'a');
});

test('of a number of 32 bits that is longer the low bits count', () => {
  const replicas = (raw: string) => read('apps/v1', 'Deployment', raw).spec.replicas;
  assert.equal(replicas('120608ffffffff0f'), -1);
  assert.equal(replicas('1206088280808010'), 2);
  assert.equal(replicas('120b08feffffffffffffffff01'), -2);
});

test('each byte that is no UTF-8 becomes a replacement character', () => {
  assert.equal(read('v1', 'ConfigMap', '0a060a0461e28262').metadata.name, 'a��b');
});

test('an envelope without a kind is what it should be', () => {
  const bytes = Buffer.concat([Buffer.from('k8s\0'), hex('12050a030a0161')]);
  const { object, typeMeta } = decodeProtobuf(bytes, undefined, { apiVersion: 'v1', kind: 'ConfigMap' });
  assert.deepEqual([typeMeta.kind, (object as KubeObject).metadata?.name], ['ConfigMap', 'a']);
});

test('no list in a map of lists is an empty one', () => {
  const type = 'io.k8s.api.certificates.v1.CertificateSigningRequest';
  const request = normalize(type, { spec: { request: '', signerName: 'a', extra: { none: null, empty: [] } } });
  assert.deepEqual((request as unknown as { spec: { extra: object } }).spec.extra, { empty: [], none: [] });
});

test('a time of the first second that is not its first microsecond is one', () => {
  const type = 'io.k8s.api.events.v1.Event';
  const series = (lastObservedTime: string) =>
    (normalize(type, { series: { count: 1, lastObservedTime } }) as unknown as { series: { lastObservedTime: string } })
      .series.lastObservedTime;
  assert.equal(series('0001-01-01T00:00:00.000001Z'), '0001-01-01T00:00:00.000001Z');
  assert.equal(series('0001-01-01T00:00:00.000000Z'), null);
});

test('null among the values of a schema takes no bytes', () => {
  const type = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition';
  const schema = { openAPIV3Schema: { enum: ['a', null] } };
  const spec = { group: 'a', scope: 'Cluster', names: { plural: 'b', kind: 'B' }, versions: [{ name: 'v1', schema }] };
  const bytes = encodeProtobuf(type, normalize(type, { spec }) as KubeObject);
  assert.ok(bytes.includes(hex('a201050a03226122a20100')), bytes.toString('hex'));
});
