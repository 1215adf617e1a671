// Bytes to objects and back. Every write passes here.
import {
  Composer,
  Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  Parser,
  type Scalar,
  type Tags,
  type YAMLMap,
  YAMLParseError,
} from 'yaml';
import { messageOf } from '../base/assert.ts';
import { parseWideJson, wholeNumber } from '../base/whole-number.ts';
import { undecodable } from './decode-fault.ts';
import { inspectJson, jsonFault } from './json-syntax.ts';
import { schemaOf } from './schema.ts';
import { badRequest, StatusError } from './status.ts';

export { applyDefaults } from './default.ts';
export { normalize } from './normalize.ts';

/** What strict decoding reports: paths of fields given twice and of fields the type does not have. */
export interface DecodeReport {
  readonly duplicates: readonly string[];
  readonly unknown: readonly string[];
  /** As in Parsed. */
  readonly keys?: readonly string[];
  readonly lines?: readonly number[];
}

export interface Parsed {
  readonly value: unknown;
  /** Paths of keys given more than once in an object; the last one counts. */
  readonly duplicates: string[];
  /** Of JSON with duplicates: the path of every key in the order they stand in. */
  readonly keys?: readonly string[];
  /** Of YAML with duplicates: the line each of them stands in. */
  readonly lines?: readonly number[];
}

/** Deeper documents are refused: everything that walks a value recurses. */
export const maxDepth = 1000;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Parses a JSON body; whole numbers past 2^53 are bigints, however long. Throws a StatusError (400) worded as Kubernetes does; with `kind`, as for a request body that
 * should be that kind.
 */
export function parseJson(body: Uint8Array | string, kind?: string): Parsed {
  const bytes = typeof body === 'string' ? Buffer.from(body) : asBuffer(body);
  // As in Go, what is no UTF-8 within a string becomes a replacement character.
  const text = typeof body === 'string' ? body : (soundText(body) ?? bytes.toString());
  const keys = countKeys(bytes);
  if (keys < 0) throw refuse('exceeded max depth', bytes, kind);
  let value: unknown;
  try {
    value = sawLongNumber ? parseWideJson(text) : JSON.parse(text);
  } catch (error) {
    throw refuse(jsonFault(bytes) ?? messageOf(error), bytes, kind);
  }
  if (sawHugeNumber) refuseInfinite(text, value);
  if (keys === keysIn(value)) return { value, duplicates: [] };
  const inspected = inspectJson(text);
  return { value, duplicates: [...inspected.duplicates], keys: inspected.keys };
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
  /** What was parsed, with an infinite number in it. */
  readonly value: unknown;

  constructor(number: string, value: unknown) {
    super(400, 'BadRequest', cannotHold(number, 'value'));
    this.number = number;
    this.value = value;
  }
}

/** `what`: how Go names the place, `struct field jsonPatchOp.value` for one. */
export const cannotHold = (number: string, what: string): string =>
  `json: cannot unmarshal number ${number} into Go ${what} of type float64`;

/** Throws for the first number that is infinite as a float. */
function refuseInfinite(text: string, parsed: unknown): void {
  JSON.parse(text, (_, value, context?: { source?: string }) => {
    if (value === Infinity || value === -Infinity) throw new NumberTooLarge(context?.source ?? String(value), parsed);
    return undefined;
  });
}

// What countKeys saw on its way: 16 digits in a row outside strings, and a number with a positive exponent or with more
// digits than a float has.
let sawLongNumber = false;
let sawHugeNumber = false;
const floatDigits = 308;

// The number of keys in the text: colons outside strings. -1 when nesting is too deep. Bytes scan twice as fast as
// characters: 1 ns each.
function countKeys(text: Uint8Array): number {
  const n = text.length;
  let keys = 0;
  let depth = 0;
  sawLongNumber = false;
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
      if (++depth > maxDepth) return -1;
    } else if (c === 125 || c === 93) depth--;
    else if (c >= 48 && c <= 57) {
      const start = i;
      while (i + 1 < n && text[i + 1]! >= 48 && text[i + 1]! <= 57) i++;
      const digits = i + 1 - start;
      if (digits > 15) sawLongNumber = true;
      const exponent = text[i + 1] === 69 || text[i + 1] === 101;
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

// Go's YAML reads dates, binary and base-60 numbers as strings.
const withoutTags = new Set(['binary', 'omap', 'pairs', 'set', 'timestamp', 'intTime', 'floatTime']);
const tagName = (tag: unknown) => (typeof tag === 'string' ? tag : String((tag as { tag?: unknown }).tag ?? ''));
const isUnwanted = (tag: unknown) => {
  if (typeof tag === 'string') return withoutTags.has(tag);
  const { format, tag: uri } = tag as { format?: string; tag: string };
  return format === 'TIME' || /:(binary|omap|pairs|set|timestamp)$/.test(uri) || withoutTags.has(tagName(tag));
};

/** Parses one YAML document (JSON too) as YAML 1.1, as Kubernetes does. Throws a StatusError (400). */
export function parseYaml(body: Uint8Array | string, kind?: string): Parsed {
  const text = typeof body === 'string' ? body : soundText(body);
  if (text === undefined) throw refuseYaml('yaml: invalid leading UTF-8 octet', body, kind);
  const json = asPlainJson(text);
  if (json) return { value: json, duplicates: [] };
  const lineCounter = new LineCounter();
  const document = firstDocument(text, lineCounter, kind);
  const found: Duplicate[] = [];
  try {
    inspectYaml(document.contents, '', 0, { duplicates: found, open: new Set(), anchors: 0, aliases: 0 });
    const value: unknown = document.toJS({ maxAliasCount: 100, mapAsMap: false });
    if (found.length === 0) return { value, duplicates: [] };
    const lines = found.map(d => lineCounter.linePos(d.offset).line);
    return { value, duplicates: found.map(d => d.path), lines };
  } catch (cause) {
    throw refuseYaml(cause instanceof NoJson ? cause.message : `yaml: ${yamlFault(cause)}`, text, kind);
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

class NoJson extends Error {}

// The library recurses, some 900 levels down until the stack ends.
const yamlFault = (error: unknown): string => {
  const [why = ''] = messageOf(error).split('\n');
  return why.includes('call stack') ? 'exceeded max depth' : why;
};

const refuseYaml = (why: string, text: Uint8Array | string, kind: string | undefined): StatusError =>
  kind === undefined
    ? badRequest(`error decoding YAML: error converting YAML to JSON: ${why}`)
    : unrecognized(kind, why, text);

// In base 16 2^53 takes 14 digits; past some length all that counts is that it is no 64-bit number.
const mayHoldLongNumber = (text: string): boolean => /[0-9a-fA-F_]{14}/.test(text) && !/[0-9a-fA-F_]{400}/.test(text);

/** Others than the first are not looked at, as Kubernetes does not. Ends with the first error: there may be millions. */
function firstDocument(text: string, lineCounter: LineCounter, kind: string | undefined): Document {
  const options = {
    version: '1.1',
    intAsBigInt: mayHoldLongNumber(text),
    uniqueKeys: false,
    customTags: (tags: Tags) => tags.filter(tag => !isUnwanted(tag)),
    logLevel: 'silent',
    prettyErrors: false,
  } as const;
  const composer = new Composer(options);
  const inner = composer as unknown as { onError(...given: unknown[]): void; errors: YAMLParseError[] };
  const { onError } = inner;
  inner.onError = (...given) => {
    onError(...given);
    if (inner.errors[0]) throw inner.errors[0];
  };
  try {
    for (const document of composer.compose(yamlTokens(text, lineCounter), true, text.length)) {
      if (document.errors[0]) throw document.errors[0];
      return document as Document;
    }
  } catch (error) {
    const { line, col } = lineCounter.linePos(error instanceof YAMLParseError ? error.pos[0] : 0);
    const where = error instanceof YAMLParseError ? ` at line ${line}, column ${col}` : '';
    const why = `${yamlFault(error)}${where}`;
    throw refuseYaml(`yaml: ${why}`, text, kind);
  }
  return new Document(null);
}

// A second's worth.
const mostTokens = 1_000_000;

function* yamlTokens(text: string, lineCounter: LineCounter) {
  const parser = new Parser(lineCounter.addNewLine);
  lineCounter.addNewLine(0);
  let tokens = 0;
  for (const lexeme of new Lexer().lex(text)) {
    if (++tokens > mostTokens) throw new RangeError('document has too many parts');
    yield* parser.next(lexeme);
  }
  yield* parser.end();
}

interface Duplicate {
  readonly path: string;
  readonly offset: number;
}

interface Inspection {
  readonly duplicates: Duplicate[];
  /** Anchors of the nodes around. */
  readonly open: Set<string>;
  anchors: number;
  aliases: number;
}

// The library looks at every anchor and alias for each alias: a thousandth of a second for some 20,000 looks.
const mostAliasLooks = 4_000_000;

function inspectYaml(node: unknown, path: string, depth: number, seen: Inspection): void {
  if (depth > maxDepth) throw new RangeError('exceeded max depth');
  if (isAlias(node)) {
    if (seen.open.has(node.source)) throw new RangeError(`anchor '${node.source}' value contains itself`);
    seen.aliases++;
    if ((seen.anchors + seen.aliases) * seen.aliases > mostAliasLooks)
      throw new RangeError('document contains excessive aliasing');
    return;
  }
  if (isScalar(node)) checkNumber(node);
  const anchor = isNode(node) ? node.anchor : undefined;
  if (anchor) {
    seen.anchors++;
    seen.open.add(anchor);
  }
  if (isSeq(node)) {
    for (const [i, item] of node.items.entries()) inspectYaml(item, `${path}[${i}]`, depth + 1, seen);
  } else if (isMap(node)) inspectYamlMap(node, path, depth, seen);
  if (anchor) seen.open.delete(anchor);
}

/** What no float holds is a string to Go's YAML; what JSON has no word for is refused. */
function checkNumber(node: Scalar): void {
  const { value, source = '' } = node;
  if (typeof value === 'bigint') node.value = wholeNumber(value);
  else if (typeof value === 'string') {
    // Octal as YAML 1.2 has it, which Go reads too.
    if (node.type === 'PLAIN' && /^[-+]?0o[0-7]+$/.test(value) && !node.tag) node.value = octal(value);
  } else if (typeof value !== 'number' || Number.isFinite(value)) return;
  else if (/\d/.test(source)) node.value = source;
  else throw new NoJson(`json: unsupported value: ${Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf'}`);
}

const octal = (text: string): number => Number(text.replace(/^[-+]/, '')) * (text.startsWith('-') ? -1 : 1);

function inspectYamlMap(node: YAMLMap, path: string, depth: number, seen: Inspection): void {
  const names = new Set<string>();
  for (const { key, value } of node.items) {
    if (!isScalar(key)) inspectYaml(key, path, depth + 1, seen);
    const name = isScalar(key) ? String(key.value) : String(key);
    const child = path ? `${path}.${name}` : name;
    if (names.has(name) && name !== '<<') seen.duplicates.push({ path: child, offset: (key as Node).range?.[0] ?? 0 });
    names.add(name);
    inspectYaml(value, child, depth + 1, seen);
  }
}

/** Canonical bytes of an object that `normalize` made. */
export function encodeJson(object: unknown): Buffer {
  return Buffer.from(JSON.stringify(object));
}

/** `unknown field "spec.foo"`, `duplicate field "spec.bar"`, of YAML `line 3: key "bar" already set in map`. */
export function strictErrors({ duplicates = [], unknown = [], keys, lines }: Partial<DecodeReport>): string[] {
  const unknownField = (path: string) => `unknown field ${JSON.stringify(path)}`;
  const duplicateField = (path: string) => `duplicate field ${JSON.stringify(path)}`;
  // YAML becomes JSON with sorted keys before fields are looked at.
  if (lines) return [...duplicates.map(keyTwice), ...[...unknown].sort().map(unknownField)];
  if (!keys) return [...duplicates.map(duplicateField), ...unknown.map(unknownField)];
  const strange = new Set(unknown);
  const seen = new Set<string>();
  const found = new Set<string>();
  for (const path of keys) {
    if (strange.has(path)) found.add(unknownField(path));
    else if (seen.has(path)) found.add(duplicateField(path));
    seen.add(path);
  }
  return [...found];

  function keyTwice(path: string, i: number): string {
    return `line ${lines![i]}: key ${JSON.stringify(path.slice(path.lastIndexOf('.') + 1))} already set in map`;
  }
}

/** The refusal of fieldValidation=Strict. */
export function strictDecodingError(typeName: string, errors: readonly string[]): StatusError {
  return undecodable(schemaOf(typeName).name, `strict decoding error: ${errors.join(', ')}`);
}
