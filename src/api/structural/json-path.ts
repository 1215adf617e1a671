// JSONPath as Kubernetes writes it: `.spec.replicas`, `.status.conditions[?(@.type=="Ready")].status`, `['a.b'][0]`, `..name`.
import { freeNumber } from '../../base/whole-number.ts';
import { isPlain } from '../patch/plain.ts';

type Step = (values: readonly unknown[]) => unknown[];

/** The text is no path, or asks of a value what cannot be asked of it. */
export class JsonPathError extends Error {
  override name = 'JsonPathError';
}

export interface JsonPath {
  /** All values found, in order; none where a field is absent. Throws JsonPathError where what is there does not fit. */
  find(root: unknown): unknown[];
  /** The fields of a path that names nothing but fields; undefined for others. */
  readonly fields: readonly string[] | undefined;
}

const compiled = new Map<string, JsonPath>();

/** Throws JsonPathError. */
export function parseJsonPath(text: string): JsonPath {
  let path = compiled.get(text);
  if (!path) {
    path = new Parser(text).path();
    if (compiled.size > 10_000) compiled.clear();
    compiled.set(text, path);
  }
  return path;
}

const each =
  (pick: (value: unknown) => readonly unknown[]): Step =>
  values =>
    values.flatMap(pick);

const field = (name: string): Step => each(v => (isPlain(v) && Object.hasOwn(v, name) ? [v[name]] : []));

const everything: Step = each(v => (Array.isArray(v) ? v : isPlain(v) ? Object.values(v) : []));

function descendants(value: unknown, out: unknown[] = []): unknown[] {
  out.push(value);
  if (Array.isArray(value)) for (const item of value) descendants(item, out);
  else if (isPlain(value)) for (const item of Object.values(value)) descendants(item, out);
  return out;
}

class Parser {
  readonly #text: string;
  #at = 0;
  #fields: string[] | undefined = [];

  constructor(text: string) {
    this.#text = text;
  }

  path(): JsonPath {
    const steps = this.#steps('');
    if (this.#at < this.#text.length) this.#fail(`unexpected ${JSON.stringify(this.#text[this.#at])}`);
    const fields = this.#fields;
    return { find: root => steps.reduce<unknown[]>((values, step) => step(values), [root]), fields };
  }

  #fail(why: string): never {
    throw new JsonPathError(`${why} in ${JSON.stringify(this.#text)}`);
  }

  #steps(ends: string): Step[] {
    const out: Step[] = [];
    if (this.#text[this.#at] === '$' || this.#text[this.#at] === '@') this.#at++;
    while (this.#at < this.#text.length && !ends.includes(this.#text[this.#at]!)) {
      const c = this.#text[this.#at];
      if (c === '.') {
        this.#at++;
        if (this.#text[this.#at] === '.') {
          this.#at++;
          this.#fields = undefined;
          out.push(each(v => descendants(v)));
          if (this.#text[this.#at] !== '[') out.push(this.#name());
        } else if (
          this.#at < this.#text.length &&
          this.#text[this.#at] !== '[' &&
          !ends.includes(this.#text[this.#at]!)
        )
          out.push(this.#name());
      } else if (c === '[') out.push(this.#bracket());
      else if (out.length === 0) out.push(this.#name());
      else this.#fail(`unexpected ${JSON.stringify(c)}`);
    }
    return out;
  }

  #name(): Step {
    if (this.#text[this.#at] === '*') {
      this.#at++;
      this.#fields = undefined;
      return everything;
    }
    let name = '';
    for (; this.#at < this.#text.length; this.#at++) {
      const c = this.#text[this.#at]!;
      if (c === '\\') name += this.#text[++this.#at] ?? '';
      else if (/[.[\]()=!<>&|,\n@]/.test(c)) break;
      else name += c;
    }
    if (!name) this.#fail('a field name is missing');
    this.#fields?.push(name);
    return field(name);
  }

  #bracket(): Step {
    const close = this.#closing();
    const inner = this.#text.slice(this.#at + 1, close).trim();
    if (inner.startsWith('?(') && inner.endsWith(')')) {
      this.#at = close + 1;
      this.#fields = undefined;
      return filter(inner.slice(2, -1).trim());
    }
    this.#at = close + 1;
    const parts = splitUnion(inner).map(p => this.#selector(p));
    return parts.length === 1 ? parts[0]! : values => parts.flatMap(p => p(values));
  }

  #closing(): number {
    let depth = 0;
    let quote = '';
    for (let i = this.#at; i < this.#text.length; i++) {
      const c = this.#text[i]!;
      if (quote) {
        if (c === '\\') i++;
        else if (c === quote) quote = '';
      } else if (c === '"' || c === "'") quote = c;
      else if (c === '[') depth++;
      else if (c === ']' && --depth === 0) return i;
    }
    return this.#fail('unterminated array');
  }

  #selector(part: string): Step {
    const quoted = unquote(part);
    if (quoted !== undefined) {
      this.#fields?.push(quoted);
      const names = namesIn(part.slice(1, -1));
      return values => names.reduce((found, name) => field(name)(found), values as unknown[]);
    }
    this.#fields = undefined;
    if (part === '*' || part === '') return everything;
    const m = /^(-?\d+)?(?:(:)(-?\d+)?(?::(-?\d+)?)?)?$/.exec(part);
    if (!m) return this.#fail('invalid array index');
    if (!m[2]) return each(v => (Array.isArray(v) ? sliceOf(v, Number(m[1]), undefined, 1) : []));
    const [from, to] = [m[1] ? Number(m[1]) : 0, m[3] ? Number(m[3]) : undefined];
    return each(v => (Array.isArray(v) ? sliceOf(v, from, to ?? v.length, Number(m[4] ?? 1)) : []));
  }
}

/** Without an end: one item. Both may count from the end, and lie within the list. */
function sliceOf(list: readonly unknown[], from: number, to: number | undefined, step: number): unknown[] {
  const start = from < 0 ? from + list.length : from;
  const end = to === undefined ? start + 1 : to < 0 ? to + list.length : to;
  if (start === end) return [];
  if (start < 0 || start >= list.length || end < 0 || end > list.length || start > end)
    throw new JsonPathError(`array index out of bounds: index ${from}, length ${list.length}`);
  if (step < 1) throw new JsonPathError(`step must be > 0`);
  return list.slice(start, end).filter((_, i) => i % step === 0);
}

/** A quoted name is a path of its own: dots part it, but behind a backslash. */
const namesIn = (text: string): string[] =>
  (text.match(/(?:\\.|[^.\\])+/g) ?? []).map(name => name.replace(/\\(.)/g, '$1'));

function splitUnion(text: string): string[] {
  return (text.match(/'(?:\\.|[^'])*'|"(?:\\.|[^"])*"|[^,]+/g) ?? ['']).map(p => p.trim());
}

function unquote(text: string): string | undefined {
  const m = /^(['"])([\s\S]*)\1$/.exec(text);
  return m ? m[2]!.replace(/\\(.)/g, '$1') : undefined;
}

const comparison = /^(.*?)(==|!=|<=|>=|<|>)(.*)$/s;

function filter(expression: string): Step {
  const m = comparison.exec(expression);
  const left = operand(m ? m[1]!.trim() : expression);
  if (!m) return each(v => listOf(v).filter(item => left(item).length > 0));
  const right = operand(m[3]!.trim());
  const holds = compare(m[2]!);
  return each(v =>
    listOf(v).filter(item => {
      const [a, b] = [left(item), right(item)];
      if (!a.length || !b.length) return false;
      if (a.length > 1 || b.length > 1) throw new JsonPathError('can only compare one element at a time');
      const kind = kindOf(a[0]);
      if (kind !== kindOf(b[0])) throw new JsonPathError('incompatible types for comparison');
      if (kind === '' || (kind === 'boolean' && !/[!=]=/.test(m[2]!)))
        throw new JsonPathError('invalid type for comparison');
      return holds(a[0], b[0]);
    }),
  );
}

/** What may be compared with what; '' for what cannot be compared. */
function kindOf(value: unknown): string {
  if (typeof value === 'bigint' || Number.isSafeInteger(value)) return 'int';
  return ['string', 'boolean', 'number'].includes(typeof value) ? typeof value : '';
}

const listOf = (v: unknown): readonly unknown[] => (Array.isArray(v) ? v : isPlain(v) ? [v] : []);

function operand(text: string): (item: unknown) => readonly unknown[] {
  if (text.startsWith('@')) {
    const path = parseJsonPath(text.slice(1) || '.');
    return text === '@' ? item => [item] : item => path.find(item);
  }
  const quoted = unquote(text);
  if (quoted !== undefined) return () => [quoted];
  if (text === 'true' || text === 'false') return () => [text === 'true'];
  if (/^-?\d{1,19}$/.test(text)) return () => [freeNumber(BigInt(text))];
  if (text !== '' && !Number.isNaN(Number(text))) return () => [Number(text)];
  throw new JsonPathError(`unrecognized ${JSON.stringify(text)} in a filter`);
}

function compare(operator: string): (a: unknown, b: unknown) => boolean {
  switch (operator) {
    case '==':
      return (a, b) => a === b;
    case '!=':
      return (a, b) => a !== b;
    case '<':
      return (a, b) => (a as number) < (b as number);
    case '>':
      return (a, b) => (a as number) > (b as number);
    case '<=':
      return (a, b) => (a as number) <= (b as number);
    default:
      return (a, b) => (a as number) >= (b as number);
  }
}
