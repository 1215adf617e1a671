// Impersonate-User, -Group, -Uid and -Extra-*: acting as somebody else, for those who may.
import type { IncomingHttpHeaders } from 'node:http';
import { badRequest, internalError, type StatusError } from '../../api/status.ts';
import { percentDecoded } from '../../base/percent.ts';
import { quote } from '../../base/quote.ts';
import type { Lru } from '../../client/lru.ts';
import { nodeNameKey } from '../authn/service-account-token.ts';
import {
  allAuthenticated,
  allUnauthenticated,
  anonymousUser,
  nodesGroup,
  parseServiceAccountUsername,
  serviceAccountGroups,
  systemPrivilegedGroup,
  type UserInfo,
} from '../authn/user.ts';
import { type Attributes, type Authorizer, forbiddenError } from './authorizer.ts';

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
  /** In which mode each user was allowed it last. */
  readonly usual?: Pick<Lru<ImpersonationMode>, 'get' | 'set'>;
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
 * The user the request acts as; the one who sent it when it asks for nobody. Throws or rejects with 403 naming what the
 * user may not do in the mode that was tried first, 400 for groups without a user.
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
    throw badRequest(`requested ${goText(wanted)} without impersonating a user name`);
  return user;
}

/** As Go prints the value that is refused. */
function goText({ name, uid, groups, extra }: Wanted): string {
  const strings = (list: readonly string[]) => `[]string{${list.map(quote).join(', ')}}`;
  const pairs = [...extra].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, of]) => `${quote(key)}:${strings(of)}`);
  const fields = [
    `Name:${quote(name)}`,
    `UID:${quote(uid)}`,
    `Groups:${groups.length ? strings(groups) : '[]string(nil)'}`,
    `Extra:map[string][]string${pairs.length ? `{${pairs.join(', ')}}` : '(nil)'}`,
  ];
  return `&user.DefaultInfo{${fields.join(', ')}}`;
}

async function become(request: ImpersonationRequest, wanted: Wanted): Promise<UserInfo> {
  const { user, action, usual, onDecided } = request;
  const modes: ImpersonationMode[] = [...(action ? modesFor(wanted, user) : []), 'legacy'];
  const before = usual?.get(user.name);
  // What was given last is asked for first.
  if (before && modes.includes(before)) modes.unshift(before);
  let refusal: StatusError | undefined;
  for (const mode of new Set(modes)) {
    const refused = await refusalInMode(mode, request, wanted);
    refusal ??= refused;
    if (refused) continue;
    usual?.set(user.name, mode);
    onDecided?.(mode, true);
    const acting = actingUser(mode.endsWith('-node') ? { ...wanted, groups: [nodesGroup] } : wanted);
    if (mode !== 'legacy') constraints.set(acting, `impersonate:${mode}`);
    return acting;
  }
  onDecided?.('', false);
  throw refusal;
}

type ConstrainedMode = Exclude<ImpersonationMode, 'legacy'>;

/** The narrowest first. A node or service account is taken as it is: with other groups only `impersonate` allows it. */
function modesFor(wanted: Wanted, { name, extra }: UserInfo): readonly ConstrainedMode[] {
  const plain = !wanted.uid && !wanted.groups.length && !wanted.extra.size;
  if (wanted.name.startsWith(nodePrefix) && wanted.name !== nodePrefix) {
    if (!plain) return [];
    const bound = parseServiceAccountUsername(name) ? extra?.[nodeNameKey] : undefined;
    const own = bound?.length === 1 && bound[0] === wanted.name.slice(nodePrefix.length);
    return own ? ['associated-node', 'arbitrary-node'] : ['arbitrary-node'];
  }
  if (parseServiceAccountUsername(wanted.name)) return plain ? ['serviceaccount'] : [];
  const isPlainKey = (key: string) => !key.includes('/');
  if (wanted.groups.includes(systemPrivilegedGroup) || [...wanted.extra.keys()].some(isPlainKey)) return [];
  return ['user-info'];
}

/** Of what is missing first: to do as this user what is asked, to be this user. */
async function refusalInMode(
  mode: ImpersonationMode,
  { user, authorizer, action }: ImpersonationRequest,
  wanted: Wanted,
): Promise<StatusError | undefined> {
  const verb = mode === 'legacy' ? 'impersonate' : `impersonate:${mode}`;
  const targets = mode === 'legacy' ? targetsOf(wanted, '') : identityOf(mode, wanted);
  const asked = targets.map(target => question(user, verb, target));
  if (mode !== 'legacy') {
    const doing = action!();
    asked.unshift({ ...doing, user, verb: `impersonate-on:${mode}:${doing.verb}` });
  }
  for (const attributes of asked) {
    const { decision, reason, error } = await authorizer.authorize(attributes);
    if (decision !== 'allow')
      return error && mode === 'legacy' ? internalError(error) : forbiddenError(attributes, reason);
  }
  return undefined;
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
