import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { largePod } from '../../bench/large-pod.ts';
import { normalize } from './decode.ts';
import type { KubeObject } from './meta.ts';
import { ProtoReader } from './proto-reader.ts';
import { ProtoWriter } from './proto-writer.ts';
import {
  decodeProtobuf,
  encodeProtobuf,
  encodeProtobufItem,
  encodeProtobufObject,
  isProtobuf,
  protobufEnvelope,
} from './protobuf.ts';
import { StatusError } from './status.ts';

const podType = 'io.k8s.api.core.v1.Pod';

test('a pod comes back the same', () => {
  const pod = normalize(podType, largePod()) as KubeObject;
  const bytes = encodeProtobuf(podType, pod);
  assert.equal(isProtobuf(bytes), true);
  const { typeMeta, object } = decodeProtobuf(bytes);
  assert.deepEqual(typeMeta, { apiVersion: 'v1', kind: 'Pod' });
  assert.equal(JSON.stringify(object), JSON.stringify(pod));
});

test('a custom resource definition keeps its schema', () => {
  const type = 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition';
  const props = {
    type: 'object',
    properties: {
      a: { type: 'array', items: { type: 'string', maxLength: 3 } },
      b: { type: 'object', additionalProperties: true },
      c: { type: 'object', additionalProperties: { type: 'integer', minimum: -1.5, default: -7 } },
      d: { enum: ['x', null, { y: [1] }], nullable: true },
    },
  };
  const value = {
    kind: 'CustomResourceDefinition',
    apiVersion: 'apiextensions.k8s.io/v1',
    metadata: { name: 'a.b' },
    spec: { versions: [{ name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: props } }] },
  };
  const object = normalize(type, value) as KubeObject;
  assert.deepEqual(decodeProtobuf(encodeProtobuf(type, object)).object, {
    ...object,
    status: { ...(object as any).status },
  });
});

test('numbers and texts of every size', () => {
  const number = fc.oneof(fc.maxSafeInteger(), fc.integer(), fc.integer({ min: -3, max: 300 }));
  fc.assert(
    fc.property(fc.array(fc.tuple(number, fc.string({ unit: 'grapheme', maxLength: 80 }))), list => {
      const w = new ProtoWriter();
      for (const [n, s] of list.toReversed()) {
        w.string(s);
        w.int(n);
      }
      const r = new ProtoReader(w.take());
      for (const [n, s] of list) {
        assert.equal(r.int(), n === 0 ? 0 : n);
        assert.equal(r.string(), s.toWellFormed());
      }
      assert.equal(r.at, r.length);
    }),
  );
});

test('what is no whole number is not written as one', () => {
  for (const replicas of [Number.POSITIVE_INFINITY, Number.NaN, 1.5, 1e300])
    assert.throws(
      () => encodeProtobuf('io.k8s.api.apps.v1.Deployment', { spec: { replicas } } as never),
      /is no whole number/,
    );
});

test('broken bytes are refused, never more', () => {
  const bytes = encodeProtobuf(podType, normalize(podType, largePod()) as KubeObject);
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.nat(255), fc.boolean(), (at, value, cut) => {
      const broken = cut ? bytes.slice(0, at) : bytes.slice();
      if (!cut) broken[at] = value;
      try {
        decodeProtobuf(broken);
      } catch (error) {
        assert.ok(error instanceof StatusError && error.code === 400, String(error));
      }
    }),
    { numRuns: 500 },
  );
  assert.throws(() => decodeProtobuf(Buffer.from('{}')), /does not appear to be a protobuf message/);
});

test('objects and messages in each other without end, and times nobody can write, are refused', () => {
  const length = (n: number): number[] => (n < 128 ? [n] : [(n & 127) | 128, ...length(n >> 7)]);
  const field = (number: number, body: Uint8Array) =>
    Buffer.concat([Buffer.from([...length((number << 3) | 2), ...length(body.length)]), body]);
  const envelope = (apiVersion: string, kind: string, raw: Uint8Array) => {
    const typeMeta = Buffer.concat([field(1, Buffer.from(apiVersion)), field(2, Buffer.from(kind))]);
    return Buffer.concat([Buffer.from('k8s\0'), field(1, typeMeta), field(2, raw)]);
  };
  let nested: Uint8Array = Buffer.from('{}');
  for (let i = 0; i < 500; i++) nested = envelope('apps/v1', 'ControllerRevision', field(2, field(1, nested)));
  assert.throws(() => decodeProtobuf(nested), { code: 400, message: 'exceeded max depth' });
  let schema: Uint8Array = Buffer.alloc(0);
  for (let i = 0; i < 2000; i++) schema = field(28, schema);
  const definition = field(2, field(7, field(4, field(1, schema))));
  const crd = envelope('apiextensions.k8s.io/v1', 'CustomResourceDefinition', definition);
  assert.throws(() => decodeProtobuf(crd), { code: 400, message: 'exceeded max depth' });
  const late = field(1, field(8, Buffer.from([8, ...length(2 ** 31 - 1).map(b => b | 128), 255, 127])));
  assert.throws(() => decodeProtobuf(envelope('v1', 'ConfigMap', late)), { code: 400, message: /outside of range/ });
});

test('bytes that are null are empty', () => {
  const secret = normalize('io.k8s.api.core.v1.Secret', { kind: 'Secret', apiVersion: 'v1', data: { k: null } });
  assert.deepEqual((secret as { data?: unknown }).data, { k: '' });
  const again = decodeProtobuf(encodeProtobuf('io.k8s.api.core.v1.Secret', secret)).object;
  assert.deepEqual((again as { data?: unknown }).data, { k: '' });
});

test('raw objects are written as in JSON: clients compare their bytes with what Go makes', () => {
  const type = 'io.k8s.api.apps.v1.ControllerRevision';
  const data = { args: ['a && b > c', '\u2028'] };
  const object = normalize(type, { kind: 'ControllerRevision', apiVersion: 'apps/v1', data, revision: 1 });
  const bytes = encodeProtobuf(type, object);
  assert.ok(Buffer.from(bytes).includes('{"args":["a \\u0026\\u0026 b \\u003e c","\\u2028"]}'));
  assert.deepEqual((decodeProtobuf(bytes).object as { data?: unknown }).data, data);
});

const variables = (n: number, more: object = {}) =>
  Array.from({ length: n }, (_, i) => ({ name: `N${i}`, value: 'v', ...more }));

const podWith = (name: string, env: object[]) =>
  normalize(podType, {
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: { name },
    spec: { containers: [{ name: 'c', env, resources: { limits: { cpu: '1' } } }] },
  }) as KubeObject;

const envOf = (object: unknown) => (object as { spec: { containers: { env: object[] }[] } }).spec.containers[0]!.env;

test('equal lists of variables are read once', () => {
  const read = (pod: KubeObject) => decodeProtobuf(encodeProtobuf(podType, pod)).object;
  const [a, b] = ['a', 'b'].map(name => read(podWith(name, variables(5))));
  assert.equal(JSON.stringify(b), JSON.stringify(podWith('b', variables(5))));
  assert.equal(envOf(a), envOf(b));
  assert.ok(Object.isFrozen(envOf(a)) && Object.isFrozen(envOf(a)[0]));
  assert.notEqual(envOf(read(podWith('c', variables(6)))), envOf(a));
});

test('variables whose defaults are still to come are each pod its own', () => {
  const pod = podWith('a', variables(5, { value: undefined, valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }));
  const bytes = encodeProtobuf(podType, pod);
  const [a, b] = [decodeProtobuf(bytes).object, decodeProtobuf(bytes).object];
  assert.equal(JSON.stringify(a), JSON.stringify(pod));
  assert.notEqual(envOf(a), envOf(b));
  assert.ok(!Object.isFrozen(envOf(a)[0]));
});

test('a list of variables that stands in two places is one', () => {
  const w = new ProtoWriter();
  const run = (names: string[]) => {
    for (const name of names.toReversed()) {
      const before = w.size;
      w.string(name);
      w.varint(10);
      w.varint(w.size - before);
      w.varint(7 * 8 + 2);
    }
  };
  const names = variables(10).map(v => v.name);
  run(names.slice(5));
  w.string('i');
  w.varint(2 * 8 + 2);
  run(names.slice(0, 5));
  const container = w.take();
  w.bytes(container);
  w.varint(2 * 8 + 2);
  const spec = w.take();
  w.bytes(spec);
  w.varint(2 * 8 + 2);
  const raw = w.take();
  const { head, tail } = protobufEnvelope({ apiVersion: 'v1', kind: 'Pod' }, raw.length);
  const { object } = decodeProtobuf(Buffer.concat([head, raw, tail]));
  assert.deepEqual(
    envOf(object).map(v => (v as { name: string }).name),
    names,
  );
});

test('the item of a list is a part of the whole', () => {
  const pod = normalize(podType, largePod()) as KubeObject;
  const { whole, item } = encodeProtobufObject(podType, pod);
  assert.ok(whole.equals(encodeProtobuf(podType, pod)));
  assert.ok(item.equals(encodeProtobufItem(podType, pod)));
  assert.equal(item.buffer, whole.buffer);
  const { kind = '', apiVersion = '' } = pod;
  const message = item.subarray(item.length - new ProtoReader(item.subarray(1)).varint());
  const { head, tail } = protobufEnvelope({ kind, apiVersion }, message.length);
  assert.ok(Buffer.concat([head, message, tail]).equals(whole));
});
