// The strings extension. Positions count code points.
import { codePoints, fn, type Library, reads, type SizeOf, sizeOfArg, step, TRAVERSAL } from '../overload.ts';
import { CelFault, CelList, type CelValue } from '../value.ts';
import { formatString } from './format-string.ts';

// Most strings have no code point beyond the first plane: then UTF-16 positions are the same.
const simple = (text: string): boolean => codePoints(text) === text.length;
const points = (text: string): string[] => [...text];
const at = (v: bigint): number => Number(v);

function rangeError(i: bigint): never {
  throw new CelFault(`index out of range: ${i}`);
}

function charAt(text: string, index: bigint): string {
  const i = at(index);
  const size = codePoints(text);
  if (i < 0 || i > size) rangeError(index);
  if (i === size) return '';
  return simple(text) ? text[i]! : points(text)[i]!;
}

function substring(text: string, from: bigint, to?: bigint): string {
  const size = codePoints(text);
  if (to === undefined) {
    if (at(from) > size) rangeError(from);
    return substring(text, from, BigInt(size));
  }
  const [a, b] = [at(from), at(to)];
  if (a > b) throw new CelFault(`invalid substring range. start: ${a}, end: ${b}`);
  if (a < 0 || a > size) rangeError(from);
  if (b < 0 || b > size) rangeError(to);
  return simple(text) ? text.slice(a, b) : points(text).slice(a, b).join('');
}

function indexOf(text: string, part: string, from = 0n): bigint {
  const start = at(from);
  if (part === '') return from;
  if (start < 0) rangeError(from);
  if (start >= codePoints(text)) return -1n;
  if (simple(text)) return BigInt(text.indexOf(part, start));
  const offset = points(text).slice(0, start).join('').length;
  const found = text.indexOf(part, offset);
  return found < 0 ? -1n : BigInt(codePoints(text.slice(0, found)));
}

function lastIndexOf(text: string, part: string, from?: bigint): bigint {
  const size = codePoints(text);
  if (part === '') return from ?? BigInt(size);
  if (from !== undefined && from < 0n) rangeError(from);
  if (from !== undefined && at(from) >= size) return -1n;
  const limit = from === undefined ? Number.POSITIVE_INFINITY : points(text).slice(0, at(from)).join('').length;
  const found = text.lastIndexOf(part, limit);
  return found < 0 ? -1n : BigInt(codePoints(text.slice(0, found)));
}

function join(list: CelList, separator = ''): string {
  const parts: string[] = [];
  let length = 0;
  for (const part of list) {
    if (typeof part !== 'string') throw new CelFault('join: invalid input');
    length += part.length + separator.length;
    step(1 + part.length + separator.length);
    parts.push(part);
  }
  checkLength(length);
  return parts.join(separator);
}

function checkLength(length: number): void {
  if (length > 1 << 28) throw new CelFault('result is too long');
}

function replace(text: string, old: string, by: string, limit = -1n): string {
  const count = Math.min(limit < 0n ? Number.POSITIVE_INFINITY : at(limit), occurrences(text, old));
  const length = text.length + count * Math.max(0, by.length - old.length);
  step(length);
  checkLength(length);
  if (limit < 0n && old !== '') return text.replaceAll(old, () => by);
  if (old === '') return insertBetween(text, by, count);
  const parts = text.split(old);
  const kept = parts.slice(0, count);
  return [...kept, parts.slice(count).join(old)].join(by);
}

function occurrences(text: string, part: string): number {
  if (part === '') return codePoints(text) + 1;
  let n = 0;
  for (let i = text.indexOf(part); i >= 0; i = text.indexOf(part, i + part.length)) n++;
  return n;
}

function insertBetween(text: string, by: string, count: number): string {
  let out = '';
  let left = count;
  for (const c of points(text)) out += left-- > 0 ? by + c : c;
  return left > 0 ? out + by : out;
}

function split(text: string, separator: string, limit = -1n): CelList {
  const n = at(limit);
  if (n === 0) return CelList.of([]);
  if (n === 1) return CelList.of([text]);
  const parts = separator === '' ? points(text) : text.split(separator);
  step(parts.length);
  if (n < 0 || parts.length <= n) return CelList.of(parts);
  return CelList.of([...parts.slice(0, n - 1), parts.slice(n - 1).join(separator)]);
}

const lower = (text: string): string => text.replace(/[A-Z]+/g, s => s.toLowerCase());
const upper = (text: string): string => text.replace(/[a-z]+/g, s => s.toUpperCase());
// Unicode's White_Space, which JavaScript's \s differs from by U+0085 and U+FEFF.
const SPACE = '[\\t\\n\\v\\f\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';
const LEADING = new RegExp(`^${SPACE}+`);
const ONE_SPACE = new RegExp(SPACE);

function trim(text: string): string {
  const start = text.replace(LEADING, '');
  let end = start.length;
  while (end > 0 && ONE_SPACE.test(start[end - 1]!)) end--;
  return start.slice(0, end);
}

const ESCAPES: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
};

export const quote = (text: string): string =>
  `"${text.toWellFormed().replace(/[\x07\b\f\n\r\t\v\\"]/g, c => ESCAPES[c]!)}"`;

const reading = { cost: reads(0), resultSize: sizeOfArg(0) };
const product = { cost: (s: SizeOf) => Math.ceil(s(0) * TRAVERSAL) * Math.ceil(s(1) * TRAVERSAL) || 1 };
// Read, and written anew.
const twice = (s: SizeOf) => Math.ceil(s(0) * 2 * TRAVERSAL);
const splitting = { cost: twice, resultSize: sizeOfArg(0) };
// An empty text is found everywhere.
const replaced = (most: SizeOf, least: SizeOf): number => {
  const [text, from, to] = [most(0), least(1), most(2)];
  if (to === 0) return text;
  return from === 0 ? text + (text + 1) * to : Math.max(text, Math.ceil((text * to) / from));
};
const replacing = { cost: twice, resultSize: replaced };

const joining = { cost: (s: SizeOf) => Math.ceil(s(0) * TRAVERSAL) || 1, readsItems: true } as const;

export const strings: Library = [
  fn('string::charAt(int): string', charAt, { resultSize: () => 1 }),
  fn('string::indexOf(string): int', (s, p) => indexOf(s, p), product),
  fn('string::indexOf(string, int): int', indexOf, product),
  fn('string::lastIndexOf(string): int', (s, p) => lastIndexOf(s, p), product),
  fn('string::lastIndexOf(string, int): int', lastIndexOf, product),
  fn('list<string>::join(): string', l => join(l), joining),
  fn('list<string>::join(string): string', join, joining),
  fn('string::lowerAscii(): string', lower, reading),
  fn('string::upperAscii(): string', upper, reading),
  fn('string::replace(string, string): string', (s, a, b) => replace(s, a, b), replacing),
  fn('string::replace(string, string, int): string', replace, replacing),
  fn('string::split(string): list<string>', (s, p) => split(s, p), splitting),
  fn('string::split(string, int): list<string>', split, splitting),
  fn('string::substring(int): string', (s, a) => substring(s, a), reading),
  fn('string::substring(int, int): string', substring, reading),
  fn('string::trim(): string', trim, reading),
  fn('string::format(list<dyn>): string', (s: string, args: CelList): CelValue => formatString(s, args), {
    cost: reads(0),
  }),
  fn('strings.quote(string): string', quote, { cost: reads(0), resultSize: s => s(0) * 2 + 2 }),
];
