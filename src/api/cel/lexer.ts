// The tokens of CEL.
import { CelUint, type CelValue } from './value.ts';

export interface Token {
  /** `ident`, `quoted`, `const`, `end`, or the punctuation itself. */
  readonly kind: string;
  readonly text: string;
  readonly at: number;
  readonly value?: CelValue;
}

export class SyntaxFault {
  readonly message: string;
  readonly at: number;
  constructor(message: string, at: number) {
    this.message = message;
    this.at = at;
  }
}

const SPACE = /(?:[\t\n\f\r ]+|\/\/[^\n]*)+/y;
const NUMBER = /0x[0-9a-fA-F]+[uU]?|\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?|\d+[uU]?/y;
const IDENT = /[_a-zA-Z][_a-zA-Z0-9]*/y;
const QUOTED = /`[_a-zA-Z0-9./ -]+`/y;
const PUNCTUATION = /&&|\|\||==|!=|<=|>=|[-+*/%!?:.,()[\]{}<>]/y;
const STRING = /(?:[rR][bB]?|[bB][rR]?)?(?:"""|'''|"|')/y;
const MAX_INT = 2n ** 63n - 1n;
const MAX_UINT = 2n ** 64n - 1n;

const SHAPES: readonly (readonly [string, RegExp])[] = [
  ['number', NUMBER],
  ['ident', IDENT],
  ['quoted', QUOTED],
  ['punctuation', PUNCTUATION],
];

function tokenOf(kind: string, text: string, at: number): Token {
  if (kind === 'punctuation' || text === 'in') return { kind: text, text, at };
  return { kind, text: kind === 'quoted' ? text.slice(1, -1) : text, at };
}

/** Throws SyntaxFault. */
export function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const take = (shape: RegExp): string | undefined => {
    shape.lastIndex = at;
    return shape.exec(source)?.[0];
  };
  for (;;) {
    at += take(SPACE)?.length ?? 0;
    if (at >= source.length) break;
    const start = take(STRING);
    if (start !== undefined) {
      const { value, end } = readString(source, at, start);
      tokens.push({ kind: 'const', text: source.slice(at, end), at, value });
      at = end;
      continue;
    }
    const token = SHAPES.map(([kind, shape]) => ({ kind, text: take(shape) })).find(t => t.text !== undefined);
    if (!token?.text) throw new SyntaxFault(`Syntax error: token recognition error at: '${source[at]}'`, at);
    tokens.push(tokenOf(token.kind, token.text, at));
    at += token.text.length;
  }
  tokens.push({ kind: 'end', text: '<EOF>', at: source.length });
  return tokens;
}

/** A number token as a value; throws SyntaxFault when it is out of range. */
export function numberValue(token: Token, negative: boolean): CelValue {
  const { text } = token;
  const sign = negative ? '-' : '';
  if (/^0x/.test(text) || /^\d+[uU]?$/.test(text)) {
    if (/[uU]$/.test(text)) {
      const value = BigInt(text.slice(0, -1));
      if (value > MAX_UINT || negative) throw new SyntaxFault('invalid uint literal', token.at);
      return new CelUint(value);
    }
    const value = negative ? -BigInt(text) : BigInt(text);
    if (value > MAX_INT || value < -MAX_INT - 1n) throw new SyntaxFault('invalid int literal', token.at);
    return value;
  }
  const value = Number(sign + text);
  if (!Number.isFinite(value)) throw new SyntaxFault('invalid double literal', token.at);
  return value;
}

function readString(source: string, at: number, start: string): { value: CelValue; end: number } {
  const quote = /["']+$/.exec(start)![0];
  const prefix = start.slice(0, -quote.length).toLowerCase();
  const [raw, isBytes] = [prefix.includes('r'), prefix.includes('b')];
  let i = at + start.length;
  const parts: string[] = [];
  const bytes: number[] = [];
  const push = (text: string): void => {
    if (isBytes) for (const b of Buffer.from(text)) bytes.push(b);
    else parts.push(text);
  };
  for (;;) {
    if (i >= source.length)
      throw new SyntaxFault(`Syntax error: token recognition error at: '${source.slice(at)}'`, at);
    if (source.startsWith(quote, i)) break;
    const code = source.codePointAt(i)!;
    const char = String.fromCodePoint(code);
    if (quote.length === 1 && (char === '\n' || char === '\r'))
      throw new SyntaxFault(`Syntax error: token recognition error at: '${source.slice(at, i + 1)}'`, at);
    if (char !== '\\' || raw) {
      push(char);
      i += char.length;
      continue;
    }
    const { text, byte, length } = readEscape(source, i, isBytes);
    if (byte !== undefined) bytes.push(byte);
    else push(text);
    i += length;
  }
  return { value: isBytes ? new Uint8Array(bytes) : parts.join(''), end: i + quote.length };
}

const SIMPLE: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '\\': '\\',
  '?': '?',
  '"': '"',
  "'": "'",
  '`': '`',
};
const CODED = /\\(?:[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2}))/y;

function readEscape(source: string, at: number, isBytes: boolean): { text: string; byte?: number; length: number } {
  const simple = SIMPLE[source[at + 1] ?? ''];
  if (simple !== undefined) return { text: simple, length: 2 };
  CODED.lastIndex = at;
  const m = CODED.exec(source);
  if (!m) throw new SyntaxFault(`Syntax error: token recognition error at: '${source.slice(at, at + 2)}'`, at);
  const unicode = m[2] ?? m[3];
  const code = unicode ? Number.parseInt(unicode, 16) : m[1] ? Number.parseInt(m[1], 16) : Number.parseInt(m[4]!, 8);
  if (unicode && (isBytes || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)))
    throw new SyntaxFault('Syntax error: invalid unicode code point', at);
  if (isBytes) return { text: '', byte: code, length: m[0].length };
  return { text: String.fromCodePoint(code), length: m[0].length };
}
