// Tokens that a webhook knows: a TokenReview is sent, its status believed and kept for a while.
import { createHash } from 'node:crypto';
import type { TokenReviewStatus } from '../../api/type/authentication-v1.ts';
import { messageOf } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import { type ReviewKind, readReview } from '../extension/review-answer.ts';
import type { TokenCacheCounts } from './metrics.ts';
import { CredentialError, type TokenAuthenticator, type TokenIdentity } from './user.ts';

export interface WebhookTokenOptions {
  /** Posts JSON; rejects when the server cannot be asked. */
  post(body: unknown, timeoutMs: number): Promise<unknown>;
  /** Of the reviews. Default: v1. */
  readonly version?: 'v1' | 'v1beta1' | undefined;
  /** What a token is good for of which the webhook does not say. */
  readonly apiAudiences: readonly string[];
  readonly clock: Clock;
  /** How long an answer is believed; 0: not at all. Default: two minutes. */
  readonly cacheMs?: number | undefined;
  readonly counts?: TokenCacheCounts | undefined;
}

const timeoutMs = 30_000;
const defaultCacheMs = 120_000;
const mostKept = 4096;

interface Kept {
  readonly identity: Promise<TokenIdentity | undefined>;
  readonly untilMs: number;
}

export function webhookTokenAuthenticator(options: WebhookTokenOptions): TokenAuthenticator {
  const { clock, cacheMs = defaultCacheMs, counts } = options;
  const kept = new Map<string, Kept>();
  return {
    authenticateToken(token, audiences) {
      // Not the token itself: memory is no place for it.
      const id = createHash('sha256')
        .update(JSON.stringify([token, audiences]))
        .digest('base64');
      const nowMs = clock.monotonic();
      const known = kept.get(id);
      if (known && known.untilMs > nowMs) {
        counts?.asked(true, known.identity, nowMs);
        return known.identity;
      }
      kept.delete(id);
      const identity = ask(options, token, audiences);
      if (cacheMs <= 0) return identity;
      counts?.asked(false, identity, nowMs);
      // What failed may be tried again at once.
      identity.catch(() => kept.delete(id));
      if (kept.size >= mostKept) kept.delete(kept.keys().next().value!);
      kept.set(id, { identity, untilMs: nowMs + cacheMs });
      return identity;
    },
  };
}

async function ask(
  { post, version = 'v1', apiAudiences }: WebhookTokenOptions,
  token: string,
  audiences: readonly string[],
): Promise<TokenIdentity | undefined> {
  const review = {
    kind: 'TokenReview',
    apiVersion: `authentication.k8s.io/${version}`,
    spec: { token, audiences },
    status: {},
  };
  let status: TokenReviewStatus | undefined;
  try {
    const kind: ReviewKind = { group: 'authentication.k8s.io', version, kind: 'TokenReview' };
    ({ status } = readReview<{ status?: TokenReviewStatus }>(await post(review, timeoutMs), kind));
  } catch (error) {
    throw new CredentialError(messageOf(error), { cause: error });
  }
  if (!status?.authenticated) {
    if (status?.error) throw new CredentialError(status.error);
    return undefined;
  }
  const { username = '', uid, groups = [], extra } = status.user ?? {};
  // A webhook that says nothing of audiences knows this server's only.
  const known = status.audiences?.length ? status.audiences : apiAudiences;
  const good = audiences.filter(a => known.includes(a));
  if (good.length === 0) return undefined;
  return {
    user: {
      name: username,
      ...(uid ? { uid } : {}),
      groups: [...groups],
      ...(extra ? { extra: extra as Record<string, readonly string[]> } : {}),
    },
    audiences: good,
  };
}
