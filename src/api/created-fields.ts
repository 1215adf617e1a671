// The fields that creates set depend on little: which fields are there and what lists are keyed by. Objects made of one
// template take the same way through a tree of steps, at whose end stands what was found out for the first of them.
import { isCanonicalPart, markCanonical } from './canonical-part.ts';
import type { FieldSet } from './field-set.ts';
import { equalJson } from './patch/plain.ts';
import type { ListShape, Shape } from './shape.ts';

export interface CreatedFields {
  readonly changed: FieldSet;
  readonly removed: FieldSet;
}

type Plain = Record<string, unknown>;

/** One part of an object: its fields that can be owned. */
export interface OwnablePart {
  readonly shape: Shape;
  readonly skip: ReadonlySet<string>;
  readonly before: unknown;
  readonly after: unknown;
}

const [close, empty, misfit, equal, other] = [
  Symbol('close'),
  Symbol('empty'),
  Symbol('misfit'),
  Symbol('equal'),
  Symbol('other'),
];
const mostSteps = 400;
const mostRemembered = 20_000;

class Step {
  #key: unknown;
  #only: Step | undefined;
  #more: Map<unknown, Step> | undefined;
  found: CreatedFields | undefined;

  to(key: unknown): Step | undefined {
    return this.#only && this.#key === key ? this.#only : this.#more?.get(key);
  }

  add(key: unknown): Step {
    const step = new Step();
    if (this.#only) {
      this.#more ??= new Map();
      this.#more.set(key, step);
    } else [this.#key, this.#only] = [key, step];
    return step;
  }
}

/** The way of one object through the tree. */
class Walk {
  at: Step;
  taken = 0;
  added = 0;

  constructor(root: Step) {
    this.at = root;
  }

  step(key: unknown): void {
    this.taken++;
    const next = this.at.to(key);
    if (!next) this.added++;
    this.at = next ?? this.at.add(key);
  }

  /** False when the way would be too long, or turns on a value. */
  into(shape: Shape, before: unknown, after: unknown, skip?: ReadonlySet<string>): boolean {
    if (this.taken > mostSteps) return false;
    if (shape.kind === 'leaf') return this.#leaf(before, after);
    const isArray = Array.isArray(after);
    if (typeof after !== 'object' || after === null || isArray !== (shape.kind === 'list' || shape.kind === 'set')) {
      this.step(misfit);
      return this.#leaf(before, after);
    }
    if (isArray) return this.#list(shape as ListShape | { kind: 'set' }, after);
    let some = false;
    for (const key in after) {
      some = true;
      const value = (after as Plain)[key];
      if (value === undefined || skip?.has(key)) continue;
      const child = childOf(shape, key);
      if (!child) continue;
      this.step(key);
      if (!this.into(child, (before as Plain | undefined)?.[key], value)) return false;
    }
    this.step(some ? close : empty);
    return true;
  }

  #leaf(before: unknown, after: unknown): boolean {
    if (before !== undefined) this.step(equalJson(before, after) ? equal : other);
    return true;
  }

  #list(shape: ListShape | { kind: 'set' }, items: readonly unknown[]): boolean {
    if (items.length && isCanonicalPart(items)) {
      this.step(items);
      return true;
    }
    for (const item of items) {
      if (shape.kind === 'set') {
        if (typeof item === 'object') return false;
        this.step(item);
        continue;
      }
      for (const { name, default: usual } of shape.keys) {
        const value = (item as Plain | null)?.[name] ?? usual;
        if (typeof value === 'object') return false;
        this.step(value);
      }
      if (!this.into(shape.item, undefined, item)) return false;
    }
    this.step(items.length ? close : empty);
    return true;
  }
}

const deduced: Shape = { kind: 'deduced' };

const childOf = (shape: Shape, key: string): Shape | undefined =>
  shape.kind === 'struct' ? shape.field(key) : shape.kind === 'map' ? shape.value : deduced;

/** Remembers what creates of one type set. */
export class CreatedFieldsMemo {
  #root = new Step();
  #size = 0;

  /** What `find` finds out about the parts; the same sets, in canonical form, for objects that do not differ in it. */
  of(parts: readonly OwnablePart[], find: () => CreatedFields): CreatedFields {
    if (this.#size > mostRemembered) {
      this.#root = new Step();
      this.#size = 0;
    }
    const walk = new Walk(this.#root);
    const whole = parts.every(({ shape, before, after, skip }) => walk.into(shape, before, after, skip));
    this.#size += walk.added;
    if (!whole) return find();
    if (!walk.at.found) {
      const { changed, removed } = find();
      walk.at.found = { changed: markCanonical(changed), removed };
    }
    return walk.at.found;
  }
}
