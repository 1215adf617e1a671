import type { Secret } from '../../../api/type/core-v1.ts';

/** Milliseconds until the bootstrap token ends; undefined: never. A time nobody can read has passed. */
export function tokenLifeMs(secret: Secret, expiration: string, nowMs: number): number | undefined {
  if (secret.type !== 'bootstrap.kubernetes.io/token' || expiration === '') return undefined;
  const isTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(expiration);
  const endMs = isTime ? Date.parse(expiration) : Number.NaN;
  return Number.isNaN(endMs) ? 0 : Math.max(0, endMs - nowMs);
}
