// Does an applied configuration fit the schema? Items of keyed lists and sets must be told apart.
import { jsonText } from '../base/json-text.ts';
import { quote } from '../base/quote.ts';
import { parseExactJson } from '../base/whole-number.ts';
import { elementOf, type ListShape, type Shape } from './field-diff.ts';
import { valueElement } from './field-set.ts';
import { goText } from './patch/go-text.ts';
import { isPlain, type Plain, textOf } from './patch/plain.ts';
import type { LeafShape } from './shape.ts';
import { StatusError } from './status.ts';

export interface CheckRequest {
  readonly shape: Shape;
  readonly config: Plain;
  readonly apiVersion: string;
}

/** Throws StatusError 500, as Kubernetes does, with every path that does not fit, in Kubernetes' words. */
export function checkConfiguration({ shape, config, apiVersion }: CheckRequest): void {
  const what = faultsOf(shape, config);
  if (!what) return;
  const { name, namespace } = isPlain(config.metadata) ? config.metadata : {};
  throw new StatusError(
    500,
    '',
    `failed to create typed patch object (${textOf(namespace)}/${textOf(name)}; ${kindText(apiVersion, textOf(config.kind))}): ${what}`,
  );
}

/** As Go writes group, version and kind. */
export const kindText = (apiVersion: string, kind: string): string =>
  `${apiVersion.includes('/') ? apiVersion : `/${apiVersion}`}, Kind=${kind}`;

/** Every path that does not fit, in one text; '' when all do. */
export function faultsOf(shape: Shape, config: unknown): string {
  const faults: string[] = [];
  check(shape, config, '', faults);
  return faults.length > 1 ? `errors:\n${faults.map(f => `  ${f}`).join('\n')}` : (faults[0] ?? '');
}

function check(shape: Shape, value: unknown, path: string, faults: string[]): void {
  if (value === null || value === undefined) return;
  if (shape.kind === 'struct') {
    if (!isPlain(value)) return void faults.push(`${path || '.'}: expected map, got ${describe(value)}`);
    for (const key of Object.keys(value).sort()) {
      const child = shape.field(key);
      if (child) check(child, value[key], `${path}.${key}`, faults);
      else faults.push(`${path}.${key}: field not declared in schema`);
    }
  } else if (shape.kind === 'map') {
    if (!isPlain(value)) return void faults.push(`${path}: expected map, got ${describe(value)}`);
    for (const key of Object.keys(value).sort()) check(shape.value, value[key], `${path}.${key}`, faults);
  } else if (shape.kind === 'leaf') checkLeaf(shape, value, path, faults);
  else if (shape.kind === 'set')
    checkItems(value, { path, item: shape.item, wrong: wrongMember, name: valueElement }, faults);
  else if (shape.kind === 'list') {
    const wrong = (item: unknown) => wrongItem(shape, item);
    checkItems(value, { path, item: shape.item, wrong, name: item => elementOf(shape, item) }, faults);
  } else if (shape.map && !isPlain(value)) faults.push(`${path}: expected map, got ${describe(value)}`);
}

function wrongMember(value: unknown): string | undefined {
  if (value !== null && !isPlain(value)) return undefined;
  return `associative list without keys has an element that's ${value === null ? 'an explicit null' : 'a map type'}`;
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
  } else if (scalar === 'any') {
    if (typeof value === 'object') fault('any scalar', describe(value));
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

function wrongItem({ keys }: ListShape, item: unknown): string | undefined {
  const what = 'associative list with keys';
  if (item === null) return `${what} may not have a null element`;
  if (!isPlain(item)) return `${what} may not have non-map elements`;
  if (!keys.length || keys.some(k => item[k.name] !== undefined || k.default !== undefined)) return undefined;
  const names = keys.map(k => JSON.stringify(k.name)).join(' ');
  return `${what} has an element that omits all key fields [${names}] (and doesn't have default values for any key fields)`;
}

interface Items {
  readonly path: string;
  readonly item: Shape | undefined;
  /** What is wrong with an item before it has a name. */
  readonly wrong: (item: unknown) => string | undefined;
  readonly name: (item: unknown) => string;
}

function checkItems(value: unknown, { path, item: shape, wrong, name }: Items, faults: string[]): void {
  if (!Array.isArray(value)) return void faults.push(`${path}: expected list, got ${describe(value)}`);
  const seen = new Set<string>();
  for (const [i, item] of value.entries()) {
    const why = wrong(item);
    if (why) {
      faults.push(`${path}: element ${i}: ${why}`);
      continue;
    }
    const id = name(item);
    if (seen.has(id)) faults.push(`${path}: duplicate entries for key ${elementText(id)}`);
    seen.add(id);
    if (shape) check(shape, item, path + elementText(id), faults);
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
        .map(([k, v]) => `${k}=${typeof v === 'string' ? quote(v) : jsonText(v)}`)
        .join(',')}]`;
    case 'v':
      return `[=${rest}]`;
    default:
      return `[${rest}]`;
  }
}
