// Media types of bodies, of requests and of webhooks' answers.

// RFC 9110's tokens.
const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const type = new RegExp(`^(?:(${token})(/?)(${token})?)?(.*)$`, 's');
const parameter = new RegExp(`;\\s*(${token})\\s*=\\s*((?:${token}|"(?:[^"\\\\]|\\\\.)*"))\\s*`, 'y');

/** In lower case, without its parameters; undefined where Go finds it malformed. */
export const mediaTypeOf = (contentType: string): string | undefined =>
  mediaTypeFault(contentType) === undefined ? nameIn(contentType).toLowerCase() : undefined;

const nameIn = (contentType: string): string => contentType.split(';', 1)[0]!.trim();

/** Why it is malformed, as Go says it; undefined when it is sound. */
export function mediaTypeFault(contentType: string): string | undefined {
  const [, first, slash, second, rest] = type.exec(nameIn(contentType))!;
  if (first === undefined) return 'mime: no media type';
  if (!slash && rest) return 'mime: expected slash after first token';
  if (slash && second === undefined) return 'mime: expected token after slash';
  return rest ? 'mime: unexpected content after media subtype' : parameterFault(contentType);
}

function parameterFault(contentType: string): string | undefined {
  const seen = new Map<string, string>();
  let at = contentType.indexOf(';');
  while (at >= 0 && at < contentType.length) {
    parameter.lastIndex = at;
    const [, name, value = ''] = parameter.exec(contentType) ?? [];
    if (name === undefined)
      // One that ends with a semicolon is sound.
      return /^;\s*$/.test(contentType.slice(at, at + 100)) ? undefined : 'mime: invalid media parameter';
    const key = name.toLowerCase();
    if (seen.has(key) && seen.get(key) !== value) return 'mime: duplicate parameter name';
    seen.set(key, value);
    at = parameter.lastIndex;
  }
  return undefined;
}
