// Tokens that a webhook knows: a TokenReview is sent, its status believed and kept for a while.
import { createHash } from 'node:crypto';
import type { WebhookClientConfig } from '../../api/type/admissionregistration-v1.ts';
import type { TokenReviewStatus } from '../../api/type/authentication-v1.ts';
import { messageOf } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import { CredentialError, type TokenAuthenticator, type TokenIdentity } from './user.ts';

export interface WebhookTokenOptions {
  readonly server: WebhookClientConfig;
  /** Posts JSON; rejects when the server cannot be asked. */
  post(server: WebhookClientConfig, body: unknown, timeoutMs: number): Promise<unknown>;
  readonly clock: Clock;
  /** How long an answer is believed. Default: two minutes. */
  readonly cacheMs?: number;
}

const timeoutMs = 30_000;
const defaultCacheMs = 120_000;
const mostKept = 4096;

interface Kept {
  readonly identity: Promise<TokenIdentity | undefined>;
  readonly untilMs: number;
}

export function webhookTokenAuthenticator(options: WebhookTokenOptions): TokenAuthenticator {
  const { clock, cacheMs = defaultCacheMs } = options;
  const kept = new Map<string, Kept>();
  return {
    authenticateToken(token, audiences) {
      // Not the token itself: memory is no place for it.
      const id = createHash('sha256')
        .update(JSON.stringify([token, audiences]))
        .digest('base64');
      const nowMs = clock.monotonic();
      const known = kept.get(id);
      if (known && known.untilMs > nowMs) return known.identity;
      kept.delete(id);
      const identity = ask(options, token, audiences);
      // A server that could not be asked may be asked again at once.
      identity.catch(error => {
        if (!(error instanceof CredentialError) || error.cause) kept.delete(id);
      });
      if (kept.size >= mostKept) kept.delete(kept.keys().next().value!);
      kept.set(id, { identity, untilMs: nowMs + cacheMs });
      return identity;
    },
  };
}

async function ask(
  { server, post }: WebhookTokenOptions,
  token: string,
  audiences: readonly string[],
): Promise<TokenIdentity | undefined> {
  const review = {
    kind: 'TokenReview',
    apiVersion: 'authentication.k8s.io/v1',
    spec: { token, audiences },
    status: {},
  };
  let status: TokenReviewStatus | undefined;
  try {
    ({ status } = (await post(server, review, timeoutMs)) as { status?: TokenReviewStatus });
  } catch (error) {
    throw new CredentialError(messageOf(error), { cause: error });
  }
  if (!status?.authenticated) {
    if (status?.error) throw new CredentialError(status.error);
    return undefined;
  }
  const { username = '', uid, groups = [], extra } = status.user ?? {};
  // A webhook that says nothing of audiences knows this server's only.
  const good = status.audiences?.length ? audiences.filter(a => status.audiences!.includes(a)) : audiences;
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
