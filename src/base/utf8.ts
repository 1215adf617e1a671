/** The text of bytes as Go makes it: each that belongs to no character becomes a replacement character. */
export function textOfBytes(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  // Others take what begins a character and does not end for one.
  return text.includes('\ufffd') ? mended(bytes).toString('utf8') : text;
}

function mended(bytes: Buffer): Buffer {
  const out = Buffer.allocUnsafe(bytes.length * 3);
  let size = 0;
  for (let at = 0; at < bytes.length; ) {
    const length = characterLength(bytes, at);
    if (length === 0) {
      size += out.write('\ufffd', size);
      at++;
    } else for (const end = at + length; at < end; ) out[size++] = bytes[at++]!;
  }
  return out.subarray(0, size);
}

/** How many bytes the character takes that begins there; 0 for none. */
function characterLength(bytes: Buffer, at: number): number {
  const first = bytes[at]!;
  if (first < 0x80) return 1;
  if (first < 0xc2 || first > 0xf4) return 0;
  const length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  const second = bytes[at + 1] ?? 0;
  if (second < (first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80)) return 0;
  if (second > (first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf)) return 0;
  for (let i = 2; i < length; i++) if ((bytes[at + i]! & 0xc0) !== 0x80) return 0;
  return length;
}
