// Addresses in specs: syntax, family, ranges nobody may publish.
import type { FieldErrors, FieldPath } from '../../field-error.ts';
import { isCidr, isIpAddress, parseCidr, parseIp } from '../../name-rule.ts';

export type IpFamily = 'IPv4' | 'IPv6';

/** Of text that is an address; undefined for anything else. */
export function familyOf(ip: string): IpFamily | undefined {
  if (!parseIp(ip)) return undefined;
  return ip.includes(':') ? 'IPv6' : 'IPv4';
}

/** False when it is no address. `held`: those the field had before an update; they may stay as they are. */
export function validateIp(ip: string, at: FieldPath, errors: FieldErrors, held: readonly string[] = []): boolean {
  if (held.includes(ip)) return true;
  if (errors.looseAddresses && parseIp(ip)) return true;
  const complaints = isIpAddress(ip);
  for (const m of complaints) errors.invalid(at, ip, m);
  return complaints.length === 0;
}

/** As validateIp. */
export function validateCidr(cidr: string, at: FieldPath, errors: FieldErrors, held: readonly string[] = []): boolean {
  if (held.includes(cidr)) return true;
  if (errors.looseAddresses && parseCidr(cidr)) return true;
  const complaints = isCidr(cidr);
  for (const m of complaints) errors.invalid(at, cidr, m);
  return complaints.length === 0;
}

/** Addresses that mean something else on every machine. */
export function validateNonSpecialIp(text: string, at: FieldPath, errors: FieldErrors): void {
  const ip = parseIp(text);
  if (!ip) {
    errors.invalid(at, text, 'must be a valid IP address');
    return;
  }
  const v4 = ip.length === 4;
  const zeros = ip.subarray(0, ip.length - 1).every(b => b === 0);
  const last = ip.at(-1)!;
  if (zeros && last === 0) errors.invalid(at, text, `may not be unspecified (${text})`);
  if (v4 ? ip[0] === 127 : zeros && last === 1)
    errors.invalid(at, text, 'may not be in the loopback range (127.0.0.0/8, ::1/128)');
  if (v4 ? ip[0] === 169 && ip[1] === 254 : ip[0] === 0xfe && (ip[1]! & 0xc0) === 0x80)
    errors.invalid(at, text, 'may not be in the link-local range (169.254.0.0/16, fe80::/10)');
  if (v4 ? ip[0] === 224 && ip[1] === 0 && ip[2] === 0 : ip[0] === 0xff && (ip[1]! & 0x0f) === 2)
    errors.invalid(at, text, 'may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)');
}
