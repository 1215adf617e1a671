// The rules of ValidatingWebhookConfigurations and MutatingWebhookConfigurations.
import { type FieldErrors, type FieldPath, path } from '../../field-error.ts';
import type { Mutable } from '../../meta.ts';
import { isDns1035Label, isFullyQualifiedName } from '../../name-rule.ts';
import type { Strategy } from '../../strategy.ts';
import type {
  MutatingWebhook,
  MutatingWebhookConfiguration,
  ValidatingWebhookConfiguration,
} from '../../type/admissionregistration-v1.ts';
import { validateOneOf } from '../core/pod-common.ts';
import { validateLabelSelector } from '../meta.ts';
import { validateWebhookAddress } from '../webhook-address.ts';
import { ruleDefaults, validateConditions, validateRule } from './match-rule.ts';
import { checkConditions } from './policy-expression.ts';

const WEBHOOKS = path('webhooks');
const SIDE_EFFECTS = ['None', 'NoneOnDryRun'];
const REVIEW_VERSIONS = ['v1', 'v1beta1'];
const TIMEOUT_SECONDS = 10;
const MAX_TIMEOUT_SECONDS = 30;

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
  validateWebhookAddress(hook.clientConfig ?? {}, at.child('clientConfig'), errors);
  validateConditions(hook.matchConditions ?? [], at.child('matchConditions'), errors);
  checkConditions(hook.matchConditions ?? [], { webhook: true }, at.child('matchConditions'), errors);
}

function validateVersions(versions: readonly string[], at: FieldPath, errors: FieldErrors): void {
  if (versions.length === 0) {
    errors.required(at, `must specify one of ${REVIEW_VERSIONS.join(', ')}`);
    return;
  }
  for (const [i, version] of versions.entries()) {
    if (versions.indexOf(version) < i) errors.invalid(at.index(i), version, 'duplicate version');
    else {
      const wrong = isDns1035Label(version);
      if (wrong.length) errors.invalid(at.index(i), version, wrong.join(','));
    }
  }
  if (!versions.some(v => REVIEW_VERSIONS.includes(v)))
    errors.invalid(at, versions, `must include at least one of ${REVIEW_VERSIONS.join(', ')}`);
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
