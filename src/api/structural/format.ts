// Formats of strings that custom resources are held to. Others are let pass.
import { own } from '../../base/own.ts';
import { urlFault } from '../cel/lib/net.ts';
import { isDns1123Label, isDns1123Subdomain, parseIp } from '../name-rule.ts';
import { parseDuration, ScalarError } from '../scalar.ts';
import { wordedDuration } from '../worded-duration.ts';

const matches = (pattern: RegExp) => (text: string) => pattern.test(text);
const hex = (version: string) =>
  new RegExp(`^[0-9a-f]{8}-?[0-9a-f]{4}-?${version}[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$`, 'i');
const ipv4 = (text: string) => parseIp(text) !== undefined && text.includes('.');
const ipv6 = (text: string) => parseIp(text)?.length === 16 && text.includes(':');

function isCidr(text: string): boolean {
  const m = /^(.+)\/(\d+)$/.exec(text);
  const ip = m && parseIp(m[1]!);
  return !!ip && Number(m[2]) <= (m[1]!.includes(':') ? 128 : 32);
}

/** One for a request: absolute, or a path from the root. */
const isUri = (text: string): boolean => urlFault(text) === '';

function isDate(text: string): boolean {
  const m = /^(\d{4})-(\d{2})-(\d{2})$/.exec(text);
  if (!m) return false;
  const [year, month, day] = [Number(m[1]), Number(m[2]), Number(m[3])];
  return month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month);
}

const daysIn = (year: number, month: number): number =>
  month === 2
    ? year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0)
      ? 29
      : 28
    : [4, 6, 9, 11].includes(month)
      ? 30
      : 31;

function isDateTime(text: string): boolean {
  const m = /^(\d{4}-\d{2}-\d{2})[Tt](\d{2}):(\d{2}):(\d{2})(?:[.,]\d+)?(?:[Zz]|[+-]\d{2}:\d{2})$/.exec(text);
  return !!m && isDate(m[1]!) && Number(m[2]) < 24 && Number(m[3]) < 60 && Number(m[4]) < 60;
}

function isDuration(text: string): boolean {
  try {
    return parseDuration(text) !== undefined;
  } catch (error) {
    if (!(error instanceof ScalarError)) throw error;
    return wordedDuration(text) !== undefined;
  }
}

function isLuhn(text: string): boolean {
  const digits = text.replace(/[^0-9]/g, '');
  if (
    !/^(?:4\d{12}(?:\d{3})?|5[1-5]\d{14}|6(?:011|5\d\d)\d{12}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}|(?:2131|1800|35\d{3})\d{11})$/.test(
      digits,
    )
  )
    return false;
  let sum = 0;
  for (let i = 0; i < digits.length; i++) {
    const d = Number(digits[digits.length - 1 - i]) * (i % 2 ? 2 : 1);
    sum += d > 9 ? d - 9 : d;
  }
  return sum % 10 === 0;
}

function isIsbn10(text: string): boolean {
  const s = text.replace(/[\s-]/g, '');
  if (!/^\d{9}[\dX]$/.test(s)) return false;
  return [...s].reduce((sum, c, i) => sum + (10 - i) * (c === 'X' ? 10 : Number(c)), 0) % 11 === 0;
}

function isIsbn13(text: string): boolean {
  const s = text.replace(/[\s-]/g, '');
  return /^\d{13}$/.test(s) && [...s].reduce((sum, c, i) => sum + Number(c) * (i % 2 ? 3 : 1), 0) % 10 === 0;
}

const letter = '[a-zA-Z0-9\\p{S}\\p{L}]';
// One label, with no hyphen but behind its first character; or several, the last of letters.
const hostname = new RegExp(
  `^(${letter}(-?${letter}{0,62})?|(${letter}([a-zA-Z0-9\\-\\p{S}\\p{L}]{0,61}${letter})?\\.)+[a-zA-Z\\p{L}]{2,63})$`,
  'u',
);
const atomic = '[^\\s()<>\\[\\]:;@\\\\,."\\x00-\\x1f\\x7f]';
const atoms = `${atomic}+(?:\\.${atomic}+)*`;
const quoted = '"(?:[^"\\\\]|\\\\.)*"';
const address = `(?:${atoms}|${quoted})@(?:${atoms}|\\[[^\\[\\]]*\\])`;
// Character by character: parts of any length in a list of any length could be told apart in countless ways.
const phrase = `(?:(?:${atomic}|${quoted}|\\.)\\s*)*`;
// An address alone, or in angle brackets behind the name of whose it is.
const email = new RegExp(`^\\s*(?:${address}|${phrase}<${address}>)\\s*(?:\\([^()]*\\)\\s*)?$`);
const rgb = '(0|[1-9]\\d?|1\\d\\d?|2[0-4]\\d|25[0-5])';
const byte = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

const checks: Readonly<Record<string, (text: string) => boolean>> = {
  bsonobjectid: matches(/^[0-9a-f]{24}$/i),
  uri: isUri,
  email: matches(email),
  hostname: text => text.length <= 255 && hostname.test(text) && text.split('.').every(part => part.length <= 63),
  ipv4,
  ipv6,
  cidr: isCidr,
  mac: matches(
    /^([0-9a-f]{2}([:-]))([0-9a-f]{2}\2){4,18}[0-9a-f]{2}$|^([0-9a-f]{4}\.){2,9}[0-9a-f]{4}$|^[0-9a-f]{12}$/i,
  ),
  uuid: matches(hex('[0-9a-f]')),
  uuid3: matches(hex('3')),
  uuid4: matches(/^[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$/i),
  uuid5: matches(/^[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$/i),
  isbn: text => isIsbn10(text) || isIsbn13(text),
  isbn10: isIsbn10,
  isbn13: isIsbn13,
  creditcard: isLuhn,
  ssn: matches(/^\d{3}[- ]\d{2}[- ]\d{4}$/),
  hexcolor: matches(/^#?([0-9a-f]{3}|[0-9a-f]{6})$/i),
  rgbcolor: matches(new RegExp(`^rgb\\(\\s*${rgb}\\s*,\\s*${rgb}\\s*,\\s*${rgb}\\s*\\)$`)),
  byte: text => text !== '' && byte.test(text),
  password: () => true,
  date: isDate,
  duration: isDuration,
  datetime: isDateTime,
  'date-time': isDateTime,
  'k8s-short-name': text => isDns1123Label(text).length === 0,
  'k8s-long-name': text => isDns1123Subdomain(text).length === 0,
};

/** Does a string have the format? Unknown formats hold for every string. */
export const hasFormat = (format: string, text: string): boolean => own(checks, format)?.(text) ?? true;

const ofNumbers: Readonly<Record<string, readonly string[]>> = {
  integer: ['int32', 'int64'],
  number: ['float', 'double'],
};

/** Is the format one that values of the type can be held to? */
export const isKnownFormatOf = (type: string, format: string): boolean =>
  type === 'string'
    ? Object.hasOwn(checks, format) || Object.hasOwn(checks, format.replaceAll('-', ''))
    : (ofNumbers[type]?.includes(format) ?? false);
