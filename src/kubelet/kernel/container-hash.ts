/** 32-bit FNV-1a over UTF-8, as hex. */
export function fnv32a(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    // A name or an image is ASCII: its characters are its bytes.
    if (code > 0x7f) return ofBytes(new TextEncoder().encode(text));
    hash = Math.imul(hash ^ code, 0x01000193);
  }
  return (hash >>> 0).toString(16);
}

function ofBytes(bytes: Uint8Array): string {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0).toString(16);
}

/** Changes when a running container must be replaced: only name and image count, everything else of a pod is immutable or resized in place. */
export function containerHash(container: { readonly name: string; readonly image?: string }): string {
  return fnv32a(JSON.stringify({ image: container.image ?? '', name: container.name }));
}
