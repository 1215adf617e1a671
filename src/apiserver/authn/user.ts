// Who a request comes from, and the contract of everything that finds out.
import { isDns1123Label, isDns1123Subdomain } from '../../api/name-rule.ts';

/** Shared and never changed; the same credential gives the same object, so that authorizers can remember by identity. */
export interface UserInfo {
  readonly name: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Readonly<Record<string, readonly string[]>>;
}

/** A client certificate whose chain TLS has verified. */
export interface PeerCertificate {
  readonly commonName: string;
  readonly organizations: readonly string[];
  /** SHA-256 of the DER bytes, hexadecimal in small letters. */
  readonly fingerprint?: string;
  /** Of the subject attribute 1.3.6.1.4.1.57683.2. */
  readonly uid?: string;
  /** A connection outlives its certificate unless this is given. */
  readonly notAfterMs?: number;
  /** Which authority signed it; default: the one for clients. */
  readonly authority?: 'client' | 'frontProxy';
}

export interface AuthnRequest {
  readonly bearerToken?: string;
  readonly peerCertificate?: PeerCertificate;
  /** Names in small letters, as Node gives them. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  /** Without the query. */
  readonly path?: string;
}

/**
 * Gives the user, or undefined when the request carries nothing this one understands.
 * Throws (or rejects) for a credential that it understands and refuses: another authenticator may still accept the
 * request, but it never becomes anonymous.
 */
export interface Authenticator {
  authenticate(request: AuthnRequest): Promise<UserInfo | undefined> | UserInfo | undefined;
}

/** A token's owner and for which of the asked audiences it is good. */
export interface TokenIdentity {
  readonly user: UserInfo;
  readonly audiences: readonly string[];
}

/** Same rules as Authenticator; `audiences` is what the asker accepts and is never empty. */
export interface TokenAuthenticator {
  authenticateToken(
    token: string,
    audiences: readonly string[],
  ): Promise<TokenIdentity | undefined> | TokenIdentity | undefined;
}

/** Why a credential was refused; for logs and TokenReview, the client only hears 401 Unauthorized. */
export class CredentialError extends Error {
  override name = 'CredentialError';
}

export const allAuthenticated = 'system:authenticated';
export const allUnauthenticated = 'system:unauthenticated';
export const systemPrivilegedGroup = 'system:masters';
export const nodesGroup = 'system:nodes';
export const allServiceAccountsGroup = 'system:serviceaccounts';
export const anonymousUser = 'system:anonymous';
export const credentialIdKey = 'authentication.kubernetes.io/credential-id';
export const defaultIssuer = 'https://kubernetes.default.svc.cluster.local';

const nodeUserPrefix = 'system:node:';
const serviceAccountPrefix = 'system:serviceaccount:';

/** Whether the user is a kubelet, and of which node; a node without a usable name has the name ''. */
export function nodeIdentity(user: UserInfo): { isNode: boolean; nodeName: string } {
  if (!user.name.startsWith(nodeUserPrefix) || !user.groups.includes(nodesGroup))
    return { isNode: false, nodeName: '' };
  return { isNode: true, nodeName: user.name.slice(nodeUserPrefix.length) };
}

export function serviceAccountUsername(namespace: string, name: string): string {
  return `${serviceAccountPrefix}${namespace}:${name}`;
}

export function serviceAccountGroups(namespace: string): string[] {
  return [allServiceAccountsGroup, `${allServiceAccountsGroup}:${namespace}`];
}

/** The account behind `system:serviceaccount:NAMESPACE:NAME`, or undefined for any other user name. */
export function parseServiceAccountUsername(username: string): { namespace: string; name: string } | undefined {
  if (!username.startsWith(serviceAccountPrefix)) return undefined;
  const parts = username.slice(serviceAccountPrefix.length).split(':');
  const [namespace, name] = parts;
  if (parts.length !== 2 || isDns1123Label(namespace!).length || isDns1123Subdomain(name!).length) return undefined;
  return { namespace: namespace!, name: name! };
}

/** The user of a component inside the control plane that acts as a service account. */
export function serviceAccountUser(namespace: string, name: string, uid?: string): UserInfo {
  return {
    name: serviceAccountUsername(namespace, name),
    ...(uid ? { uid } : {}),
    groups: [...serviceAccountGroups(namespace), allAuthenticated],
  };
}
