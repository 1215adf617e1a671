import assert from 'node:assert/strict';
import { test } from 'node:test';
import { schemaOf, typeNames } from './schema.ts';

test('every type and every field builds', () => {
  let fields = 0;
  for (const name of typeNames()) fields += schemaOf(name).fields.length;
  assert.equal(typeNames().length, 942);
  assert.equal(fields, 3880);
});

test('a container keeps Go order, list keys, merge key and JSON form', () => {
  const s = schemaOf('io.k8s.api.core.v1.Container');
  assert.equal(s.goName, 'v1.Container');
  assert.deepEqual(
    s.fields.slice(0, 4).map(f => f.name),
    ['name', 'image', 'command', 'args'],
  );
  const ports = s.byName.get('ports')!;
  assert.deepEqual(ports.keys, ['containerPort', 'protocol']);
  assert.equal(ports.patchMergeKey, 'containerPort');
  assert.deepEqual(ports.type, { kind: 'list', item: { kind: 'struct', name: 'io.k8s.api.core.v1.ContainerPort' } });
  assert.equal(ports.omitEmpty, true);
  assert.equal(s, schemaOf('io.k8s.api.core.v1.Container'));
});

test('named types that are no objects resolve to scalars and lists', () => {
  const meta = schemaOf('io.k8s.apimachinery.pkg.apis.meta.v1.ManagedFieldsEntry');
  assert.equal(meta.byName.get('fieldsV1')!.type.kind, 'scalar');
  assert.throws(() => schemaOf('constructor'), /unknown type/);
});
