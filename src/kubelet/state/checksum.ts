// The checksum of the kubelet's state files: FNV-1a of 32 bits over what Go's spew makes of the value, by which a kubelet
// and the tools that read its files know them.

/** Of a value as spew writes it. */
export function checksumOf(dumped: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(dumped)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}

/** A map of numbers, in their order. */
export const dumpedNumbers = (entries: readonly (readonly [string, string])[]): string =>
  `map[${entries
    .toSorted(([a], [b]) => Number(a) - Number(b))
    .map(([key, value]) => `${key}:${value}`)
    .join(' ')}]`;

/** A map of texts, in their order. */
export const dumpedMap = (entries: readonly (readonly [string, string])[]): string =>
  `map[${entries
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}:${value}`)
    .join(' ')}]`;

export const corrupted = 'checkpoint is corrupted';
