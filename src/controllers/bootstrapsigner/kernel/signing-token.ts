import { parseTime } from '../../../api/meta.ts';
import type { Secret } from '../../../api/type/core-v1.ts';

export const signaturePrefix = 'jws-kubeconfig-';

export interface SigningToken {
  readonly id: string;
  readonly secret: string;
}

/** The bootstrap token, if it may sign now. `read`: a value of the Secret's data as text, '' when absent. */
export function signingToken(secret: Secret, read: (name: string) => string, nowMs: number): SigningToken | undefined {
  const id = read('token-id');
  const usable =
    secret.type === 'bootstrap.kubernetes.io/token' &&
    !secret.metadata.deletionTimestamp &&
    secret.metadata.name === `bootstrap-token-${id}` &&
    /^[a-z0-9]{6}$/.test(id) &&
    read('token-secret') !== '' &&
    read('usage-bootstrap-signing') === 'true';
  if (!usable) return undefined;
  const expiration = read('expiration');
  if (expiration !== '' && (parseTime(expiration) ?? 0) <= nowMs) return undefined;
  return { id, secret: read('token-secret') };
}

/** The data with these signatures, by id of the token, and no others; undefined when that is what it is. */
export function withSignatures(
  data: Readonly<Record<string, string>>,
  signatures: ReadonlyMap<string, string>,
): Readonly<Record<string, string>> | undefined {
  const next = Object.fromEntries(Object.entries(data).filter(([name]) => !name.startsWith(signaturePrefix)));
  for (const [id, signature] of signatures) next[signaturePrefix + id] = signature;
  const names = Object.keys(next);
  return names.length === Object.keys(data).length && names.every(n => data[n] === next[n]) ? undefined : next;
}
