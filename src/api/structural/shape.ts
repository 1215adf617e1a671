// How ownership of fields sees a custom resource.
import { type Shape, shapeOf } from '../field-diff.ts';
import type { MapShape } from '../shape.ts';
import { isTypeMeta, type Structural } from './structural.ts';

const leaf: Shape = { kind: 'leaf' };
const deduced: MapShape = { kind: 'deduced' };
const deducedMap: MapShape = { kind: 'deduced', map: true };
const metadata = (): Shape => shapeOf('io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta');

/** The shape of a resource with this schema; without one, of free JSON. `plainStatus`: it has no status subresource. */
export function shapeOfStructural(schema: Structural, plainStatus = false): Shape {
  const shape = mapShape(schema, true);
  return plainStatus && shape.kind === 'struct' ? { ...shape, plainStatus } : shape;
}

function shapeAt(s: Structural): Shape {
  if (s.intOrString) return leaf;
  switch (s.type) {
    case 'object':
      return s.mapType === 'atomic' ? { kind: 'leaf', whole: mapShape(s, s.embedded) } : mapShape(s, s.embedded);
    case 'array':
      return listShape(s);
    case '':
      return s.properties.size ? mapShape(s, s.embedded) : deduced;
    case 'string':
    case 'boolean':
      return { kind: 'leaf', scalar: s.type };
    case 'integer':
    case 'number':
      return { kind: 'leaf', scalar: 'numeric' };
    default:
      return leaf;
  }
}

function mapShape(s: Structural, resource: boolean): MapShape {
  if (!resource && s.properties.size === 0) {
    if (typeof s.additional === 'object') return { kind: 'map', value: shapeAt(s.additional) };
    if (s.additional === true || s.preserve) return s.type === 'object' ? deducedMap : deduced;
  }
  const known = new Map<string, Shape>();
  const open = s.preserve || s.additional === true ? deduced : undefined;
  const rest = typeof s.additional === 'object' ? shapeAt(s.additional) : open;
  for (const [name, property] of s.properties) known.set(name, shapeAt(property));
  return {
    kind: 'struct',
    field: name =>
      resource && isTypeMeta(name) ? (name === 'metadata' ? metadata() : leaf) : (known.get(name) ?? rest),
  };
}

function listShape(s: Structural): Shape {
  const { items } = s;
  const item = items ? shapeAt(items) : deduced;
  if (s.listType === 'set') return { kind: 'set', item };
  if (s.listType !== 'map' || !items) return { kind: 'leaf', item };
  const keys = s.listKeys.toSorted().map(name => ({ name, default: items.properties.get(name)?.default }));
  return { kind: 'list', keys, item };
}
