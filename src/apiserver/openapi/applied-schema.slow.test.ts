// What OpenAPI says of lists, maps, structs, unions and defaults beside the schema client-go 0.36.2 applies objects with.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { builtinResources } from '../../api/resource.ts';
import { readYaml } from '../../api/yaml-reader.ts';
import type { Json } from './schema.ts';
import { builtinV2 } from './version2.ts';

const modules = process.env.GOMODCACHE ?? join(process.env.GOPATH ?? join(homedir(), 'go'), 'pkg/mod');
const source = join(modules, 'k8s.io/client-go@v0.36.2/applyconfigurations/internal/internal.go');
const skip = existsSync(source) ? false : 'client-go 0.36.2 is not in the module cache';

interface Atom {
  readonly scalar?: string;
  readonly namedType?: string;
  readonly elementRelationship?: string;
  readonly list?: { elementType: Atom; elementRelationship: string; keys?: string[] };
  readonly map?: { elementType?: Atom; elementRelationship?: string; fields?: Field[]; unions?: Union[] };
}
interface Field {
  readonly name: string;
  readonly type: Atom;
  readonly default?: unknown;
}
interface Union {
  readonly discriminator?: string;
  readonly fields: { readonly fieldName: string; readonly discriminatorValue: string }[];
}

function theirTypes(): { name: string; map?: Atom['map'] }[] {
  const text = readFileSync(source, 'utf8');
  const schema = text.slice(text.indexOf('YAMLObject(`') + 'YAMLObject(`'.length, text.lastIndexOf('`)'));
  return (readYaml(schema).value as { types: { name: string; map?: Atom['map'] }[] }).types;
}

const relationship = (said: unknown): string | undefined => (said === 'granular' ? 'separable' : (said as undefined));
const scalars: Record<string, string> = { integer: 'numeric', number: 'numeric' };

/** As structured-merge-diff sees a schema of OpenAPI. */
function atomOf(schema: Json): Atom {
  const map = relationship(schema['x-kubernetes-map-type']);
  const relation = map ? { elementRelationship: map } : {};
  const name = typeof schema.$ref === 'string' ? schema.$ref.slice('#/definitions/'.length) : undefined;
  // Of any content, and owned whole.
  if (name === 'io.k8s.apimachinery.pkg.runtime.RawExtension') return { namedType: '__untyped_atomic_' };
  if (name) return { namedType: name, ...relation };
  if (schema.type === 'array') {
    const keys = schema['x-kubernetes-list-map-keys'] as string[] | undefined;
    const associative = ['map', 'set'].includes(schema['x-kubernetes-list-type'] as string);
    const list = { elementType: atomOf(schema.items as Json), ...(keys ? { keys } : {}) };
    return { list: { ...list, elementRelationship: associative ? 'associative' : 'atomic' } };
  }
  if (schema.type === 'object' && schema.additionalProperties)
    return { map: { elementType: atomOf(schema.additionalProperties as Json), ...relation } };
  return { scalar: scalars[schema.type as string] ?? (schema.type as string) };
}

const unionsOf = (definition: Json): Union[] =>
  ((definition['x-kubernetes-unions'] ?? []) as Json[]).map(union => ({
    ...(union.discriminator ? { discriminator: union.discriminator as string } : {}),
    fields: Object.entries(union['fields-to-discriminateBy'] as Record<string, string>).map(
      ([fieldName, discriminatorValue]) => ({ fieldName, discriminatorValue }),
    ),
  }));

test('every built-in type', { skip }, async () => {
  const { definitions } = await builtinV2({ resources: builtinResources().resources, version: 'v1.36.2' });
  let fields = 0;
  for (const { name, map } of theirTypes()) {
    const definition = definitions.get(name);
    if (!map?.fields || !definition) continue;
    assert.equal(map.elementRelationship, relationship(definition['x-kubernetes-map-type']), name);
    assert.deepEqual(unionsOf(definition), map.unions ?? [], name);
    const properties = definition.properties as Record<string, Json>;
    assert.deepEqual(Object.keys(properties).sort(), map.fields.map(f => f.name).sort(), name);
    for (const field of map.fields) {
      fields++;
      const property = properties[field.name]!;
      assert.deepEqual(atomOf(property), field.type, `${name}.${field.name}`);
      assert.deepEqual(property.default, field.default, `${name}.${field.name}: default`);
    }
  }
  assert.ok(fields > 2400, `${fields} fields`);
});
