// quantity, semver, named formats and jsonpatch.
import { isDns1035Label, isDns1123Label, isDns1123Subdomain, isLabelValue, isQualifiedName } from '../../name-rule.ts';
import { isWholeText, parseQuantity, Quantity, QuantityError } from '../../quantity.ts';
import { fn, type Library, reads } from '../overload.ts';
import { CelFault, CelList, CelOpaque, CelOptional, type CelValue } from '../value.ts';
import { urlFault } from './net.ts';

const reading = { cost: reads(0) };

const NANO = 1_000_000_000n;
const MAX = 2n ** 63n - 1n;
const inRange = (v: bigint): boolean => v <= MAX && v >= -MAX - 1n;

class CelQuantity extends CelOpaque {
  readonly typeName = 'kubernetes.Quantity';
  readonly quantity: Quantity;
  /** Held as an int64: what asInteger can give. */
  readonly isInteger: boolean;
  constructor(quantity: Quantity, isWhole: boolean) {
    super();
    this.quantity = quantity;
    this.isInteger = isWhole && inRange(quantity.nano / NANO);
  }
  equals(other: CelOpaque): boolean {
    return other instanceof CelQuantity && this.quantity.equals(other.quantity);
  }
}

function tryQuantity(text: string): CelQuantity | undefined {
  try {
    return new CelQuantity(parseQuantity(text), isWholeText(text));
  } catch (error) {
    if (error instanceof QuantityError) return undefined;
    throw error;
  }
}

/** A `kubernetes.Quantity`; throws CelFault. */
export function quantity(text: string): CelQuantity {
  const found = tryQuantity(text);
  if (!found)
    throw new CelFault("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
  return found;
}

function asInteger(v: CelQuantity): bigint {
  if (!v.isInteger) throw new CelFault('cannot convert value to integer');
  return v.quantity.nano / NANO;
}
const ofInt = (v: bigint): CelQuantity => new CelQuantity(Quantity.ofNano(v * NANO), true);
const added = (a: CelQuantity, b: CelQuantity): CelQuantity =>
  new CelQuantity(a.quantity.add(b.quantity), a.isInteger && b.isInteger);
const negated = (v: CelQuantity): CelQuantity => new CelQuantity(v.quantity.negate(), v.isInteger);

export const quantities: Library = [
  fn('quantity(string): kubernetes.Quantity', quantity, reading),
  fn('isQuantity(string): bool', (s: string) => tryQuantity(s) !== undefined, reading),
  fn('sign(kubernetes.Quantity): int', (q: CelQuantity) => BigInt(q.quantity.sign)),
  fn('kubernetes.Quantity::isInteger(): bool', (q: CelQuantity) => q.isInteger),
  fn('kubernetes.Quantity::asInteger(): int', asInteger),
  fn('kubernetes.Quantity::asApproximateFloat(): double', (q: CelQuantity) => Number(q.quantity.nano) / 1e9),
  fn('kubernetes.Quantity::add(kubernetes.Quantity): kubernetes.Quantity', added),
  fn('kubernetes.Quantity::add(int): kubernetes.Quantity', (a, b: bigint) => added(a, ofInt(b))),
  fn('kubernetes.Quantity::sub(kubernetes.Quantity): kubernetes.Quantity', (a, b: CelQuantity) => added(a, negated(b))),
  fn('kubernetes.Quantity::sub(int): kubernetes.Quantity', (a, b: bigint) => added(a, negated(ofInt(b)))),
  fn('kubernetes.Quantity::isLessThan(kubernetes.Quantity): bool', (a, b) => a.quantity.compare(b.quantity) < 0),
  fn('kubernetes.Quantity::isGreaterThan(kubernetes.Quantity): bool', (a, b) => a.quantity.compare(b.quantity) > 0),
  fn('kubernetes.Quantity::compareTo(kubernetes.Quantity): int', (a, b) =>
    BigInt(Math.sign(a.quantity.compare(b.quantity))),
  ),
];

const MAX_SEMVER = 256;

class CelSemver extends CelOpaque {
  readonly typeName = 'kubernetes.Semver';
  readonly numbers: readonly bigint[];
  readonly pre: readonly string[];
  constructor(numbers: readonly bigint[], pre: readonly string[]) {
    super();
    this.numbers = numbers;
    this.pre = pre;
  }
  compare(other: CelSemver): number {
    for (const [i, n] of this.numbers.entries()) if (n !== other.numbers[i]) return n < other.numbers[i]! ? -1 : 1;
    if (this.pre.length === 0 || other.pre.length === 0) return Math.sign(other.pre.length - this.pre.length);
    for (let i = 0; i < Math.min(this.pre.length, other.pre.length); i++) {
      const c = comparePart(this.pre[i]!, other.pre[i]!);
      if (c !== 0) return c;
    }
    return Math.sign(this.pre.length - other.pre.length);
  }
  equals(other: CelOpaque): boolean {
    return other instanceof CelSemver && this.compare(other) === 0;
  }
}

function comparePart(a: string, b: string): number {
  const [m, n] = [/^\d+$/.test(a), /^\d+$/.test(b)];
  if (m && n) return BigInt(a) < BigInt(b) ? -1 : BigInt(a) > BigInt(b) ? 1 : 0;
  if (m !== n) return m ? -1 : 1;
  return a < b ? -1 : a > b ? 1 : 0;
}

const refuse = (why: string): never => {
  throw new CelFault(why);
};

// `v1.2` becomes `1.2.0`, leading zeros go.
function normalized(text: string): string {
  const [major, minor, ...rest] = text.replace(/^v/, '').split('.') as [string, string?, ...string[]];
  const parts = [major, ...(minor === undefined ? [] : [minor]), ...(rest.length ? [rest.join('.')] : [])];
  if (parts.length < 3 && /[-+]/.test(parts.at(-1)!)) refuse('short version cannot contain PreRelease/Build meta data');
  const plain = (part: string) => (part.length > 1 ? part.replace(/^0+/, '').replace(/^(?!\d)/, '0') : part);
  return [...parts.map(plain), '0', '0'].slice(0, 3).join('.');
}

function numberOf(name: string, text: string): bigint {
  const quoted = JSON.stringify(text);
  if (/\D/.test(text)) refuse(`Invalid character(s) found in ${name.toLowerCase()} number ${quoted}`);
  if (/^0./.test(text)) refuse(`${name} number must not contain leading zeroes ${quoted}`);
  if (text === '') refuse('strconv.ParseUint: parsing "": invalid syntax');
  const value = BigInt(text);
  if (value >= 2n ** 64n) refuse(`strconv.ParseUint: parsing ${quoted}: value out of range`);
  return value;
}

function checkWord(part: string, empty: string, of: string): void {
  if (part === '') refuse(`${empty} is empty`);
  if (/[^0-9A-Za-z-]/.test(part)) refuse(`Invalid character(s) found in ${of} ${JSON.stringify(part)}`);
}

/** A `kubernetes.Semver`; throws CelFault. */
export function semver(given: string, normalize = false): CelSemver {
  if (given.length > MAX_SEMVER) refuse(`Version string is longer than ${MAX_SEMVER} characters`);
  const text = normalize ? normalized(given) : given;
  if (text === '') refuse('Version string empty');
  const [major, minor, ...rest] = text.split('.') as [string, string?, ...string[]];
  if (minor === undefined || rest.length === 0) refuse('No Major.Minor.Patch elements found');
  const [, patch, , pre, , build] = /^([^-+]*)(-([^+]*))?(\+(.*))?$/s.exec(rest.join('.'))!;
  const numbers = [numberOf('Major', major), numberOf('Minor', minor!), numberOf('Patch', patch!)];
  const words = pre?.split('.') ?? [];
  for (const word of words) {
    checkWord(word, 'Prerelease', 'prerelease');
    if (/^0\d+$/.test(word))
      refuse(`Numeric PreRelease version must not contain leading zeroes ${JSON.stringify(word)}`);
  }
  for (const word of build?.split('.') ?? []) checkWord(word, 'Build meta data', 'build meta data');
  return new CelSemver(numbers, words);
}

function isSemver(text: string, normalize = false): boolean {
  try {
    semver(text, normalize);
    return true;
  } catch (error) {
    if (error instanceof CelFault) return false;
    throw error;
  }
}

const number = (i: number) => (v: CelSemver) => BigInt.asIntN(64, v.numbers[i]!);
export const semvers: Library = [
  fn('semver(string): kubernetes.Semver', s => semver(s), reading),
  fn('semver(string, bool): kubernetes.Semver', semver, reading),
  fn('isSemver(string): bool', s => isSemver(s), reading),
  fn('isSemver(string, bool): bool', isSemver, reading),
  fn('kubernetes.Semver::major(): int', number(0)),
  fn('kubernetes.Semver::minor(): int', number(1)),
  fn('kubernetes.Semver::patch(): int', number(2)),
  fn('kubernetes.Semver::isLessThan(kubernetes.Semver): bool', (a, b) => a.compare(b) < 0),
  fn('kubernetes.Semver::isGreaterThan(kubernetes.Semver): bool', (a, b) => a.compare(b) > 0),
  fn('kubernetes.Semver::compareTo(kubernetes.Semver): int', (a, b) => BigInt(a.compare(b))),
];

type Rule = (text: string) => readonly string[];
const matching =
  (shape: RegExp, message: string): Rule =>
  text =>
    shape.test(text) ? [] : [message];
const prefix =
  (rule: Rule): Rule =>
  text =>
    rule(text.length > 1 && text.endsWith('-') ? `${text.slice(0, -2)}a` : text);
const isDate: Rule = text =>
  /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(text)) && new Date(text).toISOString().startsWith(text)
    ? []
    : ['invalid date'];
const isDateTime: Rule = text =>
  /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/.test(text) && !Number.isNaN(Date.parse(text))
    ? []
    : ['invalid datetime'];
const isUri: Rule = text => {
  const fault = urlFault(text);
  return fault ? [fault] : [];
};
const isBase64: Rule = text =>
  /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(text) ? [] : ['invalid base64'];

const FORMATS: Readonly<Record<string, Rule>> = {
  dns1123Label: isDns1123Label,
  dns1123Subdomain: isDns1123Subdomain,
  dns1035Label: isDns1035Label,
  qualifiedName: isQualifiedName,
  dns1123LabelPrefix: prefix(isDns1123Label),
  dns1123SubdomainPrefix: prefix(isDns1123Subdomain),
  dns1035LabelPrefix: prefix(isDns1035Label),
  labelValue: isLabelValue,
  uri: isUri,
  uuid: matching(
    /^[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}$/,
    'does not match the UUID format',
  ),
  byte: isBase64,
  date: isDate,
  datetime: isDateTime,
};

class CelFormat extends CelOpaque {
  readonly typeName = 'kubernetes.NamedFormat';
  readonly name: string;
  constructor(name: string) {
    super();
    this.name = name;
  }
  equals(other: CelOpaque): boolean {
    return other instanceof CelFormat && other.name === this.name;
  }
}

function validateFormat(format: CelFormat, text: string): CelValue {
  const errors = FORMATS[format.name]!(text);
  return errors.length === 0 ? CelOptional.none : new CelOptional(CelList.of([...errors]));
}

// What a pattern of usual length costs for each ten characters; which format it is an estimate cannot know.
const FORMAT_WEIGHT = 32;

export const formats: Library = [
  ...Object.keys(FORMATS).map(name => {
    const format = new CelFormat(name);
    return fn(`format.${name}(): kubernetes.NamedFormat`, () => format);
  }),
  fn('format.named(string): optional<kubernetes.NamedFormat>', (name: string) =>
    Object.hasOwn(FORMATS, name) ? new CelOptional(new CelFormat(name)) : CelOptional.none,
  ),
  fn('kubernetes.NamedFormat::validate(string): optional<list<string>>', validateFormat, {
    cost: s => Math.ceil(s(1) * 0.1) * FORMAT_WEIGHT,
  }),
];

export const jsonPatches: Library = [
  fn('jsonpatch.escapeKey(string): string', (s: string) => s.replaceAll('~', '~0').replaceAll('/', '~1'), {
    cost: s => Math.ceil(s(0) * 2 * 0.1),
    resultSize: s => s(0) * 2,
  }),
];
