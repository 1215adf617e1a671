// Impersonate-User, -Group, -Uid and -Extra-*: acting as somebody else, for those who may.
import { path } from '../../api/field-error.ts';
import { isDns1123Subdomain } from '../../api/name-rule.ts';
import { badRequest, internalError, type StatusError } from '../../api/status.ts';
import { percentDecoded } from '../../base/percent.ts';
import { quote } from '../../base/quote.ts';
import type { Lru } from '../../client/lru.ts';
import { domainPathErrors } from '../authn/extra-key.ts';
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
import type { DistinctHeaders } from '../http/distinct-headers.ts';
import { type Attributes, type Authorizer, forbiddenError } from './authorizer.ts';

const extraPrefix = 'impersonate-extra-';
const nodePrefix = 'system:node:';
const authenticationGroup = 'authentication.k8s.io';

export type ImpersonationMode = 'associated-node' | 'arbitrary-node' | 'serviceaccount' | 'user-info' | 'legacy';

export interface ImpersonationRequest {
  readonly headers: DistinctHeaders;
  /** Who sent the request. */
  readonly user: UserInfo;
  readonly authorizer: Authorizer;
  /** What the request does, as `user`: for the rights to impersonate on it. Absent: only `impersonate` counts. */
  readonly action?: () => Attributes;
  /** In which mode each user was allowed it last. */
  readonly usual?: Pick<Lru<ImpersonationMode>, 'get' | 'set'>;
  /** Told once the attempt is decided; '' for one that was denied. */
  onDecided?(mode: ImpersonationMode | '', allowed: boolean): void;
  /** Told of each right that was asked for. */
  onAsked?(mode: ImpersonationMode, allowed: boolean, startMs: number): void;
  now?(): number;
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

/** Whether a request asks for it at all. `headers`: by lower-case name. */
export function asksToImpersonate(headers: object): boolean {
  for (const header in headers) if (header.startsWith('impersonate-')) return true;
  return false;
}

/**
 * The user the request acts as; the one who sent it when it asks for nobody. Throws or rejects with 403 naming what the
 * user may not do in the mode that was tried first, 400 for groups without a user.
 */
export function impersonated(request: ImpersonationRequest): UserInfo | Promise<UserInfo> {
  const { headers, user } = request;
  const wanted: Wanted = {
    name: headers['impersonate-user']?.[0] ?? '',
    uid: headers['impersonate-uid']?.[0] ?? '',
    groups: headers['impersonate-group'] ?? [],
    extra: extraOf(headers),
  };
  if (wanted.name) return become(request, wanted);
  if (wanted.groups.length || wanted.uid || wanted.extra.size)
    throw badRequest(request.action ? namelessUser(wanted) : namelessTargets(wanted));
  return user;
}

/** As Go prints the user it made of the headers. */
function namelessUser({ uid, groups, extra }: Wanted): string {
  const texts = (list: readonly string[]) => `[]string${list.length ? `{${list.map(quote).join(', ')}}` : '(nil)'}`;
  const entries = [...extra].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, list]) => `${quote(key)}:${texts(list)}`);
  const known = `map[string][]string${entries.length ? `{${entries.join(', ')}}` : '(nil)'}`;
  return `requested &user.DefaultInfo{Name:"", UID:${quote(uid)}, Groups:${texts(groups)}, Extra:${known}} without impersonating a user name`;
}

/** As Go prints references to what is asked for: kind, name, version and field. */
function namelessTargets({ uid, groups, extra }: Wanted): string {
  const version = 'authentication.k8s.io/v1';
  const all = [
    ...groups.map(g => `{Group  ${g}    }`),
    ...[...extra].flatMap(([key, list]) => list.map(value => `{UserExtra  ${value}  ${version}  ${key}}`)),
    ...(uid ? [`{UID  ${uid}  ${version}  }`] : []),
  ];
  return `requested [${all.join(' ')}] without impersonating a user`;
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
  const node = wanted.name.startsWith(nodePrefix) ? wanted.name.slice(nodePrefix.length) : '';
  if (node && !isDns1123Subdomain(node).length) {
    if (!plain) return [];
    const bound = parseServiceAccountUsername(name) ? extra?.[nodeNameKey] : undefined;
    const own = bound?.length === 1 && bound[0] === node;
    return own ? ['associated-node', 'arbitrary-node'] : ['arbitrary-node'];
  }
  if (parseServiceAccountUsername(wanted.name)) return plain ? ['serviceaccount'] : [];
  return ['user-info'];
}

/** Of what is missing first: to do as this user what is asked, to be this user. */
async function refusalInMode(
  mode: ImpersonationMode,
  { user, authorizer, action, onAsked, now = () => 0 }: ImpersonationRequest,
  wanted: Wanted,
): Promise<StatusError | undefined> {
  const legacy = mode === 'legacy';
  const verb = legacy ? 'impersonate' : `impersonate:${mode}`;
  const refusal = async (asked: Attributes) => {
    const startMs = now();
    const { decision, reason, error } = await authorizer.authorize(asked);
    onAsked?.(mode, decision === 'allow', startMs);
    if (decision === 'allow') return undefined;
    return error && legacy ? internalError(error) : forbiddenError(asked, reason);
  };
  if (!legacy) {
    const doing = action!();
    const refused = await refusal({ ...doing, user, verb: `impersonate-on:${mode}:${doing.verb}` });
    if (refused) return refused;
  }
  const targets = legacy ? (action ? targetsOf(wanted, '') : legacyTargets(wanted)) : identityOf(mode, wanted);
  for (const [i, target] of targets.entries()) {
    // The name comes first; of what is said beside it some is nobody's to give.
    const refused =
      (await refusal(question(user, verb, target))) ?? (legacy || i > 0 ? undefined : notToBeGiven(user, verb, wanted));
    if (refused) return refused;
  }
  return undefined;
}

function notToBeGiven(user: UserInfo, verb: string, { groups, extra }: Wanted): StatusError | undefined {
  const refuse = (resource: string, name: string, why: string) =>
    forbiddenError(question(user, verb, { group: authenticationGroup, resource, name }), why);
  for (const group of groups) {
    if (!group) return refuse('groups', '', 'impersonating the empty string group is not allowed');
    if (group === systemPrivilegedGroup)
      return refuse('groups', group, `impersonating the ${systemPrivilegedGroup} group is not allowed`);
  }
  for (const [key, values] of extra) {
    const wrong = wrongExtra(key, values);
    if (wrong) return refuse('userextras', '', `impersonating ${wrong}`);
  }
  return undefined;
}

function wrongExtra(key: string, values: readonly string[]): string | undefined {
  if (!key) return 'the empty string key in extra is not allowed';
  if (key !== key.toLowerCase()) return `a non-lowercase key in extra is not allowed: ${quote(key)}`;
  const [wrong] = domainPathErrors(key, path('extra.key')).list;
  if (wrong) return `an invalid key in extra is not allowed: ${wrong.field}: ${wrong.message}`;
  return values.includes('') ? 'the empty string value in extra is not allowed' : undefined;
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
  if (mode === 'associated-node') return [{ ...node, name: '*' }];
  if (mode === 'arbitrary-node') return [{ ...node, name: wanted.name.slice(nodePrefix.length) }];
  return targetsOf(wanted, authenticationGroup);
}

interface Targets {
  readonly name: Target;
  readonly uid: readonly Target[];
  readonly groups: readonly Target[];
  readonly extra: readonly Target[];
}

function partsOf({ name, uid, groups, extra }: Wanted, group: string): Targets {
  const account = parseServiceAccountUsername(name);
  const own = { group: authenticationGroup };
  return {
    name: account
      ? { group, resource: 'serviceaccounts', namespace: account.namespace, name: account.name }
      : { group, resource: 'users', name },
    uid: uid ? [{ ...own, resource: 'uids', name: uid }] : [],
    groups: groups.map(g => ({ group, resource: 'groups', name: g })),
    extra: [...extra].flatMap(([key, values]) =>
      values.map(value => ({ ...own, resource: 'userextras', subresource: key, name: value })),
    ),
  };
}

/** Everything about a user that a right is needed for. */
function targetsOf(wanted: Wanted, group: string): readonly Target[] {
  const { name, uid, groups, extra } = partsOf(wanted, group);
  return [name, ...uid, ...groups, ...extra];
}

/** In the order of before there were modes. */
function legacyTargets(wanted: Wanted): readonly Target[] {
  const { name, uid, groups, extra } = partsOf(wanted, '');
  return [name, ...groups, ...extra, ...uid];
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

function extraOf(headers: DistinctHeaders): Map<string, readonly string[]> {
  const extra = new Map<string, readonly string[]>();
  for (const [header, values] of Object.entries(headers)) {
    // Names carry escaped what a header's name cannot hold.
    if (!header.startsWith(extraPrefix)) continue;
    const key = percentDecoded(header.slice(extraPrefix.length));
    extra.set(key, [...(extra.get(key) ?? []), ...values]);
  }
  return extra;
}
