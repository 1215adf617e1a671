// The macros: calls that the parser turns into folds and bindings.
import type { FoldKind, Node } from './ast.ts';
import { SyntaxFault } from './lexer.ts';

const ONE_VARIABLE: Readonly<Record<string, FoldKind>> = {
  all: 'all',
  exists: 'exists',
  exists_one: 'exists_one',
  existsOne: 'exists_one',
  map: 'map',
  filter: 'filter',
  sortBy: 'sortBy',
};
const TWO_VARIABLES: Readonly<Record<string, FoldKind>> = {
  all: 'all',
  exists: 'exists',
  exists_one: 'exists_one',
  existsOne: 'exists_one',
  transformList: 'transformList',
  transformMap: 'transformMap',
  transformMapEntry: 'transformMapEntry',
};

/** Undefined for what is no macro. Throws SyntaxFault. */
export function expandMacro(
  fn: string,
  target: Node | undefined,
  args: readonly Node[],
  at: number,
  bindings = false,
): Node | undefined {
  if (!target) return fn === 'has' && args.length === 1 ? has(args[0]!, at) : undefined;
  if (bindings && fn === 'bind' && args.length === 3 && target.k === 'ident' && target.name === 'cel')
    return {
      k: 'bind',
      at,
      kind: 'bind',
      name: variable(args[0]!, 'cel.bind() variable names must be simple identifiers'),
      value: args[1]!,
      body: args[2]!,
    };
  if ((fn === 'optMap' || fn === 'optFlatMap') && args.length === 2)
    return {
      k: 'bind',
      at,
      kind: fn,
      name: variable(args[0]!, `${fn}() variable name must be a simple identifier`),
      value: target,
      body: args[1]!,
    };
  return oneVariable(fn, target, args, at) ?? twoVariables(fn, target, args, at);
}

function has(argument: Node, at: number): Node {
  if (argument.k !== 'select' || argument.test || argument.optional)
    throw new SyntaxFault('invalid argument to has() macro', argument.at);
  return { ...argument, at, test: true };
}

function variable(node: Node, message = 'argument must be a simple name'): string {
  if (node.k !== 'ident' || node.root) throw new SyntaxFault(message, node.at);
  return node.name;
}

function oneVariable(fn: string, range: Node, args: readonly Node[], at: number): Node | undefined {
  if (fn === 'sortBy' && args.length === 2) checkSorted(range, args[0]!);
  const kind = Object.hasOwn(ONE_VARIABLE, fn) ? ONE_VARIABLE[fn]! : undefined;
  if (!kind || fn === 'existsOne' || (args.length !== 2 && !(kind === 'map' && args.length === 3))) return undefined;
  return {
    k: 'fold',
    at,
    kind,
    range,
    first: variable(args[0]!),
    second: undefined,
    filter: args.length === 3 ? args[1] : undefined,
    body: args.at(-1)!,
  };
}

function checkSorted(range: Node, name: Node): void {
  if (range.k === 'const' || range.k === 'map' || range.k === 'struct')
    throw new SyntaxFault(
      'sortBy can only be applied to a list, identifier, comprehension, call or select expression',
      range.at,
    );
  variable(name, 'argument is not an identifier');
}

function twoVariables(fn: string, range: Node, args: readonly Node[], at: number): Node | undefined {
  const kind = Object.hasOwn(TWO_VARIABLES, fn) ? TWO_VARIABLES[fn]! : undefined;
  if (!kind || (args.length !== 3 && !(kind.startsWith('transform') && args.length === 4))) return undefined;
  const [first, second] = [variable(args[0]!), variable(args[1]!)];
  if (first === second) throw new SyntaxFault(`duplicate variable name: ${first}`, args[1]!.at);
  return {
    k: 'fold',
    at,
    kind,
    range,
    first,
    second,
    filter: args.length === 4 ? args[2] : undefined,
    body: args.at(-1)!,
  };
}
