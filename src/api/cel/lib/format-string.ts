// "…".format([…]), as the version of the strings extension that Kubernetes has writes it.
import { step } from '../overload.ts';
import { CelDuration, CelTimestamp, durationText, timestampText } from '../time.ts';
import type { CelType } from '../type.ts';
import { CelFault, CelList, CelMap, CelTypeValue, CelUint, type CelValue, typeName } from '../value.ts';

interface Part {
  readonly verb: string;
  readonly precision: number;
}

const PART = /%(?:\.(\d*)(.?)|(.?))/gs;
const MAX_PRECISION = 1000;
const USUAL_PRECISION = 6;

/** Texts and what stands between them. Throws CelFault for a clause nobody knows. */
function partsOf(format: string): (string | Part)[] {
  const parts: (string | Part)[] = [];
  let from = 0;
  for (const m of format.matchAll(PART)) {
    parts.push(format.slice(from, m.index));
    from = m.index + m[0].length;
    if (m[0] === '%') throw new CelFault('unexpected end of string');
    if (m[3] === '%') parts.push('%');
    else parts.push(clauseOf(m[1], m[2] ?? m[3]!));
  }
  parts.push(format.slice(from));
  return parts;
}

function clauseOf(digits: string | undefined, verb: string): Part {
  const refuse = (why: string): never => {
    throw new CelFault(`could not parse formatting clause: ${why}`);
  };
  if (digits !== undefined && !verb) refuse('error while parsing precision: could not find end of precision specifier');
  if (digits === '')
    refuse(
      'error while parsing precision: error while converting precision to integer: strconv.Atoi: parsing "": invalid syntax',
    );
  if (!Object.hasOwn(CLAUSES, verb)) refuse(`unrecognized formatting clause ${JSON.stringify(verb)}`);
  const precision = digits === undefined ? USUAL_PRECISION : Number(digits);
  if (precision > MAX_PRECISION) throw new CelFault('precision is too large');
  return { verb, precision };
}

/** Throws CelFault. */
export function formatString(format: string, args: CelList): string {
  let next = 0;
  let length = 0;
  const texts = partsOf(format).map(part => {
    if (typeof part === 'string') return part;
    if (next >= args.size) throw new CelFault(`index ${next} out of range`);
    const text = CLAUSES[part.verb]!.text(args.get(next++), part.precision);
    length += text.length;
    step(text.length);
    if (length > 1 << 28) throw new CelFault('result is too long');
    return text;
  });
  return texts.join('');
}

export interface FormatIssue {
  readonly message: string;
  /** Of which argument; -1: of the call. */
  readonly argument: number;
}

/** What is wrong with a format and the types of its arguments before any of them has a value. */
export function checkFormat(format: string, types: readonly CelType[]): FormatIssue | undefined {
  try {
    const clauses = partsOf(format).filter(part => typeof part !== 'string');
    for (const [argument, { verb }] of clauses.entries()) {
      const type = types[argument];
      if (!type) return { message: `index ${argument} out of range`, argument: -1 };
      const { takes, refusal } = CLAUSES[verb]!;
      if (!takes.has(type.kind)) return { message: refused(refusal, nameOf(type)), argument };
    }
    const [expected, got] = [clauses.length, types.length];
    if (expected >= got) return undefined;
    const counts = `(expected ${expected}, got ${got})`;
    return { message: `too many arguments supplied to string.format ${counts}`, argument: -1 };
  } catch (error) {
    if (error instanceof CelFault) return { message: error.message, argument: -1 };
    throw error;
  }
}

function nameOf(type: CelType): string {
  if (type.kind === 'null') return 'null_type';
  return type.kind === 'opaque' || type.kind === 'object' ? type.name : type.kind;
}

interface Clause {
  /** Kinds of types that it may be given. */
  readonly takes: ReadonlySet<string>;
  readonly refusal: string;
  text(value: CelValue, precision: number): string;
}

const refused = (refusal: string, given: string): string => `error during formatting: ${refusal}, was given ${given}`;
const wrong = (refusal: string, value: CelValue): never => {
  throw new CelFault(refused(refusal, typeName(value)));
};
const integer = (value: CelValue): bigint | undefined =>
  typeof value === 'bigint' ? value : value instanceof CelUint ? value.value : undefined;

function clause(kinds: string, refusal: string, text: (value: CelValue, precision: number) => string | undefined) {
  const takes = new Set(['dyn', 'param', ...kinds.split(' ')]);
  return { takes, refusal, text: (v: CelValue, precision: number) => text(v, precision) ?? wrong(refusal, v) };
}

// Numbers may come as texts where they are none.
const NO_NUMBERS = new Set(['NaN', 'Infinity', '-Infinity']);

function real(value: CelValue): number | undefined {
  if (typeof value === 'number') return value;
  return typeof value === 'string' && NO_NUMBERS.has(value) ? Number(value) : undefined;
}

const special = (v: number): string => (Number.isNaN(v) ? 'NaN' : v > 0 ? '∞' : '-∞');

function hex(value: CelValue): string | undefined {
  if (typeof value === 'string' || value instanceof Uint8Array) return Buffer.from(value as string).toString('hex');
  return integer(value)?.toString(16);
}

const HEX = 'only integers, byte buffers, and strings can be formatted as hex';
const TEXTS =
  'string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps';

const CLAUSES: Readonly<Record<string, Clause>> = {
  s: clause(
    'string bool bytes int uint double map list object type duration timestamp null',
    TEXTS,
    value => plainText(value) ?? innerText(value),
  ),
  d: clause('int uint', 'decimal clause can only be used on integers', value => integer(value)?.toString()),
  f: clause('double string', 'fixed-point clause can only be used on doubles', (value, precision) => {
    const v = real(value);
    return v === undefined ? undefined : fixed(v, precision);
  }),
  e: clause('double string', 'scientific clause can only be used on doubles', value => {
    const v = real(value);
    return v === undefined ? undefined : scientific(v);
  }),
  b: clause('int uint bool', 'only integers and bools can be formatted as binary', value =>
    typeof value === 'boolean' ? (value ? '1' : '0') : integer(value)?.toString(2),
  ),
  o: clause('int uint', 'octal clause can only be used on integers', value => integer(value)?.toString(8)),
  x: clause('int uint string bytes', HEX, hex),
  X: clause('int uint string bytes', HEX, value => hex(value)?.toUpperCase()),
};

// As English writes it: thousands are parted.
function fixed(v: number, precision: number): string {
  if (!Number.isFinite(v)) return special(v);
  const [whole, fraction] = halfEven(Object.is(v, -0) ? 0 : v, precision).split('.') as [string, string | undefined];
  const parted = whole.replace(/\B(?=(?:\d{3})+$)/g, ',');
  return fraction === undefined ? parted : `${parted}.${fraction}`;
}

// toFixed rounds halves away from zero, Go to even: only exact halves differ, and only at the digit. From 1e21 on it
// gives an exponent.
function halfEven(v: number, precision: number): string {
  const digits = Math.min(precision, 100);
  if (Math.abs(v) >= 1e21) return BigInt(v) + (digits ? `.${'0'.repeat(digits)}` : '');
  const text = v.toFixed(digits);
  if (digits > 15 || Math.abs(v) >= 1e15) return text;
  const scaled = Math.abs(v) * 10 ** digits;
  if (scaled % 1 !== 0.5 || Math.floor(scaled) % 2 !== 0) return text;
  return `${v < 0 ? '-' : ''}${(Math.floor(scaled) / 10 ** digits).toFixed(digits)}`;
}

const SUPERSCRIPT = '⁰¹²³⁴⁵⁶⁷⁸⁹';

// As English writes it, whatever the precision.
function scientific(v: number): string {
  if (!Number.isFinite(v)) return special(v).padStart(USUAL_PRECISION);
  const [mantissa, exponent] = (Object.is(v, -0) ? 0 : v).toExponential(USUAL_PRECISION).split('e') as [string, string];
  const digits = exponent.slice(1).padStart(2, '0');
  const raised = [...digits].map(digit => SUPERSCRIPT[Number(digit)]).join('');
  return `${mantissa}×10${exponent.startsWith('-') ? '⁻' : ''}${raised}`;
}

/** The shortest digits; with an exponent of at least two from a million on and below 1e-4. */
function shortest(v: number): string {
  if (Number.isNaN(v)) return 'NaN';
  if (!Number.isFinite(v)) return v > 0 ? '+Inf' : '-Inf';
  if (Object.is(v, -0)) return '-0';
  const [mantissa, exponent] = v.toExponential().split('e') as [string, string];
  const power = Number(exponent);
  if (power >= -4 && power < 6) return String(v);
  return `${mantissa}e${exponent[0]}${exponent.slice(1).padStart(2, '0')}`;
}

/** Of what stands by itself as it does not inside of a list or map. */
function plainText(value: CelValue): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return shortest(value);
  if (value instanceof Uint8Array) return bytesText(value);
  if (value instanceof CelTimestamp) return timestampText(value);
  return value instanceof CelDuration ? durationText(value) : undefined;
}

function bytesText(value: Uint8Array): string {
  const text = Buffer.from(value);
  if (text.equals(Buffer.from(text.toString()))) return text.toString();
  const why = 'invalid UTF-8 in bytes, cannot convert to string';
  throw new CelFault(`error during formatting: could not convert argument ${JSON.stringify(why)} to string`);
}

function innerText(value: CelValue): string | undefined {
  step(1);
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value);
    case 'boolean':
    case 'bigint':
      return String(value);
    case 'number':
      return Number.isFinite(value) ? innerNumber(value) : JSON.stringify(shortest(value));
    default:
  }
  if (value === null) return 'null';
  if (value instanceof CelUint) return String(value.value);
  if (value instanceof Uint8Array) return `b${JSON.stringify(bytesText(value))}`;
  if (value instanceof CelTimestamp) return `timestamp(${JSON.stringify(timestampText(value))})`;
  if (value instanceof CelDuration) return `duration(${JSON.stringify(durationText(value))})`;
  if (value instanceof CelTypeValue) return value.name;
  if (value instanceof CelList) return `[${Array.from(value, item => textWithin(item)).join(', ')}]`;
  return value instanceof CelMap ? mapText(value) : undefined;
}

const innerNumber = (v: number): string => (Object.is(v, -0) ? '-' : '') + halfEven(v, USUAL_PRECISION);
const textWithin = (value: CelValue): string => innerText(value) ?? wrong(TEXTS, value);

function mapText(value: CelMap): string {
  const entries = Array.from(value.keys(), key => `${textWithin(key)}:${textWithin(value.get(key)!)}`);
  return `{${entries.sort().join(', ')}}`;
}
