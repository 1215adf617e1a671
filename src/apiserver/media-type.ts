// Media types of request bodies.

// RFC 9110's tokens.
const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const type = new RegExp(`\\s*(${token}(?:/${token})?)\\s*`, 'y');
const parameter = new RegExp(`;\\s*(${token})\\s*=\\s*(?:${token}|"(?:[^"\\\\]|\\\\.)*")\\s*`, 'y');

/** In lower case, without its parameters; undefined where Go finds it malformed. */
export function mediaTypeOf(contentType: string): string | undefined {
  type.lastIndex = 0;
  const name = type.exec(contentType)?.[1];
  if (name === undefined) return undefined;
  let at = type.lastIndex;
  if (at === contentType.length) return name.toLowerCase();
  const seen = new Set<string>();
  while (at < contentType.length) {
    parameter.lastIndex = at;
    const key = parameter.exec(contentType)?.[1]?.toLowerCase();
    if (key === undefined) {
      // One that ends with a semicolon is sound.
      if (/^;\s*$/.test(contentType.slice(at, at + 100))) break;
      return undefined;
    }
    if (seen.has(key)) return undefined;
    seen.add(key);
    at = parameter.lastIndex;
  }
  return name.toLowerCase();
}
