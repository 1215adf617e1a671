import { parseFieldSelector } from '../api/field-selector.ts';
import type { UserInfo } from './authn/user.ts';
import type { Attributes } from './authz/authorizer.ts';
import type { RequestInfo } from './request-info.ts';

const selecting = new Set(['list', 'watch', 'deletecollection']);

/** What the request wants to do, for the authorizer. A field selector narrows it: a node may list only its own pods. */
export function attributesOf(info: RequestInfo, user: UserInfo, fieldSelector?: string | null): Attributes {
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
  if (!fieldSelector || !selecting.has(info.verb)) return base;
  try {
    const selector = parseFieldSelector(fieldSelector);
    const name = info.name || selector.requiredValue('metadata.name');
    return { ...base, ...(name ? { name } : {}), fieldSelector: selector };
  } catch {
    // The list itself answers 400.
    return base;
  }
}
