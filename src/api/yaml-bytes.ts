// What is wrong with bytes that should be YAML in UTF-8, as Go's reader tells it.

/** How long a character is, by its first byte; 0 for what begins none. */
const lengthOf = (first: number): number =>
  first < 0x80 ? 1 : first >> 5 === 6 ? 2 : first >> 4 === 14 ? 3 : first >> 3 === 30 ? 4 : 0;

const least = [0, 0, 0x80, 0x800, 0x10000];

/** Of bytes that are no UTF-8, or have characters that no document has. */
export function byteFault(bytes: Uint8Array): string | undefined {
  for (let at = 0; at < bytes.length; ) {
    const length = lengthOf(bytes[at]!);
    if (length === 0) return 'invalid leading UTF-8 octet';
    if (at + length > bytes.length) return 'incomplete UTF-8 octet sequence';
    let code = length === 1 ? bytes[at]! : bytes[at]! & (0xff >> (length + 1));
    for (let i = 1; i < length; i++) {
      if (bytes[at + i]! >> 6 !== 2) return 'invalid trailing UTF-8 octet';
      code = (code << 6) | (bytes[at + i]! & 0x3f);
    }
    if (code < least[length]!) return 'invalid length of a UTF-8 sequence';
    if ((code >= 0xd800 && code <= 0xdfff) || code > 0x10ffff) return 'invalid Unicode character';
    if (isControl(code)) return 'control characters are not allowed';
    at += length;
  }
  return undefined;
}

const isControl = (c: number): boolean =>
  (c < 0x20 && c !== 0x09 && c !== 0x0a && c !== 0x0d) ||
  (c >= 0x7f && c < 0xa0 && c !== 0x85) ||
  c === 0xfffe ||
  c === 0xffff;
