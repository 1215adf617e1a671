// "…".format([…]).
import { step } from '../overload.ts';
import { CelDuration, CelTimestamp, durationText, timestampText } from '../time.ts';
import { CelFault, CelList, CelMap, CelTypeValue, CelUint, type CelValue, typeName } from '../value.ts';

const CLAUSE = /%(?:\.(\d+))?(.?)/gs;
const MAX_PRECISION = 1000;

/** Throws CelFault. */
export function formatString(format: string, args: CelList): string {
  let next = 0;
  let length = 0;
  return format.replace(CLAUSE, (_, digits: string | undefined, verb: string) => {
    if (verb === '%' && digits === undefined) return '%';
    if (!verb) throw new CelFault('unexpected end of string');
    const clause = CLAUSES[verb];
    if (!clause || !Object.hasOwn(CLAUSES, verb))
      throw new CelFault(`could not parse formatting clause: unrecognized formatting clause "${verb}"`);
    if (next >= args.size) throw new CelFault(`index ${next} out of range`);
    const precision = digits === undefined ? undefined : Number(digits);
    if (precision !== undefined && precision > MAX_PRECISION) throw new CelFault('precision is too large');
    const text = clause(args.get(next++), precision);
    length += text.length;
    step(text.length);
    if (length > 1 << 28) throw new CelFault('result is too long');
    return text;
  });
}

type Clause = (value: CelValue, precision: number | undefined) => string;

const wrong = (verb: string, allowed: string, value: CelValue): never => {
  throw new CelFault(
    `error during formatting: ${verb} clause can only be used on ${allowed}, was given ${typeName(value)}`,
  );
};
const integer = (value: CelValue): bigint | undefined =>
  typeof value === 'bigint' ? value : value instanceof CelUint ? value.value : undefined;
const special = (v: number): string => (Number.isNaN(v) ? 'NaN' : v > 0 ? 'Infinity' : '-Infinity');

function asDouble(verb: string, value: CelValue): number {
  if (typeof value === 'number') return value;
  const whole = integer(value);
  if (whole !== undefined) return Number(whole);
  if (value === 'NaN' || value === 'Infinity' || value === '-Infinity') return Number(value);
  return wrong(verb, 'doubles', value);
}

const CLAUSES: Readonly<Record<string, Clause>> = {
  s: value => stringText(value),
  d: value => {
    const whole = integer(value);
    if (whole !== undefined) return String(whole);
    if (typeof value === 'number' && !Number.isFinite(value)) return special(value);
    return wrong('decimal', 'integers', value);
  },
  f: (value, precision = 6) => {
    const v = asDouble('fixed-point', value);
    return Number.isFinite(v) ? fixed(v, precision) : special(v);
  },
  e: (value, precision = 6) => {
    const v = asDouble('scientific', value);
    if (!Number.isFinite(v)) return special(v);
    return v.toExponential(Math.min(precision, 100)).replace(/e([+-])(\d)$/, 'e$10$2');
  },
  b: value => {
    if (typeof value === 'boolean') return value ? '1' : '0';
    const whole = integer(value);
    return whole === undefined
      ? wrong('only integers and bools can be formatted as binary', '', value)
      : whole.toString(2);
  },
  o: value => integer(value)?.toString(8) ?? wrong('octal', 'integers', value),
  x: value => hex(value),
  X: value => hex(value).toUpperCase(),
};

// toFixed rounds halves away from zero, Go to even: only exact halves differ, and only at the digit.
function fixed(v: number, precision: number): string {
  const digits = Math.min(precision, 100);
  const text = v.toFixed(digits);
  if (digits > 15 || Math.abs(v) >= 1e15) return text;
  const scaled = Math.abs(v) * 10 ** digits;
  if (scaled % 1 !== 0.5 || Math.floor(scaled) % 2 !== 0) return text;
  return `${v < 0 ? '-' : ''}${(Math.floor(scaled) / 10 ** digits).toFixed(digits)}`;
}

function hex(value: CelValue): string {
  if (typeof value === 'string') return Buffer.from(value).toString('hex');
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  return integer(value)?.toString(16) ?? wrong('hex', 'integers, byte buffers, and strings', value);
}

function doubleString(v: number): string {
  if (!Number.isFinite(v)) return special(v);
  return Object.is(v, -0) ? '-0' : String(v);
}

function stringText(value: CelValue): string {
  step(1);
  switch (typeof value) {
    case 'string':
      return value;
    case 'boolean':
    case 'bigint':
      return String(value);
    case 'number':
      return doubleString(value);
    default:
  }
  if (value === null) return 'null';
  if (value instanceof CelUint) return String(value.value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8');
  if (value instanceof CelTimestamp) return timestampText(value);
  if (value instanceof CelDuration) return durationText(value);
  if (value instanceof CelTypeValue) return value.name;
  if (value instanceof CelList) return `[${Array.from(value, stringText).join(', ')}]`;
  if (value instanceof CelMap) return mapText(value);
  return wrong('string', 'strings, bools, bytes, ints, doubles, maps, lists, types, durations, and timestamps', value);
}

function mapText(value: CelMap): string {
  const entries = Array.from(value.keys(), key => `${stringText(key)}: ${stringText(value.get(key)!)}`);
  return `{${entries.sort().join(', ')}}`;
}
