// Which addresses a ServiceCIDR holds, and which of them nothing else would hold without it.
import { ipNumber } from '../../../api/ip-number.ts';
import { parseIp } from '../../../api/name-rule.ts';
import type { ServiceCIDR } from '../../../api/type/networking-v1.ts';

export function isInRange(ip: string, cidr: string): boolean {
  const [network = '', bits = ''] = cidr.split('/');
  const [address, base] = [parseIp(ip), parseIp(network)];
  if (!address || !base || address.length !== base.length) return false;
  const shift = BigInt(base.length * 8 - Number(bits));
  return ipNumber(address) >> shift === ipNumber(base) >> shift;
}

export const holds = ({ spec }: ServiceCIDR, ip: string): boolean => (spec.cidrs ?? []).some(c => isInRange(ip, c));

/** The first address that only `range` holds. */
export function firstOrphan(
  range: ServiceCIDR,
  others: readonly ServiceCIDR[],
  ips: readonly string[],
): string | undefined {
  const staying = others.filter(o => o.metadata.name !== range.metadata.name && !o.metadata.deletionTimestamp);
  return ips.find(ip => holds(range, ip) && !staying.some(o => holds(o, ip)));
}
