// How the versions of a CustomResourceDefinition are converted: the webhook must be one that can be called.
import { quote } from '../../../base/quote.ts';
import type { FieldErrors, FieldPath } from '../../field-error.ts';
import { isDns1035Label, isDns1123Subdomain } from '../../name-rule.ts';
import type { CustomResourceConversion } from '../../type/apiextensions-v1.ts';

const acceptedReviews = ['v1', 'v1beta1'];

export function validateConversion(
  conversion: CustomResourceConversion | undefined,
  at: FieldPath,
  errors: FieldErrors,
): void {
  if (!conversion) return;
  const { strategy, webhook } = conversion;
  if (!strategy) errors.required(at.child('strategy'));
  else if (strategy !== 'None' && strategy !== 'Webhook')
    errors.notSupported(at.child('strategy'), strategy, ['None', 'Webhook']);
  // Named as Go's server has them within.
  const config = at.child('webhookClientConfig');
  const here = at.child('conversionReviewVersions');
  const versions = webhook?.conversionReviewVersions ?? [];
  if (strategy !== 'Webhook') {
    const never = 'should not be set when strategy is not set to Webhook';
    if (webhook?.clientConfig) errors.forbidden(config, never);
    if (versions.length) errors.forbidden(here, never);
    return;
  }
  if (!webhook?.clientConfig) errors.required(config, 'required when strategy is set to Webhook');
  else validateClientConfig(webhook.clientConfig, config, errors);
  if (!versions.length) errors.required(here);
  const seen = new Set<string>();
  for (const [i, v] of versions.entries()) {
    if (seen.has(v)) errors.invalid(here.index(i), v, 'duplicate version');
    seen.add(v);
    const wrong = isDns1035Label(v);
    if (wrong.length) errors.invalid(here.index(i), v, wrong.join(','));
  }
  if (versions.length && !versions.some(v => acceptedReviews.includes(v)))
    errors.invalid(here, versions, `must include at least one of ${acceptedReviews.join(', ')}`);
}

type ClientConfig = NonNullable<NonNullable<CustomResourceConversion['webhook']>['clientConfig']>;

function validateClientConfig({ url, service }: ClientConfig, at: FieldPath, errors: FieldErrors): void {
  if (url !== undefined && service) {
    errors.required(at, 'exactly one of url or service is required');
    return;
  }
  if (url !== undefined) validateUrl(url, at.child('url'), errors);
  else if (service) {
    const here = at.child('service');
    if (!service.name) errors.required(here.child('name'));
    if (!service.namespace) errors.required(here.child('namespace'));
    const port = service.port ?? 443;
    if (port < 1 || port > 65535)
      errors.invalid(here.child('port'), port, 'port is not valid: must be between 1 and 65535, inclusive');
    if (service.path !== undefined && service.path !== '') validateUrlPath(service.path, here.child('path'), errors);
  } else errors.required(at, 'exactly one of url or service is required');
}

const urlForm = '; desired format: https://host[/path]';

function validateUrl(text: string, at: FieldPath, errors: FieldErrors): void {
  const url = partsOf(text);
  if (typeof url === 'string') {
    errors.required(at, `url must be a valid URL: parse ${quote(text)}: ${url}${urlForm}`);
    return;
  }
  const { scheme, user, host, query, fragment } = url;
  if (scheme !== 'https') errors.invalid(at, scheme, `'https' is the only allowed URL scheme${urlForm}`);
  if (!host) errors.invalid(at, '', `host must be specified${urlForm}`);
  if (user) errors.invalid(at, user, 'user information is not permitted in the URL');
  if (fragment) errors.invalid(at, fragment, 'fragments are not permitted in the URL');
  if (query) errors.invalid(at, query, 'query parameters are not permitted in the URL');
}

interface UrlParts {
  readonly scheme: string;
  readonly user: string;
  readonly host: string;
  readonly query: string;
  readonly fragment: string;
}

/** As Go takes a URL apart, or why it cannot. */
function partsOf(text: string): UrlParts | string {
  if (/[\x00-\x1f\x7f]/.test(text)) return 'net/url: invalid control character in URL';
  const [, before, fragment = ''] = /^([^#]*)#?(.*)$/s.exec(text)!;
  if (before!.startsWith(':')) return 'missing protocol scheme';
  const [, scheme = '', rest] = /^(?:([a-z][a-z0-9+.-]*):)?(.*)$/is.exec(before!)!;
  const [, whole, query = ''] = /^([^?]*)\??(.*)$/s.exec(rest!)!;
  const [, authority = '', path] = /^(?:\/\/([^/]*))?(.*)$/s.exec(whole!)!;
  const [, user = '', host] = /^(?:(.*)@)?(.*)$/s.exec(authority)!;
  if (host!.startsWith('[') && !host!.includes(']')) return "missing ']' in host";
  const port = /:([^:\]]*)$/.exec(host!)?.[1];
  if (port !== undefined && !/^\d*$/.test(port)) return `invalid port ${quote(`:${port}`)} after host`;
  // What stands behind a scheme alone is nobody's path.
  const opaque = scheme !== '' && !whole!.startsWith('/');
  const stray = /%(?![0-9a-f]{2}).{0,2}/i.exec(opaque ? '' : `${host}${path}`);
  if (stray) return `invalid URL escape ${quote(stray[0])}`;
  return { scheme: scheme.toLowerCase(), user, host: host!, query, fragment };
}

function validateUrlPath(text: string, at: FieldPath, errors: FieldErrors): void {
  if (text === '/') return;
  if (!text.startsWith('/')) errors.invalid(at, text, "must start with a '/'");
  const steps = text.slice(1).replace(/\/$/, '').split('/');
  for (const [i, step] of steps.entries()) {
    if (step === '') errors.invalid(at, text, `segment[${i}] may not be empty`);
    else for (const wrong of isDns1123Subdomain(step)) errors.invalid(at, text, `segment[${i}]: ${wrong}`);
  }
}
