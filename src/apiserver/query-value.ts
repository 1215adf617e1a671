// Values of query parameters, as Go reads them.
import { parseDuration, ScalarError } from '../api/scalar.ts';
import { badRequest } from '../api/status.ts';
import { isInt64, type WholeNumber, wholeNumber } from '../base/whole-number.ts';

/** A whole number of 64 bits; undefined when the parameter is absent. Throws 400 for anything else, '' too. */
export function queryInteger(name: string, query: URLSearchParams): WholeNumber | undefined {
  const text = query.get(name);
  if (text === null) return undefined;
  const wrong = (why: string) => badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: ${why}`);
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

/** The parameters of a query without its question mark. As in Go, those that are written wrongly are not there. */
export function queryOf(text: string): URLSearchParams {
  if (!malformed.test(text)) return new URLSearchParams(text);
  const sound = text.split('&').filter(part => !malformed.test(part));
  return new URLSearchParams(sound.join('&'));
}
