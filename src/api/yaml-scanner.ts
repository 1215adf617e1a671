// The tokens of a YAML text as libyaml's reader tells them apart: just so much of them that a fault is found where that
// reader finds it. What stands in a scalar is nobody's concern here.

export interface YamlToken {
  readonly type:
    | 'version'
    | 'tag directive'
    | 'document start'
    | 'document end'
    | 'stream end'
    | 'block sequence start'
    | 'block mapping start'
    | 'block end'
    | 'block entry'
    | 'key'
    | 'value'
    | 'flow sequence start'
    | 'flow sequence end'
    | 'flow mapping start'
    | 'flow mapping end'
    | 'flow entry'
    | 'alias'
    | 'anchor'
    | 'tag'
    | 'scalar';
  /** From 0. */
  readonly line: number;
  /** Of an alias or anchor its name, of a tag and its directive the handle, of a version the version. */
  readonly text?: string;
}

interface Mark {
  readonly at: number;
  readonly line: number;
  readonly column: number;
}

/** Where a key without `?` may have begun. */
interface SimpleKey extends Mark {
  possible: boolean;
  readonly required: boolean;
  readonly token: number;
}

const deepestFlow = 10_000;
const longestKey = 1024;
const end = '';
const breaks = '\r\n\u0085\u2028\u2029';
const uriCharacters = /^[-\w;/?:@&=+$,.!~*'()[\]]$/;

const isBlank = (c: string) => c === ' ' || c === '\t';
const isBreak = (c: string) => c !== end && breaks.includes(c);
const isBlankOrEnd = (c: string) => c === end || isBlank(c) || isBreak(c);
const isWord = (c: string) => /^[-\w]$/.test(c);

const escapes: Readonly<Record<string, number>> = Object.fromEntries([
  ...[...'0abt\tnvfre "\'/\\N_LP'].map(c => [c, 0]),
  ...[...'xuU'].map((c, i) => [c, 2 << i]),
]);

export class YamlScanner {
  readonly #text: string;
  readonly #Fault: new (
    message: string,
  ) => Error;
  #at = 0;
  #line = 0;
  #column = 0;
  readonly #queue: YamlToken[] = [];
  /** Of tokens taken. */
  #taken = 0;
  #ended = false;
  #indent = -1;
  readonly #indents: number[] = [];
  /** One for each flow collection that is open, and one for what is around them. */
  readonly #keys: SimpleKey[] = [{ possible: false, required: false, token: 0, at: 0, line: 0, column: 0 }];
  /** Tokens that nobody gets before it is known whether they begin a key. */
  readonly #waiting = new Map<number, SimpleKey>();
  #keyAllowed = true;

  constructor(text: string, Fault: new (message: string) => Error) {
    this.#text = text.startsWith('\uFEFF') ? text.slice(1) : text;
    this.#Fault = Fault;
  }

  peek(): YamlToken {
    while (this.#needsMore()) this.#fetch();
    return this.#queue[0]!;
  }

  next(): YamlToken {
    const token = this.peek();
    this.#queue.shift();
    this.#taken++;
    return token;
  }

  #needsMore(): boolean {
    if (this.#queue.length === 0) return !this.#ended;
    const key = this.#waiting.get(this.#taken);
    return key !== undefined && this.#isStillKey(key) && !this.#ended;
  }

  get #inFlow(): boolean {
    return this.#keys.length > 1;
  }

  #char(ahead = 0): string {
    return this.#text[this.#at + ahead] ?? end;
  }

  #mark(): Mark {
    return { at: this.#at, line: this.#line, column: this.#column };
  }

  /** Lines are told from 1, and the first not at all: then that of what holds the fault, which is told from 0. */
  #fault(problem: string, within?: Mark): Error {
    const line = this.#line ? this.#line + 1 : (within?.line ?? 0);
    return new this.#Fault(line ? `line ${line}: ${problem}` : problem);
  }

  #skip(count = 1): void {
    this.#at += count;
    this.#column += count;
  }

  #skipBreak(): void {
    this.#at += this.#char() === '\r' && this.#char(1) === '\n' ? 2 : 1;
    this.#column = 0;
    this.#line++;
  }

  #push(type: YamlToken['type'], from: Mark = this.#mark(), text?: string): void {
    this.#queue.push({ type, line: from.line, ...(text === undefined ? {} : { text }) });
  }

  #fetch(): void {
    this.#skipToToken();
    this.#unroll(this.#column);
    const c = this.#char();
    const isAlone = isBlankOrEnd(this.#char(1));
    if (c === end) this.#fetchEnd();
    else if (this.#column === 0 && c === '%') this.#fetchDirective();
    else if (this.#atDocumentMark()) this.#fetchDocumentMark(c === '-' ? 'document start' : 'document end');
    else if (this.#fetchIndicated(c)) return;
    else if (c === '-' && isAlone) this.#fetchBlockEntry();
    else if (c === '?' && (this.#inFlow || isAlone)) this.#fetchKey();
    else if (c === ':' && (this.#inFlow || isAlone)) this.#fetchValue();
    else if ((c === '|' || c === '>') && !this.#inFlow) this.#fetchBlockScalar();
    else if (this.#beginsPlain(c)) this.#fetchPlain();
    else throw this.#fault('found character that cannot start any token');
  }

  /** What one character tells, wherever it stands. */
  #fetchIndicated(c: string): boolean {
    if (c === '[') this.#fetchFlowStart('flow sequence start');
    else if (c === '{') this.#fetchFlowStart('flow mapping start');
    else if (c === ']') this.#fetchFlowEnd('flow sequence end');
    else if (c === '}') this.#fetchFlowEnd('flow mapping end');
    else if (c === ',') this.#fetchFlowEntry();
    else if (c === '*') this.#fetchAnchor('alias');
    else if (c === '&') this.#fetchAnchor('anchor');
    else if (c === '!') this.#fetchTag();
    else if (c === "'" || c === '"') this.#fetchQuoted(c);
    else return false;
    return true;
  }

  #beginsPlain(c: string): boolean {
    if (c === '-') return !isBlank(this.#char(1));
    if (c === '?' || c === ':') return !this.#inFlow && !isBlankOrEnd(this.#char(1));
    return !isBlankOrEnd(c) && !'#|>%@`'.includes(c);
  }

  #one(type: YamlToken['type']): void {
    this.#push(type);
    this.#skip();
  }

  #skipToToken(): void {
    for (;;) {
      // Tabs where an indentation may stand are none.
      while (this.#char() === ' ' || (this.#char() === '\t' && (this.#inFlow || !this.#keyAllowed))) this.#skip();
      if (this.#char() === '#') this.#skipLine();
      if (!isBreak(this.#char())) return;
      this.#skipBreak();
      if (!this.#inFlow) this.#keyAllowed = true;
    }
  }

  #skipLine(): void {
    while (this.#char() !== end && !isBreak(this.#char())) this.#skip();
  }

  #atDocumentMark(): boolean {
    if (this.#column !== 0) return false;
    const three = this.#text.slice(this.#at, this.#at + 3);
    return (three === '---' || three === '...') && isBlankOrEnd(this.#char(3));
  }

  // A key ends in the line it begins in, and soon.
  #isStillKey(key: SimpleKey): boolean {
    if (!key.possible) return false;
    if (key.line === this.#line && key.at + longestKey >= this.#at) return true;
    if (key.required) throw this.#fault("could not find expected ':'", key);
    key.possible = false;
    return false;
  }

  #newKey(possible: boolean): SimpleKey {
    const required = possible && !this.#inFlow && this.#indent === this.#column;
    return { ...this.#mark(), possible, required, token: this.#taken + this.#queue.length };
  }

  #saveKey(): void {
    if (!this.#keyAllowed) return;
    this.#removeKey();
    const key = this.#newKey(true);
    this.#keys[this.#keys.length - 1] = key;
    this.#waiting.set(key.token, key);
  }

  #removeKey(): void {
    const key = this.#keys.at(-1)!;
    if (!key.possible) return;
    if (key.required) throw this.#fault("could not find expected ':'", key);
    key.possible = false;
    this.#waiting.delete(key.token);
  }

  /** A column further right begins a collection; `token`: before which one, else behind all. */
  #roll(column: number, type: 'block sequence start' | 'block mapping start', from: Mark, token?: number): void {
    if (this.#inFlow || this.#indent >= column) return;
    this.#indents.push(this.#indent);
    this.#indent = column;
    const at = token === undefined ? this.#queue.length : token - this.#taken;
    this.#queue.splice(at, 0, { type, line: from.line });
  }

  #unroll(column: number): void {
    if (this.#inFlow) return;
    while (this.#indent > column) {
      this.#push('block end');
      this.#indent = this.#indents.pop()!;
    }
  }

  #fetchEnd(): void {
    if (this.#column !== 0) {
      this.#column = 0;
      this.#line++;
    }
    this.#unroll(-1);
    this.#removeKey();
    this.#push('stream end');
    this.#ended = true;
  }

  #fetchDocumentMark(type: 'document start' | 'document end'): void {
    this.#unroll(-1);
    this.#removeKey();
    this.#keyAllowed = false;
    this.#push(type);
    this.#skip(3);
  }

  #fetchFlowStart(type: 'flow sequence start' | 'flow mapping start'): void {
    this.#saveKey();
    this.#keys.push(this.#newKey(false));
    if (this.#keys.length > deepestFlow + 1) throw this.#fault(`exceeded max depth of ${deepestFlow}`);
    this.#keyAllowed = true;
    this.#one(type);
  }

  #fetchFlowEnd(type: 'flow sequence end' | 'flow mapping end'): void {
    this.#removeKey();
    // Of a collection with nothing in it that is the token it begins with, which so is waited for no longer.
    if (this.#inFlow) this.#waiting.delete(this.#keys.pop()!.token);
    this.#keyAllowed = false;
    this.#one(type);
  }

  #fetchFlowEntry(): void {
    this.#removeKey();
    this.#keyAllowed = true;
    this.#one('flow entry');
  }

  #fetchBlockEntry(): void {
    if (!this.#inFlow) {
      if (!this.#keyAllowed) throw this.#fault('block sequence entries are not allowed in this context');
      this.#roll(this.#column, 'block sequence start', this.#mark());
    }
    this.#removeKey();
    this.#keyAllowed = true;
    this.#one('block entry');
  }

  #fetchKey(): void {
    if (!this.#inFlow) {
      if (!this.#keyAllowed) throw this.#fault('mapping keys are not allowed in this context');
      this.#roll(this.#column, 'block mapping start', this.#mark());
    }
    this.#removeKey();
    this.#keyAllowed = !this.#inFlow;
    this.#one('key');
  }

  #fetchValue(): void {
    const key = this.#keys.at(-1)!;
    if (this.#isStillKey(key)) {
      this.#queue.splice(key.token - this.#taken, 0, { type: 'key', line: key.line });
      this.#roll(key.column, 'block mapping start', key, key.token);
      key.possible = false;
      this.#waiting.delete(key.token);
      this.#keyAllowed = false;
    } else {
      if (!this.#inFlow) {
        if (!this.#keyAllowed) throw this.#fault('mapping values are not allowed in this context');
        this.#roll(this.#column, 'block mapping start', this.#mark());
      }
      this.#keyAllowed = !this.#inFlow;
    }
    this.#one('value');
  }

  #fetchAnchor(type: 'alias' | 'anchor'): void {
    this.#saveKey();
    this.#keyAllowed = false;
    const from = this.#mark();
    this.#skip();
    const name = this.#word();
    const c = this.#char();
    if (!name || !(isBlankOrEnd(c) || '?:,]}%@`'.includes(c)))
      throw this.#fault('did not find expected alphabetic or numeric character', from);
    this.#push(type, from, name);
  }

  #word(): string {
    const from = this.#at;
    while (isWord(this.#char())) this.#skip();
    return this.#text.slice(from, this.#at);
  }

  #fetchTag(): void {
    this.#saveKey();
    this.#keyAllowed = false;
    const from = this.#mark();
    let handle = '';
    if (this.#char(1) === '<') {
      this.#skip(2);
      this.#uri('', from);
      if (this.#char() !== '>') throw this.#fault("did not find the expected '>'", from);
      this.#skip();
    } else {
      this.#skip();
      handle = `!${this.#word()}`;
      if (this.#char() === '!') {
        this.#skip();
        handle += '!';
        this.#uri('', from);
      } else {
        this.#uri(handle, from);
        handle = '';
      }
    }
    if (!isBlankOrEnd(this.#char())) throw this.#fault('did not find expected whitespace or line break', from);
    this.#push('tag', from, handle);
  }

  #uri(begun: string, from: Mark): void {
    const start = this.#at;
    for (;;) {
      if (this.#char() === '%') {
        if (!/^[\da-fA-F]{2}$/.test(this.#text.slice(this.#at + 1, this.#at + 3)))
          throw this.#fault('did not find URI escaped octet', from);
        this.#skip(3);
      } else if (uriCharacters.test(this.#char())) this.#skip();
      else break;
    }
    if (this.#at === start && !begun) throw this.#fault('did not find expected tag URI', from);
  }

  #fetchDirective(): void {
    this.#unroll(-1);
    this.#removeKey();
    this.#keyAllowed = false;
    const from = this.#mark();
    this.#skip();
    const name = this.#word();
    if (!name) throw this.#fault('could not find expected directive name', from);
    if (!isBlankOrEnd(this.#char())) throw this.#fault('found unexpected non-alphabetical character', from);
    if (name === 'YAML') this.#push('version', from, this.#version(from));
    else if (name === 'TAG') this.#push('tag directive', from, this.#tagHandle(from));
    else throw this.#fault('found unknown directive name', from);
    this.#skipRestOfLine(from);
  }

  #version(from: Mark): string {
    this.#skipBlanks();
    const major = this.#digits(from);
    if (this.#char() !== '.') throw this.#fault("did not find expected digit or '.' character", from);
    this.#skip();
    return `${major}.${this.#digits(from)}`;
  }

  #digits(from: Mark): string {
    const start = this.#at;
    while (/^\d$/.test(this.#char())) this.#skip();
    const digits = this.#text.slice(start, this.#at);
    if (digits.length > 9) throw this.#fault('found extremely long version number', from);
    if (!digits) throw this.#fault('did not find expected version number', from);
    return digits;
  }

  #tagHandle(from: Mark): string {
    this.#skipBlanks();
    if (this.#char() !== '!') throw this.#fault("did not find expected '!'", from);
    this.#skip();
    let handle = `!${this.#word()}`;
    if (this.#char() === '!') {
      this.#skip();
      handle += '!';
    } else if (handle !== '!') throw this.#fault("did not find expected '!'", from);
    if (!isBlank(this.#char())) throw this.#fault('did not find expected whitespace', from);
    this.#skipBlanks();
    this.#uri('', from);
    if (!isBlankOrEnd(this.#char())) throw this.#fault('did not find expected whitespace or line break', from);
    return handle;
  }

  #skipBlanks(): void {
    while (isBlank(this.#char())) this.#skip();
  }

  #skipRestOfLine(from: Mark): void {
    this.#skipBlanks();
    if (this.#char() === '#') this.#skipLine();
    if (this.#char() === end) return;
    if (!isBreak(this.#char())) throw this.#fault('did not find expected comment or line break', from);
    this.#skipBreak();
  }

  #fetchBlockScalar(): void {
    this.#removeKey();
    this.#keyAllowed = true;
    const from = this.#mark();
    this.#skip();
    // How much it is indented, and what becomes of its last line breaks, in either order.
    const [header = '', before, after] =
      /^(?:[-+](\d?)|(\d)[-+]?)?/.exec(this.#text.slice(this.#at, this.#at + 2)) ?? [];
    const more = Number(before || after || Number.NaN);
    if (more === 0) {
      this.#skip(header.indexOf('0'));
      throw this.#fault('found an indentation indicator equal to 0', from);
    }
    this.#skip(header.length);
    this.#skipRestOfLine(from);
    let indent = more ? Math.max(this.#indent, 0) + more : 0;
    indent = this.#skipEmptyLines(indent, from);
    while (this.#column === indent && this.#char() !== end) {
      this.#skipLine();
      if (this.#char() !== end) this.#skipBreak();
      this.#skipEmptyLines(indent, from);
    }
    this.#push('scalar', from);
  }

  /** The indentation of the scalar: given, or else that of its first line with something in it. */
  #skipEmptyLines(given: number, from: Mark): number {
    let deepest = 0;
    for (;;) {
      while ((!given || this.#column < given) && this.#char() === ' ') this.#skip();
      deepest = Math.max(deepest, this.#column);
      if ((!given || this.#column < given) && this.#char() === '\t')
        throw this.#fault('found a tab character where an indentation space is expected', from);
      if (!isBreak(this.#char())) return given || Math.max(deepest, this.#indent + 1, 1);
      this.#skipBreak();
    }
  }

  #fetchQuoted(quote: '"' | "'"): void {
    this.#saveKey();
    this.#keyAllowed = false;
    const from = this.#mark();
    this.#skip();
    for (;;) {
      if (this.#atDocumentMark()) throw this.#fault('found unexpected document indicator', from);
      const c = this.#char();
      if (c === end) throw this.#fault('found unexpected end of stream', from);
      if (isBreak(c)) this.#skipBreak();
      else if (c === quote) {
        if (quote === '"' || this.#char(1) !== "'") break;
        this.#skip(2);
      } else if (c === '\\' && quote === '"') this.#skipEscape(from);
      else this.#skip();
    }
    this.#skip();
    this.#push('scalar', from);
  }

  #skipEscape(from: Mark): void {
    if (isBreak(this.#char(1))) {
      this.#skip();
      this.#skipBreak();
      return;
    }
    const digits = escapes[this.#char(1)];
    if (digits === undefined) throw this.#fault('found unknown escape character', from);
    this.#skip(2);
    const code = this.#text.slice(this.#at, this.#at + digits);
    if (!/^[\da-fA-F]*$/.test(code) || code.length < digits)
      throw this.#fault('did not find expected hexdecimal number', from);
    const value = Number.parseInt(code || '0', 16);
    if ((value >= 0xd800 && value <= 0xdfff) || value > 0x10ffff)
      throw this.#fault('found invalid Unicode character escape code', from);
    this.#skip(digits);
  }

  #fetchPlain(): void {
    this.#saveKey();
    this.#keyAllowed = false;
    const from = this.#mark();
    const indent = this.#indent + 1;
    let newLine = false;
    while (!this.#atDocumentMark() && this.#char() !== '#') {
      const start = this.#at;
      while (!isBlankOrEnd(this.#char()) && !this.#endsPlain()) this.#skip();
      if (this.#at > start) newLine = false;
      if (!isBlank(this.#char()) && !isBreak(this.#char())) break;
      while (isBlank(this.#char()) || isBreak(this.#char())) {
        if (isBreak(this.#char())) {
          this.#skipBreak();
          newLine = true;
        } else if (newLine && this.#column < indent && this.#char() === '\t')
          throw this.#fault('found a tab character that violates indentation', from);
        else this.#skip();
      }
      if (!this.#inFlow && this.#column < indent) break;
    }
    this.#push('scalar', from);
    // The next line may begin with a key.
    if (newLine) this.#keyAllowed = true;
  }

  #endsPlain(): boolean {
    const c = this.#char();
    if (c === ':' && isBlankOrEnd(this.#char(1))) return true;
    return this.#inFlow && ',?[]{}'.includes(c);
  }
}
