// url, ip and cidr.
import { formatIp, ipNumber } from '../../ip-number.ts';
import { parseIp } from '../../name-rule.ts';
import { fn, type Library, reads } from '../overload.ts';
import { CelFault, CelList, CelOpaque, ValueMap } from '../value.ts';

const reading = { cost: reads(0) };

class CelIp extends CelOpaque {
  readonly typeName = 'net.IP';
  readonly bytes: Uint8Array;
  constructor(bytes: Uint8Array) {
    super();
    this.bytes = bytes;
  }
  get text(): string {
    return formatIp(ipNumber(this.bytes), this.bytes.length);
  }
  equals(other: CelOpaque): boolean {
    return other instanceof CelIp && Buffer.compare(this.bytes, other.bytes) === 0;
  }
}

class CelCidr extends CelOpaque {
  readonly typeName = 'net.CIDR';
  readonly ip: CelIp;
  readonly bits: number;
  constructor(ip: CelIp, bits: number) {
    super();
    this.ip = ip;
    this.bits = bits;
  }
  get text(): string {
    return `${this.ip.text}/${this.bits}`;
  }
  equals(other: CelOpaque): boolean {
    return other instanceof CelCidr && this.bits === other.bits && this.ip.equals(other.ip);
  }
  masked(): CelCidr {
    return new CelCidr(new CelIp(mask(this.ip.bytes, this.bits)), this.bits);
  }
  containsIp(ip: CelIp): boolean {
    if (ip.bytes.length !== this.ip.bytes.length) return false;
    return Buffer.compare(mask(ip.bytes, this.bits), mask(this.ip.bytes, this.bits)) === 0;
  }
}

function mask(bytes: Uint8Array, bits: number): Uint8Array {
  return bytes.map((b, i) => {
    const keep = Math.min(8, Math.max(0, bits - i * 8));
    return b & (0xff << (8 - keep));
  });
}

function parse(text: string): CelIp | string {
  if (text.includes('%')) return `IP Address "${text}" with zone value is not allowed`;
  const bytes = parseIp(text);
  if (!bytes || (bytes.length === 4 && /(^|\.)0\d/.test(text)))
    return `IP Address ${JSON.stringify(text)} parse error during conversion from string: ParseAddr(${JSON.stringify(text)}): unable to parse IP`;
  if (bytes.length === 16 && isMapped(bytes)) return `IPv4-mapped IPv6 address ${JSON.stringify(text)} is not allowed`;
  return new CelIp(bytes);
}

const isMapped = (b: Uint8Array): boolean => b.subarray(0, 10).every(x => x === 0) && b[10] === 255 && b[11] === 255;

function ip(text: string): CelIp {
  const parsed = parse(text);
  if (typeof parsed === 'string') throw new CelFault(parsed);
  return parsed;
}

function tryCidr(text: string): CelCidr | undefined {
  const slash = text.lastIndexOf('/');
  const bits = text.slice(slash + 1);
  const address = slash < 0 ? 'none' : parse(text.slice(0, slash));
  if (typeof address === 'string' || !/^(0|[1-9]\d{0,2})$/.test(bits) || Number(bits) > address.bytes.length * 8)
    return undefined;
  return new CelCidr(address, Number(bits));
}

function cidr(text: string): CelCidr {
  const parsed = tryCidr(text);
  if (!parsed)
    throw new CelFault(
      `network address parse error during conversion from string: netip.ParsePrefix(${JSON.stringify(text)}): no '/'`,
    );
  return parsed;
}

const isLinkLocal = ({ bytes: b }: CelIp): boolean =>
  b.length === 4 ? b[0] === 169 && b[1] === 254 : b[0] === 0xfe && (b[1]! & 0xc0) === 0x80;
const isLinkLocalMulticast = ({ bytes: b }: CelIp): boolean =>
  b.length === 4 ? b[0] === 224 && b[1] === 0 && b[2] === 0 : b[0] === 0xff && (b[1]! & 0x0f) === 2;
const isLoopback = ({ bytes: b }: CelIp): boolean =>
  b.length === 4 ? b[0] === 127 : b.subarray(0, 15).every(x => x === 0) && b[15] === 1;
const isUnspecified = ({ bytes: b }: CelIp): boolean => b.every(x => x === 0);
const isMulticast = ({ bytes: b }: CelIp): boolean => (b.length === 4 ? (b[0]! & 0xf0) === 0xe0 : b[0] === 0xff);
const isGlobalUnicast = (a: CelIp): boolean =>
  !isUnspecified(a) && !isLoopback(a) && !isMulticast(a) && !isLinkLocal(a) && !a.bytes.every(b => b === 255);

const family = (a: CelIp): bigint => (a.bytes.length === 4 ? 4n : 6n);
const canonical = (text: string): boolean => ip(text).text === text;

export const ips: Library = [
  fn('ip(string): net.IP', ip, reading),
  fn('isIP(string): bool', (s: string) => typeof parse(s) !== 'string', reading),
  fn('ip.isCanonical(string): bool', canonical, reading),
  fn('string(net.IP): string', (a: CelIp) => a.text),
  fn('net.IP::family(): int', family),
  fn('net.IP::isUnspecified(): bool', isUnspecified),
  fn('net.IP::isLoopback(): bool', isLoopback),
  fn('net.IP::isLinkLocalMulticast(): bool', isLinkLocalMulticast),
  fn('net.IP::isLinkLocalUnicast(): bool', isLinkLocal),
  fn('net.IP::isGlobalUnicast(): bool', isGlobalUnicast),
];

const containsCidr = (a: CelCidr, b: CelCidr): boolean => b.bits >= a.bits && a.containsIp(b.ip);
export const cidrs: Library = [
  fn('cidr(string): net.CIDR', cidr, reading),
  fn('isCIDR(string): bool', (s: string) => tryCidr(s) !== undefined, reading),
  fn('string(net.CIDR): string', (c: CelCidr) => c.text),
  fn('net.CIDR::containsIP(net.IP): bool', (c: CelCidr, a: CelIp) => c.containsIp(a)),
  fn('net.CIDR::containsIP(string): bool', (c: CelCidr, a: string) => c.containsIp(ip(a)), { cost: reads(1) }),
  fn('net.CIDR::containsCIDR(net.CIDR): bool', containsCidr),
  fn('net.CIDR::containsCIDR(string): bool', (c: CelCidr, o: string) => containsCidr(c, cidr(o)), { cost: reads(1) }),
  fn('net.CIDR::ip(): net.IP', (c: CelCidr) => c.ip),
  fn('net.CIDR::masked(): net.CIDR', (c: CelCidr) => c.masked()),
  fn('net.CIDR::prefixLength(): int', (c: CelCidr) => BigInt(c.bits)),
];

class CelUrl extends CelOpaque {
  readonly typeName = 'kubernetes.URL';
  readonly text: string;
  readonly scheme: string;
  readonly host: string;
  readonly path: string;
  readonly query: string;
  constructor(text: string, parts: RegExpExecArray) {
    super();
    this.text = text;
    this.scheme = (parts[1] ?? '').toLowerCase();
    this.host = (parts[2] ?? '').replace(/^.*@/, '');
    this.path = parts[3] ?? '';
    this.query = parts[4] ?? '';
  }
  get hostname(): string {
    const inside = /^\[([^\]]*)\]/.exec(this.host);
    return inside ? inside[1]! : this.host.replace(/:[^:]*$/, '');
  }
  get port(): string {
    return /:(\d*)$/.exec(this.host.replace(/^\[[^\]]*\]/, ''))?.[1] ?? '';
  }
  equals(other: CelOpaque): boolean {
    return other instanceof CelUrl && other.text === this.text;
  }
}

// An absolute URI, or a path from the root, as Go's ParseRequestURI takes them.
const URI = /^(?:([a-zA-Z][a-zA-Z0-9+.-]*):)?(?:\/\/([^/?]*))?([^?]*)(?:\?(.*))?$/s;

function tryUrl(text: string): CelUrl | undefined {
  const m = URI.exec(text);
  if (!m || text === '' || /[\x00-\x1f\x7f]/.test(text)) return undefined;
  const [scheme, host, path] = [m[1], m[2], m[3]!];
  if (!scheme && !text.startsWith('/')) return undefined;
  if (scheme && host === undefined && !path.startsWith('/')) return undefined;
  if (host !== undefined && !/^(?:[^@]*@)?(?:\[[0-9a-fA-F:.%]+\]|[^\s[\]<>"^`{|}\\:]*)(?::\d*)?$/.test(host))
    return undefined;
  if (/%(?![0-9a-fA-F]{2})/.test(path)) return undefined;
  return new CelUrl(text, m);
}

function url(text: string): CelUrl {
  const parsed = tryUrl(text);
  if (!parsed)
    throw new CelFault(
      `URL parse error during conversion from string: parse ${JSON.stringify(text)}: invalid URI for request`,
    );
  return parsed;
}

function queryOf(u: CelUrl): ValueMap {
  const values = new Map<string, string[]>();
  for (const part of u.query.split('&')) {
    if (!part || part.includes(';')) continue;
    const equal = part.indexOf('=');
    const [k, v] = [equal < 0 ? part : part.slice(0, equal), equal < 0 ? '' : part.slice(equal + 1)].map(unescaped);
    if (k === undefined || v === undefined) continue;
    const known = values.get(k);
    if (known) known.push(v);
    else values.set(k, [v]);
  }
  const out = new ValueMap();
  for (const [k, v] of values) out.set(k, CelList.of(v));
  return out;
}

function unescaped(text: string): string | undefined {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}

function escapedPath(path: string): string {
  return path.replace(/[^A-Za-z0-9\-._~$&+,/:;=@!'()*%]+/g, s => encodeURIComponent(s));
}

export const urls: Library = [
  fn('url(string): kubernetes.URL', url, reading),
  fn('isURL(string): bool', (s: string) => tryUrl(s) !== undefined, reading),
  fn('kubernetes.URL::getScheme(): string', (u: CelUrl) => u.scheme),
  fn('kubernetes.URL::getHost(): string', (u: CelUrl) => u.host),
  fn('kubernetes.URL::getHostname(): string', (u: CelUrl) => u.hostname),
  fn('kubernetes.URL::getPort(): string', (u: CelUrl) => u.port),
  fn('kubernetes.URL::getEscapedPath(): string', (u: CelUrl) => escapedPath(u.path)),
  fn('kubernetes.URL::getQuery(): map<string, list<string>>', queryOf),
];
