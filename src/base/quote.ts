// As Go's unicode.IsPrint: letters, marks, numbers, punctuation, symbols and the plain space.
export const printable = /[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u;
const unprintable = /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu;

const plain = /^[ !#-[\]-~]*$/;
const ascii = /^[ -~]*$/;

/** A string as Go's %q writes it, for the texts that clients are shown. */
export function quote(text: string): string {
  if (plain.test(text)) return `"${text}"`;
  // Of these Go escapes what JSON does.
  if (ascii.test(text)) return JSON.stringify(text);
  // Escapes whole, so that a backslash of the text itself begins none.
  const json = JSON.stringify(text).replace(jsonEscape, (whole, hex?: string, stray?: string) =>
    stray ? `\\x${stray}` : hex === undefined ? whole : (short[hex] ?? `\\x${hex}`),
  );
  return json.replace(unprintable, c => escaped(c.codePointAt(0)!));
}

// Of JSON; the second kind is a byte that is no UTF-8, as base/percent.ts keeps it.
const jsonEscape = /\\(?:u00([01][0-9a-f])|udc([89a-f][0-9a-f])|.)/g;
const short: Readonly<Record<string, string>> = { '07': '\\a', '0b': '\\v' };

const escaped = (code: number): string =>
  code < 0x80
    ? `\\x${code.toString(16)}`
    : code < 0x1_0000
      ? `\\u${code.toString(16).padStart(4, '0')}`
      : `\\U${code.toString(16).padStart(8, '0')}`;
