// Does an applied configuration fit the schema? Items of keyed lists and sets must be told apart.
import { parseExactJson } from '../base/whole-number.ts';
import { elementOf, type ListShape, type Shape } from './field-diff.ts';
import { valueElement } from './field-set.ts';
import { goText } from './patch/go-text.ts';
import { textOf } from './patch/plain.ts';
import type { LeafShape } from './shape.ts';
import { StatusError } from './status.ts';

type Plain = Record<string, unknown>;

export interface CheckRequest {
  readonly shape: Shape;
  readonly config: Plain;
  readonly apiVersion: string;
}

const isPlain = (v: unknown): v is Plain => typeof v === 'object' && v !== null && !Array.isArray(v);

/** Throws StatusError 500, as Kubernetes does, with every path that does not fit, in Kubernetes' words. */
export function checkConfiguration({ shape, config, apiVersion }: CheckRequest): void {
  const faults: string[] = [];
  check(shape, config, '', faults);
  if (!faults.length) return;
  faults.sort();
  const { name, namespace } = isPlain(config.metadata) ? config.metadata : {};
  const what = faults.length === 1 ? faults[0]! : `errors:\n${faults.map(f => `  ${f}`).join('\n')}`;
  throw new StatusError(
    500,
    '',
    `failed to create typed patch object (${textOf(namespace)}/${textOf(name)}; ${apiVersion}, Kind=${textOf(config.kind)}): ${what}`,
  );
}

function check(shape: Shape, value: unknown, path: string, faults: string[]): void {
  if (value === null || value === undefined) return;
  if (shape.kind === 'struct') {
    if (!isPlain(value)) return void faults.push(`${path || '.'}: expected map, got ${describe(value)}`);
    for (const key of Object.keys(value)) {
      const child = shape.field(key);
      if (child) check(child, value[key], `${path}.${key}`, faults);
      else faults.push(`${path}.${key}: field not declared in schema`);
    }
  } else if (shape.kind === 'map') {
    if (!isPlain(value)) return void faults.push(`${path}: expected map, got ${describe(value)}`);
    for (const key of Object.keys(value)) check(shape.value, value[key], `${path}.${key}`, faults);
  } else if (shape.kind === 'leaf') checkLeaf(shape, value, path, faults);
  else if (shape.kind === 'set') {
    checkItems(value, path, valueElement, faults);
    if (Array.isArray(value)) for (const [i, v] of value.entries()) checkMember(shape.item, v, i, path, faults);
  } else if (shape.kind === 'list') {
    checkItems(value, path, item => elementOf(shape, item), faults);
    if (Array.isArray(value)) value.forEach((item, i) => void checkItem(shape, item, i, path, faults));
  }
}

function checkMember(shape: Shape | undefined, value: unknown, index: number, path: string, faults: string[]): void {
  if (isPlain(value))
    faults.push(`${path}: element ${index}: associative list without keys has an element that's a map type`);
  else if (shape) check(shape, value, path + elementText(valueElement(value)), faults);
}

function checkLeaf({ scalar, item, whole }: LeafShape, value: unknown, path: string, faults: string[]): void {
  const fault = (expected: string, got: string) => faults.push(`${path}: expected ${expected}, got ${got}`);
  if (whole) check(whole, value, path, faults);
  else if (item) {
    if (Array.isArray(value)) for (const [i, v] of value.entries()) check(item, v, `${path}[${i}]`, faults);
    else fault('list', describe(value));
  } else if (scalar === 'string') {
    if (typeof value !== 'string') fault('string', `&value.valueUnstructured{Value:${goSyntax(value)}}`);
  } else if (scalar === 'boolean') {
    if (typeof value !== 'boolean') fault('boolean', describe(value));
  } else if (scalar === 'numeric' && typeof value !== 'number' && typeof value !== 'bigint')
    fault('numeric (int or float)', goType(value));
}

function goType(value: unknown): string {
  if (Array.isArray(value)) return '[]interface {}';
  if (typeof value === 'object') return 'map[string]interface {}';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

/** A value as Go writes it in source (`%#v`). */
function goSyntax(value: unknown): string {
  if (value === null) return 'interface {}(nil)';
  if (Array.isArray(value)) return `[]interface {}{${value.map(goSyntax).join(', ')}}`;
  if (!isPlain(value)) return typeof value === 'bigint' ? String(value) : JSON.stringify(value);
  const members = Object.keys(value)
    .sort()
    .map(key => `${JSON.stringify(key)}:${goSyntax(value[key])}`);
  return `map[string]interface {}{${members.join(', ')}}`;
}

function checkItem(shape: ListShape, item: unknown, index: number, path: string, faults: string[]): void {
  const missing = shape.keys.filter(k => isPlain(item) && item[k.name] === undefined && k.default === undefined);
  if (shape.keys.length && missing.length === shape.keys.length) {
    faults.push(
      `${path}: element ${index}: associative list with keys has an element that omits key field ${JSON.stringify(missing[0]!.name)} (and doesn't have default value)`,
    );
    return;
  }
  check(shape.item, item, path + elementText(elementOf(shape, item)), faults);
}

function checkItems(value: unknown, path: string, name: (item: unknown) => string, faults: string[]): void {
  if (!Array.isArray(value)) return void faults.push(`${path}: expected list, got ${describe(value)}`);
  const seen = new Set<string>();
  for (const item of value) {
    const id = name(item);
    if (seen.has(id)) faults.push(`${path}: duplicate entries for key ${elementText(id)}`);
    seen.add(id);
  }
}

const describe = (value: unknown) => `&{${goText(value)}}`;

/** `.spec.containers[name="a"].image` of the elements of a field set. */
export const pathText = (elements: readonly string[]): string => elements.map(elementText).join('');

function elementText(element: string): string {
  const rest = element.slice(2);
  switch (element[0]) {
    case 'f':
      return `.${rest}`;
    case 'k':
      return `[${Object.entries(parseExactJson(rest) as object)
        .map(([k, v]) => `${k}=${JSON.stringify(v)}`)
        .join(',')}]`;
    case 'v':
      return `[=${rest}]`;
    default:
      return `[${rest}]`;
  }
}
