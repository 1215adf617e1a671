// Where a webhook is: by URL or by service, as Kubernetes' generic library checks both.
import { messageOf } from '../../base/assert.ts';
import { type GoUrl, parseGoUrl } from '../../base/go-url.ts';
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
  let url: GoUrl;
  try {
    url = parseGoUrl(text);
  } catch (error) {
    errors.required(at, `url must be a valid URL: ${messageOf(error)}${FORM}`);
    return;
  }
  if (url.scheme !== 'https') errors.invalid(at, url.scheme, `'https' is the only allowed URL scheme${FORM}`);
  if (!url.host) errors.invalid(at, '', `host must be specified${FORM}`);
  if (url.user !== undefined) errors.invalid(at, url.user, 'user information is not permitted in the URL');
  if (url.fragment) errors.invalid(at, url.fragment, 'fragments are not permitted in the URL');
  if (url.query) errors.invalid(at, url.query, 'query parameters are not permitted in the URL');
}
