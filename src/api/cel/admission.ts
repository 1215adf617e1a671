// The environments of admission policies and match conditions: what their expressions may name and must give.
import type { CelBindings, CelCompileResult, CelEnvironment } from './cel.ts';
import { compile } from './compile.ts';
import type { CelField, CelObjectType, CelType } from './type.ts';
import * as t from './type.ts';

const fields = (types: Readonly<Record<string, CelType>>): ReadonlyMap<string, CelField> =>
  new Map(Object.entries(types).map(([name, type]) => [name, { name, type }]));
const struct = (name: string, types: Readonly<Record<string, CelType>>): CelObjectType =>
  t.objectType(name, () => fields(types));

const kindType = struct('kubernetes.GroupVersionKind', { group: t.string, version: t.string, kind: t.string });
const resourceType = struct('kubernetes.GroupVersionResource', {
  group: t.string,
  version: t.string,
  resource: t.string,
});
const userType = struct('kubernetes.UserInfo', {
  username: t.string,
  uid: t.string,
  groups: t.list(t.string),
  extra: t.map(t.string, t.list(t.string)),
});
const requestType = struct('kubernetes.AdmissionRequest', {
  kind: kindType,
  resource: resourceType,
  subResource: t.string,
  requestKind: kindType,
  requestResource: resourceType,
  requestSubResource: t.string,
  name: t.string,
  namespace: t.string,
  operation: t.string,
  userInfo: userType,
  dryRun: t.bool,
  options: t.dyn,
});
const text = t.map(t.string, t.string);
const namespaceType = struct('kubernetes.Namespace', {
  metadata: struct('kubernetes.NamespaceMetadata', {
    name: t.string,
    generateName: t.string,
    namespace: t.string,
    labels: text,
    annotations: text,
    UID: t.string,
    creationTimestamp: t.timestamp,
    deletionGracePeriodSeconds: t.int,
    deletionTimestamp: t.timestamp,
    generation: t.int,
    resourceVersion: t.string,
    finalizers: t.list(t.string),
  }),
  spec: struct('kubernetes.NamespaceSpec', { finalizers: t.list(t.string) }),
  status: struct('kubernetes.NamespaceStatus', { phase: t.string }),
});

export interface PolicyScope {
  /** Types of `object` and `oldObject`, and of `params`, when they are known (for type checking). */
  readonly object?: CelType;
  readonly params?: CelType;
  /** Match conditions of policies and webhooks. Webhooks have neither params nor the namespace. */
  readonly webhook?: boolean;
  readonly hasParams?: boolean;
  /** A computed message: it has no authorizer. */
  readonly message?: boolean;
  /** `variables.NAME`: those declared before. */
  readonly variables?: ReadonlyMap<string, CelType>;
  readonly mutates?: boolean;
}

/** What an expression may name in this scope. */
export function policyEnvironment(scope: PolicyScope, output?: readonly CelType[]): CelEnvironment {
  const object = scope.object ?? t.dyn;
  const variables: Record<string, CelType> = {
    object,
    oldObject: object,
    request: requestType,
  };
  if (!scope.message) {
    variables.authorizer = t.opaque('kubernetes.authorization.Authorizer');
    variables['authorizer.requestResource'] = t.opaque('kubernetes.authorization.ResourceCheck');
  }
  if (!scope.webhook) variables.namespaceObject = namespaceType;
  if (scope.hasParams) variables.params = scope.params ?? t.dyn;
  if (scope.variables) variables.variables = variablesType(scope.variables);
  return { variables, ...(output ? { output } : {}), ...(scope.mutates ? { structs: mutationType } : {}) };
}

/** Looked up as they are asked for: a policy may have thousands, and each sees those before it. */
const variablesType = (known: ReadonlyMap<string, CelType>): CelObjectType => ({
  kind: 'object',
  name: 'kubernetes.variables',
  field(name) {
    const type = known.get(name);
    return type && { name, type };
  },
});

/** `Object`, `Object.spec`, …: an applied configuration, whose fields the schema judges later. */
export const APPLY_TYPE: CelObjectType = openType('Object');
export const JSON_PATCH_TYPE: CelObjectType = struct('JSONPatch', {
  op: t.string,
  path: t.string,
  from: t.string,
  value: t.dyn,
});

function openType(name: string): CelObjectType {
  return { kind: 'object', name, field: field => ({ name: field, type: t.dyn }) };
}

function mutationType(name: string): CelObjectType | undefined {
  if (name === 'JSONPatch') return JSON_PATCH_TYPE;
  return name === 'Object' || name.startsWith('Object.') ? openType(name) : undefined;
}

export const BOOL: readonly CelType[] = [t.bool];
export const TEXT: readonly CelType[] = [t.string];
export const TEXT_OR_NULL: readonly CelType[] = [t.string, t.nullType];
export const PATCH: readonly CelType[] = [t.list(JSON_PATCH_TYPE)];
export const APPLY: readonly CelType[] = [APPLY_TYPE];

const conditions = new Map<string, CelCompileResult>();
const KEPT = 1000;

/** A match condition of a webhook; the same text is compiled once. */
export function compileWebhookCondition(expression: string): CelCompileResult {
  let result = conditions.get(expression);
  if (!result) {
    result = compile(expression, policyEnvironment({ webhook: true }, BOOL));
    if (conditions.size >= KEPT) conditions.delete(conditions.keys().next().value!);
    conditions.set(expression, result);
  }
  return result;
}

/** What a refused or failing expression is called in field errors. */
export function complaintOf({ error }: CelCompileResult): string | undefined {
  if (!error) return undefined;
  return error.issues.length === 0 ? error.message : `compilation failed: ${error.message}`;
}

export type { CelBindings };
