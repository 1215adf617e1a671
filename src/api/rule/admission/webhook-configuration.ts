// The rules of ValidatingWebhookConfigurations and MutatingWebhookConfigurations.
import { type FieldErrors, type FieldPath, path } from '../../field-error.ts';
import type { Mutable } from '../../meta.ts';
import { isFullyQualifiedName, isValidPortNumber } from '../../name-rule.ts';
import type { Strategy } from '../../strategy.ts';
import type {
  MutatingWebhook,
  MutatingWebhookConfiguration,
  ValidatingWebhookConfiguration,
  WebhookClientConfig,
} from '../../type/admissionregistration-v1.ts';
import { validateOneOf } from '../core/pod-common.ts';
import { validateLabelSelector } from '../meta.ts';
import { ruleDefaults, validateConditions, validateRule } from './match-rule.ts';
import { checkConditions } from './policy-expression.ts';

const WEBHOOKS = path('webhooks');
const SIDE_EFFECTS = ['None', 'NoneOnDryRun'];
const REVIEW_VERSIONS = ['v1', 'v1beta1'];
const TIMEOUT_SECONDS = 10;
const MAX_TIMEOUT_SECONDS = 30;
const URL_FORM = 'desired format: https://host[:port]/path';

type Configuration = MutatingWebhookConfiguration | ValidatingWebhookConfiguration;
/** A validating one says nothing of being called again. */
type Webhook = MutatingWebhook;

function defaults(configuration: Mutable<Configuration>, mutating: boolean): void {
  for (const hook of (configuration.webhooks ?? []) as Mutable<Webhook>[]) {
    hook.failurePolicy ??= 'Fail';
    hook.matchPolicy ??= 'Equivalent';
    hook.namespaceSelector ??= {};
    hook.objectSelector ??= {};
    hook.timeoutSeconds ??= TIMEOUT_SECONDS;
    if (mutating) hook.reinvocationPolicy ??= 'Never';
    if (hook.clientConfig?.service) hook.clientConfig.service.port ??= 443;
    ruleDefaults(hook.rules);
  }
}

function validateHook(hook: Webhook, at: FieldPath, errors: FieldErrors): void {
  const { name, sideEffects, timeoutSeconds: timeout } = hook;
  if (!name) errors.required(at.child('name'));
  else for (const m of isFullyQualifiedName(name)) errors.invalid(at.child('name'), name, m);
  for (const [i, rule] of (hook.rules ?? []).entries()) validateRule(rule, at.child('rules').index(i), errors);
  validateOneOf(hook.failurePolicy, ['Fail', 'Ignore'], at.child('failurePolicy'), errors);
  validateOneOf(hook.matchPolicy, ['Equivalent', 'Exact'], at.child('matchPolicy'), errors);
  if (!sideEffects) errors.required(at.child('sideEffects'), `must specify one of ${SIDE_EFFECTS.join(', ')}`);
  else validateOneOf(sideEffects, SIDE_EFFECTS, at.child('sideEffects'), errors);
  if (timeout !== undefined && (timeout < 1 || timeout > MAX_TIMEOUT_SECONDS))
    errors.invalid(at.child('timeoutSeconds'), timeout, 'the timeout value must be between 1 and 30 seconds');
  validateLabelSelector(hook.namespaceSelector, at.child('namespaceSelector'), errors);
  validateLabelSelector(hook.objectSelector, at.child('objectSelector'), errors);
  validateOneOf(hook.reinvocationPolicy, ['IfNeeded', 'Never'], at.child('reinvocationPolicy'), errors);
  validateVersions(hook.admissionReviewVersions ?? [], at.child('admissionReviewVersions'), errors);
  validateClientConfig(hook.clientConfig ?? {}, at.child('clientConfig'), errors);
  validateConditions(hook.matchConditions ?? [], at.child('matchConditions'), errors);
  checkConditions(hook.matchConditions ?? [], { webhook: true }, at.child('matchConditions'), errors);
}

function validateVersions(versions: readonly string[], at: FieldPath, errors: FieldErrors): void {
  if (versions.length === 0) {
    errors.required(at, `must specify one of ${REVIEW_VERSIONS.join(', ')}`);
    return;
  }
  for (const [i, version] of versions.entries())
    if (versions.indexOf(version) < i) errors.duplicate(at.index(i), version);
  if (!versions.some(v => REVIEW_VERSIONS.includes(v)))
    errors.invalid(at, versions, `must include at least one of ${REVIEW_VERSIONS.join(', ')}`);
}

function validateClientConfig({ url, service }: WebhookClientConfig, at: FieldPath, errors: FieldErrors): void {
  if ((url === undefined) === (service === undefined)) errors.required(at, 'exactly one of url or service is required');
  else if (url !== undefined) validateUrl(url, at.child('url'), errors);
  else if (service) {
    const here = at.child('service');
    if (!service.name) errors.required(here.child('name'), 'service name is required');
    if (!service.namespace) errors.required(here.child('namespace'), 'service namespace is required');
    const port = service.port ?? 443;
    for (const m of isValidPortNumber(port)) errors.invalid(here.child('port'), port, `port is not valid: ${m}`);
    if (service.path) validatePath(service.path, here.child('path'), errors);
  }
}

function validatePath(text: string, at: FieldPath, errors: FieldErrors): void {
  if (!text.startsWith('/')) errors.invalid(at, text, "must start with a '/'");
  else if (text !== '/' && text.slice(1).replace(/\/$/, '').split('/').includes(''))
    errors.invalid(at, text, 'segment may not be empty');
}

function validateUrl(text: string, at: FieldPath, errors: FieldErrors): void {
  const url = URL.parse(text);
  if (!url) {
    errors.required(at, `url must be a valid URL: parse ${JSON.stringify(text)}: invalid URL; ${URL_FORM}`);
    return;
  }
  const scheme = url.protocol.slice(0, -1);
  if (scheme !== 'https') errors.invalid(at, scheme, `'https' is the only allowed URL scheme; ${URL_FORM}`);
  if (!url.host) errors.invalid(at, '', `host must be specified; ${URL_FORM}`);
  if (url.username || url.password) errors.invalid(at, url.username, 'user information is not permitted in the URL');
  if (url.hash) errors.invalid(at, url.hash.slice(1), 'fragments are not permitted in the URL');
  if (url.search) errors.invalid(at, url.search.slice(1), 'query parameters are not permitted in the URL');
}

function strategy<T extends Configuration>(mutating: boolean): Strategy<T> {
  return {
    nameRule: 'dnsSubdomain',
    allowUnconditionalUpdate: false,
    default: configuration => defaults(configuration as Mutable<Configuration>, mutating),
    validate({ webhooks }, errors) {
      const seen = new Set<string>();
      for (const [i, hook] of (webhooks ?? []).entries()) {
        const at = WEBHOOKS.index(i);
        validateHook(hook, at, errors);
        if (hook.name && seen.has(hook.name)) errors.duplicate(at.child('name'), hook.name);
        seen.add(hook.name);
      }
    },
  };
}

export const mutatingWebhookStrategy = strategy<MutatingWebhookConfiguration>(true);
export const validatingWebhookStrategy = strategy<ValidatingWebhookConfiguration>(false);
