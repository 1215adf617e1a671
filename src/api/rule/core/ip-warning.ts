// Addresses that are valid and not written as everybody writes them. Others than IPv6 are refused, not warned of.
import type { FieldPath } from '../../field-error.ts';
import { formatIp, ipNumber } from '../../ip-number.ts';
import { parseIp } from '../../name-rule.ts';

export function ipWarnings(text: string | undefined, at: FieldPath): string[] {
  const canonical = canonicalIpv6(text ?? '');
  return canonical === undefined || canonical === text ? [] : [warning('address', text!, canonical, at)];
}

export function cidrWarnings(text: string, at: FieldPath): string[] {
  const slash = text.indexOf('/');
  const ip = slash < 0 ? undefined : canonicalIpv6(text.slice(0, slash));
  const canonical = `${ip}${text.slice(slash)}`;
  return ip === undefined || canonical === text ? [] : [warning('CIDR value', text, canonical, at)];
}

function canonicalIpv6(text: string): string | undefined {
  const ip = text.includes(':') ? parseIp(text) : undefined;
  return ip && formatIp(ipNumber(ip), ip.length);
}

const warning = (what: string, text: string, canonical: string, at: FieldPath): string =>
  `${at}: IPv6 ${what} "${text}" should be in RFC 5952 canonical format ("${canonical}")`;
