// Impersonate-User, -Group, -Uid and -Extra-*: acting as somebody else, for those who may.
import type { IncomingHttpHeaders } from 'node:http';
import { badRequest } from '../../api/status.ts';
import { percentDecoded } from '../../base/percent.ts';
import { nodeNameKey } from '../authn/service-account-token.ts';
import {
  allAuthenticated,
  allUnauthenticated,
  anonymousUser,
  nodesGroup,
  parseServiceAccountUsername,
  serviceAccountGroups,
  type UserInfo,
} from '../authn/user.ts';
import { type Attributes, type Authorizer, requireAllowed } from './authorizer.ts';

const extraPrefix = 'impersonate-extra-';
const nodePrefix = 'system:node:';
const authenticationGroup = 'authentication.k8s.io';

export type ImpersonationMode = 'associated-node' | 'arbitrary-node' | 'serviceaccount' | 'user-info' | 'legacy';

export interface ImpersonationRequest {
  readonly headers: IncomingHttpHeaders;
  /** Who sent the request. */
  readonly user: UserInfo;
  readonly authorizer: Authorizer;
  /** What the request does, as `user`: for the rights to impersonate on it. Absent: only `impersonate` counts. */
  readonly action?: () => Attributes;
  /** Told once the attempt is decided; '' for one that was denied. */
  onDecided?(mode: ImpersonationMode | '', allowed: boolean): void;
}

const constraints = new WeakMap<UserInfo, string>();

/** By which right a request acts as this user: `impersonate:user-info`; undefined for `impersonate`. For the audit event. */
export const constraintOf = (user: UserInfo): string | undefined => constraints.get(user);

/** Who is to be. */
interface Wanted {
  readonly name: string;
  readonly uid: string;
  readonly groups: readonly string[];
  readonly extra: ReadonlyMap<string, readonly string[]>;
}

/**
 * The user the request acts as; the one who sent it when it asks for nobody. Throws or rejects with 403 naming the first
 * thing the user may not impersonate, 400 for groups without a user.
 */
export function impersonated(request: ImpersonationRequest): UserInfo | Promise<UserInfo> {
  const { headers, user } = request;
  if (!asksFor(headers)) return user;
  const wanted: Wanted = {
    name: single(headers['impersonate-user']),
    uid: single(headers['impersonate-uid']),
    groups: many(headers['impersonate-group']),
    extra: extraOf(headers),
  };
  if (wanted.name) return become(request, wanted);
  if (wanted.groups.length || wanted.uid || wanted.extra.size)
    throw badRequest(`requested ${JSON.stringify(wanted.groups)} without impersonating a user name`);
  return user;
}

async function become(request: ImpersonationRequest, wanted: Wanted): Promise<UserInfo> {
  if (request.action) {
    const action = request.action();
    for (const mode of modesFor(wanted, request.user)) {
      if (!(await mayInMode(mode, request, wanted, action))) continue;
      request.onDecided?.(mode, true);
      const user = actingUser(mode.endsWith('-node') ? { ...wanted, groups: [nodesGroup] } : wanted);
      constraints.set(user, `impersonate:${mode}`);
      return user;
    }
  }
  try {
    for (const target of targetsOf(wanted, ''))
      await requireAllowed(request.authorizer, question(request.user, 'impersonate', target));
  } catch (error) {
    request.onDecided?.('', false);
    throw error;
  }
  request.onDecided?.('legacy', true);
  return actingUser(wanted);
}

type ConstrainedMode = Exclude<ImpersonationMode, 'legacy'>;

/** The narrowest first. A node or service account is taken as it is: with other groups only `impersonate` allows it. */
function modesFor(wanted: Wanted, { name, extra }: UserInfo): readonly ConstrainedMode[] {
  const plain = !wanted.uid && !wanted.groups.length && !wanted.extra.size;
  if (wanted.name.startsWith(nodePrefix)) {
    if (!plain) return [];
    const bound = parseServiceAccountUsername(name) ? extra?.[nodeNameKey] : undefined;
    const own = bound?.length === 1 && bound[0] === wanted.name.slice(nodePrefix.length);
    return own ? ['associated-node', 'arbitrary-node'] : ['arbitrary-node'];
  }
  if (wanted.name.startsWith('system:serviceaccount:'))
    return plain && parseServiceAccountUsername(wanted.name) ? ['serviceaccount'] : [];
  return ['user-info'];
}

/** Both: to be this user, and to do as this user what is asked. */
async function mayInMode(
  mode: ConstrainedMode,
  { user, authorizer }: ImpersonationRequest,
  wanted: Wanted,
  action: Attributes,
): Promise<boolean> {
  const on = { ...action, user, verb: `impersonate-on:${mode}:${action.verb}` };
  if ((await authorizer.authorize(on)).decision !== 'allow') return false;
  for (const target of identityOf(mode, wanted)) {
    const { decision } = await authorizer.authorize(question(user, `impersonate:${mode}`, target));
    if (decision !== 'allow') return false;
  }
  return true;
}

interface Target {
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string;
  readonly namespace?: string;
  readonly name: string;
}

function identityOf(mode: ConstrainedMode, wanted: Wanted): readonly Target[] {
  const node = { group: authenticationGroup, resource: 'nodes' };
  if (mode === 'associated-node') return [{ ...node, name: '' }];
  if (mode === 'arbitrary-node') return [{ ...node, name: wanted.name.slice(nodePrefix.length) }];
  return targetsOf(wanted, authenticationGroup);
}

/** Everything about a user that a right is needed for. */
function targetsOf({ name, uid, groups, extra }: Wanted, group: string): readonly Target[] {
  const account = parseServiceAccountUsername(name);
  return [
    account
      ? { group, resource: 'serviceaccounts', namespace: account.namespace, name: account.name }
      : { group, resource: 'users', name },
    ...groups.map(g => ({ group, resource: 'groups', name: g })),
    ...[...extra].flatMap(([key, values]) =>
      values.map(value => ({ group: authenticationGroup, resource: 'userextras', subresource: key, name: value })),
    ),
    ...(uid ? [{ group: authenticationGroup, resource: 'uids', name: uid }] : []),
  ];
}

const question = (user: UserInfo, verb: string, target: Target): Attributes => ({
  ...{ user, verb, isResource: true, version: 'v1', subresource: '', namespace: '', path: '' },
  ...target,
});

function actingUser({ name, uid, groups, extra }: Wanted): UserInfo {
  return {
    name,
    ...(uid ? { uid } : {}),
    groups: withImplied(name, groups.length ? groups : ownGroups(name)),
    ...(extra.size ? { extra: Object.fromEntries(extra) } : {}),
  };
}

function ownGroups(name: string): readonly string[] {
  const account = parseServiceAccountUsername(name);
  return account ? serviceAccountGroups(account.namespace) : [];
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
    // Names carry escaped what a header's name cannot hold.
    if (header.startsWith(extraPrefix)) extra.set(percentDecoded(header.slice(extraPrefix.length)), many(value));
  }
  return extra;
}

const single = (value: string | string[] | undefined): string => (Array.isArray(value) ? value[0] : value) ?? '';
// Node joins repeated headers with a comma and a space.
const many = (value: string | string[] | undefined): string[] =>
  value === undefined ? [] : Array.isArray(value) ? value : value.split(', ');
