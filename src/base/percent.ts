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

/** A URL's path with its percent escapes read, what is not UTF-8 as U+FFFD; undefined when one of them is none. */
export function pathDecoded(path: string): string | undefined {
  if (!path.includes('%')) return path;
  if (escapesNothing.test(path)) return undefined;
  const bytes = path.replace(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

/** A decoded path as Go writes it into a URL. */
export function pathEncoded(path: string): string {
  return encodeURI(path.toWellFormed()).replace(/[!'()*?#]/g, c => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
}
