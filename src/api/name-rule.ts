// Name and value syntax every kind shares. Each check returns Kubernetes' complaints about a value; none means valid.

const NONE: readonly string[] = [];

const QUALIFIED_NAME = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';
const LABEL_VALUE = `(${QUALIFIED_NAME})?`;
const DNS_LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const DNS_SUBDOMAIN = `${DNS_LABEL}(\\.${DNS_LABEL})*`;
const DNS_LABEL_UNDERSCORE = '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?';
const DNS_SUBDOMAIN_UNDERSCORE = `${DNS_LABEL_UNDERSCORE}(\\.${DNS_LABEL_UNDERSCORE})*`;
const DNS_1035_LABEL = '[a-z]([-a-z0-9]*[a-z0-9])?';
const WILDCARD = `\\*\\.${DNS_SUBDOMAIN}`;
const C_IDENTIFIER = '[A-Za-z_][A-Za-z0-9_]*';
const CONFIG_KEY = '[-._a-zA-Z0-9]+';
const HTTP_HEADER = '[-A-Za-z0-9]+';
const PERCENT = '[0-9]+%';

const whole = (format: string): RegExp => new RegExp(`^${format}$`);
const QUALIFIED_NAME_RE = whole(QUALIFIED_NAME);
const LABEL_VALUE_RE = whole(LABEL_VALUE);
const DNS_LABEL_RE = whole(DNS_LABEL);
const DNS_SUBDOMAIN_RE = whole(DNS_SUBDOMAIN);
const DNS_SUBDOMAIN_UNDERSCORE_RE = whole(DNS_SUBDOMAIN_UNDERSCORE);
const DNS_1035_LABEL_RE = whole(DNS_1035_LABEL);
const WILDCARD_RE = whole(WILDCARD);
const C_IDENTIFIER_RE = whole(C_IDENTIFIER);
const CONFIG_KEY_RE = whole(CONFIG_KEY);
const HTTP_HEADER_RE = whole(HTTP_HEADER);
const PERCENT_RE = whole(PERCENT);
// Printable ASCII without '='.
const RELAXED_ENV_VAR_RE = /^[ -<>-~]*$/;
const PORT_NAME_CHARACTERS_RE = /^[-a-z0-9]+$/;
const LETTER_RE = /[a-z]/;
const DOMAIN_PATH_RE = /^[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/;

/** The complaint about a value that a regular expression refuses, as Kubernetes words it. */
export function regexError(message: string, format: string, ...examples: string[]): string {
  if (examples.length === 0) return `${message} (regex used for validation is '${format}')`;
  return `${message} (e.g. ${examples.map(e => `'${e}', `).join(' or ')}regex used for validation is '${format}')`;
}

// Bytes both: Kubernetes words it one way for names and the other for labels and qualified names.
const maxLengthError = (length: number): string => `must be no more than ${length} characters`;
const maxBytesError = (length: number): string => `must be no more than ${length} bytes`;
export const inclusiveRangeError = (low: number, high: number): string =>
  `must be between ${low} and ${high}, inclusive`;
export const NOT_NEGATIVE = 'must be greater than or equal to 0';
export const GREATER_THAN_ZERO = 'must be greater than 0';
export const IMMUTABLE = 'field is immutable';

const DNS_LABEL_ERROR = regexError(
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
  DNS_LABEL,
  'my-name',
  '123-abc',
);
const CASELESS_ERROR = regexError(
  "an RFC 1123 subdomain must consist of alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
  DNS_SUBDOMAIN,
  'Example.com',
);
const DNS_SUBDOMAIN_ERROR = regexError(
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
  DNS_SUBDOMAIN,
  'example.com',
);
const DNS_SUBDOMAIN_UNDERSCORE_ERROR = regexError(
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character",
  DNS_SUBDOMAIN_UNDERSCORE,
  'example.com',
);
const DNS_1035_LABEL_ERROR = regexError(
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
  DNS_1035_LABEL,
  'my-name',
  'abc-123',
);
const WILDCARD_ERROR = regexError(
  "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
  WILDCARD,
  '*.example.com',
);
const QUALIFIED_NAME_ERROR = regexError(
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  QUALIFIED_NAME,
  'MyName',
  'my.name',
  '123-abc',
);
const LABEL_VALUE_ERROR = regexError(
  "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
  LABEL_VALUE,
  'MyValue',
  'my_value',
  '12345',
);
const CONFIG_KEY_ERROR = regexError(
  "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
  CONFIG_KEY,
  'key.name',
  'KEY_NAME',
  'key-name',
);

const encoder = new TextEncoder();
/** UTF-8 bytes; counts only when the string may be too long. */
export function longerThan(value: string, bytes: number): boolean {
  if (value.length > bytes) return true;
  return value.length * 3 > bytes && encoder.encode(value).length > bytes;
}

function matching(
  value: string,
  maxBytes: number,
  re: RegExp,
  error: string,
  tooLong = maxLengthError,
): readonly string[] {
  if (value.length <= maxBytes && re.test(value)) return NONE;
  const out: string[] = [];
  if (longerThan(value, maxBytes)) out.push(tooLong(maxBytes));
  if (!re.test(value)) out.push(error);
  return out;
}

export function isDns1123Label(value: string): readonly string[] {
  if (value.length <= 63 && DNS_LABEL_RE.test(value)) return NONE;
  // A subdomain that is no label can only be wrong for its dots (length is reported apart).
  return matching(value, 63, DNS_LABEL_RE, DNS_SUBDOMAIN_RE.test(value) ? 'must not contain dots' : DNS_LABEL_ERROR);
}

export const isDns1123Subdomain = (value: string): readonly string[] =>
  matching(value, 253, DNS_SUBDOMAIN_RE, DNS_SUBDOMAIN_ERROR);

/** As the `k8s-long-name-caseless` of declared rules. */
export const isLongNameCaseless = (value: string): readonly string[] =>
  matching(value.toLowerCase(), 253, DNS_SUBDOMAIN_RE, CASELESS_ERROR, maxBytesError);

/** As the `k8s-long-name` of declared rules, which count bytes. */
export const isLongName = (value: string): readonly string[] =>
  matching(value, 253, DNS_SUBDOMAIN_RE, DNS_SUBDOMAIN_ERROR, maxBytesError);

/** Labels may begin with an underscore: DNS search paths. */
export const isDns1123SubdomainWithUnderscore = (value: string): readonly string[] =>
  matching(value, 253, DNS_SUBDOMAIN_UNDERSCORE_RE, DNS_SUBDOMAIN_UNDERSCORE_ERROR);

export const isDns1035Label = (value: string): readonly string[] =>
  matching(value, 63, DNS_1035_LABEL_RE, DNS_1035_LABEL_ERROR);

export const isWildcardDns = (value: string): readonly string[] => matching(value, 253, WILDCARD_RE, WILDCARD_ERROR);

export const isLabelValue = (value: string): readonly string[] =>
  matching(value, 63, LABEL_VALUE_RE, LABEL_VALUE_ERROR, maxBytesError);

/** A name with an optional DNS prefix: label keys, annotation keys, resource names, finalizers. */
export function isQualifiedName(value: string): readonly string[] {
  const slash = value.indexOf('/');
  if (slash < 0) return qualifiedPart(value);
  const name = value.slice(slash + 1);
  if (name.includes('/')) {
    return [
      `a valid label key ${QUALIFIED_NAME_ERROR} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ];
  }
  const prefix = value.slice(0, slash);
  const complaints = prefix === '' ? ['must be non-empty'] : isLongName(prefix);
  if (complaints.length === 0) return qualifiedPart(name);
  return [...complaints.map(m => `prefix part ${m}`), ...qualifiedPart(name)];
}

function qualifiedPart(name: string): readonly string[] {
  if (name.length > 0 && name.length <= 63 && QUALIFIED_NAME_RE.test(name)) return NONE;
  const out: string[] = [];
  if (name === '') out.push('name part must be non-empty');
  else if (longerThan(name, 63)) out.push(`name part ${maxBytesError(63)}`);
  if (!QUALIFIED_NAME_RE.test(name)) out.push(`name part ${QUALIFIED_NAME_ERROR}`);
  return out;
}

/** At least three DNS labels joined by dots. An empty name is `required` for the caller. */
export function isFullyQualifiedName(value: string): readonly string[] {
  const complaints = isDns1123Subdomain(value);
  if (complaints.length > 0) return [complaints.join(',')];
  return value.split('.').length < 3 ? ['should be a domain with at least three segments separated by dots'] : NONE;
}

/** About a part of what was checked. */
export interface Complaint {
  readonly value: string;
  readonly why: string;
}

/** At least two DNS labels joined by dots; a dot at the end is taken for granted. */
export function isFullyQualifiedDomainName(value: string): readonly Complaint[] {
  const name = value.endsWith('.') ? value.slice(0, -1) : value;
  const complaints = isDns1123Subdomain(name);
  if (complaints.length > 0) return [{ value: name, why: complaints.join(',') }];
  const labels = name.split('.');
  if (labels.length < 2)
    return [{ value: name, why: 'should be a domain with at least two segments separated by dots' }];
  return labels.flatMap(label => isDns1123Label(label).map(why => ({ value: label, why })));
}

/** `example.com/path/part`: signer names, CSI and condition domains. */
export function isDomainPrefixedPath(value: string): readonly Complaint[] {
  const slash = value.indexOf('/');
  const [host, rest] = [value.slice(0, Math.max(slash, 0)), value.slice(slash + 1)];
  if (host === '' || rest === '') return [{ value, why: 'must be a domain-prefixed path (such as "acme.io/foo")' }];
  const complaints = isDns1123Subdomain(host).map(why => ({ value: host, why }));
  if (DOMAIN_PATH_RE.test(rest)) return complaints;
  return [...complaints, { value: rest, why: regexError('Invalid path', "[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+") }];
}

/** Label keys and qualified names that must have a prefix: `example.com/name`. */
export function isDomainPrefixedKey(value: string): readonly string[] {
  const complaints = isQualifiedName(value);
  if (complaints.length > 0) return complaints;
  return value.includes('/') ? NONE : ['must be a domain-prefixed key (such as "acme.io/foo")'];
}

export const isCIdentifier = (value: string): readonly string[] =>
  C_IDENTIFIER_RE.test(value)
    ? NONE
    : [
        regexError(
          "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'",
          C_IDENTIFIER,
          'my_name',
          'MY_NAME',
          'MyName',
        ),
      ];

/** As containers take them: any printable ASCII but '='. */
export function isEnvVarName(value: string): readonly string[] {
  if (value === '') return ['environment variable name must be non-empty'];
  return RELAXED_ENV_VAR_RE.test(value)
    ? NONE
    : ["a valid environment variable name must consist only of printable ASCII characters other than '='"];
}

export function isConfigMapKey(value: string): readonly string[] {
  const out = matching(value, 253, CONFIG_KEY_RE, CONFIG_KEY_ERROR);
  return value.startsWith('.') ? [...out, ...dotDirectory(value)] : out;
}

function dotDirectory(value: string): readonly string[] {
  if (value === '.') return ["must not be '.'"];
  if (value === '..') return ["must not be '..'"];
  return value.startsWith('..') ? ["must not start with '..'"] : NONE;
}

export const isHttpHeaderName = (value: string): readonly string[] =>
  HTTP_HEADER_RE.test(value)
    ? NONE
    : [regexError("a valid HTTP header must consist of alphanumeric characters or '-'", HTTP_HEADER, 'X-Header-Name')];

export const isPercent = (value: string): readonly string[] =>
  PERCENT_RE.test(value)
    ? NONE
    : [regexError("a valid percent string must be a numeric string followed by an ending '%'", PERCENT, '1%', '93%')];

export const isValidPortNumber = (port: number): readonly string[] =>
  Number.isInteger(port) && port >= 1 && port <= 65535 ? NONE : [inclusiveRangeError(1, 65535)];

export function isPortName(value: string): readonly string[] {
  const out: string[] = [];
  if (longerThan(value, 15)) out.push(maxLengthError(15));
  if (!PORT_NAME_CHARACTERS_RE.test(value))
    out.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
  if (!LETTER_RE.test(value)) out.push('must contain at least one letter (a-z)');
  if (value.includes('--')) out.push('must not contain consecutive hyphens');
  if (value.startsWith('-') || value.endsWith('-')) out.push('must not begin or end with a hyphen');
  return out;
}

/** What may stand in a URL path: names of RBAC objects and the like. */
export function isPathSegmentName(value: string): readonly string[] {
  if (value === '.' || value === '..') return [`may not be '${value}'`];
  const out: string[] = [];
  if (value.includes('/')) out.push("may not contain '/'");
  if (value.includes('%')) out.push("may not contain '%'");
  return out;
}

/** A user or group id: a non-negative int32. */
export const isUnixId = (id: number | bigint): readonly string[] =>
  id >= 0 && id <= 2147483647 ? NONE : [inclusiveRangeError(0, 2147483647)];

const IP_ERROR = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';
const CIDR_ERROR = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';
const IPV4_RE = /^\d+(\.\d+){3}$/;

/** The bytes of an IPv4 (4) or IPv6 (16) address, leading zeros in IPv4 allowed; undefined when it is none. No zones. */
export function parseIp(text: string): Uint8Array | undefined {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text);
}

function parseIpv4(text: string): Uint8Array | undefined {
  if (!IPV4_RE.test(text)) return undefined;
  const parts = text.split('.').map(Number);
  return parts.every(p => p <= 255) ? Uint8Array.from(parts) : undefined;
}

function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const left = ipv6Bytes(halves[0]!, halves.length === 1);
  const right = halves.length === 2 ? ipv6Bytes(halves[1]!, true) : [];
  if (!left || !right) return undefined;
  const gap = 16 - left.length - right.length;
  if (halves.length === 1 ? gap !== 0 : gap < 2) return undefined;
  return Uint8Array.from([...left, ...new Array<number>(gap).fill(0), ...right]);
}

function ipv6Bytes(text: string, last: boolean): number[] | undefined {
  if (text === '') return [];
  const groups = text.split(':');
  const out: number[] = [];
  for (const [i, group] of groups.entries()) {
    if (last && i === groups.length - 1 && group.includes('.')) {
      const v4 = parseIpv4(group);
      if (!v4) return undefined;
      out.push(...v4);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return undefined;
      const n = Number.parseInt(group, 16);
      out.push(n >> 8, n & 255);
    }
  }
  return out;
}

export const isIpv4Mapped = (ip: Uint8Array): boolean =>
  ip.length === 16 && ip.subarray(0, 10).every(b => b === 0) && ip[10] === 255 && ip[11] === 255;
/** In what is written in decimals, the end of an IPv6 address too. */
const hasLeadingZero = (text: string): boolean =>
  text.includes('.') && /(^|\.)0\d/.test(text.slice(text.lastIndexOf(':') + 1));

/** Strict: no leading zeros, no IPv4-mapped IPv6. */
export function isIpAddress(value: string): readonly string[] {
  const ip = parseIp(value);
  if (!ip) return [IP_ERROR];
  if (hasLeadingZero(value)) return ['must not have leading 0s'];
  if (isIpv4Mapped(ip)) return ['must not be an IPv4-mapped IPv6 address'];
  return NONE;
}

/** The address and prefix length of a range; undefined when it is none. Written as loosely as `parseIp` reads. */
export function parseCidr(value: string): { readonly ip: Uint8Array; readonly bits: number } | undefined {
  const slash = value.indexOf('/');
  const ip = slash < 0 ? undefined : parseIp(value.slice(0, slash));
  const bits = value.slice(slash + 1);
  return ip && /^\d+$/.test(bits) && Number(bits) <= ip.length * 8 ? { ip, bits: Number(bits) } : undefined;
}

/** Strict: no leading zeros, no IPv4-mapped IPv6, no bits beyond the prefix. */
export function isCidr(value: string): readonly string[] {
  const parsed = parseCidr(value);
  if (!parsed) return [CIDR_ERROR];
  const [address = '', bits = ''] = value.split('/');
  if (hasLeadingZero(address) || /^0\d/.test(bits)) return ['must not have leading 0s in IP or prefix length'];
  if (isIpv4Mapped(parsed.ip)) return ['must not have an IPv4-mapped IPv6 address'];
  if (hasHostBits(parsed.ip, parsed.bits)) return ['must not have bits set beyond the prefix length'];
  return NONE;
}

function hasHostBits(ip: Uint8Array, prefix: number): boolean {
  return ip.some((byte, i) => {
    const kept = Math.min(Math.max(prefix - i * 8, 0), 8);
    return (byte & (0xff >> kept)) !== 0;
  });
}
