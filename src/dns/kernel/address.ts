// Addresses as text and in names. Pure.
import { parseIp } from '../../api/name-rule.ts';

/** One spelling for one address: an IPv4 address as it is, an IPv6 address as 32 hexadecimal digits. */
export function canonicalAddress(text: string): string {
  if (!text.includes(':')) return text;
  const bytes = parseIp(text);
  return bytes ? hex(bytes) : text;
}

const hex = (bytes: Uint8Array): string => Array.from(bytes, b => b.toString(16).padStart(2, '0')).join('');

const isPlainIpv4 = (text: string): boolean => parseIp(text)?.length === 4 && !/(^|\.)0\d/.test(text);

/** What stands for the address in `a-b-c-d.namespace.pod`; and the name of an endpoint without a hostname. */
export const dashed = (address: string): string => address.replace(/[.:]/g, '-');

/** The address that `a-b-c-d` stands for. */
export function undashed(label: string): string | undefined {
  const ipv4 = label.replaceAll('-', '.');
  if (isPlainIpv4(ipv4)) return ipv4;
  const ipv6 = label.replaceAll('-', ':');
  return ipv6.includes(':') && parseIp(ipv6) ? ipv6 : undefined;
}

/** The canonical address that a name below in-addr.arpa or ip6.arpa (in lower case) asks for; '' when it is no whole address. */
export function reverseAddress(name: string): string | undefined {
  if (name.endsWith('.in-addr.arpa')) {
    const address = name.slice(0, -'.in-addr.arpa'.length).split('.').reverse().join('.');
    return isPlainIpv4(address) ? address : '';
  }
  if (!name.endsWith('.ip6.arpa')) return undefined;
  const digits = name.slice(0, -'.ip6.arpa'.length);
  return /^([0-9a-f]\.){31}[0-9a-f]$/.test(digits) ? digits.split('.').reverse().join('') : '';
}
