// Validation of custom resources against their schema, worded as Kubernetes does. With the old object, what has not
// changed since is not held against the new one (ratcheting).
import { append } from '../../base/append.ts';
import { jsonText } from '../../base/json-text.ts';
import { quote } from '../../base/quote.ts';
import type { FieldErrors, FieldErrorType } from '../field-error.ts';
import { FieldPath } from '../field-error.ts';
import { keyElement } from '../field-set.ts';
import { equalJson, isPlain, type Plain } from '../patch/plain.ts';
import type { JSONSchemaProps } from '../type/apiextensions-v1.ts';
import { hasFormat, isKnownFormatOf } from './format.ts';
import { compilePattern, type Pattern } from './pattern.ts';

/** The old value a new one is compared with; undefined where they cannot be told to be the same thing. */
export type Old = { readonly value: unknown } | undefined;

export interface ValueValidator {
  validate(value: unknown, path: FieldPath | undefined, old: Old, errors: FieldErrors): void;
}

/** Compiles the schema of one node and of all below. `loose`: what may be a number or a text may be anything else too. */
export function compileValidator(schema: JSONSchemaProps, loose = false): ValueValidator {
  return new Node(schema, loose);
}

/** Path of a root: messages name nothing, the cause's field is `<nil>`. */
const fieldOf = (path: FieldPath | undefined): string => path?.toString() ?? '<nil>';

class Found {
  readonly list: { reason: FieldErrorType; field: string; message: string }[] = [];
  /** How much was looked at: of alternatives, the one that says most about a value is told. */
  looks = 0;

  get count(): number {
    return this.list.length;
  }

  add(reason: FieldErrorType, path: FieldPath | undefined, message: string): void {
    this.list.push({ reason, field: fieldOf(path), message });
  }

  invalid(path: FieldPath | undefined, value: unknown, what: string): void {
    this.add('FieldValueInvalid', path, `Invalid value: ${shown(value ?? '')}: ${path ?? ''} in body ${what}`);
  }

  /** A composite's own complaint is about nothing in particular. */
  whole(message: string): void {
    this.add('FieldValueInvalid', undefined, `Invalid value: "": ${message}`);
  }
}

class Node implements ValueValidator {
  readonly #s: JSONSchemaProps;
  readonly #types: readonly string[];
  readonly #format: string | undefined;
  readonly #pattern: Pattern | undefined;
  readonly #properties = new Map<string, Node>();
  readonly #items: Node | undefined;
  readonly #additional: Node | boolean | undefined;
  readonly #allOf: readonly Node[];
  readonly #anyOf: readonly Node[];
  readonly #oneOf: readonly Node[];
  readonly #not: Node | undefined;

  constructor(s: JSONSchemaProps, loose: boolean) {
    this.#s = s;
    const either = s['x-kubernetes-int-or-string'];
    this.#types = either ? (loose ? [] : ['integer', 'string']) : s.type ? [s.type] : [];
    this.#format = s.format && isKnownFormatOf(s.type ?? 'string', s.format) ? s.format : undefined;
    this.#pattern = s.pattern ? patternOf(s.pattern) : undefined;
    for (const [name, p] of Object.entries(s.properties ?? {})) this.#properties.set(name, new Node(p, loose));
    this.#items = isPlain(s.items) ? new Node(s.items as JSONSchemaProps, loose) : undefined;
    const more = s.additionalProperties;
    this.#additional =
      typeof more === 'boolean' ? more : isPlain(more) ? new Node(more as JSONSchemaProps, loose) : undefined;
    this.#allOf = (s.allOf ?? []).map(n => new Node(n, loose));
    this.#anyOf = (s.anyOf ?? []).map(n => new Node(n, loose));
    this.#oneOf = (s.oneOf ?? []).map(n => new Node(n, loose));
    this.#not = s.not ? new Node(s.not, loose) : undefined;
  }

  validate(value: unknown, path: FieldPath | undefined, old: Old, errors: FieldErrors): void {
    const found = new Found();
    this.check(value, path, old, found);
    for (const f of found.list) errors.add(f.reason, f.field, f.message);
  }

  check(value: unknown, path: FieldPath | undefined, old: Old, found: Found): void {
    found.looks += this.#types.length || this.#format ? 2 : 1;
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
    const format = this.#format;
    if (types.includes(kind) || (kind === 'integer' && types.includes('number'))) {
      if (format && typeof value === 'string' && !hasFormat(format, value))
        found.add(
          'FieldValueTypeInvalid',
          path,
          `Invalid value: ${quote(value)}: ${path ?? ''} in body must be of type ${format}: ${quote(value)}`,
        );
      return;
    }
    // Where a format says more than the type, it is named, and so is that of the value.
    const byFormat = format !== undefined && value !== null && typeof value !== 'string' && !Array.isArray(value);
    const given = byFormat ? (numberFormats[kind] ?? '') : kind;
    const text = `${path ?? ''} in body must be of type ${byFormat ? format : types.join(',')}: "${given}"`;
    found.add('FieldValueTypeInvalid', path, `Invalid value: "${given}": ${text}`);
  }

  #checkEnum(value: unknown, path: FieldPath | undefined, found: Found): void {
    const allowed = this.#s.enum;
    if (!allowed?.length || (value !== null && allowed.some(a => equalJson(a, value) || isPartOf(value, a)))) return;
    const list = allowed.map(a => quote(typeof a === 'string' ? a : JSON.stringify(a))).join(', ');
    found.add('FieldValueNotSupported', path, `Unsupported value: ${shown(value)}: supported values: ${list}`);
  }

  #checkString(value: string, path: FieldPath | undefined, found: Found): void {
    const { minLength, maxLength, pattern } = this.#s;
    // The first fault is told.
    if (maxLength !== undefined && value.length > maxLength && lengthOf(value) > maxLength)
      found.add('FieldValueTooLong', path, `Too long: may not be more than ${maxLength} bytes`);
    else if (minLength !== undefined && lengthOf(value) < minLength)
      found.invalid(path, value, `should be at least ${minLength} chars long`);
    else if (this.#pattern && !this.#pattern.test(value)) found.invalid(path, value, `should match '${pattern}'`);
  }

  #checkNumber(value: number | bigint, path: FieldPath | undefined, found: Found): void {
    const { multipleOf, exclusiveMaximum, exclusiveMinimum, type } = this.#s;
    const format = this.#format;
    const isWhole = typeOf(value) === 'integer';
    const withFormat = format ? `with format ${format}` : '(default format)';
    if (type === 'integer' && (!isWhole || (format === 'int32' && !isInt32(value))))
      found.whole(`Checked value must be of type integer ${withFormat} in ${path ?? ''}`);
    if (type === 'number' && format === 'float' && Math.abs(Number(value)) > largestFloat)
      found.whole(`Checked value must be of type number with format float in ${path ?? ''}`);
    // A whole number is compared with whole numbers; bounds that are none are told, where the type is to be whole.
    const boundOf = (n: number | undefined) => (n !== undefined && isWhole && type !== 'integer' ? Math.trunc(n) : n);
    const text = (n: number) => (isWhole && Number.isInteger(n) ? String(n) : goFloat(n));
    const named = (n: number | undefined, which: string) => {
      if (type === 'integer' && n !== undefined && !Number.isInteger(n))
        found.whole(`${which} must be of type integer ${withFormat} in ${path ?? ''}`);
    };
    const [factor, maximum, minimum] = [multipleOf, this.#s.maximum, this.#s.minimum].map(boundOf);
    if (factor !== undefined && factor <= 0)
      found.add(
        'FieldValueInvalid',
        path,
        `Invalid value: ${text(factor)}: factor MultipleOf declared for ${path ?? ''} must be positive: ${text(factor)}`,
      );
    else if (factor !== undefined && !isMultiple(value, factor))
      found.invalid(path, value, `should be a multiple of ${text(factor)}`);
    named(minimum, 'Minimum boundary value');
    if (minimum !== undefined && (exclusiveMinimum ? value <= minimum : value < minimum))
      found.invalid(path, value, `should be greater than ${exclusiveMinimum ? '' : 'or equal to '}${text(minimum)}`);
    named(maximum, 'Maximum boundary value');
    if (maximum !== undefined && (exclusiveMaximum ? value >= maximum : value > maximum))
      found.invalid(path, value, `should be less than ${exclusiveMaximum ? '' : 'or equal to '}${text(maximum)}`);
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
      found.add('FieldValueTooMany', path, `Too many: ${value.length}: must have at most ${counted(Number(maxItems))}`);
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
      found.add(
        'FieldValueTooMany',
        path,
        `Too many: ${keys.length}: must have at most ${counted(Number(maxProperties))}`,
      );
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
        append(found.list, best(tried).list);
      }
    }
    if (this.#oneOf.length) {
      const tried = attempts(this.#oneOf, value, path, old);
      const valid = tried.filter(t => !t.count).length;
      const oneOf = `${at} must validate one and only one schema (oneOf). Found`;
      if (valid === 0) {
        found.whole(`${oneOf} none valid`);
        append(found.list, best(tried).list);
      } else if (valid > 1) found.whole(`${oneOf} ${valid} valid alternatives`);
    }
    if (this.#allOf.length) {
      const tried = attempts(this.#allOf, value, path, old);
      const failed = tried.filter(t => t.count);
      for (const t of failed) append(found.list, t.list);
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

const best = (tried: readonly Found[]): Found => tried.reduce((a, b) => (b.looks > a.looks ? b : a));

const counted = (n: number): string => `${n} ${n === 1 ? 'item' : 'items'}`;

/** As Go prints a JSON value. */
function shown(value: unknown): string {
  if (typeof value === 'string') return quote(value);
  return typeof value === 'number' && typeOf(value) === 'number' ? goFloat(value) : jsonText(value);
}

const numberFormats: Readonly<Record<string, string>> = { integer: 'int64', number: 'float64' };

/** An enum of whole numbers is compared with the whole part of a number. */
const isPartOf = (value: unknown, allowed: unknown): boolean =>
  typeof value === 'number' && Number.isInteger(allowed) && Math.trunc(value) === allowed && !Object.is(value, -0);

const largestFloat = 3.4028234663852886e38;

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
  if (typeof value === 'bigint' && Number.isInteger(of)) return value % BigInt(of) === 0n;
  if (Number.isSafeInteger(value)) return Number(value) % of === 0;
  const ratio = Number(value) / of;
  if (Number.isInteger(ratio)) return Number.isSafeInteger(ratio);
  const whole = Math.trunc(ratio);
  // What JavaScript could not tell from a whole number is one.
  return whole !== 0 && Math.abs(ratio - whole) < 1e-9 * (Math.abs(ratio) + Math.abs(whole));
}

/** As Go prints a float64: `10`, `0.5`, `1e+06`. */
export function goFloat(value: number): string {
  if (value === 0) return '0';
  const [digits, exponent] = value.toExponential().split('e') as [string, string];
  const e = Number(exponent);
  if (e >= -4 && e < 6) return String(value);
  return `${digits}e${e < 0 ? '-' : '+'}${String(Math.abs(e)).padStart(2, '0')}`;
}
