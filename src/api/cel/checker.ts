// Gives every node its type, or says what is wrong; picks the overloads a call may mean.
import { chainName, type Fold, type ListNode, type MapNode, type Node, type Select, type Struct } from './ast.ts';
import type { Overload } from './overload.ts';
import * as t from './type.ts';
import { type CelObjectType, type CelType, typeText } from './type.ts';
import { Bindings, rename } from './unify.ts';
import { typeName } from './value.ts';

export interface CheckEnvironment {
  readonly variables: Readonly<Record<string, CelType>>;
  readonly functions: ReadonlyMap<string, readonly Overload[]>;
  /** Types that expressions may make: `Object.spec{…}`. */
  readonly structs?: ((name: string) => CelObjectType | undefined) | undefined;
  readonly mixedLiterals?: boolean | undefined;
}

export interface CheckIssue {
  readonly message: string;
  readonly at: number;
}

/** Types as values: `int`, `google.protobuf.Timestamp`. */
export const TYPE_NAMES: ReadonlyMap<string, CelType> = new Map<string, CelType>([
  ...[t.bool, t.int, t.uint, t.double, t.string, t.bytes].map((type): [string, CelType] => [type.kind, type]),
  ['list', t.list(t.dyn)],
  ['map', t.map(t.dyn, t.dyn)],
  ['null_type', t.nullType],
  ['type', t.typeOf()],
  ['optional_type', t.optional(t.dyn)],
  ['google.protobuf.Timestamp', t.timestamp],
  ['google.protobuf.Duration', t.duration],
]);

const OPERATOR_ARITY = /^(?:_.+_|@in|!_|-_)$/;
const isOptional = (type: CelType): type is CelType & { kind: 'opaque'; params: readonly CelType[] } =>
  type.kind === 'opaque' && type.name === 'optional_type';

/** What messages call types that have longer names as values. */
const SHORT: Readonly<Record<string, string>> = {
  'google.protobuf.Timestamp': 'timestamp',
  'google.protobuf.Duration': 'duration',
};
const WELL_KNOWN = /google\.protobuf\.(?:Timestamp|Duration)/g;

const SORTABLE: ReadonlySet<string> = new Set(
  'dyn param int uint double bool duration timestamp string bytes'.split(' '),
);

/** Of a literal that has its mismatch. */
const various: CelType = { ...t.dyn };

export class Checker {
  readonly issues: CheckIssue[] = [];
  /** Literals whose parts are not of one type: of interest where there are no issues. */
  readonly mismatches: CheckIssue[] = [];
  /** Variables of the environment that the expression names. */
  readonly used = new Set<string>();
  readonly #environment: CheckEnvironment;
  readonly #bindings = new Bindings();
  #scopes: { name: string; type: CelType }[] = [];
  /** Inside of how many calls whose arguments may be literals of mixed types. */
  #mixing = 0;

  constructor(environment: CheckEnvironment) {
    this.#environment = environment;
  }

  check(root: Node): CelType {
    this.#visit(root);
    const final = (node: Node): CelType => this.#bindings.substitute(node.type!);
    return final(root);
  }

  /** A node's type once all is known. */
  typeOf(node: Node): CelType {
    return this.#bindings.substitute(node.type ?? t.dyn);
  }

  assignable(from: CelType, to: CelType): boolean {
    return this.#bindings.assignable(from, to);
  }

  #visit(node: Node): CelType {
    node.type = this.#typeOfNode(node);
    return node.type;
  }

  #error(at: number, message: string): CelType {
    this.issues.push({ at, message });
    return t.dyn;
  }

  #typeOfNode(node: Node): CelType {
    switch (node.k) {
      case 'const':
        return constantType(node.value);
      case 'ident':
        return this.#identifier(node.name, node.root) ?? this.#undeclared(node.name, node.at);
      case 'select':
        return this.#select(node);
      case 'call':
        return this.#call(node);
      case 'list':
        return this.#list(node);
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

  #undeclared(name: string, at: number): CelType {
    return this.#error(at, `undeclared reference to '${name}' (in container '')`);
  }

  #identifier(name: string, root = false): CelType | undefined {
    if (!root)
      for (let i = this.#scopes.length - 1; i >= 0; i--)
        if (this.#scopes[i]!.name === name) return this.#scopes[i]!.type;
    const { variables } = this.#environment;
    if (Object.hasOwn(variables, name)) {
      this.used.add(name);
      return variables[name]!;
    }
    const named = TYPE_NAMES.get(name);
    return named ? t.typeOf(named) : undefined;
  }

  #isLocal(name: string): boolean {
    return this.#scopes.some(s => s.name === name);
  }

  #select(node: Select): CelType {
    const chain = node.test || node.optional ? undefined : chainName(node);
    if (chain && !this.#isLocal(chain.slice(0, chain.indexOf('.')))) {
      const whole = this.#identifier(chain);
      if (whole) {
        node.qualified = chain;
        return whole;
      }
    }
    const operand = this.#bindings.resolve(this.#visit(node.operand));
    const inside = isOptional(operand) ? this.#bindings.resolve(operand.params[0]!) : operand;
    const field = this.#field(node, inside);
    if (node.test) return t.bool;
    return isOptional(operand) || node.optional ? t.optional(field) : field;
  }

  #field(node: Select, operand: CelType): CelType {
    if (operand.kind === 'dyn' || operand.kind === 'param') return t.dyn;
    if (operand.kind === 'map') return operand.value;
    if (operand.kind === 'object') {
      const field = operand.field(node.field);
      return field ? field.type : this.#error(node.at, `undefined field '${node.field}'`);
    }
    return this.#error(
      node.at,
      `type '${typeText(this.#bindings.substitute(operand))}' does not support field selection`,
    );
  }

  #call(node: Node & { k: 'call' }): CelType {
    const { functions } = this.#environment;
    if (node.target) {
      const chain = chainName(node.target);
      const name = chain && `${chain}.${node.fn}`;
      if (name && functions.has(name) && !this.#isLocal(chain.split('.')[0]!)) {
        node.qualified = name;
        return this.#resolve(node, name, node.args, false);
      }
    }
    const nodes = node.target ? [node.target, ...node.args] : node.args;
    if (node.fn === '_?_:_') return this.#conditional(node);
    if (node.fn === '_&&_' || node.fn === '_||_') return this.#logical(node);
    if (node.fn === '_[_]' || node.fn === '_[?_]') return this.#index(node);
    if (node.fn !== 'format' || !node.target) return this.#resolve(node, node.fn, nodes, node.target !== undefined);
    this.#mixing++;
    try {
      return this.#resolve(node, node.fn, nodes, true);
    } finally {
      this.#mixing--;
    }
  }

  #resolve(node: Node & { k: 'call' }, name: string, nodes: readonly Node[], member: boolean): CelType {
    const args = nodes.map(n => this.#visit(n));
    const known = this.#environment.functions.get(name);
    if (!known) return this.#undeclared(name, node.at);
    const chosen: Overload[] = [];
    let result: CelType | undefined;
    for (const overload of known) {
      if (overload.member !== member || overload.args.length !== args.length) continue;
      const call = this.#bindings.fresh();
      const state = this.#bindings.snapshot();
      if (!args.every((a, i) => this.#bindings.assignable(a, rename(overload.args[i]!, call)))) {
        this.#bindings.restore(state);
        continue;
      }
      const type = this.#bindings.substitute(rename(overload.result, call), true);
      chosen.push(overload);
      if (result === undefined) result = type;
      else if (typeText(result) !== typeText(type)) result = t.dyn;
    }
    node.overloads = chosen;
    return result ?? this.#noOverload(node.at, name, args, member);
  }

  #noOverload(at: number, name: string, args: readonly CelType[], member: boolean): CelType {
    const texts = args.map(a => typeText(this.#bindings.substitute(a)).replace(WELL_KNOWN, name => SHORT[name]!));
    const applied = member ? `${texts[0]}.(${texts.slice(1).join(', ')})` : `(${texts.join(', ')})`;
    return this.#error(at, `found no matching overload for '${name}' applied to '${applied}'`);
  }

  #conditional({ args, at }: Node & { k: 'call' }): CelType {
    const [condition, yes, no] = args.map(n => this.#visit(n)) as [CelType, CelType, CelType];
    if (!this.#bindings.assignable(condition, t.bool))
      return this.#noOverload(at, '_?_:_', [condition, yes, no], false);
    const [a, b] = [this.#bindings.resolve(yes), this.#bindings.resolve(no)];
    if (a.kind === 'dyn' || b.kind === 'dyn') return t.dyn;
    if (a.kind === 'null' && this.#bindings.assignable(a, b)) return b;
    if (!this.#bindings.assignable(b, a)) return this.#noOverload(at, '_?_:_', [condition, yes, no], false);
    return (b.maxSize ?? Infinity) > (a.maxSize ?? Infinity) ? b : a;
  }

  #logical(node: Node & { k: 'call' }): CelType {
    for (const n of node.args) {
      const type = this.#visit(n);
      if (!this.#bindings.assignable(type, t.bool))
        this.#error(n.at, `expected type 'bool' but found '${typeText(this.#bindings.substitute(type))}'`);
    }
    return t.bool;
  }

  #index(node: Node & { k: 'call' }): CelType {
    const [given, key] = node.args.map(n => this.#visit(n)) as [CelType, CelType];
    const operand = this.#bindings.resolve(given);
    const wrapped = isOptional(operand) || node.fn === '_[?_]';
    const inside = isOptional(operand) ? this.#bindings.resolve(operand.params[0]!) : operand;
    const wrap = (type: CelType) => (wrapped ? t.optional(type) : type);
    if (inside.kind === 'dyn' || inside.kind === 'param') return wrap(t.dyn);
    if (inside.kind === 'list' && this.#bindings.assignable(key, t.int)) return wrap(inside.item);
    if (inside.kind === 'map' && this.#bindings.assignable(key, inside.key)) return wrap(inside.value);
    return this.#noOverload(node.at, node.fn, [operand, key], false);
  }

  // Kubernetes takes literals of one type only.
  #list(node: ListNode): CelType {
    let item: CelType | undefined;
    for (const [i, n] of node.items.entries()) {
      let type = this.#visit(n);
      if (node.optional.has(i)) type = this.#unwrapOptional(n, type);
      item = this.#join(item, type, n.at);
    }
    return t.list(item ?? t.param(`@${this.#bindings.fresh()}`), node.items.length);
  }

  #unwrapOptional(node: Node, type: CelType): CelType {
    const at = this.#bindings.resolve(type);
    if (isOptional(at)) return at.params[0]!;
    if (at.kind !== 'dyn')
      this.#error(node.at, `expected type 'optional_type(${typeText(at)})' but found '${typeText(at)}'`);
    return t.dyn;
  }

  #join(before: CelType | undefined, type: CelType, at: number): CelType {
    if (before === undefined) return type;
    if (before === various) return various;
    const [a, b] = [this.#bindings.resolve(before), this.#bindings.resolve(type)];
    const mixed = this.#environment.mixedLiterals || this.#mixing > 0;
    if (mixed && (a.kind === 'dyn' || b.kind === 'dyn')) return t.dyn;
    if (mixed && a.kind === 'null' && this.#bindings.assignable(a, b)) return b;
    const fits = this.#bindings.assignable(b, a);
    const [expected, found] = [a, b].map(x => typeText(this.#bindings.substitute(x)));
    // What could be anything is no type of the others.
    if (fits && (mixed || expected === found)) return (b.maxSize ?? 0) > (a.maxSize ?? 0) ? b : a;
    if (mixed) return t.dyn;
    this.mismatches.push({ message: `expected type '${expected}' but found '${found}'`, at });
    return various;
  }

  #map(node: MapNode): CelType {
    let [key, value]: (CelType | undefined)[] = [];
    for (const entry of node.entries) {
      key = this.#join(key, this.#visit(entry.key), entry.key.at);
      let type = this.#visit(entry.value);
      if (entry.optional) type = this.#unwrapOptional(entry.value, type);
      value = this.#join(value, type, entry.value.at);
    }
    const unknown = () => t.param(`@${this.#bindings.fresh()}`);
    return t.map(key ?? unknown(), value ?? unknown(), node.entries.length);
  }

  #struct(node: Struct): CelType {
    const type = this.#environment.structs?.(node.name);
    if (!type) {
      for (const f of node.fields) this.#visit(f.value);
      return this.#undeclared(node.name, node.at);
    }
    for (const f of node.fields) {
      let found = this.#visit(f.value);
      if (f.optional) found = this.#unwrapOptional(f.value, found);
      const field = type.field(f.name);
      if (!field) this.#error(f.at, `undefined field '${f.name}'`);
      else if (!this.#bindings.assignable(found, field.type))
        this.#error(
          f.at,
          `expected type of field '${f.name}' is '${typeText(field.type)}' but provided type is '${typeText(this.#bindings.substitute(found))}'`,
        );
    }
    return type;
  }

  #scoped<T>(names: readonly [string, CelType][], inner: () => T): T {
    const before = this.#scopes;
    this.#scopes = [...before, ...names.map(([name, type]) => ({ name, type }))];
    try {
      return inner();
    } finally {
      this.#scopes = before;
    }
  }

  #fold(node: Fold): CelType {
    const range = this.#bindings.resolve(this.#visit(node.range));
    const [key, item] = this.#rangeTypes(node, range);
    const scope: [string, CelType][] = node.second
      ? [
          [node.first, key],
          [node.second, item],
        ]
      : [[node.first, range.kind === 'map' ? key : item]];
    return this.#scoped(scope, () => {
      if (node.filter) this.#mustBeBool(node.filter, node);
      const body = this.#visit(node.body);
      return this.#foldResult(node, range, key, body);
    });
  }

  /** Of a list the index and the item, of a map the key and the value. */
  #rangeTypes(node: Fold, range: CelType): [CelType, CelType] {
    if (range.kind === 'list') return [t.int, range.item];
    if (range.kind === 'map') return [range.key, range.value];
    if ((range.kind !== 'dyn' && range.kind !== 'param') || t.isAny(range))
      this.#error(
        node.range.at,
        `expression of type '${typeText(this.#bindings.substitute(range))}' cannot be range of a comprehension (must be list, map, or dynamic)`,
      );
    return [t.dyn, t.dyn];
  }

  #mustBeBool(body: Node, node: Fold, type: CelType = this.#visit(body)): void {
    if (this.#bindings.assignable(type, t.bool)) return;
    const operator = node.kind === 'all' ? '_&&_' : node.kind === 'exists' ? '_||_' : '_?_:_';
    const found = typeText(this.#bindings.substitute(type));
    const applied = operator === '_?_:_' ? `(${found}, int, int)` : `(bool, ${found})`;
    this.#error(body.at, `found no matching overload for '${operator}' applied to '${applied}'`);
  }

  #foldResult(node: Fold, range: CelType, key: CelType, body: CelType): CelType {
    const maxSize = range.maxSize;
    switch (node.kind) {
      case 'all':
      case 'exists':
      case 'exists_one':
        this.#mustBeBool(node.body, node, body);
        return t.bool;
      case 'filter':
        this.#mustBeBool(node.body, node, body);
        return t.list(range.kind === 'list' ? range.item : range.kind === 'map' ? range.key : t.dyn, maxSize);
      case 'sortBy':
        return this.#sorted(node, range, body);
      case 'map':
      case 'transformList':
        return t.list(body, maxSize);
      case 'transformMap':
        return t.map(key, body, maxSize);
      case 'transformMapEntry': {
        const entry = this.#bindings.resolve(body);
        if (entry.kind === 'map')
          return { ...t.map(entry.key, entry.value), ...(maxSize === undefined ? {} : { maxSize }) };
        if (entry.kind === 'dyn') return t.map(t.dyn, t.dyn, maxSize);
        return this.#error(
          node.body.at,
          `expected type 'map' but found '${typeText(this.#bindings.substitute(entry))}'`,
        );
      }
    }
  }

  #sorted(node: Fold, range: CelType, body: CelType): CelType {
    const key = this.#bindings.resolve(body);
    if (SORTABLE.has(key.kind)) return range.kind === 'list' ? range : t.list(t.dyn);
    const [items, keys] = [range, t.list(key)].map(type => typeText(this.#bindings.substitute(type)));
    const why = `found no matching overload for '@sortByAssociatedKeys' applied to '${items}.(${keys})'`;
    return this.#error(node.at, why);
  }

  #bind(node: Node & { k: 'bind' }): CelType {
    const given = this.#bindings.resolve(this.#visit(node.value));
    let value: CelType = given;
    if (node.kind !== 'bind') {
      if (isOptional(given)) value = given.params[0]!;
      else if (given.kind === 'dyn') value = t.dyn;
      else return this.#noOverload(node.at, node.kind, [given], true);
    }
    const body = this.#scoped([[node.name, value]], () => this.#visit(node.body));
    if (node.kind === 'bind') return body;
    if (node.kind === 'optMap') return t.optional(body);
    const at = this.#bindings.resolve(body);
    if (!isOptional(at) && at.kind !== 'dyn') return this.#noOverload(node.at, node.kind, [given, at], true);
    return at;
  }
}

function constantType(value: unknown): CelType {
  const name = typeName(value as never);
  if (name === 'null_type') return t.nullType;
  if (typeof value === 'string') return { kind: 'string', maxSize: value.length };
  if (value instanceof Uint8Array) return { kind: 'bytes', maxSize: value.length };
  return { kind: name as t.ScalarKind };
}

export const isOperator = (name: string): boolean => OPERATOR_ARITY.test(name);
