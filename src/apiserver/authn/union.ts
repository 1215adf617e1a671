// From several authenticators to one answer: a user, or 401.
import { isUtf8 } from 'node:buffer';
import { type StatusError, unauthorized } from '../../api/status.ts';
import {
  type Authenticator,
  type AuthnRequest,
  allAuthenticated,
  allUnauthenticated,
  anonymousUser,
  CredentialError,
  type TokenAuthenticator,
  type TokenIdentity,
  type UserInfo,
} from './user.ts';

/** Paths anybody may ask for, so that load balancers and probes need no credential. */
export const defaultAnonymousPaths: readonly string[] = ['/healthz', '/livez', '/readyz', '/version'];

type Answer<T> = Promise<T | undefined> | T | undefined;

/**
 * The first answer that is not undefined. Refusals are collected and thrown together when nobody accepts; errors other
 * than CredentialError are bugs and pass through. Stays synchronous as long as the members do.
 */
function firstAnswer<M, T>(
  members: readonly M[],
  ask: (member: M) => Answer<T>,
  refused: string[],
  from = 0,
): Answer<T> {
  for (let i = from; i < members.length; i++) {
    try {
      const answer = ask(members[i]!);
      if (answer instanceof Promise) {
        return answer.then(
          found => found ?? firstAnswer(members, ask, refused, i + 1),
          error => {
            refused.push(messageOfRefusal(error));
            return firstAnswer(members, ask, refused, i + 1);
          },
        );
      }
      if (answer !== undefined) return answer;
    } catch (error) {
      refused.push(messageOfRefusal(error));
    }
  }
  if (refused.length) throw new CredentialError(refused.length === 1 ? refused[0] : `[${refused.join(', ')}]`);
  return undefined;
}

function messageOfRefusal(error: unknown): string {
  if (error instanceof CredentialError) return error.message;
  throw error;
}

/** Asks token authenticators in turn. A token nobody knows is refused with `invalid bearer token`. */
export function unionTokenAuthenticator(members: readonly TokenAuthenticator[]): TokenAuthenticator {
  const unknown: TokenAuthenticator = {
    authenticateToken() {
      throw new CredentialError('invalid bearer token');
    },
  };
  const all = [...members, unknown];
  return {
    authenticateToken: (token, audiences) => {
      const refused: string[] = [];
      try {
        const answer = firstAnswer<TokenAuthenticator, TokenIdentity>(
          all,
          m => m.authenticateToken(token, audiences),
          refused,
        );
        return answer instanceof Promise ? answer.catch(error => Promise.reject(unknownFirst(error, refused))) : answer;
      } catch (error) {
        throw unknownFirst(error, refused);
      }
    },
  };
}

// The order in which Kubernetes reports: `[invalid bearer token, service account token has expired]`.
function unknownFirst(error: unknown, refused: readonly string[]): unknown {
  if (!(error instanceof CredentialError) || refused.length < 2) return error;
  return new CredentialError(`[${[refused.at(-1), ...refused.slice(0, -1)].join(', ')}]`);
}

export function bearerTokenAuthenticator(tokens: TokenAuthenticator, apiAudiences: readonly string[]): Authenticator {
  return {
    authenticate({ bearerToken }) {
      if (!bearerToken) return undefined;
      const answer = tokens.authenticateToken(bearerToken, apiAudiences);
      return answer instanceof Promise ? answer.then(a => a?.user) : answer?.user;
    },
  };
}

const grouped = new WeakMap<UserInfo, UserInfo>();

/** The user as member of system:authenticated; the same object for the same user object. */
export function withAuthenticatedGroup(user: UserInfo): UserInfo {
  if (user.groups.includes(allAuthenticated) || user.groups.includes(allUnauthenticated)) return user;
  let made = grouped.get(user);
  if (!made) {
    made = { ...user, groups: [...user.groups, allAuthenticated] };
    grouped.set(user, made);
  }
  return made;
}

const anonymous: UserInfo = { name: anonymousUser, groups: [allUnauthenticated] };

export interface RequestAuthenticatorOptions {
  readonly members: readonly Authenticator[];
  /** Exact paths; default: health and version. '*' alone: every path, as an unconfigured kube-apiserver has it. */
  readonly anonymousPaths?: readonly string[];
  /** Why somebody was turned away. */
  onRefused?(error: CredentialError): void;
}

/** Who sends a request. Throws (or rejects with) the StatusError 401 when nobody can tell. */
export class RequestAuthenticator {
  readonly #members: readonly Authenticator[];
  readonly #anonymousPaths: ReadonlySet<string>;
  readonly #anyPath: boolean;
  readonly #onRefused: (error: CredentialError) => void;

  constructor(options: RequestAuthenticatorOptions) {
    this.#members = options.members;
    this.#anonymousPaths = new Set(options.anonymousPaths ?? defaultAnonymousPaths);
    this.#anyPath = this.#anonymousPaths.has('*');
    this.#onRefused = error => options.onRefused?.(error);
  }

  authenticate(request: AuthnRequest): Promise<UserInfo> | UserInfo {
    try {
      const answer = firstAnswer(this.#members, m => m.authenticate(request), []);
      if (!(answer instanceof Promise)) return this.#finish(answer, request);
      return answer.then(
        user => this.#finish(user, request),
        error => Promise.reject(this.#refuse(error)),
      );
    } catch (error) {
      throw this.#refuse(error);
    }
  }

  #finish(user: UserInfo | undefined, request: AuthnRequest): UserInfo {
    if (user) return withAuthenticatedGroup(user);
    if (this.#anyPath || (request.path !== undefined && this.#anonymousPaths.has(request.path))) return anonymous;
    throw unauthorized();
  }

  #refuse(error: unknown): StatusError | unknown {
    if (!(error instanceof CredentialError)) return error;
    this.#onRefused(error);
    return Object.assign(unauthorized(), { cause: error });
  }
}

/** The token of `Authorization: Bearer TOKEN`, or undefined. */
export function bearerTokenOf(authorization: string | undefined): string | undefined {
  const parts = authorization?.trim().split(' ') ?? [];
  return parts.length >= 2 && parts[0]!.toLowerCase() === 'bearer' ? parts[1] || undefined : undefined;
}

const websocketTokenPrefix = 'base64url.bearer.authorization.k8s.io.';

/** Browsers cannot set headers on a WebSocket: the token comes as a subprotocol, which the handshake must not repeat. */
export function websocketTokenOf(protocols: readonly string[]): { token?: string; protocols: readonly string[] } {
  const offered = protocols.filter(p => p.startsWith(websocketTokenPrefix));
  const found = offered.find(p => p.length > websocketTokenPrefix.length);
  if (found === undefined) return { protocols };
  if (offered.length > 1) throw new CredentialError('multiple base64.bearer.authorization tokens specified');
  const encoded = found.slice(websocketTokenPrefix.length);
  if (!/^[\w-]*$/.test(encoded) || encoded.length % 4 === 1)
    throw new CredentialError('invalid base64.bearer.authorization token encoding');
  const bytes = Buffer.from(encoded, 'base64url');
  if (!isUtf8(bytes)) throw new CredentialError('invalid base64.bearer.authorization token');
  const rest = protocols.filter(p => p !== found);
  // With nothing else offered there is nothing to agree on.
  if (!rest.length) throw new CredentialError('missing additional subprotocol');
  return { token: bytes.toString('utf8'), protocols: rest };
}
