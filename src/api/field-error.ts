// Validation errors by field, worded as Kubernetes words them, because clients and people read them.
import { jsonText } from '../base/json-text.ts';
import { quote } from '../base/quote.ts';
import type { StatusCause } from './type/meta-v1.ts';

/**
 * A field path under construction: `spec.containers[0].name`, `metadata.labels[app]`. A linked list that is rendered
 * only when an error names it, so that walking a valid object builds no strings.
 */
export class FieldPath {
  readonly #parent: FieldPath | undefined;
  readonly #part: string | number;
  readonly #isKey: boolean;

  constructor(part: string | number = '', parent?: FieldPath, isKey = false) {
    this.#part = part;
    this.#parent = parent;
    this.#isKey = isKey;
  }

  child(name: string, ...more: string[]): FieldPath {
    let at = new FieldPath(name, this);
    for (let i = 0; i < more.length; i++) at = new FieldPath(more[i]!, at);
    return at;
  }

  index(i: number): FieldPath {
    return new FieldPath(i, this);
  }

  key(key: string): FieldPath {
    return new FieldPath(key, this, true);
  }

  /** What this path was made from; itself for a root. */
  parent(): FieldPath {
    return this.#parent ?? this;
  }

  toString(): string {
    const before = this.#parent?.toString() ?? '';
    if (this.#isKey || typeof this.#part === 'number') return `${before}[${this.#part}]`;
    return before ? `${before}.${this.#part}` : this.#part;
  }
}

export const path = (text = ''): FieldPath => new FieldPath(text);

export type FieldErrorType =
  | 'FieldValueRequired'
  | 'FieldValueInvalid'
  | 'FieldValueNotSupported'
  | 'FieldValueForbidden'
  | 'FieldValueTooLong'
  | 'FieldValueTooMany'
  | 'FieldValueDuplicate'
  | 'FieldValueNotFound'
  | 'FieldValueTypeInvalid'
  | 'InternalError';

/** Characters. */
const mostShown = 4 << 20;
/** Faults of one object that are told, and what stands for each of the others. */
const mostTold = 10_000;
export const untold: StatusCause & { readonly message: string } = { message: '' };

/** Collects the errors of one object. */
export class FieldErrors {
  /** Addresses may be written as they might before 1.36: StrictIPCIDRValidation is off. */
  readonly looseAddresses: boolean;
  readonly list: (StatusCause & { readonly message: string })[] = [];
  #shown = 0;

  constructor({ looseAddresses = false }: { readonly looseAddresses?: boolean } = {}) {
    this.looseAddresses = looseAddresses;
  }

  get empty(): boolean {
    return this.list.length === 0;
  }

  get #full(): boolean {
    return this.list.length >= mostTold;
  }

  add(reason: FieldErrorType, field: FieldPath | string, message: string): void {
    this.list.push(this.#full ? untold : { reason, message, field: field.toString() });
  }

  required(field: FieldPath, detail = ''): void {
    this.add('FieldValueRequired', field, detail ? `Required value: ${detail}` : 'Required value');
  }

  invalid(field: FieldPath, value: unknown, detail: string): void {
    this.add('FieldValueInvalid', field, `Invalid value${this.#shownValue(value)}${detail ? `: ${detail}` : ''}`);
  }

  /** Of what is too large, too secret, or no value at all. */
  invalidUnshown(field: FieldPath, detail: string): void {
    this.add('FieldValueInvalid', field, `Invalid value: ${detail}`);
  }

  notSupported(field: FieldPath, value: unknown, supported: readonly string[]): void {
    const list = supported.map(quote).join(', ');
    // Mostly of types of their own, which Go's quoting does not know for text.
    this.add(
      'FieldValueNotSupported',
      field,
      `Unsupported value: ${jsonText(value ?? null)}${supported.length ? `: supported values: ${list}` : ''}`,
    );
  }

  forbidden(field: FieldPath, detail: string): void {
    this.add('FieldValueForbidden', field, `Forbidden${detail ? `: ${detail}` : ''}`);
  }

  tooLong(field: FieldPath, maxBytes: number): void {
    this.add('FieldValueTooLong', field, `Too long: may not be more than ${maxBytes} bytes`);
  }

  tooMany(field: FieldPath, actual: number, max: number): void {
    this.add(
      'FieldValueTooMany',
      field,
      `Too many: ${actual}: must have at most ${max} ${max === 1 ? 'item' : 'items'}`,
    );
  }

  duplicate(field: FieldPath, value: unknown): void {
    this.add('FieldValueDuplicate', field, `Duplicate value${this.#shownValue(value)}`);
  }

  notFound(field: FieldPath, value: unknown): void {
    this.add('FieldValueNotFound', field, `Not found${this.#shownValue(value)}`);
  }

  typeInvalid(field: FieldPath, value: unknown, detail: string): void {
    this.add('FieldValueTypeInvalid', field, `Invalid value${this.#shownValue(value)}: ${detail}`);
  }

  /** Until they fill an answer: a list that is wrong as a whole for each of its items would be shown each time. */
  #shownValue(value: unknown): string {
    if (this.#full || this.#shown > mostShown) return '';
    const text = rendered(value);
    this.#shown += text.length;
    return text;
  }
}

// Strings are quoted as Go quotes them, all else is its JSON; an absent value is null.
function rendered(value: unknown): string {
  if (value === undefined || value === null) return ': null';
  return `: ${typeof value === 'string' ? quote(value) : jsonText(value)}`;
}
