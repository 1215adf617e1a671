// What an expression parses to. The checker fills in types and overloads.
import type { Overload } from './overload.ts';
import type { CelType } from './type.ts';
import type { CelValue } from './value.ts';

interface Base {
  /** UTF-16 offset in the source that messages point to. */
  readonly at: number;
  type?: CelType;
}

export type FoldKind =
  | 'all'
  | 'exists'
  | 'exists_one'
  | 'map'
  | 'filter'
  | 'transformList'
  | 'transformMap'
  | 'transformMapEntry'
  | 'sortBy';

export interface Const extends Base {
  readonly k: 'const';
  readonly value: CelValue;
}
export interface Ident extends Base {
  readonly k: 'ident';
  readonly name: string;
  /** A name that starts with a dot means no local variable. */
  readonly root: boolean;
}
export interface Select extends Base {
  readonly k: 'select';
  readonly operand: Node;
  readonly field: string;
  /** has(a.b). */
  readonly test: boolean;
  /** a.?b. */
  readonly optional: boolean;
  /** Set by the checker when the whole chain names one variable or type. */
  qualified?: string;
}
export interface Call extends Base {
  readonly k: 'call';
  readonly fn: string;
  readonly target: Node | undefined;
  readonly args: readonly Node[];
  /** What may be meant; several where only run time can tell. */
  overloads?: readonly Overload[];
  /** The target is part of the function's name (`optional.of`). */
  qualified?: string;
}
export interface ListNode extends Base {
  readonly k: 'list';
  readonly items: readonly Node[];
  /** Indexes of `?x`. */
  readonly optional: ReadonlySet<number>;
}
export interface Entry {
  readonly key: Node;
  readonly value: Node;
  readonly optional: boolean;
  readonly at: number;
}
export interface MapNode extends Base {
  readonly k: 'map';
  readonly entries: readonly Entry[];
}
export interface Field {
  readonly name: string;
  readonly value: Node;
  readonly optional: boolean;
  readonly at: number;
}
export interface Struct extends Base {
  readonly k: 'struct';
  readonly name: string;
  readonly fields: readonly Field[];
}
export interface Fold extends Base {
  readonly k: 'fold';
  readonly kind: FoldKind;
  readonly range: Node;
  readonly first: string;
  readonly second: string | undefined;
  readonly filter: Node | undefined;
  readonly body: Node;
}
/** cel.bind(name, value, body), and optMap's and optFlatMap's. */
export interface Bind extends Base {
  readonly k: 'bind';
  readonly kind: 'bind' | 'optMap' | 'optFlatMap';
  readonly name: string;
  readonly value: Node;
  readonly body: Node;
}

export type Node = Const | Ident | Select | Call | ListNode | MapNode | Struct | Fold | Bind;

/** Names a chain of plain selections: `a.b.c`; undefined for anything else. */
export function chainName(node: Node): string | undefined {
  if (node.k === 'ident') return node.name;
  if (node.k !== 'select' || node.test || node.optional) return undefined;
  const before = chainName(node.operand);
  return before === undefined ? undefined : `${before}.${node.field}`;
}

export function childrenOf(node: Node): readonly Node[] {
  switch (node.k) {
    case 'select':
      return [node.operand];
    case 'call':
      return node.target ? [node.target, ...node.args] : node.args;
    case 'list':
      return node.items;
    case 'map':
      return node.entries.flatMap(e => [e.key, e.value]);
    case 'struct':
      return node.fields.map(f => f.value);
    case 'fold':
      return node.filter ? [node.range, node.filter, node.body] : [node.range, node.body];
    case 'bind':
      return [node.value, node.body];
    default:
      return [];
  }
}
