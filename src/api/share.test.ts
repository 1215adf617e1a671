import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { KubeObject, Mutable } from './meta.ts';
import { adoptParts, PartSharer } from './share.ts';

const pod = (name: string, image = 'x') =>
  ({
    kind: 'Pod',
    apiVersion: 'v1',
    metadata: { name, labels: { app: 'web' }, managedFields: [{ manager: 'm', fieldsV1: { 'f:spec': {} } }] },
    spec: {
      containers: [{ name: 'c', image, env: [{ name: 'A', value: '1' }], volumeMounts: [{ name: `token-${name}` }] }],
      tolerations: [{ key: 'k', operator: 'Exists' }],
    },
    status: { conditions: [{ type: 'Ready', status: 'True' }] },
  }) as unknown as Mutable<KubeObject> & { spec: any; metadata: any };

test('equal parts become one', () => {
  const sharer = new PartSharer();
  const [a, b] = [pod('a'), pod('b')];
  sharer.share(a);
  sharer.share(b);
  assert.equal(a.spec.containers[0].env, b.spec.containers[0].env);
  assert.equal(a.spec.tolerations, b.spec.tolerations);
  assert.equal(a.metadata.managedFields[0].fieldsV1, b.metadata.managedFields[0].fieldsV1);
  assert.notEqual(a.spec.containers[0].volumeMounts, b.spec.containers[0].volumeMounts);
  assert.notEqual(a.metadata, b.metadata);
});

test('custom objects may hold anything where pods hold lists', () => {
  for (const odd of [null, 3, 'text', {}, { spec: null }, [null, 1, [2]]]) {
    const spec = { containers: odd, initContainers: odd, volumes: odd, template: odd };
    const object = { kind: 'X', apiVersion: 'v1', metadata: { name: 'n' }, spec };
    const before = JSON.stringify(object);
    const old = { ...object, spec: { ...spec, containers: 1, volumes: null, template: null } };
    new PartSharer().share(object as unknown as Mutable<KubeObject>, old as unknown as KubeObject);
    assert.equal(JSON.stringify(object), before);
  }
});

test('pods that are to be made get the lists of variables of others, frozen', () => {
  const sharer = new PartSharer();
  const env = ['A', 'B', 'C', 'D'].map(name => ({ value: '', name }));
  const made = () => {
    const object = pod('a');
    object.spec.containers[0].env = structuredClone(env);
    sharer.adoptLists(object);
    return object.spec.containers[0].env;
  };
  const list = made();
  assert.equal(list, made());
  assert.deepEqual(list, [{ name: 'A' }, { name: 'B' }, { name: 'C' }, { name: 'D' }]);
  assert.throws(() => list.push({ name: 'E' }), TypeError);
});

test('no object changes its content, however many others came between', () => {
  const sharer = new PartSharer(3);
  fc.assert(
    fc.property(fc.object({ maxDepth: 3 }), fc.object({ maxDepth: 3 }), (spec, status) => {
      const object = { kind: 'X', apiVersion: 'v1', metadata: { name: 'n' }, spec, status, data: { a: [1] } };
      const before = JSON.stringify(object);
      sharer.share(object as unknown as Mutable<KubeObject>);
      assert.equal(JSON.stringify(object), before);
    }),
  );
});

const freeze = <T>(value: T): T => {
  if (typeof value === 'object' && value !== null) for (const part of Object.values(value)) freeze(part);
  return Object.freeze(value);
};

test('a new version takes over the parts of the old one that it has not changed, and says whether it has changed any', () => {
  const old = freeze(pod('a'));
  const same = pod('a');
  assert.equal(adoptParts(same, old), true);
  assert.notEqual(same.metadata, old.metadata);
  assert.equal(same.spec, old.spec);
  const other = pod('a', 'y');
  assert.equal(adoptParts(other, old), false);
  assert.equal(other.spec.tolerations, old.spec.tolerations);
  assert.equal(other.spec.containers[0].env, old.spec.containers[0].env);
  assert.equal(other.spec.containers[0].image, 'y');
  // What it has from the old one is not touched.
  new PartSharer().share(other, old);
  const { spec, ...rest } = pod('a');
  assert.equal(adoptParts({ ...rest, spec: { tolerations: spec.tolerations } } as never, old), false);
  const { metadata, ...turned } = pod('a');
  assert.equal(adoptParts({ ...turned, metadata } as never, old), false);
});

test('versions are the same where their JSON is, and keep their content, also where parts are frozen', () => {
  const value = () => fc.dictionary(fc.constantFrom('a', 'b', '__proto__', 'toString'), fc.jsonValue({ maxDepth: 3 }));
  fc.assert(
    fc.property(value(), value(), fc.boolean(), fc.boolean(), (spec, other, alike, frozen) => {
      const old = freeze({ kind: 'X', apiVersion: 'v1', metadata: { name: 'n' }, spec }) as unknown as KubeObject;
      const object = {
        kind: 'X',
        apiVersion: 'v1',
        metadata: { name: 'n' },
        spec: structuredClone(alike ? spec : other),
      };
      // As fields of a manager are that were met before.
      if (frozen) freeze(object.spec);
      const [text, before] = [JSON.stringify(object), JSON.stringify(old)];
      assert.equal(adoptParts(object as unknown as Mutable<KubeObject>, old), text === before);
      assert.equal(JSON.stringify(object), text);
    }),
  );
});
