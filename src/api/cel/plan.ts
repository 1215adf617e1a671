// Turns a checked tree into closures, and charges what they cost.
import { type Bind, type Call, childrenOf, type Fold, type Node, type Select } from './ast.ts';
import { TYPE_NAMES } from './checker.ts';
import { FOLDS, type FoldParts, isFault, LIST_COST, MAP_COST, setEntry } from './fold.ts';
import type { Step } from './frame.ts';
import { accepts, type Overload, sizeOfValue, spend } from './overload.ts';
import type { CelObjectType, CelType } from './type.ts';
import {
  adapt,
  CelFault,
  CelList,
  CelMap,
  CelObject,
  CelOptional,
  CelTypeValue,
  CelUint,
  type CelValue,
  ValueMap,
} from './value.ts';

const STRUCT_COST = 40;

interface Global {
  readonly name: string;
  readonly type: CelType;
}

export class Planner {
  readonly #variables: Readonly<Record<string, CelType>>;
  readonly #structs: ((name: string) => CelObjectType | undefined) | undefined;
  readonly #globals: Global[] = [];
  readonly #scope: string[] = [];

  constructor(
    variables: Readonly<Record<string, CelType>>,
    structs?: ((name: string) => CelObjectType | undefined) | undefined,
  ) {
    this.#variables = variables;
    this.#structs = structs;
  }

  plan(node: Node): Step {
    switch (node.k) {
      case 'const': {
        const { value } = node;
        return () => value;
      }
      case 'ident':
        return this.#name(node.name, node.root);
      case 'select':
        return this.#select(node);
      case 'call':
        return this.#call(node);
      case 'list':
        return this.#list(node.items, node.optional);
      case 'map':
        return this.#map(node);
      case 'struct':
        return this.#struct(node);
      case 'fold':
        return this.#fold(node);
      case 'bind':
        return this.#bind(node);
    }
  }

  #name(name: string, root = false): Step {
    const local = root ? -1 : this.#scope.lastIndexOf(name);
    if (local >= 0)
      return frame => {
        spend(1);
        return frame.locals[local]!;
      };
    const type = Object.hasOwn(this.#variables, name) ? this.#variables[name] : undefined;
    if (!type) {
      const value = new CelTypeValue(TYPE_NAMES.has(name) ? name : '');
      return () => value;
    }
    let slot = this.#globals.findIndex(g => g.name === name);
    if (slot < 0) slot = this.#globals.push({ name, type }) - 1;
    return frame => {
      spend(1);
      let value = frame.globals[slot];
      if (value === undefined) {
        const given = Object.hasOwn(frame.bindings, name) ? frame.bindings[name] : undefined;
        value = adapt(typeof given === 'function' ? given() : given, type);
        frame.globals[slot] = value;
      }
      return value;
    };
  }

  #select(node: Select): Step {
    if (node.qualified) return this.#name(node.qualified);
    const operand = this.plan(node.operand);
    const { field, test, optional } = node;
    return frame => {
      const value = operand(frame);
      if (test) return hasField(value, field);
      spend(1);
      if (value instanceof CelOptional) {
        if (value.value === undefined) return value;
        if (value.value === null) throw new CelFault(`no such key: ${field}`);
        const found = fieldOf(value.value, field);
        return found === undefined ? CelOptional.none : new CelOptional(found);
      }
      const found = fieldOf(value, field);
      if (optional) return found === undefined ? CelOptional.none : new CelOptional(found);
      if (found === undefined) throw new CelFault(`no such key: ${field}`);
      return found;
    };
  }

  #call(node: Call): Step {
    switch (node.fn) {
      case '_&&_':
        return logical(this.plan(node.args[0]!), this.plan(node.args[1]!), false);
      case '_||_':
        return logical(this.plan(node.args[0]!), this.plan(node.args[1]!), true);
      case '_?_:_':
        return conditional(this.plan(node.args[0]!), this.plan(node.args[1]!), this.plan(node.args[2]!));
      case '_[_]':
      case '_[?_]':
        return index(this.plan(node.args[0]!), this.plan(node.args[1]!), node.fn === '_[?_]');
      case 'or':
      case 'orValue':
        if (node.target && !node.qualified && node.args.length === 1)
          return otherwise(this.plan(node.target), this.plan(node.args[0]!), node.fn === 'orValue');
        break;
      default:
    }
    const nodes = node.target && !node.qualified ? [node.target, ...node.args] : node.args;
    const args = nodes.map(n => this.plan(n));
    return callOf(node.overloads ?? [], args);
  }

  #list(items: readonly Node[], optional: ReadonlySet<number>): Step {
    const made = constantList(items, optional);
    if (made) return () => made;
    const steps = items.map(i => this.plan(i));
    return frame => {
      spend(LIST_COST);
      const out: CelValue[] = [];
      for (let i = 0; i < steps.length; i++) {
        const value = steps[i]!(frame);
        if (!optional.has(i)) out.push(value);
        else if (!(value instanceof CelOptional)) throw new CelFault('no such overload');
        else if (value.value !== undefined) out.push(value.value);
      }
      return CelList.of(out);
    };
  }

  #map(node: Node & { k: 'map' }): Step {
    const entries = node.entries.map(e => ({
      key: this.plan(e.key),
      value: this.plan(e.value),
      optional: e.optional,
    }));
    return frame => {
      spend(MAP_COST);
      const out = new ValueMap();
      for (const entry of entries) {
        const key = entry.key(frame);
        let value: CelValue | undefined = entry.value(frame);
        if (entry.optional) {
          if (!(value instanceof CelOptional)) throw new CelFault('no such overload');
          value = value.value;
        }
        if (value !== undefined) setEntry(out, key, value);
      }
      return out;
    };
  }

  #struct(node: Node & { k: 'struct' }): Step {
    const type = this.#structs?.(node.name);
    const fields = node.fields.map(f => ({
      name: type?.field(f.name)?.name ?? f.name,
      value: this.plan(f.value),
      optional: f.optional,
    }));
    return frame => {
      spend(STRUCT_COST);
      if (!type) throw new CelFault(`unknown type: ${node.name}`);
      const raw: Record<string, unknown> = {};
      for (const f of fields) {
        let value: CelValue | undefined = f.value(frame);
        if (f.optional) value = value instanceof CelOptional ? value.value : value;
        if (value !== undefined)
          Object.defineProperty(raw, f.name, { value, enumerable: true, writable: true, configurable: true });
      }
      return new CelObject(raw, type, true);
    };
  }

  #fold(node: Fold): Step {
    const range = this.plan(node.range);
    const first = this.#scope.push(node.first) - 1;
    const second = node.second ? this.#scope.push(node.second) - 1 : undefined;
    const filter = node.filter && this.plan(node.filter);
    const body = this.plan(node.body);
    this.#scope.length = first;
    const weight = 1 + weigh(node.body) + (node.filter ? weigh(node.filter) : 0);
    const fold: FoldParts = { first, second, filter, body, weight };
    const run = FOLDS[node.kind];
    return frame => {
      const over = range(frame);
      if (!(over instanceof CelList) && !(over instanceof CelMap)) throw new CelFault('no such overload');
      return run(over, fold, frame);
    };
  }

  #bind(node: Bind): Step {
    const value = this.plan(node.value);
    const slot = this.#scope.push(node.name) - 1;
    const body = this.plan(node.body);
    this.#scope.length = slot;
    const { kind } = node;
    return frame => {
      let given = value(frame);
      if (kind !== 'bind') {
        spend(1);
        if (!(given instanceof CelOptional)) throw new CelFault('no such overload');
        if (given.value === undefined) return given;
        given = given.value;
      }
      frame.locals[slot] = given;
      const result = body(frame);
      return kind === 'optMap' ? new CelOptional(result) : result;
    };
  }
}

/** Lists of nothing but constants are made once, and cost nothing. */
function constantList(items: readonly Node[], optional: ReadonlySet<number>): CelList | undefined {
  if (optional.size) return undefined;
  const values: CelValue[] = [];
  for (const item of items) {
    const value =
      item.k === 'const' ? item.value : item.k === 'list' ? constantList(item.items, item.optional) : undefined;
    if (value === undefined) return undefined;
    values.push(value);
  }
  return CelList.of(values);
}

// Nodes below: what one round of a fold costs here, counted by Kubernetes or not.
function weigh(node: Node): number {
  let weight = 0;
  const stack: Node[] = [node];
  for (let at = stack.pop(); at; at = stack.pop()) {
    weight++;
    // A fold inside counts its own rounds.
    stack.push(...(at.k === 'fold' ? [at.range] : childrenOf(at)));
  }
  return weight;
}

export function fieldOf(value: CelValue, field: string): CelValue | undefined {
  if (value instanceof CelMap || value instanceof CelObject) return value.get(field);
  if (value === null) return undefined;
  throw new CelFault('no such overload');
}

function hasField(value: CelValue, field: string): boolean {
  if (value instanceof CelOptional) return value.value !== undefined && hasField(value.value, field);
  return fieldOf(value, field) !== undefined;
}

// An error on one side is no error when the other side decides.
function logical(left: Step, right: Step, decides: boolean): Step {
  return frame => {
    let first: CelValue | CelFault;
    try {
      first = left(frame);
      if (first === decides) return decides;
    } catch (error) {
      if (!isFault(error)) throw error;
      first = error;
    }
    const second = right(frame);
    if (second === decides) return decides;
    if (first instanceof CelFault) throw first;
    if (typeof first !== 'boolean' || typeof second !== 'boolean') throw new CelFault('no such overload');
    return !decides;
  };
}

// What is not needed is not evaluated.
function otherwise(optional: Step, other: Step, unwrap: boolean): Step {
  return frame => {
    const value = optional(frame);
    spend(1);
    if (!(value instanceof CelOptional)) throw new CelFault('no such overload');
    if (value.value !== undefined) return unwrap ? value.value : value;
    const instead = other(frame);
    if (!unwrap && !(instead instanceof CelOptional)) throw new CelFault('no such overload');
    return instead;
  };
}

function conditional(condition: Step, yes: Step, no: Step): Step {
  return frame => {
    const c = condition(frame);
    if (typeof c !== 'boolean') throw new CelFault('no such overload');
    return c ? yes(frame) : no(frame);
  };
}

function index(operand: Step, key: Step, optional: boolean): Step {
  return frame => {
    let value = operand(frame);
    const at = key(frame);
    spend(1);
    let wrapped = optional;
    if (value instanceof CelOptional) {
      if (value.value === undefined) return value;
      value = value.value;
      wrapped = true;
    }
    const found = elementOf(value, at);
    if (wrapped) return found === undefined ? CelOptional.none : new CelOptional(found);
    if (found !== undefined) return found;
    throw new CelFault(
      value instanceof CelList ? `index out of bounds: ${plainKey(at)}` : `no such key: ${plainKey(at)}`,
    );
  };
}

const plainKey = (key: CelValue): string => String(key instanceof CelUint ? key.value : key);

function elementOf(value: CelValue, key: CelValue): CelValue | undefined {
  if (value instanceof CelMap) return value.get(key);
  if (value instanceof CelObject && typeof key === 'string') return value.get(key);
  if (!(value instanceof CelList)) throw new CelFault('no such overload');
  const i = key instanceof CelUint ? key.value : key;
  if (typeof i === 'number' ? !Number.isInteger(i) : typeof i !== 'bigint')
    throw new CelFault(`unsupported index type in list: ${typeof i}`);
  const at = Number(i);
  return at >= 0 && at < value.size ? value.get(at) : undefined;
}

function charge(overload: Overload, args: readonly CelValue[]): void {
  spend(overload.cost ? overload.cost(i => (i < args.length ? sizeOfValue(args[i]!) : 1)) : 1);
}

function callOf(overloads: readonly Overload[], steps: readonly Step[]): Step {
  const [only] = overloads;
  if (only && overloads.length === 1 && steps.length === 2) return callTwo(only, steps[0]!, steps[1]!);
  return frame => {
    const args = steps.map(s => s(frame));
    const overload = overloads.find(o => o.args.every((type, i) => accepts(type, args[i]!)));
    if (!overload) throw new CelFault('no such overload');
    charge(overload, args);
    return overload.call(...args);
  };
}

function callTwo(overload: Overload, left: Step, right: Step): Step {
  const [first, second] = overload.args as [CelType, CelType];
  return frame => {
    const a = left(frame);
    const b = right(frame);
    if (!accepts(first, a) || !accepts(second, b)) throw new CelFault('no such overload');
    if (overload.cost) charge(overload, [a, b]);
    else spend(1);
    return overload.call(a, b);
  };
}
