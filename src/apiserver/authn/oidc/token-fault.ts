// What is wrong with a token before its signature is looked at, in the words of Go's OpenID Connect library. Pure.
import { isPlain, jsonKind } from '../../../api/patch/plain.ts';
import { quote } from '../../../base/quote.ts';
import type { Claims } from './claims.ts';
import { algorithmNames } from './issuer-keys.ts';

const leewayMs = 5 * 60_000;

export function headerFault(
  { alg, kid }: { readonly alg?: unknown; readonly kid?: unknown },
  accepted: readonly string[] = algorithmNames,
): string | undefined {
  for (const [what, value] of [
    ['key ID', kid],
    ['algorithm', alg],
  ] as const)
    if (value !== undefined && value !== null && typeof value !== 'string')
      return `malformed jwt: failed to unmarshal ${what}: json: cannot unmarshal ${jsonKind(value)} into Go value of type string: ${quote(JSON.stringify(value))}`;
  if (accepted.includes(String(alg))) return undefined;
  return `id token signed with unsupported algorithm, expected ${listed(accepted)} got ${quote(String(alg ?? ''))}`;
}

const listed = (names: readonly string[]) => `[${names.map(quote).join(' ')}]`;

export function claimsFault(audiences: readonly string[], claims: Claims, nowMs: number): string | undefined {
  for (const [claim, value] of Object.entries(claims)) {
    const fault = value === undefined ? undefined : typeFault(claim, value);
    if (fault) return `failed to unmarshal claims: ${fault}`;
  }
  const { aud } = claims;
  const given = aud === undefined ? [] : Array.isArray(aud) ? (aud as string[]) : [String(aud ?? '')];
  if (!audiences.some(a => given.includes(a)))
    return `expected audience ${audiences.length > 1 ? `in ${listed(audiences.toSorted())}` : quote(audiences[0] ?? '')} got ${listed(given)}`;
  const expiry = secondsOf(claims.exp);
  if ((expiry ?? zeroSeconds) * 1000 < nowMs)
    return `token is expired (Token Expiry: ${goTime(expiry ?? zeroSeconds)})`;
  const notBefore = secondsOf(claims.nbf);
  if (notBefore !== undefined && nowMs + leewayMs < notBefore * 1000)
    return `current time ${goTime(Math.floor(nowMs / 1000))} before the nbf (not before) time: ${goTime(notBefore)}`;
  const names = (claims._claim_names ?? {}) as Record<string, string>;
  const sources = (claims._claim_sources ?? {}) as Record<string, unknown>;
  return Object.values(names).every(source => Object.hasOwn(sources, source)) ? undefined : 'source does not exist';
}

/** Go's zero time, in seconds since 1970. */
const zeroSeconds = -62_135_596_800;

const secondsOf = (value: unknown): number | undefined =>
  (value ?? undefined) === undefined ? undefined : Math.trunc(Number(value));

const longestMs = 8.64e15;

const goTime = (seconds: number): string => {
  const date = new Date(Math.max(-longestMs, Math.min(seconds * 1000, longestMs)));
  return `${date.toISOString().replace('T', ' ').slice(0, -5)} +0000 UTC`;
};

const texts = new Set(['iss', 'sub', 'nonce', 'at_hash']);
const times = new Set(['exp', 'iat', 'nbf']);

function typeFault(claim: string, value: unknown): string | undefined {
  const unreadable = (v: unknown, type: string) =>
    `json: cannot unmarshal ${jsonKind(v)} into Go struct field idToken.${claim} of type ${type}`;
  // A token without an expiry is expired.
  if (value === null && claim !== 'exp' && claim !== 'iat') return undefined;
  if (times.has(claim)) return timeFault(value, unreadable);
  if (texts.has(claim)) return typeof value === 'string' ? undefined : unreadable(value, 'string');
  if (claim === 'aud') {
    if (!Array.isArray(value)) return typeof value === 'string' ? undefined : unreadable(value, '[]string');
    const odd = value.find(v => typeof v !== 'string' && v !== null);
    return odd === undefined ? undefined : unreadable(odd, 'string');
  }
  if (claim === '_claim_names') return mapFault(value, unreadable, 'string', v => typeof v === 'string');
  if (claim === '_claim_sources') return mapFault(value, unreadable, 'oidc.claimSource', isPlain);
  return undefined;
}

function mapFault(
  value: unknown,
  unreadable: (v: unknown, type: string) => string,
  type: string,
  fits: (v: unknown) => boolean,
): string | undefined {
  if (!isPlain(value)) return unreadable(value, `map[string]${type}`);
  const odd = Object.values(value).find(v => !fits(v) && v !== null);
  return odd === undefined ? undefined : unreadable(odd, type);
}

function timeFault(value: unknown, unreadable: (v: unknown, type: string) => string): string | undefined {
  if (typeof value === 'number' || typeof value === 'bigint') return undefined;
  if (value === null) return 'strconv.ParseFloat: parsing "": invalid syntax';
  if (typeof value !== 'string') return unreadable(value, 'json.Number');
  if (/^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(value)) return undefined;
  return `json: invalid number literal, trying to unmarshal ${quote(JSON.stringify(value))} into Number`;
}
