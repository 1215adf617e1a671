import { type FieldSelector, parseFieldSelector } from '../api/field-selector.ts';
import { parseLabelSelector, type Selector } from '../api/label-selector.ts';
import { isPathSegmentName } from '../api/name-rule.ts';
import type { UserInfo } from './authn/user.ts';
import type { Attributes } from './authz/authorizer.ts';
import type { RequestInfo } from './request-info.ts';

const selecting = new Set(['list', 'watch', 'deletecollection']);

/**
 * What the request wants to do, for the authorizer. Selectors of the query narrow it: a node may list only its own pods.
 * One that cannot be read is left out: the list itself answers 400.
 */
export function attributesOf(info: RequestInfo, user: UserInfo, query?: URLSearchParams): Attributes {
  const base: Attributes = {
    user,
    verb: info.verb,
    isResource: info.isResource,
    group: info.group,
    version: info.version,
    resource: info.resource,
    subresource: info.subresource,
    namespace: info.namespace,
    name: info.name,
    path: info.path,
  };
  if (!query?.size || !info.isResource || !selecting.has(info.verb)) return base;
  const fields = query.get('fieldSelector');
  const labels = query.get('labelSelector');
  if (!fields && !labels) return base;
  const fieldSelector = fields ? readable<FieldSelector>(() => parseFieldSelector(fields)) : undefined;
  const labelSelector = labels ? readable<Selector>(() => parseLabelSelector(labels)) : undefined;
  const name = info.name || nameIn(info, fieldSelector);
  return {
    ...base,
    ...(name ? { name } : {}),
    ...(fieldSelector ? { fieldSelector } : {}),
    ...(labelSelector ? { labelSelector } : {}),
  };
}

/** The one object a list or watch is about by its selector; '' when it is about no one in particular. */
export function selectedName(info: RequestInfo, query: URLSearchParams): string {
  if (info.name || !query.size || !info.isResource) return info.name;
  const fields = query.get('fieldSelector');
  return fields
    ? nameIn(
        info,
        readable<FieldSelector>(() => parseFieldSelector(fields)),
      )
    : '';
}

function nameIn({ verb }: RequestInfo, fields: FieldSelector | undefined): string {
  if (verb !== 'list' && verb !== 'watch') return '';
  const name = fields?.requiredValue('metadata.name') ?? '';
  return isPathSegmentName(name).length === 0 ? name : '';
}

function readable<T extends { readonly empty: boolean }>(parse: () => T): T | undefined {
  try {
    const selector = parse();
    return selector.empty ? undefined : selector;
  } catch {
    return undefined;
  }
}
