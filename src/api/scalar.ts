// Scalars whose JSON text Kubernetes rewrites when it decodes: times, durations, base64.
import { own } from '../base/own.ts';

export const timeLayout = '2006-01-02T15:04:05Z07:00';
export const microTimeLayout = '2006-01-02T15:04:05.000000Z07:00';
export const zeroTime = '0001-01-01T00:00:00Z';
export const zeroMicroTime = '0001-01-01T00:00:00.000000Z';

/** The text is no value of its type. `message` is Go's wording. */
export class ScalarError extends Error {
  override name = 'ScalarError';
}

/** RFC 3339 in UTC with whole seconds, as metav1.Time is stored; throws ScalarError. */
export function canonicalTime(text: string): string {
  if (isCanonical(text, 20) && text.charCodeAt(19) === 90) return text;
  const { seconds } = readTime(text, timeLayout);
  return writeSeconds(seconds, 'Z');
}

/** RFC 3339 in UTC with six digits, as metav1.MicroTime is stored; throws ScalarError. */
export function canonicalMicroTime(text: string): string {
  if (isCanonical(text, 27) && /^\.[0-9]{6}Z$/.test(text.slice(19))) return text;
  const { seconds, fraction } = readTime(text, microTimeLayout);
  if (fraction.length !== 6) {
    const rest = text.slice(19);
    throw new ScalarError(
      `parsing time ${quote(text)} as "${microTimeLayout}": cannot parse ${quote(rest)} as ".000000"`,
    );
  }
  return writeSeconds(seconds, `.${fraction}Z`);
}

// `YYYY-MM-DDThh:mm:ss` with every number in range; days beyond the 28th are left to the exact reader.
function isCanonical(s: string, length: number): boolean {
  if (s.length !== length) return false;
  for (let i = 0; i < 19; i++) {
    const c = s.charCodeAt(i);
    if (i === 4 || i === 7) {
      if (c !== 45) return false;
    } else if (i === 10) {
      if (c !== 84) return false;
    } else if (i === 13 || i === 16) {
      if (c !== 58) return false;
    } else if (c < 48 || c > 57) return false;
  }
  const two = (i: number) => s.charCodeAt(i) * 10 + s.charCodeAt(i + 1) - 528;
  const [month, day] = [two(5), two(8)];
  return month >= 1 && month <= 12 && day >= 1 && day <= 28 && two(11) < 24 && two(14) < 60 && two(17) < 60;
}

const pieces: [RegExp, string][] = [
  [/^\d{4}/, '2006'],
  [/^-/, '-'],
  [/^\d{2}/, '01'],
  [/^-/, '-'],
  [/^\d{2}/, '02'],
  [/^T/, 'T'],
  [/^\d{1,2}/, '15'],
  [/^:/, ':'],
  [/^\d{2}/, '04'],
  [/^:/, ':'],
  [/^\d{2}(?:[.,]\d+)?/, '05'],
  [/^(?:Z|[+-]\d{2}:\d{2})/, 'Z07:00'],
];

function readTime(text: string, layout: string): { seconds: number; fraction: string } {
  const fail = (why: string): never => {
    throw new ScalarError(`parsing time ${quote(text)}${why}`);
  };
  let rest = text;
  const got: string[] = [];
  for (const [pattern, name] of pieces) {
    const m = pattern.exec(rest)?.[0];
    if (m === undefined) return fail(` as "${layout}": cannot parse ${quote(rest)} as "${name}"`);
    got.push(m);
    rest = rest.slice(m.length);
  }
  if (rest) return fail(`: extra text: ${quote(rest)}`);
  const [year, , month, , day, , hour, , minute, , second, zone] = got as string[];
  const [wholeSecond, fraction = ''] = second!.split(/[.,]/) as [string, string?];
  if (+month! < 1 || +month! > 12) fail(': month out of range');
  if (+hour! > 23) fail(': hour out of range');
  if (+minute! > 59) fail(': minute out of range');
  if (+wholeSecond > 59) fail(': second out of range');
  const at = new Date(0);
  at.setUTCFullYear(+year!, +month! - 1, +day!);
  if (+day! < 1 || at.getUTCDate() !== +day!) fail(': day out of range');
  at.setUTCHours(+hour!, +minute!, +wholeSecond);
  return { seconds: at.getTime() / 1000 - zoneSeconds(zone!), fraction };
}

function zoneSeconds(zone: string): number {
  if (zone === 'Z') return 0;
  const size = Number(zone.slice(1, 3)) * 3600 + Number(zone.slice(4)) * 60;
  return zone[0] === '-' ? -size : size;
}

function writeSeconds(seconds: number, tail: string): string {
  return new Date(seconds * 1000).toISOString().slice(0, 19) + tail;
}

/** As Go's package of times does: what is not of ASCII, byte by byte. */
function quote(text: string): string {
  const escaped = Array.from(text.matchAll(/[\udc80-\udcff]|./gsu), ([c]) => {
    if (c === '"' || c === '\\') return `\\${c}`;
    const code = c.charCodeAt(0);
    if (code >= 0x20 && code < 0x80) return c;
    const bytes = code >= 0xdc80 && code <= 0xdcff ? [code - 0xdc00] : [...Buffer.from(c)];
    return bytes.map(byte => `\\x${byte.toString(16).padStart(2, '0')}`).join('');
  });
  return `"${escaped.join('')}"`;
}

const unitNs: Record<string, number> = { ns: 1, us: 1e3, µs: 1e3, μs: 1e3, ms: 1e6, s: 1e9, m: 60e9, h: 3600e9 };

/** Nanoseconds of a Go duration, `1h30m`; throws ScalarError. Exact to 2^53. */
export function parseDuration(text: string): number {
  const invalid = () => new ScalarError(`time: invalid duration ${quote(text)}`);
  let rest = text.replace(/^[+-]/, '');
  if (rest === '0') return 0;
  if (rest === '') throw invalid();
  let ns = 0;
  while (rest !== '') {
    const [number] = /^\d*\.?\d*/.exec(rest)!;
    if (!/\d/.test(number)) throw invalid();
    const [unit] = /^[^.\d]*/.exec(rest.slice(number.length))!;
    if (unit === '') throw new ScalarError(`time: missing unit in duration ${quote(text)}`);
    const size = own(unitNs, unit);
    if (!size) throw new ScalarError(`time: unknown unit ${quote(unit)} in duration ${quote(text)}`);
    ns += Number(number) * size;
    rest = rest.slice(number.length + unit.length);
  }
  if (ns > 2 ** 63) throw invalid();
  return Math.trunc(text.startsWith('-') ? -ns : ns);
}

/** As Go prints a duration: `1h30m0s`, `1.5s`, `100ms`. */
export function formatDuration(ns: number): string {
  if (ns === 0) return '0s';
  const sign = ns < 0 ? '-' : '';
  const size = Math.abs(ns);
  if (size < 1e3) return `${sign}${size}ns`;
  if (size < 1e6) return `${sign}${decimal(size, 3)}µs`;
  if (size < 1e9) return `${sign}${decimal(size, 6)}ms`;
  const whole = Math.floor(size / 1e9);
  const h = Math.floor(whole / 3600);
  const m = Math.floor((whole % 3600) / 60);
  const seconds = `${decimal(size - (whole - (whole % 60)) * 1e9, 9)}s`;
  return `${sign}${h ? `${h}h` : ''}${h || m ? `${m}m` : ''}${seconds}`;
}

// `size` divided by 10^places, exactly, without trailing zeros.
function decimal(size: number, places: number): string {
  const digits = String(size).padStart(places + 1, '0');
  const fraction = digits.slice(-places).replace(/0+$/, '');
  return digits.slice(0, -places) + (fraction ? `.${fraction}` : '');
}

const base64Shape = /^[A-Za-z0-9+/]*={0,2}$/;

/** Standard base64, re-encoded if it held line breaks or stray bits; throws ScalarError. */
export function canonicalBase64(text: string): string {
  if (text.length % 4 === 0 && base64Shape.test(text)) {
    if (!text.endsWith('=')) return text;
    return Buffer.from(text.slice(-4), 'base64').toString('base64') === text.slice(-4)
      ? text
      : Buffer.from(text, 'base64').toString('base64');
  }
  const joined = text.replace(/[\r\n]/g, '');
  if (joined.length % 4 === 0 && base64Shape.test(joined)) return Buffer.from(joined, 'base64').toString('base64');
  throw new ScalarError(`illegal base64 data at input byte ${faultOffset(text)}`);
}

// Where Go's decoder stops: at the first byte outside the alphabet, or at the start of an incomplete quantum's end.
function faultOffset(text: string): number {
  let inQuantum = 0;
  let i = 0;
  for (; i < text.length; i++) {
    const c = text[i]!;
    if (c === '\r' || c === '\n') continue;
    if (c === '=') return paddingFault(text, i, inQuantum);
    if (!/[A-Za-z0-9+/]/.test(c)) return i;
    inQuantum = (inQuantum + 1) % 4;
  }
  return i - inQuantum;
}

function paddingFault(text: string, at: number, inQuantum: number): number {
  if (inQuantum < 2) return at;
  let i = at + 1;
  if (inQuantum === 2) {
    while (text[i] === '\r' || text[i] === '\n') i++;
    if (i >= text.length) return text.length;
    if (text[i] !== '=') return i;
    i++;
  }
  return i;
}
