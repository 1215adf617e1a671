// Addresses in the one spelling that the rules use: two spellings of one address would be two claims to one map key, which
// nft refuses, and with it the whole transaction. Pure.
import { formatIp, ipNumber } from '../../api/ip-number.ts';
import { parseIp } from '../../api/name-rule.ts';

/** Undefined for what is no address. */
export function canonicalAddress(text: string): string | undefined {
  const bytes = parseIp(text);
  return bytes && formatIp(ipNumber(bytes), bytes.length);
}

/** The network of a range, without bits beyond its prefix; undefined for what is no range. */
export function canonicalCidr(text: string): string | undefined {
  const [address = '', bits = ''] = text.trim().split('/');
  const bytes = parseIp(address);
  if (!bytes || !/^\d{1,3}$/.test(bits) || Number(bits) > bytes.length * 8) return undefined;
  const beyond = BigInt(bytes.length * 8 - Number(bits));
  return `${formatIp((ipNumber(bytes) >> beyond) << beyond, bytes.length)}/${Number(bits)}`;
}

/** False also for what is no address or no range. */
export function isInRange(address: string, range: string): boolean {
  const network = canonicalCidr(range);
  return network !== undefined && canonicalCidr(`${address}/${network.split('/')[1]}`) === network;
}
