// TokenReview and SelfSubjectReview: the reviews that are about who somebody is.
import type { Draft } from '../../api/meta.ts';
import { badRequest } from '../../api/status.ts';
import type { UserInfo as ReviewedUser, SelfSubjectReview, TokenReview } from '../../api/type/authentication-v1.ts';
import { withAuthenticatedGroup } from './union.ts';
import { CredentialError, type TokenAuthenticator, type TokenIdentity, type UserInfo } from './user.ts';

export interface TokenReviewDependencies {
  readonly tokens: TokenAuthenticator;
  readonly apiAudiences: readonly string[];
}

/** As metav1 writes a user: nothing that is empty. */
export function reviewedUser(user: UserInfo): ReviewedUser {
  return {
    ...(user.name ? { username: user.name } : {}),
    ...(user.uid ? { uid: user.uid } : {}),
    ...(user.groups.length ? { groups: user.groups } : {}),
    ...(user.extra && Object.keys(user.extra).length ? { extra: user.extra } : {}),
  };
}

/** A refused token is an answer, not an error; an absent one is a StatusError. */
export async function reviewToken(
  review: Draft<TokenReview>,
  dependencies: TokenReviewDependencies,
): Promise<TokenReview> {
  const { token, audiences } = review.spec ?? {};
  if (!token) throw badRequest('token is required for TokenReview in authentication');
  const asked = audiences?.length ? (audiences as string[]) : dependencies.apiAudiences;
  let found: TokenIdentity | undefined;
  let error = '';
  try {
    found = await dependencies.tokens.authenticateToken(token, asked);
  } catch (thrown) {
    if (!(thrown instanceof CredentialError)) throw thrown;
    error = thrown.message;
  }
  return {
    ...(review as TokenReview),
    kind: 'TokenReview',
    apiVersion: 'authentication.k8s.io/v1',
    metadata: (review.metadata ?? {}) as TokenReview['metadata'],
    status: found
      ? { authenticated: true, user: reviewedUser(withAuthenticatedGroup(found.user)), audiences: found.audiences }
      : { user: {}, ...(error ? { error } : {}) },
  };
}

/** kubectl auth whoami. `creationTimestamp`: now, as metav1.Time. */
export function reviewSelf(
  review: Draft<SelfSubjectReview>,
  user: UserInfo | undefined,
  creationTimestamp: string,
): SelfSubjectReview {
  if (!user) throw badRequest('no user present on request');
  return {
    kind: 'SelfSubjectReview',
    apiVersion: 'authentication.k8s.io/v1',
    metadata: { ...(review.metadata as SelfSubjectReview['metadata']), creationTimestamp },
    status: { userInfo: reviewedUser(user) },
  };
}
