// Kubernetes quantities: exact decimal numbers down to nano, written in a canonical form that keeps the writer's family
// of suffixes (binary, decimal or exponent).

export type QuantityFormat = 'DecimalSI' | 'BinarySI' | 'DecimalExponent';

export const quantityFormatError =
  "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
export const quantitySuffixError = "unable to parse quantity's suffix";

/** The text is no quantity. `message` is Kubernetes' wording. */
export class QuantityError extends Error {
  override name = 'QuantityError';
}

const nanoPerMilli = 1_000_000n;
const nanoPerOne = 1_000_000_000n;
const maxSafe = Number.MAX_SAFE_INTEGER;
// What Kubernetes caps values at that are written with binary suffixes.
const maxNano = (2n ** 63n - 1n) * nanoPerOne;

const decimalExponent: Record<string, number> = { n: -9, u: -6, m: -3, '': 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };
const decimalSuffix = new Map(Object.entries(decimalExponent).map(([s, e]) => [e, s]));
const binarySuffixes = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];

/** Immutable. Held as thousandths in a double while those are exact, as nano units in a bigint beyond. */
export class Quantity {
  readonly format: QuantityFormat;
  readonly #milli: number;
  readonly #nano: bigint | undefined;
  #text: string | undefined;

  private constructor(milli: number, nano: bigint | undefined, format: QuantityFormat) {
    this.#milli = milli;
    this.#nano = nano;
    this.format = format;
  }

  static ofMilli(milli: number, format: QuantityFormat = 'DecimalSI'): Quantity {
    const whole = Math.ceil(milli);
    return Number.isSafeInteger(whole)
      ? new Quantity(whole === 0 ? 0 : whole, undefined, format)
      : Quantity.ofNano(BigInt(whole) * nanoPerMilli, format);
  }

  static of(value: number, format: QuantityFormat = 'DecimalSI'): Quantity {
    const milli = value * 1000;
    return Number.isSafeInteger(milli)
      ? Quantity.ofMilli(milli, format)
      : Quantity.ofNano(BigInt(Math.ceil(value)) * nanoPerOne, format);
  }

  static ofNano(nano: bigint, format: QuantityFormat = 'DecimalSI'): Quantity {
    if (nano % nanoPerMilli === 0n) {
      const milli = Number(nano / nanoPerMilli);
      if (Number.isSafeInteger(milli)) return new Quantity(milli, undefined, format);
    }
    return new Quantity(0, nano, format);
  }

  get nano(): bigint {
    return this.#nano ?? BigInt(this.#milli) * nanoPerMilli;
  }

  get isZero(): boolean {
    return this.#nano === undefined && this.#milli === 0;
  }

  /** -1, 0 or 1. */
  get sign(): number {
    if (this.#nano === undefined) return Math.sign(this.#milli);
    return this.#nano < 0n ? -1 : 1;
  }

  /** Negative, zero or positive, as for sort. */
  compare(other: Quantity): number {
    if (this.#nano === undefined && other.#nano === undefined) return this.#milli - other.#milli;
    const [a, b] = [this.nano, other.nano];
    return a < b ? -1 : a > b ? 1 : 0;
  }

  equals(other: Quantity): boolean {
    return this.compare(other) === 0;
  }

  add(other: Quantity): Quantity {
    const format = this.isZero ? other.format : this.format;
    if (this.#nano === undefined && other.#nano === undefined) {
      const sum = this.#milli + other.#milli;
      if (sum <= maxSafe && sum >= -maxSafe) return new Quantity(sum, undefined, format);
    }
    return Quantity.ofNano(this.nano + other.nano, format);
  }

  subtract(other: Quantity): Quantity {
    const format = this.isZero ? other.format : this.format;
    if (this.#nano === undefined && other.#nano === undefined) {
      const difference = this.#milli - other.#milli;
      if (difference <= maxSafe && difference >= -maxSafe) return new Quantity(difference, undefined, format);
    }
    return Quantity.ofNano(this.nano - other.nano, format);
  }

  negate(): Quantity {
    if (this.#nano === undefined) return new Quantity(this.#milli === 0 ? 0 : -this.#milli, undefined, this.format);
    return Quantity.ofNano(-this.#nano, this.format);
  }

  /** Thousandths, rounded away from zero. Beyond 2^53 as near as a double comes. */
  milliValue(): number {
    return this.#nano === undefined ? this.#milli : Number(divideAway(this.#nano, nanoPerMilli));
  }

  /** Whole units, rounded away from zero. Beyond 2^53 as near as a double comes. */
  value(): number {
    if (this.#nano !== undefined) return Number(divideAway(this.#nano, nanoPerOne));
    const units = this.#milli / 1000;
    return units < 0 ? Math.floor(units) : Math.ceil(units);
  }

  /** The value as a double, fraction included. */
  toNumber(): number {
    return this.#nano === undefined ? this.#milli / 1000 : Number(this.#nano) / 1e9;
  }

  /** The canonical form. */
  toString(): string {
    this.#text ??=
      this.#nano === undefined ? formatMilli(this.#milli, this.format) : formatNano(this.#nano, this.format);
    return this.#text;
  }

  toJSON(): string {
    return this.toString();
  }
}

function divideAway(value: bigint, by: bigint): bigint {
  const q = value / by;
  if (q * by === value) return q;
  return value < 0n ? q - 1n : q + 1n;
}

function formatMilli(milli: number, format: QuantityFormat): string {
  if (milli === 0) return '0';
  if (format === 'BinarySI' && milli % 1000 === 0 && (milli >= 1_024_000 || milli <= -1_024_000)) {
    let units = milli / 1000;
    let i = 0;
    while (units % 1024 === 0 && i < 6) {
      units /= 1024;
      i++;
    }
    return units + binarySuffixes[i]!;
  }
  let exponent = -3;
  let mantissa = milli;
  while (mantissa % 1000 === 0 && exponent < 18) {
    mantissa /= 1000;
    exponent += 3;
  }
  return mantissa + suffixOf(exponent, format);
}

function formatNano(nano: bigint, format: QuantityFormat): string {
  if (nano === 0n) return '0';
  const size = nano < 0n ? -nano : nano;
  if (format === 'BinarySI' && nano % nanoPerOne === 0n && size >= 1024n * nanoPerOne) {
    let units = nano / nanoPerOne;
    let i = 0;
    while (units % 1024n === 0n && i < 6) {
      units /= 1024n;
      i++;
    }
    return units + binarySuffixes[i]!;
  }
  let exponent = -9;
  let mantissa = nano;
  while (mantissa % 1000n === 0n && (exponent < 18 || format === 'DecimalExponent')) {
    mantissa /= 1000n;
    exponent += 3;
  }
  return mantissa + suffixOf(exponent, format);
}

function suffixOf(exponent: number, format: QuantityFormat): string {
  if (exponent === 0) return '';
  return format === 'DecimalExponent' ? `e${exponent}` : decimalSuffix.get(exponent)!;
}

// Hot strings ("100m", "128Mi") come again and again; a full cache is emptied, which bounds it.
const cacheLimit = 4096;
const cache = new Map<string, Quantity>();

/** Parses as Kubernetes does; throws QuantityError. Values finer than nano are rounded away from zero. */
export function parseQuantity(text: string | number | bigint): Quantity {
  const key = typeof text === 'string' ? text : String(text);
  const known = cache.get(key);
  if (known) return known;
  const quantity = parse(key);
  if (key.length <= 32) {
    if (cache.size >= cacheLimit) cache.clear();
    cache.set(key, quantity);
  }
  return quantity;
}

/** The canonical spelling; throws QuantityError. */
export const canonicalQuantity = (text: string | number): string => parseQuantity(text).toString();

export const zeroQuantity: Quantity = Quantity.ofMilli(0);

// No digit can be of two parts: a text that is no quantity is known for one in a single look.
const shape = /^([+-]?)([0-9]*)(?:\.([0-9]*))?([eEinumkKMGTP]+[-+]?[0-9]*|[-+][0-9]*|)$/;

function parse(text: string): Quantity {
  const m = shape.exec(text);
  if (!m) throw new QuantityError(quantityFormatError);
  const sign = m[1] === '-' ? -1n : 1n;
  const whole = m[2]!.replace(/^0+/, '');
  const fraction = shortened(m[3] ?? '');
  if (!m[2] && !fraction) throw new QuantityError(quantityFormatError);
  const { base, exponent, format } = parseSuffix(m[4]!);
  // Far beyond both ends of the range; keeps a hostile exponent from making a huge bigint.
  if (whole.length > 2 * most) return extreme(whole, true, sign, format);
  if (exponent > most || exponent < -most) return extreme(whole + fraction, exponent > 0, sign, format);
  const digits = BigInt(whole + fraction || '0');
  if (digits === 0n) return Quantity.ofMilli(0, format);
  let nano: bigint;
  if (base === 2) {
    nano = divideAway(digits * 1024n ** BigInt(exponent) * nanoPerOne, 10n ** BigInt(fraction.length));
  } else {
    const shift = exponent - fraction.length + 9;
    nano = shift >= 0 ? digits * 10n ** BigInt(shift) : divideAway(digits, 10n ** BigInt(-shift));
  }
  if (base === 2 && nano > maxNano) nano = maxNano;
  return Quantity.ofNano(sign * nano, base === 2 && nano < nanoPerOne ? 'DecimalSI' : format);
}

/** Whether Kubernetes reads a quantity, in range or not, into a whole number rather than a decimal of any size. */
export function isWholeText(text: string): boolean {
  const [, , digits = '', fraction = '', suffix = ''] = shape.exec(text)!;
  const { base, exponent } = parseSuffix(suffix);
  const length = digits.replace(/^0+/, '').length;
  // Ten bits are three digits, of fifteen in all.
  if (base === 2) return fraction === '' && length + exponent * 3 <= 14;
  return length + fraction.length <= 18 && exponent >= fraction.length;
}

/** Digits and powers of ten that are counted with: of millions a bigint takes seconds. */
const most = 1000;

/** A fraction as long as may matter, with something behind it when there was, as it is rounded away from zero. */
function shortened(fraction: string): string {
  const kept = fraction.slice(0, 2 * most);
  return /[1-9]/.test(fraction.slice(2 * most)) ? `${kept}1` : kept;
}

function extreme(digits: string, large: boolean, sign: bigint, format: QuantityFormat): Quantity {
  if (/^0*$/.test(digits)) return Quantity.ofMilli(0, format);
  return Quantity.ofNano(sign * (large ? maxNano : 1n), format);
}

function parseSuffix(suffix: string): { base: 2 | 10; exponent: number; format: QuantityFormat } {
  const decimal = decimalExponent[suffix];
  if (decimal !== undefined) return { base: 10, exponent: decimal, format: 'DecimalSI' };
  const binary = binarySuffixes.indexOf(suffix);
  if (binary > 0) return { base: 2, exponent: binary, format: 'BinarySI' };
  if (/^[eE][-+]?[0-9]+$/.test(suffix)) {
    return { base: 10, exponent: Number(suffix.slice(1)), format: 'DecimalExponent' };
  }
  throw new QuantityError(quantitySuffixError);
}
