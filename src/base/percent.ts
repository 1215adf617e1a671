/** The text with its percent escapes read; as it is when they are not well formed, or not of UTF-8. */
export function percentDecoded(text: string): string {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const escapesNothing = /%(?![0-9a-f]{2})/i;

// A character in UTF-8, or else a byte of none.
const character =
  /[\0-\x7f]+|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}|([\x80-\xff])/g;
// Half of a pair that no text has: so bytes that are no UTF-8 stay what they are, and no two names become one.
const half = 0xdc00;

/**
 * A URL's path with its percent escapes read; undefined when one of them is none. A byte that is no UTF-8 becomes half a
 * surrogate pair (U+DC80 to U+DCFF), which `quote` and `pathEncoded` know, and which everything else writes as U+FFFD.
 */
export function pathDecoded(path: string): string | undefined {
  if (!path.includes('%')) return path;
  if (escapesNothing.test(path)) return undefined;
  const bytes = path.replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return bytes.replace(character, (text, stray?: string) =>
    stray === undefined
      ? Buffer.from(text, 'latin1').toString('utf8')
      : String.fromCharCode(half + stray.charCodeAt(0)),
  );
}

/** A decoded path as Go writes it into a URL. */
export function pathEncoded(path: string): string {
  return path
    .split(/([\udc80-\udcff])/u)
    .map((text, i) => (i % 2 ? escaped(text.charCodeAt(0) - half) : encodeURI(text.toWellFormed())))
    .join('')
    .replace(/[!'()*?#]/g, c => escaped(c.charCodeAt(0)));
}

const escaped = (byte: number): string => `%${byte.toString(16).toUpperCase()}`;
