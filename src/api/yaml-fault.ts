// What is wrong with a text that is no YAML, in the words of the reader Kubernetes has (libyaml, as Go has it).
import { YamlScanner, type YamlToken } from './yaml-scanner.ts';

class SyntaxFault extends Error {
  override name = 'SyntaxFault';
}

// The byte order mark may stand at the very beginning.
const control = /(?!^\uFEFF)[^\t\n\r -~\u0085\u00A0-\uD7FF\uE000-\uFEFE\uFF00-\uFFFD\u{10000}-\u{10FFFF}]/u;

/** The first fault of the first document; undefined when Go's reader takes it, and when it is nested too deep to tell. */
export function yamlFault(text: string): string | undefined {
  if (control.test(text)) return 'control characters are not allowed';
  try {
    readDocument(new Tokens(text));
    return undefined;
  } catch (error) {
    if (error instanceof SyntaxFault) return error.message;
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

class Tokens {
  readonly anchors = new Set<string>();
  readonly handles = new Set(['!', '!!']);
  readonly #scanner: YamlScanner;

  constructor(text: string) {
    this.#scanner = new YamlScanner(text, SyntaxFault);
  }

  peek(): YamlToken {
    return this.#scanner.peek();
  }

  is(...types: readonly YamlToken['type'][]): boolean {
    return types.includes(this.peek().type);
  }

  skip(): YamlToken {
    return this.#scanner.next();
  }

  take(type: YamlToken['type']): boolean {
    if (!this.is(type)) return false;
    this.skip();
    return true;
  }

  /** What does not fit is told with the line it stands in, and where that is the first with the one of what holds it. */
  fault(problem: string, within?: YamlToken): SyntaxFault {
    const line = this.peek().line || within?.line;
    return new SyntaxFault(line ? `line ${line}: ${problem}` : problem);
  }
}

function readDocument(tokens: Tokens): void {
  if (tokens.is('stream end')) return;
  if (tokens.is('version', 'tag directive', 'document start')) {
    readDirectives(tokens);
    if (!tokens.take('document start')) throw tokens.fault('did not find expected <document start>');
    if (tokens.is('version', 'tag directive', 'document start', 'document end', 'stream end')) return;
  }
  readNode(tokens, 'block');
  // What follows is looked at no further than its first token.
  tokens.peek();
}

function readDirectives(tokens: Tokens): void {
  let version = false;
  const handles = new Set<string>();
  for (; tokens.is('version', 'tag directive'); tokens.skip()) {
    const { type, text = '' } = tokens.peek();
    if (type === 'version') {
      if (version) throw tokens.fault('found duplicate %YAML directive');
      if (text !== '1.1') throw tokens.fault('found incompatible YAML document');
      version = true;
    } else {
      if (handles.has(text)) throw tokens.fault('found duplicate %TAG directive');
      handles.add(text);
      tokens.handles.add(text);
    }
  }
}

type Place = 'block' | 'indentless' | 'flow';

function readNode(tokens: Tokens, place: Place): void {
  const start = tokens.peek();
  if (start.type === 'alias') {
    if (!tokens.anchors.has(start.text ?? '')) throw new SyntaxFault(`unknown anchor '${start.text}' referenced`);
    tokens.skip();
    return;
  }
  const named = readProperties(tokens);
  switch (tokens.peek().type) {
    case 'scalar':
      tokens.skip();
      return;
    case 'flow sequence start':
      readFlowSequence(tokens);
      return;
    case 'flow mapping start':
      readFlowMapping(tokens);
      return;
    case 'block entry':
      if (place !== 'indentless') break;
      readIndentless(tokens);
      return;
    case 'block sequence start':
      if (place === 'flow') break;
      readBlockSequence(tokens);
      return;
    case 'block mapping start':
      if (place === 'flow') break;
      readBlockMapping(tokens);
      return;
  }
  if (!named) throw tokens.fault('did not find expected node content', start);
}

/** An anchor and a tag, in either order. */
function readProperties(tokens: Tokens): boolean {
  const seen = new Set<string>();
  for (;;) {
    const { type, text = '' } = tokens.peek();
    if ((type !== 'anchor' && type !== 'tag') || seen.has(type)) return seen.size > 0;
    seen.add(type);
    if (type === 'anchor') tokens.anchors.add(text);
    else if (text && !tokens.handles.has(text)) throw tokens.fault('found undefined tag handle');
    tokens.skip();
  }
}

function readBlockSequence(tokens: Tokens): void {
  const start = tokens.skip();
  while (tokens.take('block entry')) if (!tokens.is('block entry', 'block end')) readNode(tokens, 'block');
  if (!tokens.take('block end')) throw tokens.fault("did not find expected '-' indicator", start);
}

function readIndentless(tokens: Tokens): void {
  while (tokens.take('block entry'))
    if (!tokens.is('block entry', 'key', 'value', 'block end')) readNode(tokens, 'block');
}

function readBlockMapping(tokens: Tokens): void {
  const start = tokens.skip();
  while (tokens.take('key')) {
    if (!tokens.is('key', 'value', 'block end')) readNode(tokens, 'indentless');
    if (tokens.take('value') && !tokens.is('key', 'value', 'block end')) readNode(tokens, 'indentless');
  }
  if (!tokens.take('block end')) throw tokens.fault('did not find expected key', start);
}

function readFlowSequence(tokens: Tokens): void {
  const start = tokens.skip();
  for (let first = true; !tokens.take('flow sequence end'); first = false) {
    if (!first && !tokens.take('flow entry')) throw tokens.fault("did not find expected ',' or ']'", start);
    if (tokens.take('key')) {
      // An empty key takes with it what ends it.
      if (tokens.is('value', 'flow entry', 'flow sequence end')) tokens.skip();
      else readNode(tokens, 'flow');
      if (tokens.take('value') && !tokens.is('flow entry', 'flow sequence end')) readNode(tokens, 'flow');
    } else if (!tokens.is('flow sequence end')) readNode(tokens, 'flow');
  }
}

function readFlowMapping(tokens: Tokens): void {
  const start = tokens.skip();
  for (let first = true; !tokens.take('flow mapping end'); first = false) {
    if (!first && !tokens.take('flow entry')) throw tokens.fault("did not find expected ',' or '}'", start);
    if (tokens.take('key')) {
      if (!tokens.is('value', 'flow entry', 'flow mapping end')) readNode(tokens, 'flow');
      if (tokens.take('value') && !tokens.is('flow entry', 'flow mapping end')) readNode(tokens, 'flow');
    } else if (!tokens.is('flow mapping end')) readNode(tokens, 'flow');
  }
}
