// YAML text to plain values. Slow: the library holds a thread for up to a second a megabyte, so that large bodies are read
// in a thread of their own (yaml-worker.ts).
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
  type ScalarTag,
  type Tags,
  type YAMLMap,
  YAMLParseError,
} from 'yaml';
import { messageOf } from '../base/assert.ts';
import { quote } from '../base/quote.ts';
import { wholeNumber } from '../base/whole-number.ts';
import { withoutPoint } from '../base/yaml-text.ts';

/** Deeper documents are refused: everything that walks a value recurses. */
export const maxDepth = 1000;

/** The text is no YAML, or none that JSON has a word for. `message` begins with `yaml:` or `json:`. */
export class YamlFault extends Error {
  override name = 'YamlFault';
}

export interface YamlContent {
  readonly value: unknown;
  /** Paths of keys given more than once in an object; the last one counts. */
  readonly duplicates: string[];
  /** With duplicates: the line each of them stands in. */
  readonly lines?: readonly number[];
}

/** Reads the first document as YAML 1.1, as Kubernetes does. Throws YamlFault. */
export function readYaml(text: string): YamlContent {
  if (control.test(text)) throw new YamlFault('yaml: control characters are not allowed');
  const lineCounter = new LineCounter();
  const document = firstDocument(text, lineCounter);
  const found: Duplicate[] = [];
  try {
    inspectYaml(document.contents, '', 0, { document, duplicates: found, open: new Set(), anchors: 0, aliases: 0 });
    const value: unknown = document.toJS({ maxAliasCount: 100, mapAsMap: false });
    if (found.length === 0) return { value, duplicates: [] };
    const lines = found.map(d => lineCounter.linePos(d.offset).line);
    return { value, duplicates: found.map(d => d.path), lines };
  } catch (cause) {
    throw new YamlFault(cause instanceof NoJson ? cause.message : `yaml: ${wordOf(cause)}`);
  }
}

// Go's YAML reads dates and base-60 numbers as strings.
const withoutTags = new Set(['omap', 'pairs', 'set', 'timestamp', 'intTime', 'floatTime']);
const tagName = (tag: unknown) => (typeof tag === 'string' ? tag : String((tag as { tag?: unknown }).tag ?? ''));
const isUnwanted = (tag: unknown) => {
  if (typeof tag === 'string') return withoutTags.has(tag);
  const { format, tag: uri } = tag as { format?: string; tag: string };
  return format === 'TIME' || /:(binary|omap|pairs|set|timestamp)$/.test(uri) || withoutTags.has(tagName(tag));
};

/** Go's YAML makes a text of its bytes. */
const binary: ScalarTag = {
  tag: 'tag:yaml.org,2002:binary',
  resolve: text => Buffer.from(text, 'base64').toString(),
};

// What no document has, quoted or not.
const control = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u0084\u0086-\u009f\ufffe\uffff]/;

class NoJson extends Error {}

// The library recurses, some 900 levels down until the stack ends.
const wordOf = (error: unknown): string => {
  const [why = ''] = messageOf(error).split('\n');
  const [, unknown] = /^Unresolved alias \([^)]*\): (.*)$/.exec(why) ?? [];
  if (unknown !== undefined) return `unknown anchor '${unknown}' referenced`;
  if (why.startsWith('Merge sources must be')) return 'map merge requires map or sequence of maps as the value';
  return why.includes('call stack') ? 'exceeded max depth' : why;
};

// In base 16 2^53 takes 14 digits; past some length all that counts is that it is no 64-bit number.
const mayHoldLongNumber = (text: string): boolean => /[0-9a-fA-F_]{14}/.test(text) && !/[0-9a-fA-F_]{400}/.test(text);

/** Others than the first are not looked at, as Kubernetes does not. Ends with the first error: there may be millions. */
function firstDocument(text: string, lineCounter: LineCounter): Document {
  const options = {
    version: '1.1',
    intAsBigInt: mayHoldLongNumber(text),
    uniqueKeys: false,
    customTags: (tags: Tags) => [...withoutPoint(tags.filter(tag => !isUnwanted(tag))), binary],
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
    throw new YamlFault(`yaml: ${wordOf(error)}${where}`);
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
  readonly document: Document;
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

/** A key is a scalar, and a text to JSON. */
function checkKey(key: unknown, value: unknown, document: Document): void {
  const node = isAlias(key) ? key.resolve(document) : key;
  const shown = (n: unknown) => goSyntax(isNode(n) ? n.toJS(document, { mapAsMap: true, maxAliasCount: 100 }) : n);
  if (isMap(node) || isSeq(node)) throw new NoJson(`yaml: invalid map key: ${shown(node)}`);
  if (!isScalar(node) || node.value !== null) return;
  const told = shown(value).replace(/^interface \{\}\(nil\)$/, '<nil>');
  throw new NoJson(`unsupported map key of type: %!s(<nil>), key: <nil>, value: ${told}`);
}

/** What Go's YAML reader makes of a node, as Go writes it in source (`%#v`). */
function goSyntax(value: unknown): string {
  if (value === null || value === undefined) return 'interface {}(nil)';
  if (Array.isArray(value)) return `[]interface {}{${value.map(goSyntax).join(', ')}}`;
  if (!(value instanceof Map)) return typeof value === 'string' ? quote(value) : String(value);
  const members = [...value]
    .map(([k, v]) => [k, `${goSyntax(k)}:${goSyntax(v)}`] as const)
    .sort(([a], [b]) => byKind(a, b));
  return `map[interface {}]interface {}{${members.map(([, text]) => text).join(', ')}}`;
}

const kinds = ['object', 'string', 'number', 'bigint', 'boolean'];
const byKind = (a: unknown, b: unknown): number =>
  kinds.indexOf(typeof a) - kinds.indexOf(typeof b) || (String(a) < String(b) ? -1 : 1);

const octal = (text: string): number => Number(text.replace(/^[-+]/, '')) * (text.startsWith('-') ? -1 : 1);

function inspectYamlMap(node: YAMLMap, path: string, depth: number, seen: Inspection): void {
  const names = new Set<string>();
  for (const { key, value } of node.items) {
    if (!isScalar(key)) inspectYaml(key, path, depth + 1, seen);
    checkKey(key, value, seen.document);
    const name = isScalar(key) ? String(key.value) : String(key);
    const child = path ? `${path}.${name}` : name;
    if (names.has(name) && name !== '<<') seen.duplicates.push({ path: child, offset: (key as Node).range?.[0] ?? 0 });
    names.add(name);
    inspectYaml(value, child, depth + 1, seen);
  }
}
