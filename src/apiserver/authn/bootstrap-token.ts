// Bootstrap tokens: Secrets kube-system/bootstrap-token-ID that let a node ask for its first certificate.
import { timingSafeEqual } from 'node:crypto';
import { parseTime } from '../../api/meta.ts';
import type { Secret } from '../../api/type/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { TokenAuthenticator, UserInfo } from './user.ts';

export interface BootstrapTokenOptions {
  readonly secret: (namespace: string, name: string) => Secret | undefined;
  readonly apiAudiences: readonly string[];
  readonly clock: Clock;
}

export const bootstrapTokenPattern = /^([a-z0-9]{6})\.([a-z0-9]{16})$/;
export const bootstrapTokenType = 'bootstrap.kubernetes.io/token';
const defaultGroup = 'system:bootstrappers';
const groupPattern = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/;

/** A token that is not (or no longer) good is one nobody knows: undefined, so that others are asked. */
export function bootstrapTokenAuthenticator(options: BootstrapTokenOptions): TokenAuthenticator {
  return {
    authenticateToken(token, audiences) {
      const [, id, secret] = bootstrapTokenPattern.exec(token) ?? [];
      if (!id || !secret) return undefined;
      const common = audiences.filter(a => options.apiAudiences.includes(a));
      const object = options.secret('kube-system', `bootstrap-token-${id}`);
      const user = object && common.length ? userOf(object, id, secret, options.clock.now()) : undefined;
      return user && { user, audiences: common };
    },
  };
}

function userOf(object: Secret, id: string, secret: string, nowMs: number): UserInfo | undefined {
  const read = (key: string) => Buffer.from(object.data?.[key] ?? '', 'base64').toString('utf8');
  if (object.metadata.deletionTimestamp || object.type !== bootstrapTokenType) return undefined;
  if (!sameText(read('token-secret'), secret) || read('token-id') !== id) return undefined;
  const expiration = read('expiration');
  // What cannot be read as a time counts as past.
  if (expiration && !((parseTime(expiration) ?? 0) > nowMs)) return undefined;
  if (read('usage-bootstrap-authentication') !== 'true') return undefined;
  const groups = new Set([defaultGroup]);
  for (const group of read('auth-extra-groups').split(',').filter(Boolean)) {
    if (!groupPattern.test(group)) return undefined;
    groups.add(group);
  }
  return { name: `system:bootstrap:${id}`, groups: [...groups].sort() };
}

function sameText(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)];
  return x.length === y.length && timingSafeEqual(x, y);
}
