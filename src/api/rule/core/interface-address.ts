// An address of a network interface with the size of its network: `10.9.8.7/24`.
import { isIpv4Mapped, parseIp } from '../../name-rule.ts';
import { canonicalIp } from './ip-warning.ts';

const FORM = 'must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)';

export function isInterfaceAddress(value: string): readonly string[] {
  const slash = value.lastIndexOf('/');
  const text = value.slice(0, Math.max(slash, 0));
  const size = value.slice(slash + 1);
  const ip = parseIp(text);
  const bits = Number(size);
  if (!ip || !/^\d{1,3}$/.test(size) || bits > ip.length * 8) return [FORM];
  const canonical = `${canonicalIp(text)}/${isIpv4Mapped(ip) && bits >= 96 ? bits - 96 : bits}`;
  return canonical === value ? [] : [`must be in canonical form (${JSON.stringify(canonical)})`];
}
