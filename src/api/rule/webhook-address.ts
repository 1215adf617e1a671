// Where a webhook is: by URL or by service, as Kubernetes' generic library checks both.
import type { FieldErrors, FieldPath } from '../field-error.ts';
import { isDns1123Subdomain, isValidPortNumber } from '../name-rule.ts';

export interface WebhookAddress {
  readonly url?: string;
  readonly service?: {
    readonly namespace?: string;
    readonly name?: string;
    readonly path?: string;
    readonly port?: number;
  };
}

/** `client`: the clientConfig's place. */
export function validateWebhookAddress({ url, service }: WebhookAddress, client: FieldPath, errors: FieldErrors): void {
  if ((url === undefined) === (service === undefined))
    errors.required(client, 'exactly one of url or service is required');
  else if (url !== undefined) validateUrl(url, client.child('url'), errors);
  else if (service) {
    const at = client.child('service');
    if (!service.name) errors.required(at.child('name'));
    if (!service.namespace) errors.required(at.child('namespace'));
    const port = service.port ?? 443;
    for (const m of isValidPortNumber(port)) errors.invalid(at.child('port'), port, `port is not valid: ${m}`);
    if (service.path) validatePath(service.path, at.child('path'), errors);
  }
}

function validatePath(text: string, at: FieldPath, errors: FieldErrors): void {
  if (text === '/') return;
  if (!text.startsWith('/')) errors.invalid(at, text, "must start with a '/'");
  const segments = text.slice(1).replace(/\/$/, '').split('/');
  for (const [i, segment] of segments.entries()) {
    if (segment === '') errors.invalid(at, text, `segment[${i}] may not be empty`);
    else for (const wrong of isDns1123Subdomain(segment)) errors.invalid(at, text, `segment[${i}]: ${wrong}`);
  }
}

const FORM = '; desired format: https://host[/path]';

function validateUrl(text: string, at: FieldPath, errors: FieldErrors): void {
  const url = parseUrl(text);
  if ('fault' in url) {
    errors.required(at, `url must be a valid URL: parse ${JSON.stringify(text)}: ${url.fault}${FORM}`);
    return;
  }
  if (url.scheme !== 'https') errors.invalid(at, url.scheme, `'https' is the only allowed URL scheme${FORM}`);
  if (!url.host) errors.invalid(at, '', `host must be specified${FORM}`);
  if (url.user) errors.invalid(at, url.user, 'user information is not permitted in the URL');
  if (url.fragment) errors.invalid(at, url.fragment, 'fragments are not permitted in the URL');
  if (url.query) errors.invalid(at, url.query, 'query parameters are not permitted in the URL');
}

interface Url {
  readonly scheme: string;
  readonly user: string;
  readonly host: string;
  readonly query: string;
  readonly fragment: string;
}

/** As Go takes URLs apart: a text without scheme or host is one too. */
function parseUrl(text: string): Url | { readonly fault: string } {
  if (/[\0-\x1f\x7f]/.test(text)) return { fault: 'net/url: invalid control character in URL' };
  const [whole = '', fragment = ''] = split(text, '#');
  if (whole.startsWith(':')) return { fault: 'missing protocol scheme' };
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(whole)?.[1] ?? '';
  const [rest = '', query = ''] = split(scheme ? whole.slice(scheme.length + 1) : whole, '?');
  if (!rest.startsWith('/') && !scheme && split(rest, '/')[0]?.includes(':'))
    return { fault: 'first path segment in URL cannot contain colon' };
  const authority = rest.startsWith('//') ? split(rest.slice(2), '/')[0]! : '';
  const ends = authority.lastIndexOf('@');
  const host = authority.slice(ends + 1);
  const fault = hostFault(host) ?? escapeFault(rest) ?? escapeFault(fragment);
  return fault
    ? { fault }
    : { scheme: scheme.toLowerCase(), user: authority.slice(0, Math.max(ends, 0)), host, query, fragment };
}

function split(text: string, by: string): [before: string, after?: string] {
  const at = text.indexOf(by);
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + 1)];
}

function hostFault(host: string): string | undefined {
  if (host.startsWith('[') && !host.includes(']')) return "missing ']' in host";
  const port = /:[^:\]]*$/.exec(host)?.[0] ?? '';
  if (!/^(:[0-9]*)?$/.test(port)) return `invalid port ${JSON.stringify(port)} after host`;
  const strange = /[ "<>\\^`{|}]/.exec(host)?.[0];
  return strange && `invalid character ${JSON.stringify(strange)} in host name`;
}

function escapeFault(text: string): string | undefined {
  const broken = /%(?![0-9a-f]{2}).{0,2}/i.exec(text)?.[0];
  return broken && `invalid URL escape ${JSON.stringify(broken)}`;
}
