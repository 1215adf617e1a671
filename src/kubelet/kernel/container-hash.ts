/** 32-bit FNV-1a over UTF-8, as hex. */
export function fnv32a(text: string): string {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) {
    hash ^= byte;
    hash = Math.imul(hash, 0x01000193) >>> 0;
  }
  return hash.toString(16);
}

/** Changes when a running container must be replaced: only name and image count, everything else of a pod is immutable or resized in place. */
export function containerHash(container: { readonly name: string; readonly image?: string }): string {
  return fnv32a(JSON.stringify({ image: container.image ?? '', name: container.name }));
}
