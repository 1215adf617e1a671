// Sets of field paths, held in the form FieldsV1 has in JSON, so that reading and writing them costs nothing:
// `{"f:metadata":{"f:labels":{".":{},"f:app":{}}}}`. Elements: `f:name` a field, `k:{…}` a list item by its keys,
// `v:…` a value of a set, `i:0` a list index. A node is a member when it is empty or holds `.`; a node that is no member
// and has no children is not there. Sets are immutable and share their nodes.
import { parseExactJson } from '../base/whole-number.ts';

export interface FieldSet {
  readonly [element: string]: FieldSet;
}

type Node = { [element: string]: FieldSet };

const self = '.';

/** A member without children. */
export const leaf: FieldSet = Object.freeze({});
/** The set without members (at the top an empty node means just that). */
export const emptySet: FieldSet = leaf;

export function isEmptySet(set: FieldSet): boolean {
  for (const _ in set) return false;
  return true;
}

/** Is the node itself a member? */
export const isMember = (node: FieldSet): boolean => node[self] !== undefined || isEmptySet(node);

/** Members first by kind, then by name; keys and values by their JSON values, as Kubernetes sorts them. */
export function compareElements(a: string, b: string): number {
  if (a === b) return 0;
  const kind = a.charCodeAt(0);
  if (kind !== b.charCodeAt(0) || kind === 102 /* f */ || kind === 46 /* . */)
    return rank(a) - rank(b) || (a < b ? -1 : 1);
  return compareTexts(a, b) ?? compareValues(parseExactJson(a.slice(2)), parseExactJson(b.slice(2)));
}

/** Of two elements that first differ within a string, which is most of them; undefined when they do not. */
function compareTexts(a: string, b: string): number | undefined {
  let inString = false;
  for (let i = 2; i < a.length && i < b.length; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x === 92 /* backslash */ || y === 92) return undefined;
    if (x === y) {
      if (x === 34 /* " */) inString = !inString;
    } else if (!inString) return undefined;
    else if (x === 34) return -1;
    else return y === 34 || x > y ? 1 : -1;
  }
  return undefined;
}

const rank = (element: string) => '.fkvi'.indexOf(element[0]!);

function compareValues(a: unknown, b: unknown): number {
  if (typeof a === 'object' && a !== null && typeof b === 'object' && b !== null) {
    const [x, y] = [Object.entries(a), Object.entries(b)];
    for (let i = 0; i < x.length && i < y.length; i++) {
      const order = compareValues(x[i]![0], y[i]![0]) || compareValues(x[i]![1], y[i]![1]);
      if (order) return order;
    }
    return x.length - y.length;
  }
  if (typeof a === typeof b || (isNumber(a) && isNumber(b)))
    return a === b ? 0 : (a as string) < (b as string) ? -1 : 1;
  return typeof a < typeof b ? -1 : 1;
}

const isNumber = (value: unknown): boolean => typeof value === 'number' || typeof value === 'bigint';

// Text in which no character sorts before the quote that ends it.
const plainValue = /^v:"[^\\ !]*"$/;

/** Of one kind the engine's own order will do, which is many times as fast. */
function sortElements(elements: string[]): void {
  if (elements.every(e => e.startsWith('f:')) || elements.every(e => plainValue.test(e))) elements.sort();
  else elements.sort(compareElements);
}

/** A node of children in order; undefined when it would be neither member nor parent. */
function build(member: boolean, children: Node, sorted: boolean): FieldSet | undefined {
  const keys = Object.keys(children);
  if (!keys.length) return member ? leaf : undefined;
  if (sorted && !member) return children;
  if (!sorted) sortElements(keys);
  const out: Node = member ? { [self]: leaf } : {};
  for (const k of keys) out[k] = children[k]!;
  return out;
}

function unionNodes(a: FieldSet, b: FieldSet): FieldSet {
  if (a === b) return a;
  const member = isMember(a) || isMember(b);
  let changed = member !== isMember(a);
  let added = false;
  const children: Node = {};
  for (const k in a) {
    if (k === self) continue;
    const [mine, theirs] = [a[k]!, b[k]];
    const merged = theirs ? unionNodes(mine, theirs) : mine;
    if (merged !== mine) changed = true;
    children[k] = merged;
  }
  for (const k in b) {
    if (k === self || a[k] !== undefined) continue;
    children[k] = b[k]!;
    added = true;
  }
  return changed || added ? build(member, children, !added)! : a;
}

/** `a` itself when `b` adds nothing. */
export function union(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmptySet(a)) return b;
  return isEmptySet(b) ? a : unionNodes(a, b);
}

/** The union of many: two by two, so that what the first of them hold is not gone through for each of the others. */
export function unionOf(sets: readonly FieldSet[]): FieldSet {
  let level = sets;
  while (level.length > 1)
    level = Array.from({ length: Math.ceil(level.length / 2) }, (_, i) =>
      union(level[2 * i]!, level[2 * i + 1] ?? emptySet),
    );
  return level[0] ?? emptySet;
}

// `recursive`: a member of b takes with it all that lies below it.
function differenceNodes(a: FieldSet, b: FieldSet, recursive: boolean): FieldSet | undefined {
  const theirs = isMember(b);
  if (theirs && recursive) return undefined;
  const mine = isMember(a);
  const member = mine && !theirs;
  let changed = member !== mine;
  const children: Node = {};
  for (const k in a) {
    if (k === self) continue;
    const other = b[k];
    const rest = other ? differenceNodes(a[k]!, other, recursive) : a[k]!;
    if (rest !== a[k]) changed = true;
    if (rest) children[k] = rest;
  }
  return changed ? build(member, children, true) : a;
}

function topDifference(a: FieldSet, b: FieldSet, recursive: boolean): FieldSet {
  let changed = false;
  const children: Node = {};
  for (const k in a) {
    const other = b[k];
    const rest = other ? differenceNodes(a[k]!, other, recursive) : a[k]!;
    if (rest !== a[k]) changed = true;
    if (rest) children[k] = rest;
  }
  return changed ? children : a;
}

/** What is in `a` and not in `b`; `a` itself when nothing goes. */
export const difference = (a: FieldSet, b: FieldSet): FieldSet => topDifference(a, b, false);

/** Like difference; what lies below a member of `b` goes too. */
export const recursiveDifference = (a: FieldSet, b: FieldSet): FieldSet => topDifference(a, b, true);

function intersectNodes(a: FieldSet, b: FieldSet): FieldSet | undefined {
  if (a === b) return a;
  const children: Node = {};
  for (const k in a) {
    const other = k === self ? undefined : b[k];
    const common = other && intersectNodes(a[k]!, other);
    if (common) children[k] = common;
  }
  return build(isMember(a) && isMember(b), children, true);
}

export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  const children: Node = {};
  for (const k in a) {
    const common = b[k] && intersectNodes(a[k]!, b[k]!);
    if (common) children[k] = common;
  }
  return children;
}

function nodesIntersect(a: FieldSet, b: FieldSet): boolean {
  if (isMember(a) && isMember(b)) return true;
  for (const k in a) if (k !== self && b[k] && nodesIntersect(a[k]!, b[k]!)) return true;
  return false;
}

/** Is any path in both? Cheap when `a` is the smaller. */
export function intersects(a: FieldSet, b: FieldSet): boolean {
  for (const k in a) if (b[k] && nodesIntersect(a[k]!, b[k]!)) return true;
  return false;
}

/** Is this path, as elements, a member? */
export function has(set: FieldSet, path: readonly string[]): boolean {
  let at: FieldSet | undefined = set;
  for (const element of path) at = at?.[element];
  return at !== undefined && path.length > 0 && isMember(at);
}

/** The set without this path and all below it. */
export function withoutPrefix(set: FieldSet, path: readonly string[]): FieldSet {
  let prefix: FieldSet = leaf;
  for (const element of path.toReversed()) prefix = { [element]: prefix };
  return recursiveDifference(set, prefix);
}

/** The set of one path. */
export function setOfPath(path: readonly string[]): FieldSet {
  let set: FieldSet = leaf;
  for (const element of path.toReversed()) set = { [element]: set };
  return set;
}

/** Every member, as elements, in order: those of one level before those below it. */
export function* membersOf(set: FieldSet, prefix: readonly string[] = []): Generator<readonly string[]> {
  for (const k in set) if (k !== self && isMember(set[k]!)) yield [...prefix, k];
  for (const k in set) if (k !== self) yield* membersOf(set[k]!, [...prefix, k]);
}

export function equalSets(a: FieldSet, b: FieldSet): boolean {
  if (a === b) return true;
  let count = 0;
  for (const k in a) {
    if (b[k] === undefined || !equalSets(a[k]!, b[k]!)) return false;
    count++;
  }
  for (const _ in b) count--;
  return count === 0;
}

const elementShape = /^(?:\.$|[fkvi]:)/;

/** Checks and orders a FieldsV1 that came from outside; throws SyntaxError. */
export function parseFieldSet(value: unknown): FieldSet {
  const node = parseNode(value, true);
  return node ?? emptySet;
}

// Gives back the very node when it is in order already, as stored ones are.
function parseNode(value: unknown, top: boolean): FieldSet | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new SyntaxError('FieldsV1: not an object');
  const children: Node = {};
  let member = false;
  let ordered = true;
  let same = true;
  let previous: string | undefined;
  for (const k in value) {
    if (!elementShape.test(k)) {
      if (k[1] !== ':') throw new SyntaxError(`FieldsV1: unknown path element ${JSON.stringify(k)}`);
      // Of a kind that is not known yet.
      same = false;
      continue;
    }
    const given: unknown = (value as Record<string, unknown>)[k];
    if (k === self) {
      if (previous !== undefined || top) same = false;
      member = true;
      continue;
    }
    const element = canonicalElement(k);
    const child = parseNode(given ?? leaf, false);
    if (child) children[element] = child;
    if (child !== given || element !== k) same = false;
    if (previous !== undefined && compareElements(previous, element) > 0) ordered = false;
    previous = element;
  }
  if (same && ordered && previous !== undefined) return value as FieldSet;
  return build(!top && (member || previous === undefined), children, ordered);
}

function canonicalElement(element: string): string {
  if (element[0] === 'f') return element;
  const parsed = parseExactJson(element.slice(2));
  if (element[0] !== 'k') return `${element.slice(0, 2)}${escaped(parsed)}`;
  if (typeof parsed !== 'object' || parsed === null)
    throw new SyntaxError(`FieldsV1: bad key ${JSON.stringify(element)}`);
  return keyElement(Object.entries(parsed).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** `k:{"containerPort":80,"protocol":"TCP"}`; the pairs sorted by name. */
export const keyElement = (pairs: readonly (readonly [string, unknown])[]): string =>
  `k:{${pairs.map(([k, v]) => `${escaped(k)}:${escaped(v)}`).join(',')}}`;

export const valueElement = (value: unknown): string => `v:${escaped(value)}`;

// As Go writes JSON that may stand in HTML.
const special = /[<>&\u2028\u2029]/g;

function escaped(value: unknown): string {
  const text = JSON.stringify(value);
  return text.search(special) >= 0
    ? text.replace(special, c => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
    : text;
}

/** A node with what it holds put in order. */
export function inOrder(node: FieldSet): FieldSet {
  const { [self]: member, ...children } = node;
  return build(member !== undefined, children, false)!;
}

/** Puts built children in order; for what computes sets from objects. */
export function nodeOf(member: boolean, children: Record<string, FieldSet>): FieldSet | undefined {
  let previous: string | undefined;
  for (const k in children) {
    if (previous !== undefined && compareElements(previous, k) > 0) return build(member, children, false);
    previous = k;
  }
  return build(member, children, true);
}
