// The types of CEL expressions: what variables are declared with, and what the checker finds.

/**
 * `maxSize` bounds the value for cost estimates: elements of a list or map, characters (bytes) of a string. It takes no
 * part in whether two types are equal.
 */
export type CelType =
  /** `any`: of dyn, a value of plain JSON: its numbers are doubles, and it is no range of a comprehension. */
  | { readonly kind: ScalarKind; readonly maxSize?: number; readonly any?: true }
  | {
      readonly kind: 'list';
      readonly item: CelType;
      readonly maxSize?: number;
      readonly listType?: 'set' | 'map';
      readonly keys?: readonly string[];
    }
  | { readonly kind: 'map'; readonly key: CelType; readonly value: CelType; readonly maxSize?: number }
  | CelObjectType
  /** A library's own type (`net.IP`, `optional_type`), perhaps with parameters. */
  | { readonly kind: 'opaque'; readonly name: string; readonly params?: readonly CelType[]; readonly maxSize?: number }
  | { readonly kind: 'type'; readonly of?: CelType; readonly maxSize?: number }
  /** A type variable of an overload. */
  | { readonly kind: 'param'; readonly name: string; readonly maxSize?: number };

export type ScalarKind =
  | 'dyn'
  | 'bool'
  | 'int'
  | 'uint'
  | 'double'
  | 'string'
  | 'bytes'
  | 'null'
  | 'timestamp'
  | 'duration';

/** An object with known fields. Two are the same type when their names are. */
export interface CelObjectType {
  readonly kind: 'object';
  readonly name: string;
  readonly maxSize?: number;
  /** By the field's name in CEL (escaped when it is no identifier); undefined when there is no such field. */
  field(name: string): CelField | undefined;
}

export interface CelField {
  /** Name in JSON. */
  readonly name: string;
  readonly type: CelType;
}

const scalar = (kind: ScalarKind): CelType => ({ kind });
export const dyn = scalar('dyn');
export const any: CelType = { kind: 'dyn', any: true };
export const bool = scalar('bool');
export const int = scalar('int');
export const uint = scalar('uint');
export const double = scalar('double');
export const string = scalar('string');
export const bytes = scalar('bytes');
export const nullType = scalar('null');
export const timestamp = scalar('timestamp');
export const duration = scalar('duration');
export const param = (name: string): CelType => ({ kind: 'param', name });
export const list = (item: CelType, maxSize?: number): CelType =>
  maxSize === undefined ? { kind: 'list', item } : { kind: 'list', item, maxSize };
export const map = (key: CelType, value: CelType, maxSize?: number): CelType =>
  maxSize === undefined ? { kind: 'map', key, value } : { kind: 'map', key, value, maxSize };
export const opaque = (name: string, ...params: CelType[]): CelType =>
  params.length ? { kind: 'opaque', name, params } : { kind: 'opaque', name };
export const optional = (of: CelType): CelType => opaque('optional_type', of);
export const typeOf = (of?: CelType): CelType => (of ? { kind: 'type', of } : { kind: 'type' });

/** An object type with the fields given; `fields` is asked for once, so that types may be recursive. */
export function objectType(name: string, fields: () => ReadonlyMap<string, CelField>): CelObjectType {
  let known: ReadonlyMap<string, CelField> | undefined;
  return {
    kind: 'object',
    name,
    field(field) {
      known ??= fields();
      return known.get(field);
    },
  };
}

export const isAny = (type: CelType): boolean => type.kind === 'dyn' && 'any' in type;

/** As cel-go prints a type in messages: `list(string)`, `google.protobuf.Timestamp`. */
export function typeText(type: CelType): string {
  switch (type.kind) {
    case 'timestamp':
      return 'google.protobuf.Timestamp';
    case 'duration':
      return 'google.protobuf.Duration';
    case 'null':
      return 'null';
    case 'list':
      return `list(${typeText(type.item)})`;
    case 'map':
      return `map(${typeText(type.key)}, ${typeText(type.value)})`;
    case 'object':
      return type.name;
    case 'opaque':
      return type.params?.length ? `${type.name}(${type.params.map(typeText).join(', ')})` : type.name;
    case 'type':
      return type.of ? `type(${typeText(type.of)})` : 'type';
    case 'param':
      return type.name;
    default:
      return isAny(type) ? 'any' : type.kind;
  }
}
