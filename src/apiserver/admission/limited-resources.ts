// What nobody uses unless a quota covers it: the configuration of ResourceQuota.
import { FieldErrors, path } from '../../api/field-error.ts';
import type { Amounts } from '../../api/quota/amounts.ts';
import { matchesScope } from '../../api/quota/scope.ts';
import type { Counted } from '../../api/quota/usage.ts';
import type { ScopedResourceSelectorRequirement } from '../../api/type/core-v1.ts';
import { type DocumentKind, readDocument, throwErrors } from '../configuration/document.ts';

export interface LimitedResource {
  readonly apiGroup?: string;
  readonly resource: string;
  /** Parts of the names of what is limited. */
  readonly matchContains?: readonly string[];
  readonly matchScopes?: readonly ScopedResourceSelectorRequirement[];
}

const scope = {
  go: 'ScopedResourceSelectorRequirement',
  fields: { scopeName: 'string', operator: 'string', values: ['string'] },
} as const;
const limit = {
  go: 'LimitedResource',
  fields: { apiGroup: 'string', resource: 'string', matchContains: ['string'], matchScopes: [scope] },
} as const;
const fields = { limitedResources: [limit] } as const;
const newest: DocumentKind = { kind: 'ResourceQuotaConfiguration', versions: ['v1'], fields };
const older: DocumentKind = {
  kind: 'Configuration',
  group: 'resourcequota.admission.k8s.io',
  versions: ['v1beta1', 'v1alpha1'],
  fields,
};

/** Throws an error with Kubernetes' words for what is no such configuration. */
export function readLimitedResources(text: string): readonly LimitedResource[] {
  const { limitedResources = [] } = readDocument<{ limitedResources?: readonly LimitedResource[] }>(
    text,
    newest,
    older,
  );
  const errors = new FieldErrors();
  for (const [i, { resource }] of limitedResources.entries())
    if (!resource) errors.required(path('limitedResources').index(i).child('resource'));
  throwErrors(errors);
  return limitedResources;
}

const about = (limited: readonly LimitedResource[], { group, resource }: Counted) =>
  limited.filter(l => (l.apiGroup ?? '') === group && l.resource === resource);

/** Names of what is used and limited, sorted. */
export function limitedAmounts(limited: readonly LimitedResource[], counted: Counted, usage: Amounts): string[] {
  const parts = about(limited, counted).flatMap(l => l.matchContains ?? []);
  const names = [...usage].filter(([name, amount]) => amount.sign > 0 && parts.some(part => name.includes(part)));
  return names.map(([name]) => name).sort();
}

export const limitedScopes = (limited: readonly LimitedResource[], counted: Counted, object: object) =>
  about(limited, counted)
    .flatMap(l => l.matchScopes ?? [])
    .filter(scope => matchesScope(scope, counted, object));

/** As Go prints it. */
export const scopeText = ({ scopeName, operator, values = [] }: ScopedResourceSelectorRequirement): string =>
  `{${scopeName} ${operator} [${values.join(' ')}]}`;
