// Validation of custom resources against their schema, worded as Kubernetes does. With the old object, what has not
// changed since is not held against the new one (ratcheting).
import type { FieldErrors, FieldErrorType } from '../field-error.ts';
import { FieldPath } from '../field-error.ts';
import { keyElement } from '../field-set.ts';
import { equalJson, isPlain, type Plain } from '../patch/plain.ts';
import type { JSONSchemaProps } from '../type/apiextensions-v1.ts';
import { hasFormat } from './format.ts';
import { compilePattern, type Pattern } from './pattern.ts';

/** The old value a new one is compared with; undefined where they cannot be told to be the same thing. */
export type Old = { readonly value: unknown } | undefined;

export interface ValueValidator {
  validate(value: unknown, path: FieldPath | undefined, old: Old, errors: FieldErrors): void;
}

/** Compiles the schema of one node and of all below. */
export function compileValidator(schema: JSONSchemaProps): ValueValidator {
  return new Node(schema);
}

/** Path of a root: messages name nothing, the cause's field is `<nil>`. */
const fieldOf = (path: FieldPath | undefined): string => path?.toString() ?? '<nil>';

class Found {
  readonly list: { reason: FieldErrorType; field: string; message: string }[] = [];

  get count(): number {
    return this.list.length;
  }

  add(reason: FieldErrorType, path: FieldPath | undefined, message: string): void {
    this.list.push({ reason, field: fieldOf(path), message });
  }

  invalid(path: FieldPath | undefined, value: unknown, what: string): void {
    this.add('FieldValueInvalid', path, `Invalid value: ${JSON.stringify(value ?? '')}: ${path ?? ''} in body ${what}`);
  }

  /** A composite's own complaint is about nothing in particular. */
  whole(message: string): void {
    this.add('FieldValueInvalid', undefined, `Invalid value: "": ${message}`);
  }
}

class Node implements ValueValidator {
  readonly #s: JSONSchemaProps;
  readonly #types: readonly string[];
  readonly #pattern: Pattern | undefined;
  readonly #properties = new Map<string, Node>();
  readonly #items: Node | undefined;
  readonly #additional: Node | boolean | undefined;
  readonly #allOf: readonly Node[];
  readonly #anyOf: readonly Node[];
  readonly #oneOf: readonly Node[];
  readonly #not: Node | undefined;

  constructor(s: JSONSchemaProps) {
    this.#s = s;
    this.#types = s['x-kubernetes-int-or-string'] ? ['integer', 'string'] : s.type ? [s.type] : [];
    this.#pattern = s.pattern ? patternOf(s.pattern) : undefined;
    for (const [name, p] of Object.entries(s.properties ?? {})) this.#properties.set(name, new Node(p));
    this.#items = isPlain(s.items) ? new Node(s.items as JSONSchemaProps) : undefined;
    const more = s.additionalProperties;
    this.#additional = typeof more === 'boolean' ? more : isPlain(more) ? new Node(more as JSONSchemaProps) : undefined;
    this.#allOf = (s.allOf ?? []).map(n => new Node(n));
    this.#anyOf = (s.anyOf ?? []).map(n => new Node(n));
    this.#oneOf = (s.oneOf ?? []).map(n => new Node(n));
    this.#not = s.not ? new Node(s.not) : undefined;
  }

  validate(value: unknown, path: FieldPath | undefined, old: Old, errors: FieldErrors): void {
    const found = new Found();
    this.check(value, path, old, found);
    for (const f of found.list) errors.add(f.reason, f.field, f.message);
  }

  check(value: unknown, path: FieldPath | undefined, old: Old, found: Found): void {
    if (old && equalJson(value, old.value)) return;
    this.#checkType(value, path, found);
    if (value === null || value === undefined) {
      // An enum without null refuses it where the type does not.
      if (value === null) this.#checkEnum(value, path, found);
      return;
    }
    this.#checkComposites(value, path, old, found);
    if (typeof value === 'string') this.#checkString(value, path, found);
    else if (typeof value === 'number' || typeof value === 'bigint') this.#checkNumber(value, path, found);
    else if (Array.isArray(value)) this.#checkList(value, path, old, found);
    this.#checkEnum(value, path, found);
    if (isPlain(value)) this.#checkMap(value, path, old, found);
  }

  #checkType(value: unknown, path: FieldPath | undefined, found: Found): void {
    const types = this.#types;
    if (!types.length || ((value === null || value === undefined) && this.#s.nullable)) return;
    const kind = typeOf(value);
    if (types.includes(kind) || (kind === 'integer' && types.includes('number'))) {
      const { format } = this.#s;
      if (format && typeof value === 'string' && !hasFormat(format, value))
        found.add(
          'FieldValueTypeInvalid',
          path,
          `Invalid value: ${JSON.stringify(value)}: ${path ?? ''} in body must be of type ${format}: ${JSON.stringify(value)}`,
        );
      return;
    }
    const text = `${path ?? ''} in body must be of type ${types.join(',')}: ${JSON.stringify(kind)}`;
    found.add('FieldValueTypeInvalid', path, `Invalid value: ${JSON.stringify(kind)}: ${text}`);
  }

  #checkEnum(value: unknown, path: FieldPath | undefined, found: Found): void {
    const allowed = this.#s.enum;
    if (!allowed?.length || allowed.some(a => equalJson(a, value))) return;
    const list = allowed.map(a => JSON.stringify(typeof a === 'string' ? a : JSON.stringify(a))).join(', ');
    found.add('FieldValueNotSupported', path, `Unsupported value: ${JSON.stringify(value)}: supported values: ${list}`);
  }

  #checkString(value: string, path: FieldPath | undefined, found: Found): void {
    const { minLength, maxLength, pattern } = this.#s;
    if (maxLength !== undefined && value.length > maxLength && lengthOf(value) > maxLength)
      found.add('FieldValueTooLong', path, `Too long: may not be more than ${maxLength} bytes`);
    if (minLength !== undefined && lengthOf(value) < minLength)
      found.invalid(path, value, `should be at least ${minLength} chars long`);
    if (this.#pattern && !this.#pattern.test(value)) found.invalid(path, value, `should match '${pattern}'`);
  }

  #checkNumber(value: number | bigint, path: FieldPath | undefined, found: Found): void {
    const { maximum, minimum, multipleOf, exclusiveMaximum, exclusiveMinimum, type, format } = this.#s;
    if (type === 'integer' && (typeOf(value) === 'number' || (format === 'int32' && !isInt32(value))))
      found.whole(
        `Checked value must be of type integer ${format ? `with format ${format}` : '(default format)'} in ${path ?? ''}`,
      );
    if (multipleOf !== undefined && !isMultiple(value, multipleOf))
      found.invalid(path, value, `should be a multiple of ${goFloat(multipleOf)}`);
    if (maximum !== undefined && (exclusiveMaximum ? value >= maximum : value > maximum))
      found.invalid(path, value, `should be less than ${exclusiveMaximum ? '' : 'or equal to '}${goFloat(maximum)}`);
    if (minimum !== undefined && (exclusiveMinimum ? value <= minimum : value < minimum))
      found.invalid(path, value, `should be greater than ${exclusiveMinimum ? '' : 'or equal to '}${goFloat(minimum)}`);
  }

  #checkList(value: readonly unknown[], path: FieldPath | undefined, old: Old, found: Found): void {
    const { minItems, maxItems } = this.#s;
    const items = this.#items;
    const at = path ?? new FieldPath();
    if (items) {
      const former = this.#formerItems(old);
      for (let i = 0; i < value.length; i++) items.check(value[i], at.index(i), former?.(value[i]), found);
    }
    if (minItems !== undefined && value.length < minItems)
      found.invalid(path, value.length, `should have at least ${minItems} items`);
    if (maxItems !== undefined && value.length > maxItems)
      found.add('FieldValueTooMany', path, `Too many: ${value.length}: must have at most ${maxItems} items`);
    if (this.#s.uniqueItems && new Set(value.map(v => JSON.stringify(v))).size < value.length)
      found.add('FieldValueInvalid', path, `Invalid value: "": ${path ?? ''} in body shouldn't contain duplicates`);
  }

  // Only items with keys can be found again.
  #formerItems(old: Old): ((item: unknown) => Old) | undefined {
    const keys = this.#s['x-kubernetes-list-map-keys'];
    if (this.#s['x-kubernetes-list-type'] !== 'map' || !keys || !Array.isArray(old?.value)) return undefined;
    const name = (item: unknown) => keyElement(keys.map(k => [k, isPlain(item) ? (item[k] ?? null) : null] as const));
    const former = new Map((old.value as unknown[]).map(item => [name(item), item]));
    return item => {
      const id = name(item);
      return former.has(id) ? { value: former.get(id) } : undefined;
    };
  }

  #checkMap(value: Plain, path: FieldPath | undefined, old: Old, found: Found): void {
    const { minProperties, maxProperties, required } = this.#s;
    const keys = Object.keys(value);
    const was = isPlain(old?.value) ? old.value : undefined;
    const child = (key: string) => path?.child(key) ?? new FieldPath(key);
    if (minProperties !== undefined && keys.length < minProperties)
      found.invalid(path, keys.length, `should have at least ${minProperties} properties`);
    if (maxProperties !== undefined && keys.length > maxProperties)
      found.add('FieldValueTooMany', path, `Too many: ${keys.length}: must have at most ${maxProperties} items`);
    for (const key of keys) {
      const node = this.#properties.get(key) ?? this.#additional;
      if (typeof node === 'object')
        node.check(value[key], child(key), was && Object.hasOwn(was, key) ? { value: was[key] } : undefined, found);
      else if (node === false)
        found.add('FieldValueInvalid', path, `Invalid value: "": ${child(key)} in body is a forbidden property`);
    }
    for (const name of required ?? [])
      if (!Object.hasOwn(value, name)) found.add('FieldValueRequired', child(name), 'Required value');
  }

  #checkComposites(value: unknown, path: FieldPath | undefined, old: Old, found: Found): void {
    const at = JSON.stringify(path?.toString() ?? '');
    if (this.#anyOf.length) {
      const tried = attempts(this.#anyOf, value, path, old);
      if (tried.every(t => t.count)) {
        found.whole(`${at} must validate at least one schema (anyOf)`);
        found.list.push(...best(tried).list);
      }
    }
    if (this.#oneOf.length) {
      const tried = attempts(this.#oneOf, value, path, old);
      const valid = tried.filter(t => !t.count).length;
      const oneOf = `${at} must validate one and only one schema (oneOf). Found`;
      if (valid === 0) {
        found.whole(`${oneOf} none valid`);
        found.list.push(...best(tried).list);
      } else if (valid > 1) found.whole(`${oneOf} ${valid} valid alternatives`);
    }
    if (this.#allOf.length) {
      const tried = attempts(this.#allOf, value, path, old);
      const failed = tried.filter(t => t.count);
      for (const t of failed) found.list.push(...t.list);
      if (failed.length)
        found.whole(
          `${at} must validate all the schemas (allOf)${failed.length === tried.length ? '. None validated' : ''}`,
        );
    }
    if (this.#not && attempts([this.#not], value, path, undefined)[0]!.count === 0)
      found.whole(`${at} must not validate the schema (not)`);
  }
}

// A stored schema may hold what another server took for a pattern: it matches nothing.
function patternOf(text: string): Pattern {
  try {
    return compilePattern(text);
  } catch (error) {
    if (error instanceof SyntaxError) return { test: () => false };
    throw error;
  }
}

function attempts(nodes: readonly Node[], value: unknown, path: FieldPath | undefined, old: Old): Found[] {
  return nodes.map(node => {
    const found = new Found();
    node.check(value, path, old, found);
    return found;
  });
}

const best = (tried: readonly Found[]): Found => tried.reduce((a, b) => (b.count < a.count ? b : a));

const isInt32 = (value: number | bigint): boolean => BigInt.asIntN(32, BigInt(value)) === BigInt(value);

function typeOf(value: unknown): string {
  if (value === null || value === undefined) return 'null';
  if (Array.isArray(value)) return 'array';
  // Go takes a float for a whole number only where it is exact.
  if (typeof value === 'number') return Number.isSafeInteger(value) ? 'integer' : 'number';
  if (typeof value === 'bigint') return 'integer';
  return typeof value;
}

/** In characters, not in UTF-16 units. */
function lengthOf(text: string): number {
  let n = 0;
  for (const _ of text) n++;
  return n;
}

function isMultiple(value: number | bigint, of: number): boolean {
  if (typeof value === 'bigint' && Number.isInteger(of)) return of !== 0 && value % BigInt(of) === 0n;
  if (Number.isInteger(value) && Number.isInteger(of)) return Number(value) % of === 0;
  const ratio = Number(value) / of;
  return Number.isInteger(ratio) || Math.abs(ratio - Math.round(ratio)) < 1e-9 * Math.max(1, Math.abs(ratio));
}

/** As Go prints a float64: `10`, `0.5`, `1e+06`. */
export function goFloat(value: number): string {
  if (value === 0) return '0';
  const [digits, exponent] = value.toExponential().split('e') as [string, string];
  const e = Number(exponent);
  if (e >= -4 && e < 6) return String(value);
  return `${digits}e${e < 0 ? '-' : '+'}${String(Math.abs(e)).padStart(2, '0')}`;
}
