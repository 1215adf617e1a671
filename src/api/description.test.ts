import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createDescriber, type Descriptions, descriptionFiles } from './description.ts';
import { builtinResources } from './resource.ts';
import { schemaOf, type TypeRef, typeNames } from './schema.ts';

test('descriptions are of types and fields that exist', () => {
  const names = typeNames();
  for (const file of descriptionFiles()) {
    const url = new URL(`description/${file}.json`, import.meta.url);
    for (const [type, fields] of Object.entries(JSON.parse(readFileSync(url, 'utf8')) as Descriptions)) {
      const name = names.find(n => n.endsWith(`.${file}.${type}`));
      assert.ok(name, `${file}: no type ${type}`);
      const schema = schemaOf(name);
      for (const field of Object.keys(fields))
        assert.ok(field === '' || schema.byName.has(field), `${file}: ${type} has no field ${field}`);
    }
  }
});

test('every kind served by default, and what tells of them, is described down to the last field', () => {
  const describe = createDescriber();
  const seen = new Set<string>();
  const due = builtinResources()
    .resources.filter(r => r.onByDefault && r.typeName)
    .map(r => r.typeName)
    .concat('io.k8s.apimachinery.pkg.version.Info')
    .concat(
      ['APIGroupList', 'APIResourceList', 'APIVersions'].map(kind => `io.k8s.apimachinery.pkg.apis.meta.v1.${kind}`),
    );
  for (let name = due.pop(); name !== undefined; name = due.pop()) {
    if (seen.has(name)) continue;
    seen.add(name);
    assert.ok(describe.type(name), name);
    for (const f of schemaOf(name).fields) {
      const text = describe.field(name, f.name);
      assert.match(text, /^\S.+\.$/, `${name}.${f.name}: ${text}`);
      const inner = structOf(f.type);
      if (!inner) continue;
      due.push(inner);
      // kubectl explain writes both, one behind the other.
      assert.notEqual(text, describe.type(inner), `${name}.${f.name}`);
    }
  }
  assert.ok(seen.size > 400, `${seen.size} types`);
});

function structOf(type: TypeRef): string | undefined {
  if (type.kind === 'struct') return type.name;
  if (type.kind === 'list') return structOf(type.item);
  return type.kind === 'map' ? structOf(type.value) : undefined;
}
