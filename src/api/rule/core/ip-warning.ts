// Addresses that are not written as everybody writes them: IPv6 in other forms than RFC 5952's, and what is refused where
// it is new and was stored before it was.
import type { FieldPath } from '../../field-error.ts';
import { formatIp, ipNumber } from '../../ip-number.ts';
import { isCidr, isIpAddress, isIpv4Mapped, parseIp } from '../../name-rule.ts';

export function ipWarnings(text: string | undefined, at: FieldPath): string[] {
  // Endpoints have thousands of them, nearly all of IPv4 and as they should be.
  if (!text || (!text.includes(':') && !leadingZero.test(text))) return [];
  const canonical = canonicalIp(text);
  if (!canonical || canonical === text) return [];
  if (isIpAddress(text).length) return [`${at}: non-standard IP address "${text}" is invalid: use "${canonical}"`];
  return [notCanonical('address', text, canonical, at)];
}

/** Of a range that is valid: as everybody writes it. */
export function canonicalCidr(text: string): string {
  const [address = '', prefix] = text.split('/');
  return `${canonicalIp(address)}/${Number(prefix)}`;
}

export function cidrWarnings(text: string, at: FieldPath): string[] {
  const [fault] = isCidr(text);
  const [address = '', prefix] = text.split('/');
  const ip = parseIp(address);
  if (!ip || fault === malformed) return [];
  const inside = isIpv4Mapped(ip) && Number(prefix) >= 96;
  const bits = Number(prefix) - (inside ? 96 : 0);
  const single = canonicalIp(address)!;
  const network = networkOf(inside ? ip.subarray(12) : ip, bits);
  const canonical = `${network}/${bits}`;
  const out: string[] = [];
  if (network !== single)
    out.push(
      `${at}: CIDR value "${text}" is ambiguous in this context (should be "${canonical}" or "${single}/${ip.length * 8}"?)`,
    );
  if (fault !== undefined && fault !== beyond)
    out.push(`${at}: non-standard CIDR value "${text}" is invalid: use "${canonical}"`);
  if (out.length > 0 || canonical === text) return out;
  return [notCanonical('CIDR value', text, canonical, at)];
}

const leadingZero = /(^|\.)0\d/;
const [malformed] = isCidr('');
const [beyond] = isCidr('0.0.0.1/0');

/** Of an IPv4 address in IPv6's clothes the address itself. */
export function canonicalIp(text: string): string | undefined {
  const ip = parseIp(text);
  if (!ip) return undefined;
  const own = isIpv4Mapped(ip) ? ip.subarray(12) : ip;
  return formatIp(ipNumber(own), own.length);
}

function networkOf(ip: Uint8Array, bits: number): string {
  const hostBits = BigInt(ip.length * 8 - bits);
  return formatIp((ipNumber(ip) >> hostBits) << hostBits, ip.length);
}

const notCanonical = (what: string, text: string, canonical: string, at: FieldPath): string =>
  `${at}: IPv6 ${what} "${text}" should be in RFC 5952 canonical format ("${canonical}")`;
