// IP addresses as numbers, for arithmetic on ranges.

/** Of the 4 or 16 bytes of an address, as `parseIp` gives them. */
export function ipNumber(ip: Uint8Array): bigint {
  let n = 0n;
  for (const byte of ip) n = (n << 8n) | BigInt(byte);
  return n;
}

/** Canonical text of an address of 4 or 16 bytes; for IPv6 RFC 5952: the longest run of zero groups shortened. */
export function formatIp(address: bigint, bytes: number): string {
  const part = (bits: number, i: number, count: number) =>
    Number((address >> BigInt(bits * (count - 1 - i))) & ((1n << BigInt(bits)) - 1n));
  if (bytes === 4) return Array.from({ length: 4 }, (_, i) => part(8, i, 4)).join('.');
  const groups = Array.from({ length: 8 }, (_, i) => part(16, i, 8));
  let start = -1;
  let length = 1;
  for (let i = 0; i < 8; i++) {
    let n = 0;
    while (i + n < 8 && groups[i + n] === 0) n++;
    if (n > length) [start, length] = [i, n];
  }
  const hex = (list: number[]) => list.map(g => g.toString(16)).join(':');
  return start < 0 ? hex(groups) : `${hex(groups.slice(0, start))}::${hex(groups.slice(start + length))}`;
}
