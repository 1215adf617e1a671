// Values of query parameters, as Go reads them.
import { parseDuration, ScalarError } from '../api/scalar.ts';
import { badRequest } from '../api/status.ts';
import { pathDecoded } from '../base/percent.ts';
import { quote } from '../base/quote.ts';
import { isInt64, type WholeNumber, wholeNumber } from '../base/whole-number.ts';

/** A whole number of 64 bits; undefined when the parameter is absent. Throws 400 for anything else, '' too. */
export function queryInteger(name: string, query: URLSearchParams): WholeNumber | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const wrong = (why: string) => badRequest(`strconv.ParseInt: parsing ${quote(text)}: ${why}`);
  if (!/^[+-]?[0-9]+$/.test(text)) throw wrong('invalid syntax');
  const value = text.length < 16 ? Number(text) : text.length < 64 ? BigInt(text.replace(/^\+/, '')) : undefined;
  if (value === undefined || (typeof value === 'bigint' && !isInt64(value))) throw wrong('value out of range');
  return typeof value === 'bigint' ? wholeNumber(value) : value;
}

/** How long the client gives its request; undefined when it does not say, as with nothing and less. Throws 400. */
export function timeoutMs(query: URLSearchParams): number | undefined {
  const text = query.get('timeout');
  if (!text) return undefined;
  try {
    const ns = parseDuration(text);
    return ns > 0 ? ns / 1e6 : undefined;
  } catch (error) {
    if (!(error instanceof ScalarError)) throw error;
    throw badRequest(`invalid timeout specified in the request URL - ${error.message}`);
  }
}

// A semicolon, or a percent sign that escapes nothing.
const malformed = /;|%(?![0-9a-fA-F]{2})/;

const beyondAscii = /%[89a-fA-F]/;

/** The parameters of a query without its question mark. As in Go, those that are written wrongly are not there. */
export function queryOf(text: string): URLSearchParams {
  const sound = malformed.test(text)
    ? text
        .split('&')
        .filter(part => !malformed.test(part))
        .join('&')
    : text;
  const named = withEquals(sound);
  return beyondAscii.test(named) && !isUtf8(named) ? new ByteQuery(named) : new URLSearchParams(named);
}

// Of many names without an equals sign Node's reader takes as long as their number squared: 2.4 s for what a URL may hold.
const shortest = 1024;
const withEquals = (text: string): string =>
  text.length < shortest
    ? text
    : text
        .split('&')
        .map(part => (part === '' || part.includes('=') ? part : `${part}=`))
        .join('&');

function isUtf8(escaped: string): boolean {
  try {
    decodeURIComponent(escaped);
    return true;
  } catch {
    return false;
  }
}

/** Parameters with bytes that are no UTF-8: they stay what they are, as in paths. */
class ByteQuery extends URLSearchParams {
  readonly #values: readonly (readonly [name: string, value: string])[];

  constructor(text: string) {
    super(text);
    const decoded = (part: string) => pathDecoded(part.replaceAll('+', ' '))!;
    this.#values = text
      .split('&')
      .filter(part => part !== '')
      .map(part => /^([^=]*)=?(.*)$/s.exec(part)!)
      .map(([, name, value]) => [decoded(name!), decoded(value!)]);
  }

  override get(name: string): string | null {
    return this.getAll(name)[0] ?? null;
  }

  override getAll(name: string): string[] {
    return this.#values.filter(([given]) => given === name).map(([, value]) => value);
  }
}
