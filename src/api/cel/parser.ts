// Reads an expression into its tree and expands the macros.
import type { Entry, Field, Node } from './ast.ts';
import { numberValue, SyntaxFault, type Token, tokenize } from './lexer.ts';
import { expandMacro } from './macro.ts';

/** As cel-go has them. */
const MAX_NESTING = 250;
const MAX_CODE_POINTS = 100_000;
const RESERVED = new Set(
  'as break const continue else for function if import let loop package namespace return var void while'.split(' '),
);
const RELATIONS = new Set(['==', '!=', '<', '<=', '>', '>=', 'in']);

/** `bindings`: with cel.bind. Throws SyntaxFault. */
export function parse(source: string, bindings = false): Node {
  let points = 0;
  for (const _ of source) points++;
  if (points > MAX_CODE_POINTS)
    throw new SyntaxFault(`expression code point size exceeds limit: size: ${points}, limit ${MAX_CODE_POINTS}`, 0);
  const parser = new Parser(tokenize(source), bindings);
  return parser.whole();
}

class Parser {
  readonly #tokens: readonly Token[];
  readonly #bindings: boolean;
  #at = 0;
  #depth = 0;

  constructor(tokens: readonly Token[], bindings: boolean) {
    this.#tokens = tokens;
    this.#bindings = bindings;
  }

  get #token(): Token {
    return this.#tokens[this.#at]!;
  }

  whole(): Node {
    const node = this.#expression();
    if (this.#token.kind !== 'end') throw this.#unexpected('<EOF>');
    return node;
  }

  #unexpected(expecting: string): SyntaxFault {
    const { text, kind, at } = this.#token;
    const what = kind === 'quoted' ? `\`${text}\`` : text;
    return new SyntaxFault(`Syntax error: mismatched input '${what}' expecting ${expecting}`, at);
  }

  #accept(kind: string): Token | undefined {
    if (this.#token.kind !== kind) return undefined;
    return this.#tokens[this.#at++];
  }

  #expect(kind: string): Token {
    const token = this.#accept(kind);
    if (!token) throw this.#unexpected(`'${kind}'`);
    return token;
  }

  #expression(): Node {
    if (++this.#depth > MAX_NESTING)
      throw new SyntaxFault(`expression recursion limit exceeded: ${MAX_NESTING}`, this.#token.at);
    const condition = this.#or();
    const question = this.#accept('?');
    let node = condition;
    if (question) {
      const yes = this.#or();
      this.#expect(':');
      node = call('_?_:_', question.at, [condition, yes, this.#expression()]);
    }
    this.#depth--;
    return node;
  }

  #or(): Node {
    return this.#logical('||', () => this.#logical('&&', () => this.#relation()));
  }

  // Balanced, so that a long chain nests little.
  #logical(operator: string, operand: () => Node): Node {
    const first = operand();
    const operands = [first];
    const ats: number[] = [];
    for (let token = this.#accept(operator); token; token = this.#accept(operator)) {
      ats.push(token.at);
      operands.push(operand());
    }
    const build = (low: number, high: number): Node => {
      if (low === high) return operands[low]!;
      const middle = (low + high) >> 1;
      return call(`_${operator}_`, ats[middle]!, [build(low, middle), build(middle + 1, high)]);
    };
    return build(0, operands.length - 1);
  }

  #relation(): Node {
    let node = this.#binary(['+', '-'], () => this.#binary(['*', '/', '%'], () => this.#unary()));
    while (RELATIONS.has(this.#token.kind)) {
      const { kind, at } = this.#tokens[this.#at++]!;
      const right = this.#binary(['+', '-'], () => this.#binary(['*', '/', '%'], () => this.#unary()));
      node = call(kind === 'in' ? '@in' : `_${kind}_`, at, [node, right]);
    }
    return node;
  }

  #binary(operators: readonly string[], operand: () => Node): Node {
    let node = operand();
    while (operators.includes(this.#token.kind)) {
      const { kind, at } = this.#tokens[this.#at++]!;
      node = call(`_${kind}_`, at, [node, operand()]);
    }
    return node;
  }

  #unary(): Node {
    const { kind, at } = this.#token;
    if (kind !== '!' && kind !== '-') return this.#member(this.#primary());
    let count = 0;
    while (this.#accept(kind)) count++;
    if (kind === '-' && this.#token.kind === 'number') {
      const token = this.#tokens[this.#at++]!;
      const value = this.#member({ k: 'const', at, value: numberValue(token, true) });
      return count % 2 ? value : call('-_', at, [value]);
    }
    if (this.#token.kind === '!' || this.#token.kind === '-') throw this.#unexpected('an operand');
    const operand = this.#member(this.#primary());
    return count % 2 ? call(kind === '!' ? '!_' : '-_', at, [operand]) : operand;
  }

  #member(start: Node): Node {
    let node = start;
    let length = 0;
    for (;;) {
      if (++length > 4 * MAX_NESTING) throw new SyntaxFault('expression recursion limit exceeded', this.#token.at);
      const dot = this.#accept('.');
      if (dot) {
        node = this.#selection(node, dot.at);
        continue;
      }
      const bracket = this.#accept('[');
      if (!bracket) break;
      const optional = this.#accept('?');
      const index = this.#expression();
      this.#expect(']');
      node = call(optional ? '_[?_]' : '_[_]', bracket.at, [node, index]);
    }
    return node;
  }

  #selection(operand: Node, at: number): Node {
    const optional = this.#accept('?') !== undefined;
    const name = this.#accept('ident') ?? this.#accept('quoted');
    if (!name) throw this.#unexpected('IDENTIFIER');
    if (['true', 'false', 'null'].includes(name.text) && name.kind === 'ident') {
      this.#at--;
      throw this.#unexpected('IDENTIFIER');
    }
    const open = this.#token;
    if (name.kind === 'ident' && !optional && this.#accept('(')) {
      const args = this.#arguments(')');
      return (
        expandMacro(name.text, operand, args, open.at, this.#bindings) ?? {
          k: 'call',
          at: open.at,
          fn: name.text,
          target: operand,
          args,
        }
      );
    }
    if (open.kind === '{' && name.kind === 'ident' && !optional) {
      const struct = this.#struct(operand, name.text);
      if (struct) return struct;
    }
    return { k: 'select', at, operand, field: name.text, test: false, optional };
  }

  #struct(operand: Node, last: string): Node | undefined {
    const names = [last];
    let at: Node = operand;
    while (at.k === 'select' && !at.test && !at.optional) {
      names.unshift(at.field);
      at = at.operand;
    }
    if (at.k !== 'ident') return undefined;
    return this.#structOf([at.name, ...names].join('.'));
  }

  #structOf(name: string): Node {
    const { at } = this.#expect('{');
    const fields: Field[] = [];
    while (this.#token.kind !== '}') {
      const optional = this.#accept('?') !== undefined;
      const field = this.#accept('ident') ?? this.#accept('quoted');
      if (!field) throw this.#unexpected('IDENTIFIER');
      const colon = this.#expect(':');
      fields.push({ name: field.text, value: this.#expression(), optional, at: colon.at });
      if (!this.#accept(',')) break;
    }
    this.#expect('}');
    return { k: 'struct', at, name, fields };
  }

  #arguments(close: string): Node[] {
    const args: Node[] = [];
    if (!this.#accept(close)) {
      do args.push(this.#expression());
      while (this.#accept(','));
      this.#expect(close);
    }
    return args;
  }

  #primary(): Node {
    const token = this.#token;
    const { at } = token;
    switch (token.kind) {
      case 'const':
        this.#at++;
        return { k: 'const', at, value: token.value! };
      case 'number':
        this.#at++;
        return { k: 'const', at, value: numberValue(token, false) };
      case '(': {
        this.#at++;
        const node = this.#expression();
        this.#expect(')');
        return node;
      }
      case '[':
        return this.#list();
      case '{':
        return this.#map();
      case '.':
      case 'ident':
        return this.#identifier();
      default:
        throw this.#unexpected(
          "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}",
        );
    }
  }

  #identifier(): Node {
    const root = this.#accept('.') !== undefined;
    const { text, at } = this.#expect('ident');
    if (!root && LITERALS.has(text)) return { k: 'const', at, value: LITERALS.get(text)! };
    if (RESERVED.has(text)) throw new SyntaxFault(`reserved identifier: ${text}`, at);
    const open = this.#token;
    if (this.#accept('(')) {
      const args = this.#arguments(')');
      const fn = root ? `.${text}` : text;
      return expandMacro(fn, undefined, args, open.at) ?? { k: 'call', at: open.at, fn: text, target: undefined, args };
    }
    if (open.kind === '{') return this.#structOf(text);
    return { k: 'ident', at, name: text, root };
  }

  #list(): Node {
    const { at } = this.#expect('[');
    const items: Node[] = [];
    const optional = new Set<number>();
    while (this.#token.kind !== ']') {
      if (this.#accept('?')) optional.add(items.length);
      items.push(this.#expression());
      if (!this.#accept(',')) break;
    }
    this.#expect(']');
    return { k: 'list', at, items, optional };
  }

  #map(): Node {
    const { at } = this.#expect('{');
    const entries: Entry[] = [];
    while (this.#token.kind !== '}') {
      const optional = this.#accept('?') !== undefined;
      const key = this.#expression();
      const colon = this.#expect(':');
      entries.push({ key, value: this.#expression(), optional, at: colon.at });
      if (!this.#accept(',')) break;
    }
    this.#expect('}');
    return { k: 'map', at, entries };
  }
}

const LITERALS = new Map<string, boolean | null>([
  ['true', true],
  ['false', false],
  ['null', null],
]);

function call(fn: string, at: number, args: Node[]): Node {
  return { k: 'call', at, fn, target: undefined, args };
}
