// Ownership of objects with many entries or items: how much is looked at grows with them, not with their product.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { diffFields, fieldsOf } from './field-diff.ts';
import { type FieldSet, leaf } from './field-set.ts';
import { maxUpdateManagers, updateManagedFields } from './managed-fields.ts';
import type { KubeObject } from './meta.ts';
import type { Shape } from './shape.ts';
import type { ManagedFieldsEntry } from './type/meta-v1.ts';

const time = '2026-01-01T00:00:00Z';
const map = { kind: 'map', value: { kind: 'leaf' } } as const;

test('a thousand managers melt without looking at the first for each of the others', () => {
  let looks = 0;
  const get = (target: object, key: string | symbol): unknown => {
    looks++;
    return Reflect.get(target, key);
  };
  const counted = (set: object) => new Proxy(set, { get }) as FieldSet;
  const managedFields = Array.from({ length: 1000 }, (_, n): ManagedFieldsEntry => {
    const fieldsV1 = { 'f:data': counted({ [`f:k${n}`]: leaf }) };
    const second = String(n).padStart(3, '0');
    const at = `2026-01-01T00:00:00.${second}Z`;
    return { manager: `m${n}`, operation: 'Update', apiVersion: 'v1', time: at, fieldsType: 'FieldsV1', fieldsV1 };
  });
  const metadata = { name: 'x', managedFields };
  const entries = updateManagedFields({
    typeName: 'io.k8s.api.core.v1.ConfigMap',
    old: undefined,
    updated: { metadata, data: { a: 'b' } } as unknown as KubeObject,
    manager: 'me',
    operation: 'Update',
    apiVersion: 'v1',
    subresource: '',
    time,
  });
  assert.equal(entries.length, maxUpdateManagers);
  const ancient = entries.find(e => e.manager === 'ancient-changes')!;
  assert.equal(Object.keys((ancient.fieldsV1 as { 'f:data': object })['f:data']).length, 1000 - maxUpdateManagers + 2);
  assert.ok(looks < 60_000, `${looks} looks`);
});

/** Items of one list that count how often their fields are gone through. */
function countedItems(keys: readonly string[]) {
  const counted = { items: [] as object[], looks: 0 };
  const ownKeys = (target: object) => {
    counted.looks++;
    return Reflect.ownKeys(target);
  };
  counted.items = keys.map(key => new Proxy({ key, value: 'a' }, { ownKeys }));
  return counted;
}

const list: Shape = { kind: 'list', keys: [{ name: 'key', default: undefined }], item: map };

test('items of one key are one thing, which is not looked into', () => {
  const keys = Array.from({ length: 6000 }, (_, n) => (n === 3000 ? 'b' : 'a'));
  const parts = { '.': leaf, 'f:key': leaf, 'f:value': leaf };
  const added = countedItems(keys);
  assert.deepEqual(diffFields(list, undefined, added.items), {
    changed: { '.': leaf, 'k:{"key":"a"}': leaf, 'k:{"key":"b"}': parts },
    removed: undefined,
  });
  assert.ok(added.looks < 20, `${added.looks} looks`);
  const stated = countedItems(keys);
  assert.deepEqual(fieldsOf(list, stated.items), { 'k:{"key":"a"}': parts, 'k:{"key":"b"}': parts });
  assert.ok(stated.looks < 20, `${stated.looks} looks`);
});

test('items of one key take the place of all parts of the one before', () => {
  const before = [{ key: 'c' }, { key: 'a', old: '1' }];
  const after = [{ key: 'b' }, { key: 'a', now: '1' }, { key: 'a', now: '2' }, { key: 'a', last: '3' }];
  const own = { '.': leaf, 'f:key': leaf };
  assert.deepEqual(diffFields(list, before, after), {
    changed: { 'k:{"key":"a"}': leaf, 'k:{"key":"b"}': own },
    removed: { 'k:{"key":"a"}': { ...own, 'f:old': leaf }, 'k:{"key":"c"}': own },
  });
});
