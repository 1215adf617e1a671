// Whole numbers of 64 bits in JSON. A double holds them to 2^53; beyond that they are bigints, and only there: every
// other number stays a number. Arithmetic takes them as near as a double comes (nearNumber).

declare global {
  interface JSON {
    /** Stands for this text in what JSON.stringify writes. */
    rawJSON(text: string): object;
  }
  interface BigInt {
    toJSON(): unknown;
  }
}

// JSON.stringify writes bigints as numbers, wherever it is called: a text that names or compares an object must not
// fail for a number someone sent. Measured: objects without bigints cost what they did.
Object.defineProperty(BigInt.prototype, 'toJSON', {
  value: function toJSON(this: bigint): object {
    return JSON.rawJSON(this.toString());
  },
  configurable: true,
  writable: true,
});

/** A whole number: a bigint only where a double is not exact. */
export type WholeNumber = number | bigint;

export const maxInt64 = 2n ** 63n - 1n;
export const minInt64 = -(2n ** 63n);

export const isInt64 = (value: bigint): boolean => value >= minInt64 && value <= maxInt64;

/** As a number where that is exact. */
export function wholeNumber(value: bigint): WholeNumber {
  const near = Number(value);
  return Number.isSafeInteger(near) ? near : value;
}

/** What a number in free JSON becomes: whole ones past 64 bits are floats. */
export const freeNumber = (value: bigint): WholeNumber => (isInt64(value) ? wholeNumber(value) : Number(value));

/** For arithmetic: as near as a double comes. */
export function nearNumber(value: WholeNumber): number;
export function nearNumber(value: WholeNumber | undefined): number | undefined;
export function nearNumber(value: WholeNumber | undefined): number | undefined {
  return value === undefined ? undefined : Number(value);
}

/** Below 0 when `a` is smaller, above when it is larger. */
export const compareWhole = (a: WholeNumber, b: WholeNumber): number => (a < b ? -1 : a > b ? 1 : 0);

/** The largest, and 0 at least. */
export function largest(values: readonly WholeNumber[]): WholeNumber {
  let found: WholeNumber = 0;
  for (const value of values) if (value > found) found = value;
  return found;
}

/** A whole double as an int64, at its ends for what lies beyond. */
export function toInt64(value: WholeNumber): WholeNumber {
  if (Number.isSafeInteger(value)) return value;
  const exact = BigInt(value);
  return exact > maxInt64 ? maxInt64 : exact < minInt64 ? minInt64 : wholeNumber(exact);
}

/** Longer texts of digits are read as floats: to turn millions of digits into a bigint takes seconds. */
const longest = 64;
const wholeText = /^-?[0-9]+$/;
/** Digits of 2^53. */
const longRun = 16;

/** JSON.parse, but whole numbers past 2^53 are bigints; past 64 bits they are floats. Throws SyntaxError. */
export function parseExactJson(text: string): unknown {
  return hasLongNumber(text) ? JSON.parse(text, exactly) : JSON.parse(text);
}

/** The same, but whole numbers past 64 bits are bigints too: for what is yet to be told of them. */
export function parseWideJson(text: string): unknown {
  return hasLongNumber(text) ? JSON.parse(text, widely) : JSON.parse(text);
}

interface Source {
  readonly source?: string;
}

function exactly(key: string, value: unknown, context?: Source): unknown {
  const wide = widely(key, value, context);
  return typeof wide === 'bigint' ? freeNumber(wide) : wide;
}

function widely(_key: string, value: unknown, context?: Source): unknown {
  if (typeof value !== 'number' || Number.isSafeInteger(value)) return value;
  const source = context?.source;
  return source && source.length <= longest && wholeText.test(source) ? BigInt(source) : value;
}

/** Whether the JSON text may hold a whole number of 16 digits or more. */
export function hasLongNumber(text: string): boolean {
  // One character in every 16 tells: a tenth of a nanosecond for each of the text.
  for (let at = longRun - 1; at < text.length; at += longRun) {
    if (!isDigit(text.charCodeAt(at))) continue;
    let start = at;
    while (start > 0 && isDigit(text.charCodeAt(start - 1))) start--;
    while (at + 1 < text.length && isDigit(text.charCodeAt(at + 1))) at++;
    if (at + 1 - start >= longRun && standsAlone(text, start, at + 1)) return true;
  }
  return false;
}

/** Neither at an end of a string nor a part of a fraction. */
const standsAlone = (text: string, start: number, end: number): boolean =>
  !/["\w.+]/.test(text[start - 1] ?? '') && !/["\w.]/.test(text[end] ?? '');

const isDigit = (c: number): boolean => c >= 48 && c <= 57;
