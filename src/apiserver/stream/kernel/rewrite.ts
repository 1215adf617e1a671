// Links that a proxied server gives out lead past the proxy: they are bent back to it.

export interface RewriteRule {
  /** The request's path up to what was proxied: `/api/v1/namespaces/x/pods/y/proxy`. */
  readonly prefix: string;
  /** `host:port` of the server behind, and the host the client asked for. */
  readonly hosts: readonly string[];
}

const origin = /^(?:[a-z][a-z0-9+.-]*:)?\/\/([^/?#]*)/i;

/** A link as it must read for the client; others than those to the server itself stay. */
export function rewriteLink(link: string, { prefix, hosts }: RewriteRule): string {
  const text = link.trim();
  const match = origin.exec(text);
  if (match && !hosts.includes(match[1]!)) return link;
  const path = match ? text.slice(match[0].length) || '/' : text;
  // Relative ones lead right anyway.
  if (!path.startsWith('/') || path === prefix || path.startsWith(`${prefix}/`)) return match ? path : link;
  return prefix + path;
}

// Attributes that hold links, by element.
const linked: Readonly<Record<string, readonly string[]>> = {
  a: ['href'],
  applet: ['codebase'],
  area: ['href'],
  audio: ['src'],
  base: ['href'],
  blockquote: ['cite'],
  body: ['background'],
  button: ['formaction'],
  command: ['icon'],
  del: ['cite'],
  embed: ['src'],
  form: ['action'],
  frame: ['longdesc', 'src'],
  head: ['profile'],
  html: ['manifest'],
  iframe: ['longdesc', 'src'],
  img: ['longdesc', 'src', 'usemap'],
  input: ['src', 'usemap', 'formaction'],
  ins: ['cite'],
  link: ['href'],
  object: ['classid', 'codebase', 'data', 'usemap'],
  q: ['cite'],
  script: ['src'],
  source: ['src'],
  video: ['poster', 'src'],
};

// A tag that another begins in is none: each of many would be read to the end.
const tag = /<([a-z][a-z0-9]*)((?:[^<>"']|"[^"]*"|'[^']*')*)>/gi;
const attribute = /(\s)([a-z]+)(\s*=\s*)("[^"]*"|'[^']*'|[^\s"'>]+)/gi;

export function rewriteHtml(html: string, rule: RewriteRule): string {
  return html.replace(tag, (whole, name: string, rest: string) => {
    const names = linked[name.toLowerCase()];
    if (!names || !rest) return whole;
    const bent = rest.replace(attribute, (text, space: string, attr: string, equals: string, value: string) => {
      if (!names.includes(attr.toLowerCase())) return text;
      const quote = /^["']/.exec(value)?.[0] ?? '';
      const link = quote ? value.slice(1, -1) : value;
      return `${space}${attr}${equals}${quote}${rewriteLink(link, rule)}${quote}`;
    });
    return `<${name}${bent}>`;
  });
}

const longestTag = 64 << 10;

/** Cuts a page that comes in pieces so that no tag is torn. */
export class HtmlRewriter {
  readonly #rule: RewriteRule;
  #rest = '';

  constructor(rule: RewriteRule) {
    this.#rule = rule;
  }

  push(text: string): string {
    const all = this.#rest + text;
    const open = all.lastIndexOf('<');
    const torn = open >= 0 && !all.includes('>', open) && all.length - open < longestTag;
    this.#rest = torn ? all.slice(open) : '';
    return rewriteHtml(torn ? all.slice(0, open) : all, this.#rule);
  }

  end(): string {
    return this.#rest;
  }
}
