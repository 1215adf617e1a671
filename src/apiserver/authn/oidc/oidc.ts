// Tokens of OpenID Connect issuers.
import type { Clock } from '../../../base/clock.ts';
import { decodeJws } from '../jws.ts';
import { CredentialError, type TokenAuthenticator, type TokenIdentity } from '../user.ts';
import { userOf } from './claims.ts';
import { type CompiledAuthenticator, compileAuthenticators, type JwtAuthenticator } from './configuration.ts';
import { IssuerKeys, isKnownAlgorithm } from './issuer-keys.ts';
import type { JwksFetches } from './jwks-fetches.ts';

export interface OidcOptions {
  readonly jwt: readonly JwtAuthenticator[];
  /** Of this server's own tokens: nobody else may issue in their name. */
  readonly ownIssuers: readonly string[];
  /** Tokens of other issuers are good for this server, whatever audience they name. */
  readonly apiAudiences: readonly string[];
  readonly clock: Clock;
  readonly fetches?: JwksFetches | undefined;
}

/** Throws an error that names what is wrong with the configuration. */
export function oidcAuthenticator({ jwt, ownIssuers, apiAudiences, clock, fetches }: OidcOptions): TokenAuthenticator {
  const issuers = new Map(
    compileAuthenticators(jwt, ownIssuers).map(compiled => [
      compiled.source.issuer.url,
      { compiled, keys: new IssuerKeys(compiled.source.issuer, clock, fetches) },
    ]),
  );
  fetches?.keep(new Set(issuers.keys()));
  return {
    authenticateToken(token, audiences) {
      const jws = decodeJws(token);
      const issuer = jws && typeof jws.claims.iss === 'string' ? issuers.get(jws.claims.iss) : undefined;
      const asked = audiences.filter(a => apiAudiences.includes(a));
      // Somebody else's token.
      if (!jws || !issuer || asked.length === 0) return undefined;
      const { alg = '', kid } = jws.header;
      if (!isKnownAlgorithm(alg))
        throw new CredentialError(
          `oidc: verify token: malformed jwt: unexpected signature algorithm ${JSON.stringify(alg)}`,
        );
      return identify();

      async function identify(): Promise<TokenIdentity> {
        const end = token.lastIndexOf('.');
        const signature = Buffer.from(token.slice(end + 1), 'base64url');
        checkClaims(issuer!.compiled, jws!.claims, clock.now());
        await issuer!.keys.verify(Buffer.from(token.slice(0, end)), signature, alg, kid);
        return { user: userOf(issuer!.compiled, jws!.claims), audiences: asked };
      }
    },
  };
}

const leewayMs = 5 * 60_000;

function checkClaims(
  { source }: CompiledAuthenticator,
  claims: Readonly<Record<string, unknown>>,
  nowMs: number,
): void {
  const { aud, exp, nbf } = claims;
  const meant = (Array.isArray(aud) ? aud : [aud]).filter(a => typeof a === 'string');
  const { audiences } = source.issuer;
  if (!audiences.some(a => meant.includes(a)))
    throw new CredentialError(
      `oidc: verify token: expected audience in ${JSON.stringify(audiences)} got ${JSON.stringify(meant)}`,
    );
  if (typeof exp !== 'number' || exp * 1000 < nowMs) throw new CredentialError('oidc: verify token: token is expired');
  if (typeof nbf === 'number' && nowMs + leewayMs < nbf * 1000)
    throw new CredentialError('oidc: verify token: current time before the nbf (not before) time');
}
