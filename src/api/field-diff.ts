// Which fields an object has, and which differ between two, by the list and map types of the schema.
import { own } from '../base/own.ts';
import { compareElements, type FieldSet, inOrder, keyElement, leaf, nodeOf, valueElement } from './field-set.ts';
import { equalJson, isPlain, type Plain } from './patch/plain.ts';
import { type FieldSchema, schemaOf, type TypeRef } from './schema.ts';
import type { ListShape, MapShape, Shape } from './shape.ts';

export type { ListKey, ListShape, MapShape, Shape } from './shape.ts';

export interface FieldDiff {
  /** Added or modified. */
  readonly changed: FieldSet | undefined;
  readonly removed: FieldSet | undefined;
}

const wholeShape: Shape = { kind: 'leaf' };
const deducedShape = { kind: 'deduced' } as const;
const structShapes = new Map<string, Shape>();

/** The shape of a built-in type. */
export function shapeOf(typeName: string): Shape {
  let shape = structShapes.get(typeName);
  if (!shape) {
    const schema = schemaOf(typeName);
    const fields = new Map<string, Shape>();
    shape = {
      kind: 'struct',
      // Looked up late, because types contain themselves.
      field(name) {
        const known = fields.get(name);
        if (known) return known;
        const field = schema.byName.get(name);
        if (!field) return undefined;
        const made = fieldShape(field);
        fields.set(name, made);
        return made;
      },
    };
    structShapes.set(typeName, shape);
  }
  return shape;
}

function fieldShape(field: FieldSchema): Shape {
  const { type } = field;
  if (type.kind === 'struct') {
    // What the field says goes before what its type says.
    if (field.structType === 'granular') return shapeOf(type.name);
    return field.structType === 'atomic' ? { kind: 'leaf', whole: shapeOf(type.name) } : typeShape(type);
  }
  if (type.kind === 'map') {
    const map: Shape = { kind: 'map', value: typeShape(type.value) };
    return field.mapType === 'atomic' ? { kind: 'leaf', whole: map } : map;
  }
  if (type.kind !== 'list') return typeShape(type);
  const members = typeShape(type.item);
  if (field.listType === 'set') return { kind: 'set', item: members };
  if (field.listType !== 'map' || type.item.kind !== 'struct') return { kind: 'leaf', item: members };
  const item = schemaOf(type.item.name);
  const keys = field.keys.toSorted().map(name => ({ name, default: item.byName.get(name)?.default }));
  return { kind: 'list', keys, item: members };
}

function typeShape(type: TypeRef): Shape {
  if (type.kind === 'list') return { kind: 'leaf', item: typeShape(type.item) };
  if (type.kind === 'map') return { kind: 'leaf', whole: { kind: 'map', value: typeShape(type.value) } };
  if (type.kind === 'scalar') return own(scalarShapes, type.scalar) ?? wholeShape;
  const shape = shapeOf(type.name);
  return schemaOf(type.name).structType === 'atomic' ? { kind: 'leaf', whole: shape } : shape;
}

const numeric: Shape = { kind: 'leaf', scalar: 'numeric' };
const text: Shape = { kind: 'leaf', scalar: 'string' };
// Read from more than one form.
const anyScalar: Shape = { kind: 'leaf', scalar: 'any' };

const scalarShapes: Readonly<Record<string, Shape>> = {
  string: text,
  bytes: text,
  Duration: text,
  bool: { kind: 'leaf', scalar: 'boolean' },
  int32: numeric,
  int64: numeric,
  double: numeric,
  Time: anyScalar,
  MicroTime: anyScalar,
  Quantity: anyScalar,
  IntOrString: anyScalar,
};

function isEmptyPlain(v: unknown): boolean {
  if (v === undefined || v === null) return true;
  for (const _ in v as object) return false;
  return true;
}

// Null counts as an empty map or list, but as present.
const fitsMap = (v: unknown) => v === undefined || v === null || isPlain(v);
const fitsList = (v: unknown) => v === undefined || v === null || Array.isArray(v);
const lengthOf = (v: unknown) => (Array.isArray(v) ? v.length : 0);

const leafAdded: FieldDiff = { changed: leaf, removed: undefined };
const leafRemoved: FieldDiff = { changed: undefined, removed: leaf };

function diffLeaf(before: unknown, after: unknown): FieldDiff | undefined {
  if (before === undefined) return after === undefined ? undefined : leafAdded;
  if (after === undefined) return leafRemoved;
  return equalJson(before, after) ? undefined : leafAdded;
}

/**
 * What `after` adds to, changes in and takes from `before`, as nodes below the value; undefined when nothing does.
 * `skip` names fields of the outermost struct that do not count.
 */
export function diffFields(
  shape: Shape,
  before: unknown,
  after: unknown,
  skip?: ReadonlySet<string>,
): FieldDiff | undefined {
  if (before === after) return undefined;
  switch (shape.kind) {
    case 'struct':
    case 'map':
    case 'deduced':
      if (shape.kind === 'deduced' && isPlain(before) !== isPlain(after) && !(fitsMap(before) && fitsMap(after)))
        return diffKinds(before, after);
      if (!fitsMap(before) || !fitsMap(after)) return diffLeaf(before, after);
      return diffMaps(shape, before as Plain, after as Plain, skip);
    case 'set':
    case 'list':
      if (!fitsList(before) || !fitsList(after) || (!lengthOf(before) && !lengthOf(after)))
        return diffLeaf(before, after);
      return shape.kind === 'set'
        ? diffSets(before as unknown[], after as unknown[])
        : diffLists(shape, before as unknown[], after as unknown[]);
    default:
      return diffLeaf(before, after);
  }
}

/** Of a map in the place of something else, or the other way round: what lies in it comes or goes. */
function diffKinds(before: unknown, after: unknown): FieldDiff {
  const parts = diffMaps(deducedShape, isPlain(before) ? before : none, isPlain(after) ? after : none);
  return { changed: nodeOf(true, parts?.changed ?? {}), removed: parts?.removed };
}

/** Gathers the differences of the parts of one value, in order as they come, so that long ones are gone through once. */
class Parts {
  readonly #added: boolean;
  #changed: Record<string, FieldSet> | undefined;
  #removed: Record<string, FieldSet> | undefined;
  #last: string | undefined;
  #ordered = true;

  constructor(before: unknown) {
    this.#added = before === undefined;
  }

  add(element: string, diff: FieldDiff | undefined): void {
    if (!diff) return;
    if (diff.changed) {
      if (this.#last !== undefined && this.#ordered) this.#ordered = compareElements(this.#last, element) <= 0;
      this.#last = element;
      // A value that comes as a whole is itself added.
      this.#changed ??= this.#added ? { '.': leaf } : {};
      this.#changed[element] = diff.changed;
    }
    if (diff.removed) {
      this.#removed ??= {};
      this.#removed[element] = diff.removed;
    }
  }

  close(after: unknown): FieldDiff | undefined {
    const gone = after === undefined;
    if (!this.#changed && !this.#removed && !this.#added && !gone) return undefined;
    return {
      changed: this.#changed
        ? this.#ordered
          ? this.#changed
          : inOrder(this.#changed)
        : this.#added
          ? leaf
          : undefined,
      removed: this.#removed || gone ? nodeOf(gone, this.#removed ?? {}) : undefined,
    };
  }
}

const none: Plain = {};

function diffMaps(
  shape: MapShape,
  before: Plain | null | undefined,
  after: Plain | null | undefined,
  skip?: ReadonlySet<string>,
): FieldDiff | undefined {
  const parts = new Parts(before);
  const [old, now] = [before ?? none, after ?? none];
  const shapeAt = (key: string) =>
    shape.kind === 'struct' ? shape.field(key) : shape.kind === 'map' ? shape.value : deducedShape;
  let isEmpty = true;
  for (const key in now) {
    isEmpty = false;
    const [l, r] = [Object.hasOwn(old, key) ? old[key] : undefined, now[key]];
    if (l === r || skip?.has(key)) continue;
    const child = shapeAt(key);
    if (child) parts.add(`f:${key}`, diffFields(child, l, r));
  }
  for (const key in old) {
    isEmpty = false;
    if (Object.hasOwn(now, key) || old[key] === undefined || skip?.has(key)) continue;
    const child = shapeAt(key);
    if (child) parts.add(`f:${key}`, diffFields(child, old[key], undefined));
  }
  if (isEmpty) return diffLeaf(before, after);
  return parts.close(after);
}

function diffSets(before: unknown[] | null | undefined, after: unknown[] | null | undefined): FieldDiff | undefined {
  const parts = new Parts(before);
  const [old, now] = [new Set(before ?? []), new Set(after ?? [])];
  for (const value of now) if (!old.has(value)) parts.add(valueElement(value), leafAdded);
  for (const value of old) if (!now.has(value)) parts.add(valueElement(value), leafRemoved);
  return parts.close(after);
}

/** The element of a keyed list's item. */
export function elementOf(shape: ListShape, item: unknown): string {
  const object = (item ?? none) as Plain;
  const pairs: [string, unknown][] = [];
  for (const key of shape.keys) {
    const value = object[key.name] ?? key.default;
    if (value !== undefined) pairs.push([key.name, value]);
  }
  return keyElement(pairs);
}

function sameKeys(shape: ListShape, a: unknown, b: unknown): boolean {
  for (const { name } of shape.keys) if ((a as Plain | null)?.[name] !== (b as Plain | null)?.[name]) return false;
  return true;
}

function diffLists(
  shape: ListShape,
  before: unknown[] | null | undefined,
  after: unknown[] | null | undefined,
): FieldDiff | undefined {
  if (!before?.length && after && after.length >= worthRemembering) return addedList(shape, before, after);
  return compareLists(shape, before, after);
}

// Pods of one template come with equal lists of variables and mounts, one after the other.
const worthRemembering = 4;
const mostRemembered = 512;
const longestRemembered = 16 << 10;
const remembered = new WeakMap<ListShape, Map<string, FieldDiff | undefined>>();

function addedList(shape: ListShape, before: unknown[] | null | undefined, after: unknown[]): FieldDiff | undefined {
  // The shortest of items takes three characters.
  const key = after.length > longestRemembered / 3 ? undefined : JSON.stringify(after);
  if (key === undefined || key.length > longestRemembered) return compareLists(shape, before, after);
  let known = remembered.get(shape);
  if (!known || known.size >= mostRemembered) {
    known = new Map();
    remembered.set(shape, known);
  }
  // An absent list that comes is itself added, an empty one is not.
  const id = before ? `[]${key}` : key;
  if (known.has(id)) return known.get(id);
  const diff = compareLists(shape, before, after);
  known.set(id, diff);
  return diff;
}

function compareLists(
  shape: ListShape,
  before: unknown[] | null | undefined,
  after: unknown[] | null | undefined,
): FieldDiff | undefined {
  const parts = new Parts(before);
  const [old, now] = [before ?? [], after ?? []];
  // Most updates leave the items where they were: no need for their names then.
  const diffs: (FieldDiff | undefined)[] = [];
  while (diffs.length < old.length && diffs.length < now.length) {
    const i = diffs.length;
    if (!sameKeys(shape, old[i], now[i])) break;
    diffs.push(diffFields(shape.item, old[i], now[i]));
  }
  const alike = diffs.length;
  if (alike === old.length && alike === now.length && !diffs.some(Boolean)) return parts.close(after);
  if (hasRepeated(shape, old) || hasRepeated(shape, now)) diffRepeated(shape, old, now, parts);
  else {
    for (const [i, diff] of diffs.entries()) if (diff) parts.add(elementOf(shape, now[i]), diff);
    if (alike < old.length || alike < now.length) diffByKey(shape, old.slice(alike), now.slice(alike), parts);
  }
  return parts.close(after);
}

const hasRepeated = (shape: ListShape, list: readonly unknown[]): boolean =>
  list.length > 1 && new Set(list.map(item => elementOf(shape, item))).size < list.length;

/** Items of one key are one thing, which nobody owns parts of. */
function diffRepeated(shape: ListShape, old: unknown[], now: unknown[], parts: Parts): void {
  const of = (list: unknown[]) => Map.groupBy(list, item => elementOf(shape, item));
  const [before, after] = [of(old), of(now)];
  for (const element of new Set([...after.keys(), ...before.keys()])) {
    const [was, is] = [before.get(element) ?? [], after.get(element) ?? []];
    if (was.length < 2 && is.length < 2) parts.add(element, diffFields(shape.item, was[0], is[0]));
    else if (!equalJson(was, is)) {
      const gone =
        was.length > 1 ? (is.length > 1 ? undefined : leaf) : diffFields(shape.item, was[0], undefined)?.removed;
      const come = is.length > 1 ? leaf : diffFields(shape.item, undefined, is[0])?.changed;
      parts.add(element, { changed: come, removed: gone });
    }
  }
}

function diffByKey(shape: ListShape, old: unknown[], now: unknown[], parts: Parts): void {
  const rest = new Map<string, unknown>();
  for (const item of old) rest.set(elementOf(shape, item), item);
  for (const item of now) {
    const element = elementOf(shape, item);
    parts.add(element, diffFields(shape.item, rest.get(element), item));
    rest.delete(element);
  }
  for (const [element, item] of rest) parts.add(element, diffFields(shape.item, item, undefined));
}

/** The fields a value states, as an applier owns them: undefined when it states none. */
export function fieldsOf(shape: Shape, value: unknown, skip?: ReadonlySet<string>): FieldSet | undefined {
  if (value === undefined) return undefined;
  if ((shape.kind === 'struct' || shape.kind === 'map' || shape.kind === 'deduced') && isPlain(value)) {
    if (isEmptyPlain(value)) return leaf;
    const children: Record<string, FieldSet> = {};
    for (const key of Object.keys(value)) {
      if (skip?.has(key) || value[key] === undefined) continue;
      const child = shape.kind === 'struct' ? shape.field(key) : shape.kind === 'map' ? shape.value : deducedShape;
      const set = child && fieldsOf(child, value[key]);
      // A key the schema does not name is owned itself.
      if (shape.kind !== 'struct') children[`f:${key}`] = nodeOf(true, set ? childrenOf(set) : {}) ?? leaf;
      else if (set) children[`f:${key}`] = set;
    }
    return nodeOf(false, children);
  }
  if (shape.kind === 'set' && Array.isArray(value))
    return nodeOf(false, Object.fromEntries(value.map(item => [valueElement(item), leaf])));
  if (shape.kind === 'list' && Array.isArray(value)) {
    const children: Record<string, FieldSet> = {};
    // Of several items with one key the last counts.
    for (const [element, item] of new Map(value.map(item => [elementOf(shape, item), item]))) {
      const set = fieldsOf(shape.item, item);
      children[element] = nodeOf(true, set ? childrenOf(set) : {}) ?? leaf;
    }
    return nodeOf(false, children);
  }
  return leaf;
}

function childrenOf(set: FieldSet): Record<string, FieldSet> {
  const { '.': _, ...children } = set;
  return children;
}
