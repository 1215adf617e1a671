// Whether one type may stand where another is asked for, with type variables bound on the way.
import { type CelType, dyn, list, map, opaque, typeOf } from './type.ts';

const NULLABLE = new Set(['object', 'timestamp', 'duration', 'opaque', 'null', 'dyn']);

export class Bindings {
  readonly #bound = new Map<string, CelType>();
  #next = 0;

  fresh(): number {
    return this.#next++;
  }

  snapshot(): Map<string, CelType> {
    return new Map(this.#bound);
  }

  restore(state: Map<string, CelType>): void {
    this.#bound.clear();
    for (const [name, type] of state) this.#bound.set(name, type);
  }

  /** Follows variables at the top. */
  resolve(type: CelType): CelType {
    let at = type;
    while (at.kind === 'param') {
      const bound = this.#bound.get(at.name);
      if (!bound) return at;
      at = bound;
    }
    return at;
  }

  /** With all variables filled in; those never bound are dyn. */
  substitute(type: CelType, open = false): CelType {
    const at = this.resolve(type);
    switch (at.kind) {
      case 'param':
        return open ? at : dyn;
      case 'list': {
        const item = this.substitute(at.item, open);
        return item === at.item ? at : { ...at, item };
      }
      case 'map': {
        const [key, value] = [this.substitute(at.key, open), this.substitute(at.value, open)];
        return key === at.key && value === at.value ? at : { ...at, key, value };
      }
      case 'opaque':
        return at.params ? { ...at, params: at.params.map(p => this.substitute(p, open)) } : at;
      case 'type':
        return at.of ? { ...at, of: this.substitute(at.of, open) } : at;
      default:
        return at;
    }
  }

  /** Whether a value of type `from` may be used as `to`; binds variables when it may. */
  assignable(from: CelType, to: CelType): boolean {
    const [a, b] = [this.resolve(from), this.resolve(to)];
    if (a === b) return true;
    if (b.kind === 'param') return this.#bind(b.name, a);
    if (a.kind === 'param') return this.#bind(a.name, b);
    if (a.kind === 'dyn' || b.kind === 'dyn') return true;
    if (a.kind === 'null') return NULLABLE.has(b.kind);
    if (b.kind === 'null') return NULLABLE.has(a.kind);
    return this.#sameShape(a, b);
  }

  #sameShape(a: CelType, b: CelType): boolean {
    if (a.kind === 'list' && b.kind === 'list') return this.assignable(a.item, b.item);
    if (a.kind === 'map' && b.kind === 'map') return this.assignable(a.key, b.key) && this.assignable(a.value, b.value);
    if (a.kind === 'object' && b.kind === 'object') return a.name === b.name;
    if (a.kind === 'type' && b.kind === 'type') return true;
    if (a.kind === 'opaque' && b.kind === 'opaque') {
      if (a.name !== b.name || a.params?.length !== b.params?.length) return false;
      return (a.params ?? []).every((p, i) => this.assignable(p, b.params![i]!));
    }
    return a.kind === b.kind;
  }

  #bind(name: string, type: CelType): boolean {
    if (type.kind === 'param' && type.name === name) return true;
    if (occurs(name, this.substitute(type, true))) return false;
    this.#bound.set(name, type);
    return true;
  }
}

function occurs(name: string, type: CelType): boolean {
  if (type.kind === 'param') return type.name === name;
  if (type.kind === 'list') return occurs(name, type.item);
  if (type.kind === 'map') return occurs(name, type.key) || occurs(name, type.value);
  if (type.kind === 'opaque') return type.params?.some(p => occurs(name, p)) ?? false;
  return type.kind === 'type' && type.of !== undefined && occurs(name, type.of);
}

/** A signature's type with its variables renamed, so that two calls do not share them. */
export function rename(type: CelType, call: number): CelType {
  switch (type.kind) {
    case 'param':
      return { kind: 'param', name: `${type.name}${call}` };
    case 'list':
      return list(rename(type.item, call));
    case 'map':
      return map(rename(type.key, call), rename(type.value, call));
    case 'opaque':
      return type.params ? opaque(type.name, ...type.params.map(p => rename(p, call))) : type;
    case 'type':
      return type.of ? typeOf(rename(type.of, call)) : type;
    default:
      return type;
  }
}
