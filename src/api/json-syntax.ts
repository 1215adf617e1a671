// A slow, exact walk over JSON text: where it breaks, in the words of Go's parser, and which keys come twice.
// Only called for text that is broken or known to hold duplicates; JSON.parse does the work otherwise.

export interface SyntaxReport {
  /** `invalid character 'x' looking for beginning of value`; undefined when the text is sound. */
  readonly error: string | undefined;
  /** Paths of keys that appear again in the same object: `spec.foo`, `spec.containers[0].name`. */
  readonly duplicates: readonly string[];
  /** The path of every key in the order they stand in. */
  readonly keys: readonly string[];
  /** Which of these stand in an object that has them already. */
  readonly repeated: ReadonlySet<number>;
}

class SyntaxFault extends Error {}

export function inspectJson(text: string): SyntaxReport {
  const walk = new Walk(text);
  const found = { duplicates: walk.duplicates, keys: walk.keys, repeated: walk.repeated };
  try {
    walk.value('');
    walk.end();
    return { error: undefined, ...found };
  } catch (error) {
    if (error instanceof SyntaxFault) return { error: error.message, ...found };
    throw error;
  }
}

/** What is wrong with JSON, as Go says it, which works on bytes; undefined when it is sound. */
export const jsonFault = (bytes: Buffer): string | undefined => inspectJson(bytes.toString('latin1')).error;

class Walk {
  readonly duplicates: string[] = [];
  readonly keys: string[] = [];
  readonly repeated = new Set<number>();
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(path: string): void {
    this.#space();
    const c = this.#peek();
    if (c === '{') this.#object(path);
    else if (c === '[') this.#array(path);
    else if (c === '"') this.#string();
    else if (c === 't') this.#literal('true');
    else if (c === 'f') this.#literal('false');
    else if (c === 'n') this.#literal('null');
    else if (c === '-' || isDigit(c)) this.#number();
    else this.#fail('looking for beginning of value');
  }

  end(): void {
    this.#space();
    if (this.#at < this.#text.length) this.#fail('after top-level value');
  }

  #object(path: string): void {
    const seen = new Set<string>();
    this.#at++;
    this.#space();
    if (this.#take('}')) return;
    for (;;) {
      this.#space();
      if (this.#peek() !== '"') this.#fail('looking for beginning of object key string');
      const start = this.#at;
      this.#string();
      const key = JSON.parse(this.#text.slice(start, this.#at)) as string;
      const child = path ? `${path}.${key}` : key;
      this.keys.push(child);
      if (seen.has(key)) {
        this.repeated.add(this.keys.length - 1);
        this.duplicates.push(child);
      }
      seen.add(key);
      this.#space();
      if (!this.#take(':')) this.#fail('after object key');
      this.value(child);
      this.#space();
      if (this.#take('}')) return;
      if (!this.#take(',')) this.#fail('after object key:value pair');
    }
  }

  #array(path: string): void {
    this.#at++;
    this.#space();
    if (this.#take(']')) return;
    for (let i = 0; ; i++) {
      this.value(`${path}[${i}]`);
      this.#space();
      if (this.#take(']')) return;
      if (!this.#take(',')) this.#fail('after array element');
    }
  }

  #string(): void {
    this.#at++;
    for (;;) {
      const c = this.#peek();
      if (c < ' ') this.#fail('in string literal');
      this.#at++;
      if (c === '"') return;
      if (c !== '\\') continue;
      const escaped = this.#peekWithin();
      if (!'"\\/bfnrtu'.includes(escaped)) this.#fail('in string escape code', escaped);
      this.#at++;
      if (escaped !== 'u') continue;
      for (let i = 0; i < 4; i++) {
        if (!/[0-9a-fA-F]/.test(this.#peekWithin()))
          this.#fail('in \\u hexadecimal character escape', this.#peekWithin());
        this.#at++;
      }
    }
  }

  #literal(word: string): void {
    for (const [i, expected] of [...word].entries()) {
      if (this.#peekWithin() !== expected) {
        this.#fail(
          i === 0 ? 'looking for beginning of value' : `in literal ${word} (expecting '${expected}')`,
          this.#peekWithin(),
        );
      }
      this.#at++;
    }
  }

  #number(): void {
    if (this.#take('-') && !isDigit(this.#peekWithin())) this.#fail('in numeric literal', this.#peekWithin());
    if (!this.#take('0')) this.#digits();
    if (this.#text[this.#at] === '.') {
      this.#at++;
      if (!isDigit(this.#peekWithin())) this.#fail('after decimal point in numeric literal', this.#peekWithin());
      this.#digits();
    }
    if (this.#text[this.#at] === 'e' || this.#text[this.#at] === 'E') {
      this.#at++;
      if (!this.#take('-')) this.#take('+');
      if (!isDigit(this.#peekWithin())) this.#fail('in exponent of numeric literal', this.#peekWithin());
      this.#digits();
    }
  }

  #digits(): void {
    while (this.#at < this.#text.length && isDigit(this.#text[this.#at]!)) this.#at++;
  }

  #space(): void {
    while (this.#at < this.#text.length && ' \t\r\n'.includes(this.#text[this.#at]!)) this.#at++;
  }

  #peek(): string {
    const c = this.#text[this.#at];
    if (c === undefined) throw new SyntaxFault('unexpected end of JSON input');
    return c;
  }

  /** Where the text ends within a word, Go's parser looks for a space behind it. */
  #peekWithin(): string {
    return this.#text[this.#at] ?? ' ';
  }

  #take(c: string): boolean {
    if (this.#text[this.#at] !== c) return false;
    this.#at++;
    return true;
  }

  #fail(where: string, found = this.#peek()): never {
    throw new SyntaxFault(`invalid character ${quoteByte(found)} ${where}`);
  }
}

const isDigit = (c: string) => c >= '0' && c <= '9';

function quoteByte(first: string): string {
  if (first === "'") return "'\\''";
  if (first === '"') return `'"'`;
  const named = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\b': '\\b', '\f': '\\f', '\v': '\\v', '\x07': '\\a' }[first];
  if (named) return `'${named}'`;
  if (first === '\\') return "'\\\\'";
  const code = first.charCodeAt(0);
  if (code < 0x20 || code === 0x7f) return `'\\x${code.toString(16).padStart(2, '0')}'`;
  return code >= 0x80 && code < 0xa0 ? `'\\u00${code.toString(16)}'` : `'${first}'`;
}
