import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { KubeObject, Mutable } from './meta.ts';
import { PartSharer } from './share.ts';

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
