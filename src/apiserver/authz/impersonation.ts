// Impersonate-User, -Group, -Uid and -Extra-*: acting as somebody else, for those who may.
import type { IncomingHttpHeaders } from 'node:http';
import { badRequest } from '../../api/status.ts';
import {
  allAuthenticated,
  allUnauthenticated,
  anonymousUser,
  parseServiceAccountUsername,
  serviceAccountGroups,
  type UserInfo,
} from '../authn/user.ts';
import { type Attributes, type Authorizer, forbiddenError } from './authorizer.ts';

const extraPrefix = 'impersonate-extra-';

/** The user the request acts as. Throws 403 naming the first thing the user may not impersonate; 400 for groups without a user. */
export function impersonated(headers: IncomingHttpHeaders, user: UserInfo, authorizer: Authorizer): UserInfo {
  if (!asksFor(headers)) return user;
  const name = single(headers['impersonate-user']);
  const groups = many(headers['impersonate-group']);
  const uid = single(headers['impersonate-uid']);
  const extra = extraOf(headers);
  if (!name) {
    if (groups.length || uid || extra.size)
      throw badRequest(`requested ${JSON.stringify(groups)} without impersonating a user name`);
    return user;
  }
  const account = parseServiceAccountUsername(name);
  const check = (resource: string, target: string, group = '', namespace = '', subresource = '') => {
    const attributes: Attributes = {
      user,
      verb: 'impersonate',
      isResource: true,
      group,
      version: group ? 'v1' : 'v1',
      resource,
      subresource,
      namespace,
      name: target,
      path: '',
    };
    const { decision, reason } = authorizer.authorize(attributes);
    if (decision !== 'allow') throw forbiddenError(attributes, reason);
  };
  if (account) check('serviceaccounts', account.name, '', account.namespace);
  else check('users', name);
  for (const g of groups) check('groups', g);
  for (const [key, values] of extra) for (const v of values) check('userextras', v, 'authentication.k8s.io', '', key);
  if (uid) check('uids', uid, 'authentication.k8s.io');
  return {
    name,
    ...(uid ? { uid } : {}),
    groups: withImplied(name, groups.length || !account ? groups : serviceAccountGroups(account.namespace)),
    ...(extra.size ? { extra: Object.fromEntries(extra) } : {}),
  };
}

function withImplied(name: string, groups: readonly string[]): readonly string[] {
  if (name === anonymousUser) return groups.includes(allUnauthenticated) ? groups : [...groups, allUnauthenticated];
  return groups.includes(allAuthenticated) || groups.includes(allUnauthenticated)
    ? groups
    : [...groups, allAuthenticated];
}

function asksFor(headers: IncomingHttpHeaders): boolean {
  for (const header in headers) if (header.startsWith('impersonate-')) return true;
  return false;
}

function extraOf(headers: IncomingHttpHeaders): Map<string, string[]> {
  const extra = new Map<string, string[]>();
  for (const [header, value] of Object.entries(headers)) {
    if (header.startsWith(extraPrefix)) extra.set(decodeName(header.slice(extraPrefix.length)), many(value));
  }
  return extra;
}

const single = (value: string | string[] | undefined): string => (Array.isArray(value) ? value[0] : value) ?? '';
// Node joins repeated headers with a comma and a space.
const many = (value: string | string[] | undefined): string[] =>
  value === undefined ? [] : Array.isArray(value) ? value : value.split(', ');

// Header names carry what they cannot hold percent-encoded.
function decodeName(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw badRequest(`impersonation header ${JSON.stringify(extraPrefix + text)} is not percent-encoded correctly`);
  }
}
