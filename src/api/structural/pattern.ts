// Regular expressions of schemas, which are Go's: RE2 syntax.
const compiled = new Map<string, RegExp | Error>();

/** Throws SyntaxError for a pattern that is none. */
export function compilePattern(pattern: string): RegExp {
  let known = compiled.get(pattern);
  if (!known) {
    try {
      known = translate(pattern);
    } catch (error) {
      known = error as Error;
    }
    if (compiled.size > 10_000) compiled.clear();
    compiled.set(pattern, known);
  }
  if (known instanceof Error) throw known;
  return known;
}

const posix: Readonly<Record<string, string>> = {
  alnum: '0-9A-Za-z',
  alpha: 'A-Za-z',
  ascii: '\\x00-\\x7F',
  blank: '\\t ',
  cntrl: '\\x00-\\x1F\\x7F',
  digit: '0-9',
  graph: '!-~',
  lower: 'a-z',
  print: ' -~',
  punct: '!-\\/:-@[-`{-~',
  space: '\\t\\n\\v\\f\\r ',
  upper: 'A-Z',
  word: '0-9A-Za-z_',
  xdigit: '0-9A-Fa-f',
};

/** To JavaScript: flags at the front, POSIX classes, \A \z \Q…\E, (?P<name>…). Look-around and back references are refused. */
function translate(pattern: string): RegExp {
  let source = pattern;
  let flags = '';
  const front = /^\(\?([imsU]+)\)/.exec(source);
  if (front) {
    source = source.slice(front[0].length);
    for (const f of front[1]!) if (f !== 'U') flags += f;
  }
  if (/\(\?(?:[=!]|<[=!])/.test(source)) throw new SyntaxError('invalid or unsupported Perl syntax');
  if (/(?:^|[^\\])(?:\\\\)*\\[1-9]/.test(source)) throw new SyntaxError('invalid escape sequence');
  source = source
    .replace(/\\Q([\s\S]*?)(?:\\E|$)/g, (_, text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
    .replace(/\(\?P</g, '(?<')
    .replace(/\[:(\^?)(\w+):\]/g, (all, not: string, name: string) => (posix[name] && !not ? posix[name]! : all))
    .replace(/\\z/g, '$(?![\\s\\S])')
    .replace(/\\A/g, '(?<![\\s\\S])^')
    .replace(/\\p\{?(\w+)\}?/g, (_, name: string) => `\\p{${/^[A-Z][a-z]?$/.test(name) ? name : `Script=${name}`}}`)
    .replace(/\\x\{([0-9A-Fa-f]+)\}/g, (_, code: string) => `\\u{${code}}`);
  try {
    return new RegExp(source, `${flags}u`);
  } catch {
    return new RegExp(source, flags);
  }
}
