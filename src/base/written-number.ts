// Numbers as they stand in JSON. Where a whole number is wanted, Go takes digits alone: 1.0 and 1e5 are none. What is
// read for such fields has these in place of numbers written in another way; they are symbols, so that nothing takes
// them for objects.
import { isInt64 } from './whole-number.ts';

export type WrittenNumber = symbol;

export const isWritten = (value: unknown): value is WrittenNumber => typeof value === 'symbol';

export const writtenText = (number: WrittenNumber): string => number.description!;

/** Infinite for what no float holds. */
export const writtenValue = (number: WrittenNumber): number => Number(number.description);

const wholeText = /^-?[0-9]{1,20}$/;

/** JSON.parse, but numbers that are not digits alone, or whole ones past 64 bits, are as they are written. */
export function parseWrittenJson(text: string): unknown {
  return JSON.parse(text, asWritten);
}

function asWritten(_key: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (typeof value !== 'number') return value;
  const source = context!.source!;
  if (!wholeText.test(source)) return Symbol(source);
  if (Number.isSafeInteger(value)) return value;
  const whole = BigInt(source);
  return isInt64(whole) ? whole : Symbol(source);
}

/** JSON.stringify, with numbers as they are written. */
export const writtenJson = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) => (isWritten(part) ? JSON.rawJSON(writtenText(part)) : part));
