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
  if (/^[^.:]*:.*%/.test(text)) return `IP address ${JSON.stringify(text)} with zone value is not allowed`;
  const bytes = addressOf(text);
  if (typeof bytes === 'string')
    return `IP Address ${JSON.stringify(text)} parse error during conversion from string: ${bytes}`;
  if (bytes.length === 16 && isMapped(bytes)) return `IPv4-mapped IPv6 address ${JSON.stringify(text)} is not allowed`;
  return new CelIp(bytes);
}

/** The bytes, or what is wrong. */
function addressOf(text: string): Uint8Array | string {
  const bytes = parseIp(text);
  if (bytes && !(bytes.length === 4 && /(^|\.)0\d/.test(text))) return bytes;
  const why = /^[^:%]*\./.test(text) ? whyNoIpv4(text) : 'unable to parse IP';
  return `ParseAddr(${JSON.stringify(text)}): ${why}`;
}

function whyNoIpv4(text: string): string {
  let dots = 0;
  let digits = '';
  for (let i = 0; i < text.length; i++) {
    const here = `(at ${JSON.stringify(text.slice(i))})`;
    if (/\d/.test(text[i]!)) {
      if (digits === '0') return 'IPv4 field has octet with leading zero';
      digits += text[i];
      if (Number(digits) > 255) return 'IPv4 field has value >255';
    } else if (text[i] !== '.') return `unexpected character ${here}`;
    else if (digits === '' || i === text.length - 1) return `IPv4 field must have at least one digit ${here}`;
    else if (++dots === 4) return 'IPv4 address too long';
    else digits = '';
  }
  return 'IPv4 address too short';
}

const isMapped = (b: Uint8Array): boolean => b.subarray(0, 10).every(x => x === 0) && b[10] === 255 && b[11] === 255;

function ip(text: string): CelIp {
  const parsed = parse(text);
  if (typeof parsed === 'string') throw new CelFault(parsed);
  return parsed;
}

function parseCidr(text: string): CelCidr | string {
  const slash = text.lastIndexOf('/');
  const refused = (why: string) => `${CIDR_FAULT}netip.ParsePrefix(${JSON.stringify(text)}): ${why}`;
  if (slash < 0) return refused("no '/'");
  const [address, bits] = [text.slice(0, slash), text.slice(slash + 1)];
  if (/^[^.:]*:.*%/.test(address)) return refused('IPv6 zones cannot be present in a prefix');
  const bytes = addressOf(address);
  if (typeof bytes === 'string') return refused(bytes);
  if (!/^(0|[1-9]\d*)$/.test(bits)) return refused(`bad bits after slash: ${JSON.stringify(bits)}`);
  if (Number(bits) > bytes.length * 8) return refused('prefix length out of range');
  if (bytes.length === 16 && isMapped(bytes)) return `IPv4-mapped IPv6 address ${JSON.stringify(text)} is not allowed`;
  return new CelCidr(new CelIp(bytes), Number(bits));
}

const CIDR_FAULT = 'network address parse error during conversion from string: ';

function cidr(text: string): CelCidr {
  const parsed = parseCidr(text);
  if (typeof parsed === 'string') throw new CelFault(CIDR_FAULT + parsed);
  return parsed;
}

function containsText(network: CelCidr, text: string): boolean {
  const address = parse(text);
  if (typeof address === 'string') throw new CelFault('no such overload');
  return network.containsIp(address);
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
  fn('ip.isCanonical(string): bool', canonical, { cost: s => Math.ceil(s(0) * 0.2) }),
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
  fn('isCIDR(string): bool', (s: string) => typeof parseCidr(s) !== 'string', reading),
  fn('string(net.CIDR): string', (c: CelCidr) => c.text),
  fn('net.CIDR::containsIP(net.IP): bool', (c: CelCidr, a: CelIp) => c.containsIp(a)),
  fn('net.CIDR::containsIP(string): bool', containsText, { cost: s => Math.ceil(s(1) * 0.2) }),
  fn('net.CIDR::containsCIDR(net.CIDR): bool', containsCidr),
  fn('net.CIDR::containsCIDR(string): bool', (c: CelCidr, o: string) => containsCidr(c, cidr(o)), {
    cost: s => 1 + Math.ceil(s(1) * 0.3),
  }),
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
  constructor(text: string, scheme: string, authority: string, path: string, query: string) {
    super();
    this.text = text;
    this.scheme = scheme.toLowerCase();
    this.host = authority.replace(/^.*@/s, '').replace(/%25/, '%');
    this.path = path;
    this.query = query;
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

/** The host of an authority whose escapes stand for nothing but bytes beyond ASCII; what is wrong otherwise. */
function hostFault(authority: string): string {
  const user = authority.lastIndexOf('@');
  if (/[^A-Za-z0-9\-._:~!$&'()*+,;=%@]/.test(authority.slice(0, Math.max(0, user)))) return 'net/url: invalid userinfo';
  const host = authority.slice(user + 1);
  const literal = host.startsWith('[') ? host.lastIndexOf(']') : -1;
  if (host.startsWith('[') && literal < 0) return "missing ']' in host";
  const port = literal >= 0 ? host.slice(literal + 1) : (/:[^:]*$/.exec(host)?.[0] ?? '');
  if (!/^(?::\d*)?$/.test(port)) return `invalid port ${JSON.stringify(port)} after host`;
  const zone = literal >= 0 ? host.indexOf('%25') : -1;
  const name = zone >= 0 ? host.slice(0, zone) : host;
  const badEscape = /%(?![89A-Fa-f][0-9A-Fa-f]).{0,2}/s.exec(name)?.[0];
  if (badEscape) return `invalid URL escape ${JSON.stringify(badEscape)}`;
  const odd = /[^A-Za-z0-9\-_.~!$&'()*+,;=:[\]<>"%\u0080-\uffff]/.exec(name)?.[0];
  return odd ? `invalid character ${JSON.stringify(odd)} in host name` : '';
}

// As Go's ParseRequestURI takes them: an absolute URI, or a path from the root.
function parseUrl(text: string): CelUrl | string {
  if (text === '') return 'empty url';
  if (/[\x00-\x1f\x7f]/.test(text)) return 'net/url: invalid control character in URL';
  const scheme = /^[a-zA-Z][a-zA-Z0-9+.-]*(?=:)/.exec(text)?.[0];
  if (text.startsWith(':')) return 'missing protocol scheme';
  const rest = scheme === undefined ? text : text.slice(scheme.length + 1);
  const [, before, query = ''] = /^([^?]*)(?:\?(.*))?$/s.exec(rest)!;
  if (text === '*') return new CelUrl(text, '', '', '*', '');
  if (!before!.startsWith('/'))
    return scheme === undefined ? 'invalid URI for request' : new CelUrl(text, scheme, '', '', query);
  const authority = scheme === undefined ? undefined : /^\/\/([^/]*)/.exec(before!)?.[1];
  const fault = authority === undefined ? '' : hostFault(authority);
  if (fault) return fault;
  const path = authority === undefined ? before! : before!.slice(2 + authority.length);
  const badEscape = /%(?![0-9a-fA-F]{2}).{0,2}/s.exec(path)?.[0];
  if (badEscape) return `invalid URL escape ${JSON.stringify(badEscape)}`;
  return new CelUrl(text, scheme ?? '', authority ?? '', path, query);
}

const faultText = (text: string, why: string): string => `parse ${JSON.stringify(text)}: ${why}`;

/** Why a text is no URL; '' when it is one. */
export function urlFault(text: string): string {
  const parsed = parseUrl(text);
  return typeof parsed === 'string' ? faultText(text, parsed) : '';
}

function url(text: string): CelUrl {
  const parsed = parseUrl(text);
  if (typeof parsed === 'string')
    throw new CelFault(`URL parse error during conversion from string: ${faultText(text, parsed)}`);
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
  fn('isURL(string): bool', (s: string) => typeof parseUrl(s) !== 'string'),
  fn('kubernetes.URL::getScheme(): string', (u: CelUrl) => u.scheme),
  fn('kubernetes.URL::getHost(): string', (u: CelUrl) => u.host),
  fn('kubernetes.URL::getHostname(): string', (u: CelUrl) => u.hostname),
  fn('kubernetes.URL::getPort(): string', (u: CelUrl) => u.port),
  fn('kubernetes.URL::getEscapedPath(): string', (u: CelUrl) => escapedPath(u.path)),
  fn('kubernetes.URL::getQuery(): map<string, list<string>>', queryOf),
];
