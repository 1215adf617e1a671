// Bytes that live long, in memory of just their size. Small buffers otherwise share blocks of 64 KB, and one that is kept
// keeps all of its block.

/** The text in UTF-8. */
export function bytesOf(text: string): Buffer {
  const bytes = Buffer.allocUnsafeSlow(Buffer.byteLength(text));
  bytes.write(text);
  return bytes;
}

/** The text in UTF-8 and a newline. */
export function lineOf(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const bytes = Buffer.allocUnsafeSlow(length + 1);
  bytes.write(text);
  bytes[length] = 10;
  return bytes;
}

export function joined(parts: readonly Uint8Array[]): Buffer {
  let length = 0;
  for (const part of parts) length += part.length;
  const bytes = Buffer.allocUnsafeSlow(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
