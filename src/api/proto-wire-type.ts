// What a field's type is on the wire, alike for those who write it and those who read it.
import type { TypeRef } from './schema.ts';

export type Plain = Record<string, unknown>;

/** The number in a tag's low bits: 0 varint, 1 eight bytes, 2 length and bytes. */
export function wireTypeOf(type: TypeRef): number {
  if (type.kind !== 'scalar') return 2;
  if (type.scalar === 'int32' || type.scalar === 'int64' || type.scalar === 'bool') return 0;
  return type.scalar === 'double' ? 1 : 2;
}

export const nothing: Plain = Object.freeze({});

/** Stands for a value whose message is empty. */
export const zeroMessage = Symbol('zero');

/** What an absent value that is no pointer is written as; undefined: it is left out. */
export function zeroOf(type: TypeRef): unknown {
  if (type.kind === 'struct') return nothing;
  if (type.kind !== 'scalar') return type.kind === 'list' ? [] : undefined;
  const zeros: Plain = { string: '', int32: 0, int64: 0, double: 0, bool: false, Quantity: '0', IntOrString: 0 };
  const messages: Plain = { Duration: '0s', Time: zeroMessage, MicroTime: zeroMessage, RawExtension: zeroMessage };
  return zeros[type.scalar] ?? messages[type.scalar];
}

/** Of JSON Schema's fields that are a schema or something else: what else (`Bool`, `Array`, …), and the schema's type. */
export function schemaVariantOf(type: TypeRef & { kind: 'scalar' }): { other: string; schema: string } | undefined {
  const other = /\.JSONSchemaPropsOr(\w+)$/.exec(type.via ?? '')?.[1];
  return other ? { other, schema: type.via!.replace(/Or\w+$/, '') } : undefined;
}
