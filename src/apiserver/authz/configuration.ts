// AuthorizationConfiguration (apiserver.config.k8s.io): read, defaulted and checked.
import { statSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import type { CelProgram } from '../../api/cel/cel.ts';
import { compile } from '../../api/cel/compile.ts';
import { FieldErrors, type FieldPath, path } from '../../api/field-error.ts';
import { isDns1123Subdomain } from '../../api/name-rule.ts';
import { parseDuration } from '../../api/scalar.ts';
import { messageOf } from '../../base/assert.ts';
import { readDocument, throwErrors } from '../configuration/document.ts';
import { reviewEnvironment } from './kernel/access-review.ts';

/** The document, as it may be written. */
export interface AuthorizationConfiguration {
  readonly authorizers?: readonly AuthorizerConfiguration[];
}

export interface AuthorizerConfiguration {
  readonly type?: string;
  readonly name?: string;
  readonly webhook?: WebhookConfiguration;
}

export interface WebhookConfiguration {
  readonly authorizedTTL?: string;
  readonly cacheAuthorizedRequests?: boolean;
  readonly unauthorizedTTL?: string;
  readonly cacheUnauthorizedRequests?: boolean;
  readonly timeout?: string;
  readonly subjectAccessReviewVersion?: string;
  readonly matchConditionSubjectAccessReviewVersion?: string;
  readonly failurePolicy?: string;
  readonly connectionInfo?: { readonly type?: string; readonly kubeConfigFile?: string };
  readonly matchConditions?: readonly { readonly expression?: string }[];
}

/** What is to decide, in this order. */
export type AuthorizerPlan =
  | { readonly type: Exclude<AuthorizerType, 'Webhook'>; readonly name: string }
  | { readonly type: 'Webhook'; readonly name: string; readonly webhook: WebhookPlan };

export interface WebhookPlan {
  /** 0: not kept. */
  readonly authorizedMs: number;
  readonly unauthorizedMs: number;
  readonly timeoutMs: number;
  readonly version: 'v1' | 'v1beta1';
  readonly failurePolicy: 'NoOpinion' | 'Deny';
  /** Absent: as a pod inside the cluster. */
  readonly kubeconfig?: string;
  readonly conditions: readonly CelProgram[];
}

export const authorizerTypes = ['ABAC', 'AlwaysAllow', 'AlwaysDeny', 'Node', 'RBAC', 'Webhook'] as const;
export type AuthorizerType = (typeof authorizerTypes)[number];

const document = {
  kind: 'AuthorizationConfiguration',
  versions: ['apiserver.config.k8s.io/v1', 'apiserver.config.k8s.io/v1beta1', 'apiserver.config.k8s.io/v1alpha1'],
  shape: {
    authorizers: [
      {
        type: true,
        name: true,
        webhook: {
          authorizedTTL: true,
          cacheAuthorizedRequests: true,
          unauthorizedTTL: true,
          cacheUnauthorizedRequests: true,
          timeout: true,
          subjectAccessReviewVersion: true,
          matchConditionSubjectAccessReviewVersion: true,
          failurePolicy: true,
          connectionInfo: { type: true, kubeConfigFile: true },
          matchConditions: [{ expression: true }],
        },
      },
    ],
  },
} as const;

const defaultAuthorizedTtl = '5m';
const defaultUnauthorizedTtl = '30s';
const longestTimeoutMs = 30_000;
const mostConditions = 64;

/** Throws an error with every complaint in it. */
export function readAuthorizationConfiguration(text: string): readonly AuthorizerPlan[] {
  return planAuthorizers(readDocument<AuthorizationConfiguration>(text, document));
}

export function planAuthorizers(configuration: AuthorizationConfiguration): readonly AuthorizerPlan[] {
  const errors = new FieldErrors();
  const at = path('authorizers');
  const all = configuration.authorizers ?? [];
  if (!all.length) errors.required(at, 'at least one authorization mode must be defined');
  const types = new Set<string>();
  const names = new Set<string>();
  const plans = all.flatMap((one, i) => planOne(one, at.index(i), { types, names, errors }) ?? []);
  throwErrors(errors);
  return plans;
}

interface Seen {
  readonly types: Set<string>;
  readonly names: Set<string>;
  readonly errors: FieldErrors;
}

function planOne(
  { type = '', name = '', webhook }: AuthorizerConfiguration,
  at: FieldPath,
  { types, names, errors }: Seen,
): AuthorizerPlan | undefined {
  if (!type) {
    errors.required(at.child('type'));
    return undefined;
  }
  if (!authorizerTypes.includes(type as AuthorizerType)) {
    errors.notSupported(at.child('type'), type, authorizerTypes);
    return undefined;
  }
  if (types.has(type) && type !== 'Webhook') {
    errors.duplicate(at.child('type'), type);
    return undefined;
  }
  types.add(type);
  if (!name) errors.required(at.child('name'));
  else if (names.has(name)) errors.duplicate(at.child('name'), name);
  else
    for (const complaint of isDns1123Subdomain(name))
      errors.invalid(at.child('name'), name, `authorizer name is invalid: ${complaint}`);
  names.add(name);
  if (type === 'Webhook') {
    if (webhook) return { type, name, webhook: planWebhook(webhook, at.child('webhook'), errors) };
    errors.required(at.child('webhook'), 'required when type=Webhook');
    return undefined;
  }
  if (webhook) errors.invalid(at.child('webhook'), 'non-null', 'may only be specified when type=Webhook');
  return { type: type as Exclude<AuthorizerType, 'Webhook'>, name };
}

function planWebhook(given: WebhookConfiguration, at: FieldPath, errors: FieldErrors): WebhookPlan {
  const duration = (name: 'timeout' | 'authorizedTTL' | 'unauthorizedTTL', text: string | undefined): number => {
    try {
      return text === undefined ? 0 : parseDuration(String(text)) / 1e6;
    } catch (error) {
      errors.invalid(at.child(name), text, messageOf(error));
      return 1;
    }
  };
  const timeoutMs = duration('timeout', given.timeout);
  if (timeoutMs === 0) errors.required(at.child('timeout'));
  else if (timeoutMs < 0 || timeoutMs > longestTimeoutMs)
    errors.invalid(at.child('timeout'), given.timeout, 'must be > 0s and <= 30s');
  const ttl = (name: 'authorizedTTL' | 'unauthorizedTTL', otherwise: string): number => {
    const ms = duration(name, given[name] ?? otherwise);
    if (ms === 0) errors.required(at.child(name));
    else if (ms < 0) errors.invalid(at.child(name), given[name], 'must be > 0s');
    return ms;
  };
  const authorizedMs = ttl('authorizedTTL', defaultAuthorizedTtl);
  const unauthorizedMs = ttl('unauthorizedTTL', defaultUnauthorizedTtl);
  choice(given.subjectAccessReviewVersion, ['v1', 'v1beta1'], at.child('subjectAccessReviewVersion'), errors);
  choice(given.failurePolicy, ['Deny', 'NoOpinion'], at.child('failurePolicy'), errors);
  const conditionsVersion = at.child('matchConditionSubjectAccessReviewVersion');
  if (given.matchConditionSubjectAccessReviewVersion)
    choice(given.matchConditionSubjectAccessReviewVersion, ['v1'], conditionsVersion, errors);
  else if (given.matchConditions?.length)
    errors.required(conditionsVersion, 'required if match conditions are specified');
  const kubeconfig = checkConnection(given.connectionInfo ?? {}, at.child('connectionInfo'), errors);
  return {
    authorizedMs: given.cacheAuthorizedRequests === false ? 0 : authorizedMs,
    unauthorizedMs: given.cacheUnauthorizedRequests === false ? 0 : unauthorizedMs,
    timeoutMs,
    version: given.subjectAccessReviewVersion === 'v1beta1' ? 'v1beta1' : 'v1',
    failurePolicy: given.failurePolicy === 'Deny' ? 'Deny' : 'NoOpinion',
    ...(kubeconfig ? { kubeconfig } : {}),
    conditions: compileConditions(given.matchConditions ?? [], at.child('matchConditions'), errors),
  };
}

function choice(value: string | undefined, among: readonly string[], at: FieldPath, errors: FieldErrors): void {
  if (!value) errors.required(at);
  else if (!among.includes(value)) errors.notSupported(at, value, among);
}

function checkConnection(
  { type, kubeConfigFile }: NonNullable<WebhookConfiguration['connectionInfo']>,
  at: FieldPath,
  errors: FieldErrors,
): string | undefined {
  choice(type, ['InClusterConfig', 'KubeConfigFile'], at.child('type'), errors);
  const here = at.child('kubeConfigFile');
  if (type === 'InClusterConfig' && kubeConfigFile !== undefined)
    errors.invalid(here, kubeConfigFile, 'can only be set when type=KubeConfigFile');
  if (type !== 'KubeConfigFile') return undefined;
  if (!kubeConfigFile) errors.required(here);
  else if (!isAbsolute(kubeConfigFile)) errors.invalid(here, kubeConfigFile, 'must be an absolute path');
  else {
    try {
      if (!statSync(kubeConfigFile).isFile()) errors.invalid(here, kubeConfigFile, 'must be a regular file');
    } catch (error) {
      errors.invalid(here, kubeConfigFile, `error loading file: ${messageOf(error)}`);
    }
  }
  return kubeConfigFile;
}

function compileConditions(
  conditions: readonly { readonly expression?: string }[],
  at: FieldPath,
  errors: FieldErrors,
): readonly CelProgram[] {
  if (conditions.length > mostConditions) errors.tooMany(at, conditions.length, mostConditions);
  const seen = new Set<string>();
  return conditions.flatMap(({ expression = '' }, i) => {
    const here = at.index(i).child('expression');
    if (!expression.trim()) {
      errors.required(here);
      return [];
    }
    if (seen.has(expression)) {
      errors.duplicate(here, expression);
      return [];
    }
    seen.add(expression);
    const { program, error } = compile(expression, reviewEnvironment);
    if (program) return [program];
    errors.invalid(here, expression, error!.issues.length ? `compilation failed: ${error!.message}` : error!.message);
    return [];
  });
}
