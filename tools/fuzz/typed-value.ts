// Values made from the schemas of kinds: most fields as the type says, now and then not.
import { type FieldSchema, type Scalar, schemaOf, type TypeRef } from '../../src/api/schema.ts';
import { anyValue, type Chance, expressions, fitTexts, oddNumbers, oddTexts } from './chance.ts';

const names = ['a', 'b', 'web', 'default', 'kube-system', 'example.com/x', 'c'];
const samples: Readonly<Partial<Record<Scalar, readonly unknown[]>>> = {
  int32: [0, 1, 2, 80, 443, 30000, -1, 2 ** 31 - 1],
  int64: [0, 1, 30, 3600, -1, 2 ** 53],
  double: [0, 0.5, 1],
  bytes: ['', 'dg==', 'AAAA', '!!'],
  Time: ['2026-01-01T00:00:00Z', null],
  MicroTime: ['2026-01-01T00:00:00.000001Z'],
  Duration: ['5m', '1h30m', '0s'],
  Quantity: ['1', '100m', '1Gi', '0', '-1', 5, '1e3', '1E', '0.0000000001'],
  IntOrString: [1, '50%', 'http', '0%', '150%', -1],
};

/** A value of an object type; `sparse`: one field in so many is there. */
export function typedObject(c: Chance, typeName: string, depth: number, sparse: number): Record<string, unknown> {
  const schema = schemaOf(typeName);
  const made: Record<string, unknown> = {};
  for (const field of schema.fields) {
    if (field.name === 'apiVersion' || field.name === 'kind') continue;
    if (!c.once(field.required ? 1 : sparse)) continue;
    if (field.name === 'managedFields' && !c.once(8)) continue;
    made[field.name] = c.once(60) ? anyValue(c) : fieldValue(c, field, depth - 1, sparse);
  }
  return made;
}

function fieldValue(c: Chance, field: FieldSchema, depth: number, sparse: number): unknown {
  if (field.enum.length && !c.once(12)) return c.pick(field.enum);
  return typedValue(c, field.type, depth, sparse);
}

/** A value of the type; nothing in it is deeper than `depth`. */
export function typedValue(c: Chance, type: TypeRef, depth: number, sparse: number): unknown {
  switch (type.kind) {
    case 'scalar':
      return scalarValue(c, type.scalar);
    case 'struct': {
      const { alias, fields } = schemaOf(type.name);
      if (alias) return typedValue(c, alias, depth, sparse);
      return depth <= 0 && fields.length > 2 ? {} : typedObject(c, type.name, depth, sparse);
    }
    case 'list':
      return Array.from({ length: depth <= 0 ? 0 : c.below(4) }, () => typedValue(c, type.item, depth - 1, sparse));
    case 'map':
      return Object.fromEntries(
        Array.from({ length: depth <= 0 ? 0 : c.below(3) }, () => [
          c.once(4) ? c.pick(oddTexts) : c.pick([...names, 'cpu', 'memory', 'storage', 'app']),
          typedValue(c, type.value, depth - 1, sparse),
        ]),
      );
  }
}

function scalarValue(c: Chance, scalar: Scalar): unknown {
  if (c.once(10)) return c.pick(oddNumbers);
  const fit = samples[scalar];
  if (fit) return c.pick(fit);
  if (scalar === 'bool') return c.once(2);
  if (scalar === 'any' || scalar === 'object' || scalar === 'RawExtension') return anyValue(c, 2);
  if (c.once(4)) return c.pick(fitTexts);
  if (c.once(12)) return c.pick(expressions);
  return c.once(3) ? c.pick(oddTexts) : c.pick(names);
}
