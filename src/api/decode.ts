// Bytes to objects and back. Every write passes here.
import { messageOf } from '../base/assert.ts';
import { textOfBytes } from '../base/utf8.ts';
import { parseExactJson, parseWideJson } from '../base/whole-number.ts';
import { parseWrittenJson } from '../base/written-number.ts';
import { inspectJson, jsonFault } from './json-syntax.ts';
import { badRequest, StatusError } from './status.ts';
import { byteFault } from './yaml-bytes.ts';
import { maxDepth, readYaml, YamlFault } from './yaml-reader.ts';

export { applyDefaults } from './default.ts';
export { normalize } from './normalize.ts';
export { maxDepth } from './yaml-reader.ts';

/** What strict decoding reports: paths of fields given twice and of fields the type does not have. */
export interface DecodeReport {
  readonly duplicates: readonly string[];
  readonly unknown: readonly string[];
  /** As in Parsed. */
  readonly keys?: readonly string[];
  readonly repeated?: ReadonlySet<number>;
  readonly lines?: readonly number[];
}

export interface Parsed {
  readonly value: unknown;
  /** Paths of keys given more than once in an object; the last one counts. */
  readonly duplicates: string[];
  /** Of JSON with duplicates: the path of every key in the order they stand in. */
  readonly keys?: readonly string[];
  /** Which of these stand in an object that has them already. */
  readonly repeated?: ReadonlySet<number>;
  /** Of YAML with duplicates: the line each of them stands in. */
  readonly lines?: readonly number[];
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export interface JsonOptions {
  /** Words refusals for a request body that should be that kind. */
  readonly kind?: string | undefined;
  /** What whole numbers past 64 bits become: bigints, floats, or, with all that is not digits alone, a WrittenNumber. */
  readonly numbers?: 'wide' | 'exact' | 'written';
  /** What no float holds is such a number too, rather than refused. */
  readonly anySize?: boolean;
}

const parsers = { wide: parseWideJson, exact: parseExactJson, written: parseWrittenJson };

/** Parses a JSON body; whole numbers past 2^53 are bigints. Throws a StatusError (400) worded as Kubernetes does. */
export function parseJson(body: Uint8Array | string, options: JsonOptions = {}): Parsed {
  const { kind, numbers = 'wide', anySize = false } = options;
  const bytes = typeof body === 'string' ? Buffer.from(body) : asBuffer(body);
  // As in Go, a byte within a string that is no UTF-8 becomes a replacement character.
  const text = withoutHalves(typeof body === 'string' ? body : (soundText(body) ?? textOfBytes(bytes)));
  const keys = countKeys(bytes);
  if (keys < 0) throw refuse(`invalid character '${String.fromCharCode(deepest)}' exceeded max depth`, bytes, kind);
  let value: unknown;
  try {
    const plain = !sawLongNumber && !(sawFraction && numbers === 'written');
    value = plain ? JSON.parse(text) : parsers[numbers](text);
  } catch (error) {
    throw refuse(jsonFault(bytes) ?? messageOf(error), bytes, kind);
  }
  if (sawHugeNumber && !anySize) refuseInfinite(text);
  if (keys === keysIn(value)) return { value, duplicates: [] };
  const { duplicates, keys: paths, repeated } = inspectJson(text);
  return { value, duplicates: [...duplicates], keys: paths, repeated };
}

const asBuffer = (bytes: Uint8Array): Buffer =>
  bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** Undefined for what is no UTF-8. */
function soundText(body: Uint8Array): string | undefined {
  try {
    return utf8.decode(body);
  } catch {
    return undefined;
  }
}

const surrogate = /\\u[dD][89a-fA-F]/;
// An escape, or two that are one character.
const escapes = /\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[dD][89a-fA-F][0-9a-fA-F]{2}|.)/g;

/** As in Go, half of a pair of surrogates becomes a replacement character. */
function withoutHalves(text: string): string {
  if (!text.includes('\\u') || !surrogate.test(text)) return text;
  return text.replace(escapes, found => (/^\\u[dD][89a-fA-F]/.test(found) && found.length === 6 ? '\\ufffd' : found));
}

function refuse(why: string, body: Uint8Array, kind: string | undefined): StatusError {
  const message = `couldn't get version/kind; json parse error: ${why}`;
  return kind === undefined ? badRequest(message) : unrecognized(kind, message, body);
}

/** `the object provided is unrecognized (must be of type Pod): … ({"foo": …)`. */
export function unrecognized(kind: string, why: string, body: Uint8Array | string): StatusError {
  const bytes = Buffer.from(body as string);
  const shown =
    bytes.length === 0 ? '<empty>' : bytes[0] === 0x7b ? clip(bytes.toString(), 30) : clip(bytes.toString('hex'), 60);
  return badRequest(`the object provided is unrecognized (must be of type ${kind}): ${why} (${shown})`);
}

const clip = (text: string, max: number) => (text.length <= max ? text : `${text.slice(0, max)} ...`);

/** A number that no 64-bit float holds: 400, as nothing may become null in silence. */
export class NumberTooLarge extends StatusError {
  override name = 'NumberTooLarge';
  readonly number: string;

  constructor(number: string) {
    super(400, 'BadRequest', cannotHold(number, 'value'));
    this.number = number;
  }
}

/** `what`: how Go names the place, `struct field jsonPatchOp.value` for one. */
export const cannotHold = (number: string, what: string): string =>
  `json: cannot unmarshal number ${number} into Go ${what} of type float64`;

/** Throws for the first number that is infinite as a float. */
function refuseInfinite(text: string): void {
  JSON.parse(text, (_, value, context?: { source?: string }) => {
    if (value === Infinity || value === -Infinity) throw new NumberTooLarge(context?.source ?? String(value));
    return undefined;
  });
}

// What countKeys saw on its way: 16 digits in a row outside strings, a number with a fraction or an exponent, and one with
// a positive exponent or with more digits than a float has.
let sawLongNumber = false;
let sawFraction = false;
let sawHugeNumber = false;
// What opens the level that is too deep.
let deepest = 0;
const floatDigits = 308;

// The number of keys in the text: colons outside strings. -1 when nesting is too deep. Bytes scan twice as fast as
// characters: 1 ns each.
function countKeys(text: Uint8Array): number {
  const n = text.length;
  let keys = 0;
  let depth = 0;
  sawLongNumber = false;
  sawFraction = false;
  sawHugeNumber = false;
  for (let i = 0; i < n; i++) {
    const c = text[i]!;
    if (c === 34) {
      for (i++; i < n; i++) {
        const s = text[i];
        if (s === 34) break;
        if (s === 92) i++;
      }
    } else if (c === 58) keys++;
    else if (c === 123 || c === 91) {
      deepest = c;
      if (++depth > maxDepth) return -1;
    } else if (c === 125 || c === 93) depth--;
    else if (c >= 48 && c <= 57) {
      const start = i;
      while (i + 1 < n && text[i + 1]! >= 48 && text[i + 1]! <= 57) i++;
      const digits = i + 1 - start;
      if (digits > 15) sawLongNumber = true;
      const exponent = text[i + 1] === 69 || text[i + 1] === 101;
      if (exponent || text[i + 1] === 46) sawFraction = true;
      if (digits > floatDigits || (exponent && text[i + 2] !== 45)) sawHugeNumber = true;
    }
  }
  return keys;
}

function keysIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let keys = 0;
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) {
      const item: unknown = value[i];
      if (typeof item === 'object') keys += keysIn(item);
    }
    return keys;
  }
  for (const k in value) {
    keys++;
    const child = (value as Record<string, unknown>)[k];
    if (typeof child === 'object') keys += keysIn(child);
  }
  return keys;
}

// What was read of bodies before they are asked for.
const readAhead = new WeakMap<Uint8Array, Parsed | YamlFault>();

/** What parseYaml is to find in this body. */
export function noteYaml(body: Uint8Array, content: Parsed | YamlFault): void {
  readAhead.set(body, content);
}

/** Reads a body in YAML whose text is plain JSON; false when only the slow reader can tell. */
export function readPlainYaml(body: Uint8Array): boolean {
  const text = soundText(body);
  if (text === undefined) return true;
  const value = asPlainJson(text);
  if (value) noteYaml(body, { value, duplicates: [] });
  return value !== undefined;
}

/** Parses one YAML document (JSON too) as YAML 1.1, as Kubernetes does. Throws a StatusError (400). */
export function parseYaml(body: Uint8Array | string, kind?: string): Parsed {
  const known = typeof body === 'string' ? undefined : readAhead.get(body);
  if (known instanceof YamlFault) throw refuseYaml(known.message, body, kind);
  if (known) return known;
  const text = typeof body === 'string' ? body : soundText(body);
  if (text === undefined) throw refuseYaml(`yaml: ${byteFault(asBuffer(body as Uint8Array))}`, body, kind);
  const json = asPlainJson(text);
  if (json) return { value: json, duplicates: [] };
  try {
    return readYaml(text);
  } catch (error) {
    throw error instanceof YamlFault ? refuseYaml(error.message, body, kind) : error;
  }
}

/**
 * JSON reads the same as YAML, and that is what clients send: kubectl and client-go apply nothing else. The YAML library
 * holds the loop for half a second a megabyte, JSON.parse for a hundredth of that. Undefined where the two may differ:
 * keys given twice, long and huge numbers.
 */
function asPlainJson(text: string): object | undefined {
  if (!text.startsWith('{')) return undefined;
  const keys = countKeys(Buffer.from(text));
  if (keys < 0 || sawLongNumber || sawHugeNumber) return undefined;
  try {
    const value = JSON.parse(text) as object;
    return keys === keysIn(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

const refuseYaml = (why: string, text: Uint8Array | string, kind: string | undefined): StatusError =>
  kind === undefined
    ? badRequest(`error decoding YAML: error converting YAML to JSON: ${why}`)
    : unrecognized(kind, why, text);

/** Canonical bytes of an object that `normalize` made. */
export function encodeJson(object: unknown): Buffer {
  return Buffer.from(JSON.stringify(object));
}

/** `unknown field "spec.foo"`, `duplicate field "spec.bar"`, of YAML `line 3: key "bar" already set in map`. */
export function strictErrors({
  duplicates = [],
  unknown = [],
  keys,
  repeated,
  lines,
}: Partial<DecodeReport>): string[] {
  const unknownField = (path: string) => `unknown field ${JSON.stringify(path)}`;
  const duplicateField = (path: string) => `duplicate field ${JSON.stringify(path)}`;
  // YAML becomes JSON with sorted keys before fields are looked at.
  if (lines) return [...duplicates.map(keyTwice), ...[...unknown].sort().map(unknownField)];
  if (!keys) return [...duplicates.map(duplicateField), ...unknown.map(unknownField)];
  const strange = new Set(unknown);
  const found = new Set<string>();
  for (const [i, path] of keys.entries()) {
    if (strange.has(path)) found.add(unknownField(path));
    else if (repeated?.has(i)) found.add(duplicateField(path));
  }
  return [...found];

  function keyTwice(path: string, i: number): string {
    return `line ${lines![i]}: key ${JSON.stringify(path.slice(path.lastIndexOf('.') + 1))} already set in map`;
  }
}
