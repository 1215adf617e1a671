// Merging an applied configuration into a live object, and taking out what its applier no longer states.
import { elementOf, fieldsOf, type ListShape, type Shape } from './field-diff.ts';
import { type FieldSet, isMember, valueElement } from './field-set.ts';
import { isPlain, type Plain } from './patch/plain.ts';

const deduced: Shape = { kind: 'deduced' };
const leaf: Shape = { kind: 'leaf' };

/** Whether the value is of those that are merged by their parts. */
function hasParts(shape: Shape, value: unknown): value is object {
  if (shape.kind === 'set' || shape.kind === 'list') return Array.isArray(value);
  return shape.kind !== 'leaf' && isPlain(value);
}

function childShape(shape: Shape, key: string): Shape {
  if (shape.kind === 'struct') return shape.field(key) ?? leaf;
  if (shape.kind === 'map') return shape.value;
  return shape.kind === 'deduced' ? deduced : leaf;
}

/** `config` over `live`; neither is changed, parts are shared. */
export function mergeFields(shape: Shape, live: unknown, config: unknown): unknown {
  if (config === undefined) return live;
  if (live === undefined || live === null) return config;
  // Of what is merged by its parts null states none; where there are none either it is a value.
  if (config === null) return hasParts(shape, live) && Object.keys(live).length > 0 ? live : null;
  if (shape.kind === 'set' && Array.isArray(live) && Array.isArray(config))
    return interleave(live, config, valueElement, (_, now) => now);
  if (shape.kind === 'list' && Array.isArray(live) && Array.isArray(config)) {
    const name = (item: unknown) => elementOf(shape, item);
    return interleave(live, config, name, (was, now) => mergeFields(shape.item, was, now));
  }
  if (shape.kind === 'leaf' || !isPlain(live) || !isPlain(config)) return config;
  const out: Plain = { ...live };
  for (const key of Object.keys(config)) out[key] = mergeFields(childShape(shape, key), live[key], config[key]);
  return out;
}

// In the applier's order; what only the live list has stays behind the last shared item whose turn has come before it.
function interleave(
  live: readonly unknown[],
  config: readonly unknown[],
  name: (item: unknown) => string,
  merge: (was: unknown, now: unknown) => unknown,
): unknown[] {
  const existing = new Map<string, unknown>();
  // Of several live items of one name none is merged.
  for (const item of live) existing.set(name(item), existing.has(name(item)) ? undefined : item);
  const names = config.map(name);
  const stated = new Set(names);
  const shared = names.filter(id => existing.has(id));
  const out: unknown[] = [];
  let next = 0;
  let turn = 0;
  const give = () => {
    const [id, item] = [names[next]!, config[next++]];
    if (id === shared[turn]) turn++;
    out.push(existing.has(id) ? merge(existing.get(id), item) : item);
    return id;
  };
  for (const item of live) {
    const id = name(item);
    if (!stated.has(id)) out.push(item);
    else if (id === shared[turn]) while (give() !== id);
  }
  while (next < config.length) give();
  return out;
}

/**
 * `value` without what `last` (what the applier owned) has and `owned` (what anybody owns now) has not. An item or a
 * struct that nobody owns goes with all that lies below it.
 */
export function pruneFields(shape: Shape, value: unknown, last: FieldSet, owned: FieldSet | undefined): unknown {
  if (isPlain(value) && (shape.kind === 'struct' || shape.kind === 'map' || shape.kind === 'deduced'))
    return pruneMap(shape, value, last, owned);
  if (Array.isArray(value) && shape.kind === 'list') return pruneList(shape, value, last, owned);
  if (Array.isArray(value) && shape.kind === 'set')
    return value.filter(item => !last[valueElement(item)] || owned?.[valueElement(item)]);
  return value;
}

function pruneMap(shape: Shape, value: Plain, last: FieldSet, owned: FieldSet | undefined): Plain {
  const out: Plain = { ...value };
  for (const key of Object.keys(value)) {
    const was = last[`f:${key}`];
    if (!was) continue;
    const child = childShape(shape, key);
    const now = owned?.[`f:${key}`];
    // A field the schema names is there for what lies in it; an entry of a map is a thing of its own.
    const goes =
      shape.kind === 'struct'
        ? !isOwned(child, value[key], now) && fieldsOf(child, value[key]) !== undefined
        : isMember(was) && !(now && isMember(now));
    if (goes) delete out[key];
    else out[key] = pruneFields(child, value[key], was, now);
  }
  return out;
}

/** Whether anybody owns something of a value; what holds nothing but empty lists besides is as if it were not there. */
function isOwned(shape: Shape, value: unknown, owned: FieldSet | undefined): boolean {
  if (!owned) return false;
  if (Array.isArray(value) && shape.kind === 'set') return value.some(item => owned[valueElement(item)]);
  if (Array.isArray(value) && shape.kind === 'list')
    return value.some(item => {
      const now = owned[elementOf(shape, item)];
      return now && isMember(now);
    });
  if (!isPlain(value) || shape.kind === 'leaf') return true;
  let isEmpty = true;
  for (const key of Object.keys(value)) {
    const child = childShape(shape, key);
    const now = owned[`f:${key}`];
    if (shape.kind !== 'struct') {
      if (now && isMember(now)) return true;
    } else if (isOwned(child, value[key], now)) return true;
    else if (now || fieldsOf(child, value[key]) === undefined) isEmpty = false;
  }
  return isEmpty;
}

function pruneList(shape: ListShape, value: readonly unknown[], last: FieldSet, owned: FieldSet | undefined) {
  return value.flatMap(item => {
    const id = elementOf(shape, item);
    const was = last[id];
    if (!was) return [item];
    const now = owned?.[id];
    if (isMember(was) && !(now && isMember(now))) return [];
    return [pruneFields(shape.item, item, was, now)];
  });
}
