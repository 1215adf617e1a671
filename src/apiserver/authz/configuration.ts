// AuthorizationConfiguration (apiserver.config.k8s.io): read, defaulted and checked.
import { statSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import type { CelProgram } from '../../api/cel/cel.ts';
import { compile } from '../../api/cel/compile.ts';
import { typeText } from '../../api/cel/type.ts';
import { FieldErrors, type FieldPath, path } from '../../api/field-error.ts';
import { isDns1123Subdomain } from '../../api/name-rule.ts';
import { formatDuration, parseDuration } from '../../api/scalar.ts';
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

const webhookFields = {
  authorizedTTL: 'duration',
  cacheAuthorizedRequests: 'bool',
  unauthorizedTTL: 'duration',
  cacheUnauthorizedRequests: 'bool',
  timeout: 'duration',
  subjectAccessReviewVersion: 'string',
  matchConditionSubjectAccessReviewVersion: 'string',
  failurePolicy: 'string',
  connectionInfo: { go: 'WebhookConnectionInfo', fields: { type: 'string', kubeConfigFile: 'string' } },
  matchConditions: [{ go: 'WebhookMatchCondition', fields: { expression: 'string' } }],
} as const;
const document = {
  kind: 'AuthorizationConfiguration',
  versions: ['v1', 'v1beta1', 'v1alpha1'],
  fields: {
    authorizers: [
      {
        go: 'AuthorizerConfiguration',
        fields: {
          type: 'string',
          name: 'string',
          webhook: { go: 'WebhookConfiguration', fields: webhookFields },
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
  return planAuthorizers(text ? readDocument<AuthorizationConfiguration>(text, document) : {});
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
  else {
    const complaints = isDns1123Subdomain(name).join(', ');
    if (complaints) errors.invalid(at.child('name'), name, `authorizer name is invalid: ${complaints}`);
  }
  names.add(name);
  if (type === 'Webhook') {
    if (webhook) return { type, name, webhook: planWebhook(webhook, at, errors) };
    errors.required(at.child('webhook'), 'required when type=Webhook');
    return undefined;
  }
  if (webhook) errors.invalid(at.child('webhook'), 'non-null', 'may only be specified when type=Webhook');
  return { type: type as Exclude<AuthorizerType, 'Webhook'>, name };
}

/** Paths are those of the authorizer: Kubernetes leaves `webhook` out. */
function planWebhook(given: WebhookConfiguration, at: FieldPath, errors: FieldErrors): WebhookPlan {
  const duration = (text: string | undefined) => (text === undefined ? 0 : parseDuration(text));
  const timeout = duration(given.timeout);
  const timeoutMs = timeout / 1e6;
  if (timeout === 0) errors.required(at.child('timeout'));
  else if (timeoutMs < 0 || timeoutMs > longestTimeoutMs)
    errors.invalid(at.child('timeout'), formatDuration(timeout), 'must be > 0s and <= 30s');
  const ttl = (name: 'authorizedTTL' | 'unauthorizedTTL', otherwise: string): number => {
    // None is as good as not said.
    const ns = duration(given[name]) || duration(otherwise);
    if (ns < 0) errors.invalid(at.child(name), formatDuration(ns), 'must be > 0s');
    return ns / 1e6;
  };
  const authorizedMs = ttl('authorizedTTL', defaultAuthorizedTtl);
  const unauthorizedMs = ttl('unauthorizedTTL', defaultUnauthorizedTtl);
  choice(given.subjectAccessReviewVersion, ['v1', 'v1beta1'], at.child('subjectAccessReviewVersion'), errors);
  const conditionsVersion = at.child('matchConditionSubjectAccessReviewVersion');
  if (given.matchConditionSubjectAccessReviewVersion)
    choice(given.matchConditionSubjectAccessReviewVersion, ['v1'], conditionsVersion, errors);
  else if (given.matchConditions?.length)
    errors.required(conditionsVersion, 'required if match conditions are specified');
  choice(given.failurePolicy, ['NoOpinion', 'Deny'], at.child('failurePolicy'), errors);
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
  const types = ['InClusterConfig', 'KubeConfigFile'];
  const shown = { Type: type, KubeConfigFile: kubeConfigFile ?? null };
  if (!type) errors.required(at.child('type'));
  else if (!types.includes(type)) errors.notSupported(at.child('type'), shown, types);
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
      errors.invalid(here, kubeConfigFile, `error loading file: ${statFault(error, kubeConfigFile)}`);
    }
  }
  return kubeConfigFile;
}

// As Go words it: `stat /no/such: no such file or directory`.
function statFault(error: unknown, file: string): string {
  const [, why = messageOf(error)] = /^[A-Z]+: (.*), stat /.exec(messageOf(error)) ?? [];
  return `stat ${file}: ${why}`;
}

function compileConditions(
  conditions: readonly { readonly expression?: string }[],
  at: FieldPath,
  errors: FieldErrors,
): readonly CelProgram[] {
  if (conditions.length > mostConditions) {
    errors.tooMany(at, conditions.length, mostConditions);
    return [];
  }
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
    const { program, error } = compile(expression, { variables: reviewEnvironment.variables });
    if (error) errors.invalid(here, expression, `compilation failed: ${error.message}`);
    else if (program.type.kind === 'bool') return [program];
    else errors.invalid(here, expression, `must evaluate to bool but got ${typeText(program.type)}`);
    return [];
  });
}
