// Addresses as text, in names and as bytes. Pure.

/** Four or sixteen bytes; undefined for anything that is not an address. */
export function addressBytes(text: string): Uint8Array | undefined {
  return text.includes(':') ? ipv6Bytes(text) : ipv4Bytes(text);
}

function ipv4Bytes(text: string): Uint8Array | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every(p => /^(0|[1-9]\d{0,2})$/.test(p) && Number(p) < 256)) return undefined;
  return Uint8Array.from(parts, Number);
}

function ipv6Bytes(text: string): Uint8Array | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head = [], tail] = halves.map(groupsOf);
  const missing = tail ? 8 - head.length - tail.length : 0;
  if (missing < (tail ? 1 : 0)) return undefined;
  const groups = [...head, ...Array<number>(missing).fill(0), ...(tail ?? [])];
  if (groups.length !== 8 || groups.some(g => Number.isNaN(g))) return undefined;
  return Uint8Array.from(groups.flatMap(g => [g >> 8, g & 255]));
}

// Sixteen-bit groups; an IPv4 address at the end makes two. NaN for what is none.
function groupsOf(text: string): number[] {
  if (text === '') return [];
  return text.split(':').flatMap((part, i, all) => {
    const ipv4 = i === all.length - 1 && part.includes('.') ? ipv4Bytes(part) : undefined;
    if (ipv4) return [(ipv4[0]! << 8) | ipv4[1]!, (ipv4[2]! << 8) | ipv4[3]!];
    return [/^[0-9a-fA-F]{1,4}$/.test(part) ? Number.parseInt(part, 16) : Number.NaN];
  });
}

/** One spelling for one address: an IPv4 address as it is, an IPv6 address as 32 hexadecimal digits. */
export function canonicalAddress(text: string): string {
  if (!text.includes(':')) return text;
  const bytes = ipv6Bytes(text);
  return bytes ? hex(bytes) : text;
}

const hex = (bytes: Uint8Array): string => Array.from(bytes, b => b.toString(16).padStart(2, '0')).join('');

/** What stands for the address in `a-b-c-d.namespace.pod`; and the name of an endpoint without a hostname. */
export const dashed = (address: string): string => address.replace(/[.:]/g, '-');

/** The address that `a-b-c-d` stands for. */
export function undashed(label: string): string | undefined {
  const separator = /^\d+-\d+-\d+-\d+$/.test(label) ? '.' : ':';
  const address = label.replaceAll('-', separator);
  return addressBytes(address) ? address : undefined;
}

/** The canonical address that a name below in-addr.arpa or ip6.arpa (in lower case) asks for; '' when it is no whole address. */
export function reverseAddress(name: string): string | undefined {
  if (name.endsWith('.in-addr.arpa')) {
    const address = name.slice(0, -'.in-addr.arpa'.length).split('.').reverse().join('.');
    return ipv4Bytes(address) ? address : '';
  }
  if (!name.endsWith('.ip6.arpa')) return undefined;
  const digits = name.slice(0, -'.ip6.arpa'.length);
  return /^([0-9a-f]\.){31}[0-9a-f]$/.test(digits) ? digits.split('.').reverse().join('') : '';
}
