// quantity, semver, named formats and jsonpatch.
import { isDns1035Label, isDns1123Label, isDns1123Subdomain, isLabelValue, isQualifiedName } from '../../name-rule.ts';
import { parseQuantity, Quantity, QuantityError } from '../../quantity.ts';
import { fn, type Library, reads } from '../overload.ts';
import { CelFault, CelList, CelOpaque, CelOptional, type CelValue } from '../value.ts';

const reading = { cost: reads(0) };

class CelQuantity extends CelOpaque {
  readonly typeName = 'kubernetes.Quantity';
  readonly quantity: Quantity;
  constructor(quantity: Quantity) {
    super();
    this.quantity = quantity;
  }
  equals(other: CelOpaque): boolean {
    return other instanceof CelQuantity && this.quantity.equals(other.quantity);
  }
}

function tryQuantity(text: string): CelQuantity | undefined {
  try {
    return new CelQuantity(parseQuantity(text));
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

const NANO = 1_000_000_000n;
const MAX = 2n ** 63n - 1n;
const isInteger = ({ quantity: q }: CelQuantity): boolean => q.nano % NANO === 0n && inRange(q.nano / NANO);
const inRange = (v: bigint): boolean => v <= MAX && v >= -MAX - 1n;
function asInteger(v: CelQuantity): bigint {
  if (!isInteger(v)) throw new CelFault('cannot convert value to integer');
  return v.quantity.nano / NANO;
}
const ofInt = (v: bigint): Quantity => Quantity.ofNano(v * NANO);
const added = (a: CelQuantity, b: Quantity): CelQuantity => new CelQuantity(a.quantity.add(b));

export const quantities: Library = [
  fn('quantity(string): kubernetes.Quantity', quantity, reading),
  fn('isQuantity(string): bool', (s: string) => tryQuantity(s) !== undefined, reading),
  fn('kubernetes.Quantity::sign(): int', (q: CelQuantity) => BigInt(q.quantity.sign)),
  fn('kubernetes.Quantity::isInteger(): bool', isInteger),
  fn('kubernetes.Quantity::asInteger(): int', asInteger),
  fn('kubernetes.Quantity::asApproximateFloat(): double', (q: CelQuantity) => Number(q.quantity.nano) / 1e9),
  fn('kubernetes.Quantity::add(kubernetes.Quantity): kubernetes.Quantity', (a, b: CelQuantity) => added(a, b.quantity)),
  fn('kubernetes.Quantity::add(int): kubernetes.Quantity', (a, b: bigint) => added(a, ofInt(b))),
  fn('kubernetes.Quantity::sub(kubernetes.Quantity): kubernetes.Quantity', (a, b: CelQuantity) =>
    added(a, b.quantity.negate()),
  ),
  fn('kubernetes.Quantity::sub(int): kubernetes.Quantity', (a, b: bigint) => added(a, ofInt(-b))),
  fn('kubernetes.Quantity::isLessThan(kubernetes.Quantity): bool', (a, b) => a.quantity.compare(b.quantity) < 0),
  fn('kubernetes.Quantity::isGreaterThan(kubernetes.Quantity): bool', (a, b) => a.quantity.compare(b.quantity) > 0),
  fn('kubernetes.Quantity::compareTo(kubernetes.Quantity): int', (a, b) =>
    BigInt(Math.sign(a.quantity.compare(b.quantity))),
  ),
];

const SEMVER =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?$/;
const MAX_SEMVER = 256;

class CelSemver extends CelOpaque {
  readonly typeName = 'kubernetes.Semver';
  readonly numbers: readonly bigint[];
  readonly pre: readonly string[];
  constructor(m: RegExpExecArray) {
    super();
    this.numbers = [m[1]!, m[2]!, m[3]!].map(BigInt);
    this.pre = m[4]?.split('.') ?? [];
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

// `v1.2` becomes `1.2.0`, leading zeros go.
function normalized(text: string): string {
  const m = /^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?([-+].*)?$/.exec(text);
  if (!m) return text;
  const plain = (n: string | undefined) => (n ?? '0').replace(/^0+(?=\d)/, '');
  return `${plain(m[1])}.${plain(m[2])}.${plain(m[3])}${m[4] ?? ''}`;
}

function trySemver(text: string, normalize = false): CelSemver | undefined {
  if (text.length > MAX_SEMVER) return undefined;
  const m = SEMVER.exec(normalize ? normalized(text) : text);
  return m ? new CelSemver(m) : undefined;
}

/** A `kubernetes.Semver`; throws CelFault. */
export function semver(text: string, normalize = false): CelSemver {
  const found = trySemver(text, normalize);
  if (!found) throw new CelFault(`Invalid character(s) found in version ${JSON.stringify(text)}`);
  return found;
}

const number = (i: number) => (v: CelSemver) => v.numbers[i]!;
export const semvers: Library = [
  fn('semver(string): kubernetes.Semver', s => semver(s), reading),
  fn('semver(string, bool): kubernetes.Semver', semver, reading),
  fn('isSemver(string): bool', s => trySemver(s) !== undefined, reading),
  fn('isSemver(string, bool): bool', (s, n) => trySemver(s, n) !== undefined, reading),
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
    rule(text.endsWith('-') ? `${text.slice(0, -1)}a` : text);
const isDate: Rule = text =>
  /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(text)) && new Date(text).toISOString().startsWith(text)
    ? []
    : ['invalid date'];
const isDateTime: Rule = text =>
  /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$/.test(text) && !Number.isNaN(Date.parse(text))
    ? []
    : ['invalid datetime'];
const isUri: Rule = text => (/^(?:[a-zA-Z][a-zA-Z0-9+.-]*:|\/)[^\s]*$/.test(text) ? [] : ['invalid URI for request']);
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

export const formats: Library = [
  ...Object.keys(FORMATS).map(name => {
    const format = new CelFormat(name);
    return fn(`format.${name}(): kubernetes.NamedFormat`, () => format);
  }),
  fn('format.named(string): optional<kubernetes.NamedFormat>', (name: string) =>
    Object.hasOwn(FORMATS, name) ? new CelOptional(new CelFormat(name)) : CelOptional.none,
  ),
  fn('kubernetes.NamedFormat::validate(string): optional<list<string>>', validateFormat, {
    cost: s => Math.ceil(s(1) * 0.25),
  }),
];

export const jsonPatches: Library = [
  fn('jsonpatch.escapeKey(string): string', (s: string) => s.replaceAll('~', '~0').replaceAll('/', '~1'), {
    cost: s => Math.ceil(s(0) * 2 * 0.1),
    resultSize: s => s(0) * 2,
  }),
];
