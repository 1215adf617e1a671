// Strategic merge patch: a merge patch that knows from the schema which lists merge and by which key, with the directives
// $patch, $retainKeys, $deleteFromPrimitiveList/… and $setElementOrder/….
import { own } from '../../base/own.ts';
import { type FieldSchema, schemaOf, type TypeRef } from '../schema.ts';
import { badRequest } from '../status.ts';
import { orderBySetElementOrder, orderMerged } from './element-order.ts';
import { asString, goText, goType } from './go-text.ts';
import { equalityText, equalJson, isPlain, jsonKind, type Plain, setKey } from './plain.ts';

const patchDirective = '$patch';
const retainKeysDirective = '$retainKeys';
const deletePrefix = '$deleteFromPrimitiveList/';
const orderPrefix = '$setElementOrder/';

/** A new object; the input stays as it is and shares what did not change. Throws a StatusError. */
export function applyStrategicMergePatch<T = unknown>(typeName: string, object: T, patch: unknown): T {
  // No fields at all.
  if (patch === null) return object;
  if (!isPlain(patch)) {
    throw badRequest(`json: cannot unmarshal ${jsonKind(patch)} into Go value of type map[string]interface {}`);
  }
  return mergeMap({ kind: 'struct', name: typeName }, (object ?? {}) as Plain, patch) as T;
}

// Kubernetes answers these with 500 and the bare message: the message is the same, the fault the client's.
const unexpected = (message: string) => badRequest(message);

/** What the schema says of a field: the type of its value, and how a list of it merges. */
interface FieldRule {
  readonly type: TypeRef | undefined;
  readonly merges: boolean;
  readonly replaces: boolean;
  readonly mergeKey: string | undefined;
}

const noRule: FieldRule = { type: undefined, merges: false, replaces: false, mergeKey: undefined };

/** Throws for a field the type does not have. */
function ruleOf(type: TypeRef | undefined, key: string): FieldRule {
  if (type?.kind === 'map') return { ...noRule, type: type.value };
  if (type?.kind === 'scalar') throw noField(type.scalar, key);
  if (type?.kind !== 'struct') return noRule;
  const { byName, shortName } = schemaOf(type.name);
  const field: FieldSchema | undefined = byName.get(key);
  if (!field) throw noField(shortName, key);
  return {
    type: field.type,
    merges: field.patchStrategies.includes('merge'),
    replaces: field.patchStrategies.includes('replace'),
    mergeKey: field.patchMergeKey,
  };
}

const noField = (struct: string, key: string) =>
  unexpected(`unable to find api field in struct ${struct} for the json field ${JSON.stringify(key)}`);

const itemType = (type: TypeRef | undefined) => (type?.kind === 'list' ? type.item : undefined);

function mergeMap(type: TypeRef | undefined, original: Plain, patch: Plain): Plain {
  const directive = own(patch, patchDirective);
  if (directive !== undefined) {
    if (directive === 'replace') return asIs(patch) as Plain;
    if (directive === 'delete') return {};
    throw unexpected(`unknown patch type: ${asString(directive)} in map: ${goText(patch)}`);
  }
  const out: Plain = { ...original };
  retainKeys(out, patch);
  const done = mergeOrderedLists(type, out, patch);
  for (const key of Object.keys(patch)) {
    if (key === patchDirective || key === retainKeysDirective || key.startsWith(orderPrefix) || done.has(key)) continue;
    if (key.startsWith(deletePrefix)) deletePrimitives(type, out, key.slice(deletePrefix.length), patch[key]);
    else mergeField(type, out, key, patch[key]);
  }
  return out;
}

function mergeField(type: TypeRef | undefined, out: Plain, key: string, value: unknown): void {
  if (value === null || value === undefined) {
    delete out[key];
    return;
  }
  const before = own(out, key);
  const merging = (isPlain(before) && isPlain(value)) || (Array.isArray(before) && Array.isArray(value));
  const rule = merging ? ruleOf(type, key) : noRule;
  if (isPlain(before) && isPlain(value)) {
    setKey(out, key, rule.replaces ? asIs(value) : mergeMap(rule.type, before, value));
  } else if (Array.isArray(before) && Array.isArray(value) && rule.merges) {
    setKey(out, key, mergeList(rule, before, value));
  } else if (before === undefined) {
    if (!hasDirective(value)) setKey(out, key, adopt(value));
  } else setKey(out, key, asIs(value));
}

const hasDirective = (value: unknown): boolean => isPlain(value) && Object.hasOwn(value, patchDirective);

/** What had nothing to merge with: parts that say how to merge are left out, whatever they say. */
const adopt = (value: unknown): unknown => withoutDirectives(value, hasDirective);

/** What stands in the place of something, or is an item of its own: it means what it says beside its directives. */
const asIs = (value: unknown): unknown => withoutDirectives(value, () => false);

function withoutDirectives(value: unknown, leftOut: (part: unknown) => boolean): unknown {
  if (Array.isArray(value)) return value.filter(item => !leftOut(item)).map(item => withoutDirectives(item, leftOut));
  if (!isPlain(value)) return value;
  const out: Plain = {};
  for (const key of Object.keys(value)) {
    const child = value[key];
    if (child === null || child === undefined || isDirective(key) || leftOut(child)) continue;
    setKey(out, key, withoutDirectives(child, leftOut));
  }
  return out;
}

const isDirective = (key: string) =>
  key === patchDirective || key === retainKeysDirective || key.startsWith(deletePrefix) || key.startsWith(orderPrefix);

function retainKeys(out: Plain, patch: Plain): void {
  const keys = own(patch, retainKeysDirective);
  if (keys === undefined) return;
  if (!Array.isArray(keys)) throw badRequest('invalid patch format of retainKeys');
  const retained = new Set(keys);
  for (const key of Object.keys(patch))
    if (!isDirective(key) && patch[key] !== null && !retained.has(key))
      throw badRequest('invalid patch format of retainKeys');
  for (const key of Object.keys(out)) if (!retained.has(key)) delete out[key];
}

function deletePrimitives(type: TypeRef | undefined, out: Plain, key: string, values: unknown): void {
  const before = own(out, key);
  if (before === undefined || before === null) return;
  ruleOf(type, key);
  if (!Array.isArray(values) || !Array.isArray(before)) throw badRequest('invalid patch format of primitive list');
  checkAlike(before, values);
  const gone = new Set(values);
  setKey(
    out,
    key,
    before.filter(item => !gone.has(item)),
  );
}

/** Lists whose order the patch states are merged here; returns their names. */
function mergeOrderedLists(type: TypeRef | undefined, out: Plain, patch: Plain): Set<string> {
  const done = new Set<string>();
  for (const directive of Object.keys(patch)) {
    if (!directive.startsWith(orderPrefix)) continue;
    const key = directive.slice(orderPrefix.length);
    const order = listOf(patch[directive]);
    const before = Object.hasOwn(out, key) ? listOf(out[key]) : undefined;
    const added = Object.hasOwn(patch, key) ? listOf(patch[key]) : undefined;
    const rule = ruleOf(type, key);
    const removed = own(patch, deletePrefix + key);
    if (removed !== undefined) {
      deletePrimitives(type, out, key, removed);
      done.add(deletePrefix + key);
    }
    if (!before && !added) continue;
    const live = before ?? [];
    if (live.length + (added?.length ?? 0) === 0) throw unexpected('no elements in any of the given slices');
    const kept = (own(out, key) as unknown[] | undefined | null) ?? [];
    checkOrder(rule, added ?? [], order);
    const gone = new Set(Array.isArray(removed) ? removed : []);
    const merged = !added
      ? kept
      : before
        ? mergeList(rule, kept, added)
        : (adopt(added) as unknown[]).filter(item => !gone.has(item));
    setKey(out, key, orderBySetElementOrder(merged, order, live, rule.mergeKey));
    done.add(key);
  }
  return done;
}

function listOf(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  const kind = value === null || value === undefined ? '%!s(<nil>)' : goType(value);
  throw unexpected(`expected a []interface {}, but received a ${kind}`);
}

// Every item of the patch must be in the stated order, in that order.
function checkOrder(rule: FieldRule, added: readonly unknown[], order: readonly unknown[]): void {
  const idOf = (item: unknown) => (rule.mergeKey && isPlain(item) ? item[rule.mergeKey] : item);
  const present = rule.mergeKey ? added.filter(item => !(isPlain(item) && item[patchDirective] === 'delete')) : added;
  if (rule.mergeKey)
    for (const item of added)
      if (!isPlain(item)) throw unexpected(`expected a map[string]interface {}, but received a ${goType(item)}`);
  if (rule.mergeKey && order.some(item => !isPlain(item))) throw unexpected('value for key 0 is not a map');
  if (rule.mergeKey) for (const item of present) if (!hasDirective(item)) mergeKeyOf(item, rule.mergeKey);
  let next = 0;
  for (const named of order) {
    // Items with other directives are no items; behind the last one that is named they count all the same.
    while (next < present.length && hasDirective(present[next])) next++;
    if (next < present.length && equalJson(idOf(named), idOf(present[next]))) next++;
  }
  if (order.length > 0 && next < present.length)
    throw badRequest(
      `The order in patch list:\n${goText(added)}\n doesn't match $setElementOrder list:\n${goText(order)}\n`,
    );
}

function mergeList(rule: FieldRule, original: readonly unknown[], patch: readonly unknown[]): unknown[] {
  checkAlike(original, patch);
  if (!isPlain(original[0] ?? patch[0])) {
    const merged = [...new Set([...original, ...patch])];
    return orderMerged(merged, patch, original, undefined);
  }
  const { mergeKey } = rule;
  if (!mergeKey) throw unexpected('cannot merge lists without merge key');
  const { kept, rest, replaced } = applyItemDirectives(original, patch, mergeKey);
  if (replaced) {
    for (const item of rest) mergeKeyOf(item, mergeKey);
    return rest.map(asIs);
  }
  const type = itemType(rule.type);
  const merged = new KeyedItems(kept, mergeKey);
  for (const item of rest) {
    const at = merged.find(mergeKeyOf(item, mergeKey));
    if (at === undefined) merged.push(asIs(item));
    else merged.replace(at, mergeMap(type, merged.items[at] as Plain, item as Plain));
  }
  return orderMerged(merged.items, rest, kept, mergeKey);
}

/** A list and where the first item of each key is: both may be long. */
class KeyedItems {
  readonly items: unknown[];
  readonly #mergeKey: string;
  readonly #at = new Map<string, number>();

  constructor(items: readonly unknown[], mergeKey: string) {
    this.items = [...items];
    this.#mergeKey = mergeKey;
    this.#index();
  }

  find(id: unknown): number | undefined {
    return this.#at.get(equalityText(id));
  }

  push(item: unknown): void {
    this.items.push(item);
    this.#note(item, this.items.length - 1);
  }

  replace(at: number, item: unknown): void {
    const before = keyOf(this.items[at], this.#mergeKey);
    this.items[at] = item;
    // Null takes away the key it was found by.
    if (keyOf(item, this.#mergeKey) !== before) this.#index();
  }

  #index(): void {
    this.#at.clear();
    for (const [at, item] of this.items.entries()) this.#note(item, at);
  }

  #note(item: unknown, at: number): void {
    const key = keyOf(item, this.#mergeKey);
    if (key !== undefined && !this.#at.has(key)) this.#at.set(key, at);
  }
}

const keyOf = (item: unknown, mergeKey: string): string | undefined =>
  isPlain(item) && item[mergeKey] !== undefined ? equalityText(item[mergeKey]) : undefined;

function checkAlike(original: readonly unknown[], patch: readonly unknown[]): void {
  const [first, ...others] = [...original, ...patch].map(goType);
  if (others.some(kind => kind !== first))
    throw unexpected(`list element types are not identical: ${goText([original, patch])}`);
}

function mergeKeyOf(item: unknown, mergeKey: string): unknown {
  const id = isPlain(item) ? own(item, mergeKey) : undefined;
  if (id === undefined) throw unexpected(`map: ${goText(item)} does not contain declared merge key: ${mergeKey}`);
  return id;
}

/** Items with $patch act on the whole list: delete takes out what has their key, replace takes out all. */
function applyItemDirectives(original: readonly unknown[], patch: readonly unknown[], mergeKey: string) {
  const gone = new Set<string>();
  let replaced = false;
  const rest: unknown[] = [];
  for (const item of patch) {
    const directive = isPlain(item) ? own(item, patchDirective) : undefined;
    if (directive === undefined) rest.push(item);
    else if (directive === 'delete') {
      gone.add(equalityText(mergeKeyOf(item, mergeKey)));
    } else if (directive === 'replace') replaced = true;
    else if (directive === 'merge') throw unexpected('merging lists cannot yet be specified in the patch');
    else throw unexpected(`unknown patch type: ${asString(directive)} in map: ${goText(item)}`);
  }
  const kept = gone.size ? original.filter(item => !gone.has(keyOf(item, mergeKey) ?? '')) : original;
  return { kept, rest, replaced };
}
