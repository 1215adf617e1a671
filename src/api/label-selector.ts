// Label selectors in their text form (`app=web,tier in (a,b),!old`) and as LabelSelector objects.
import { jsonText } from '../base/json-text.ts';
import { quote } from '../base/quote.ts';
import { isInt64 } from '../base/whole-number.ts';
import { isLabelValue, isQualifiedName } from './name-rule.ts';
import type { LabelSelector } from './type/meta-v1.ts';

export type Labels = Readonly<Record<string, string>>;

export type LabelOperator = '=' | '==' | '!=' | 'in' | 'notin' | 'exists' | '!' | 'gt' | 'lt';

export interface Requirement {
  readonly key: string;
  readonly operator: LabelOperator;
  /** Sorted, each once. */
  readonly values: readonly string[];
}

export interface Selector {
  matches(labels: Labels | undefined): boolean;
  /** The text form, requirements sorted by key. */
  toString(): string;
  /** Selects everything. */
  readonly empty: boolean;
  readonly requirements: readonly Requirement[];
  /** The one value an object must have under this key, if the selector says so. */
  requiredValue(key: string): string | undefined;
}

/** The text or object is no selector. `message` is Kubernetes' wording. */
export class SelectorError extends Error {
  override name = 'SelectorError';
}

const matchesValue = (r: Requirement, labels: Labels): boolean => {
  const value = Object.hasOwn(labels, r.key) ? labels[r.key] : undefined;
  switch (r.operator) {
    case 'exists':
      return value !== undefined;
    case '!':
      return value === undefined;
    case '!=':
    case 'notin':
      return value === undefined || !r.values.includes(value);
    case 'gt':
    case 'lt': {
      if (value === undefined || !isInteger(value)) return false;
      const [a, b] = [BigInt(value), BigInt(r.values[0]!)];
      return r.operator === 'gt' ? a > b : a < b;
    }
    default:
      return value !== undefined && r.values.includes(value);
  }
};

// Of 64 bits, as Go reads them.
const isInteger = (text: string): boolean => /^[+-]?[0-9]+$/.test(text) && isInt64(BigInt(text.replace(/^\+/, '')));
const noLabels: Labels = {};

class Requirements implements Selector {
  readonly requirements: readonly Requirement[];

  constructor(requirements: readonly Requirement[]) {
    this.requirements = requirements.toSorted((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  }

  get empty(): boolean {
    return this.requirements.length === 0;
  }

  matches(labels: Labels | undefined): boolean {
    const given = labels ?? noLabels;
    const list = this.requirements;
    for (let i = 0; i < list.length; i++) if (!matchesValue(list[i]!, given)) return false;
    return true;
  }

  requiredValue(key: string): string | undefined {
    for (const r of this.requirements)
      if (r.key === key && r.values.length === 1 && ['=', '==', 'in'].includes(r.operator)) return r.values[0];
    return undefined;
  }

  toString(): string {
    return this.requirements.map(formatRequirement).join(',');
  }
}

function formatRequirement({ key, operator, values }: Requirement): string {
  switch (operator) {
    case 'exists':
      return key;
    case '!':
      return `!${key}`;
    case 'in':
    case 'notin':
      return `${key} ${operator} (${values.join(',')})`;
    case 'gt':
      return `${key}>${values[0]}`;
    case 'lt':
      return `${key}<${values[0]}`;
    default:
      return `${key}${operator}${values[0]}`;
  }
}

const everySelector: Selector = new Requirements([]);
const noSelector: Selector = {
  matches: () => false,
  toString: () => '',
  empty: false,
  requirements: [],
  requiredValue: () => undefined,
};

export const everything = (): Selector => everySelector;
export const nothing = (): Selector => noSelector;
export const selectorOf = (requirements: readonly Requirement[]): Selector =>
  requirements.length ? new Requirements(requirements) : everySelector;

// A selector's text has no field path to name: Go writes that as <nil>.
function checkKey(key: string): void {
  const complaints = isQualifiedName(key);
  if (complaints.length) throw new SelectorError(`<nil>: Invalid value: ${quote(key)}: ${complaints.join('; ')}`);
}

/** A checked requirement; throws SelectorError. */
export function requirement(key: string, operator: LabelOperator, given: readonly string[]): Requirement {
  const errors: string[] = [];
  const check = (at: string, text: string, complaints: readonly string[]) => {
    if (complaints.length) errors.push(`${at}: Invalid value: ${quote(text)}: ${complaints.join('; ')}`);
  };
  check('key', key, isQualifiedName(key));
  const values = [...new Set(given)].sort();
  const complain = (detail: string) => errors.push(`values: Invalid value: ${jsonText(values)}: ${detail}`);
  if (operator === 'in' || operator === 'notin') {
    if (!values.length) complain("for 'in', 'notin' operators, values set can't be empty");
  } else if (operator === 'exists' || operator === '!') {
    if (values.length) complain('values set must be empty for exists and does not exist');
  } else if (operator === 'gt' || operator === 'lt') {
    if (values.length !== 1) complain("for 'Gt', 'Lt' operators, exactly one value is required");
    for (const [i, value] of values.entries())
      if (!isInteger(value))
        errors.push(
          `values[${i}]: Invalid value: ${quote(value)}: for 'Gt', 'Lt' operators, the value must be an integer`,
        );
  } else if (values.length !== 1) complain('exact-match compatibility requires one single value');
  for (const [i, value] of values.entries()) check(`values[${i}][${key}]`, value, isLabelValue(value));
  if (errors.length) throw new SelectorError(errors.length === 1 ? errors[0]! : `[${errors.join(', ')}]`);
  return { key, operator, values };
}

/** Every pair of the map must be there. Undefined selects everything. Values are not checked. */
export function selectorFromMap(labels: Labels | undefined): Selector {
  if (!labels) return everySelector;
  return selectorOf(Object.entries(labels).map(([key, value]) => ({ key, operator: '=', values: [value] })));
}

const objectOperators: Record<string, LabelOperator> = {
  In: 'in',
  NotIn: 'notin',
  Exists: 'exists',
  DoesNotExist: '!',
};

/** An absent selector selects nothing, an empty one everything. Throws SelectorError. */
export function selectorFromLabelSelector(selector: LabelSelector | null | undefined): Selector {
  if (!selector) return noSelector;
  const requirements: Requirement[] = [];
  for (const [key, value] of Object.entries(selector.matchLabels ?? {}))
    requirements.push(requirement(key, '=', [value]));
  for (const { key, operator, values } of selector.matchExpressions ?? []) {
    const op = Object.hasOwn(objectOperators, operator) ? objectOperators[operator] : undefined;
    if (!op) throw new SelectorError(`${JSON.stringify(operator)} is not a valid label selector operator`);
    requirements.push(requirement(key, op, values ?? []));
  }
  return selectorOf(requirements);
}

/** Parses the text form; throws SelectorError worded as Kubernetes does. */
export function parseLabelSelector(text: string): Selector {
  return selectorOf(new Parser(text).parse());
}

interface Token {
  /** `word`, `end`, or the punctuation itself. */
  readonly type: string;
  readonly text: string;
}

// Go's reader ends words at a NUL.
const tokenShape = /[\s\0]*(?:(==|!=|[!=<>,()])|([^\s\0=!<>,()]+))/y;

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  tokenShape.lastIndex = 0;
  for (let m = tokenShape.exec(text); m; m = tokenShape.exec(text))
    tokens.push(m[1] ? { type: m[1], text: m[1] } : { type: 'word', text: m[2]! });
  return tokens;
}

const end: Token = { type: 'end', text: '' };
const textOperators: Record<string, LabelOperator> = {
  '=': '=',
  '==': '==',
  '!=': '!=',
  '>': 'gt',
  '<': 'lt',
  in: 'in',
  notin: 'notin',
};

class Parser {
  readonly #tokens: Token[];
  #at = 0;

  constructor(text: string) {
    this.#tokens = tokenize(text);
  }

  parse(): Requirement[] {
    const out: Requirement[] = [];
    for (;;) {
      const first = this.#peek();
      if (first.type === 'end') return out;
      if (first.type !== 'word' && first.type !== '!') this.#expected(first, "!, identifier, or 'end of string'");
      out.push(this.#requirement());
      const next = this.#next();
      if (next.type === 'end') return out;
      if (next.type !== ',') this.#expected(next, "',' or 'end of string'");
      const after = this.#peek();
      if (after.type !== 'word' && after.type !== '!') this.#expected(after, "identifier after ','");
    }
  }

  #requirement(): Requirement {
    try {
      return this.#parseRequirement();
    } catch (error) {
      if (error instanceof SelectorError) error.message = `unable to parse requirement: ${error.message}`;
      throw error;
    }
  }

  #parseRequirement(): Requirement {
    let key = this.#next();
    const absent = key.type === '!';
    if (absent) key = this.#next();
    if (key.type !== 'word') this.#expected(key, 'identifier');
    checkKey(key.text);
    const next = this.#peek();
    if (absent || next.type === 'end' || next.type === ',') return requirement(key.text, absent ? '!' : 'exists', []);
    const op = this.#next();
    const name = op.type === 'word' ? op.text : op.type;
    const operator = Object.hasOwn(textOperators, name) ? textOperators[name] : undefined;
    if (!operator) this.#expected(op, 'in, notin, =, ==, !=, gt, lt');
    const values = operator === 'in' || operator === 'notin' ? this.#values() : this.#exactValue();
    return requirement(key.text, operator!, values);
  }

  #exactValue(): string[] {
    const next = this.#peek();
    if (next.type === 'end' || next.type === ',') return [''];
    this.#at++;
    if (next.type !== 'word') this.#expected(next, 'identifier');
    return [next.text];
  }

  #values(): string[] {
    const open = this.#next();
    if (open.type !== '(') throw new SelectorError(`found '${open.text}' expected: '('`);
    const first = this.#peek();
    // No value is the empty one.
    if (first.type === ')') {
      this.#at++;
      return [''];
    }
    if (first.type !== 'word' && first.type !== ',') this.#expected(first, "',', ')' or identifier");
    const values: string[] = [];
    // A comma without a value beside it stands for the empty value.
    for (;;) {
      const token = this.#next();
      if (token.type === 'word') {
        values.push(token.text);
        const next = this.#next();
        if (next.type === ')') return values;
        if (next.type !== ',') this.#expected(next, "',' or ')'");
        if (this.#peek().type === ',' || this.#peek().type === ')') values.push('');
      } else if (token.type === ',') values.push('');
      else if (token.type === ')') return values;
      else this.#expected(token, "',', or identifier");
    }
  }

  #peek(): Token {
    return this.#tokens[this.#at] ?? end;
  }

  #next(): Token {
    return this.#tokens[this.#at++] ?? end;
  }

  #expected(found: Token, what: string): never {
    throw new SelectorError(`found '${found.text}', expected: ${what}`);
  }
}
