// Tokens of OpenID Connect issuers.
import type { Clock } from '../../../base/clock.ts';
import type { Dial } from '../../../base/http/dial.ts';
import type { Log } from '../../../base/log.ts';
import { decodeJws } from '../jws.ts';
import { CredentialError, type TokenAuthenticator, type UserInfo } from '../user.ts';
import { userOf } from './claims.ts';
import { type CompiledAuthenticator, compileAuthenticators, type JwtAuthenticator } from './configuration.ts';
import { DistributedClaims } from './distributed-claims.ts';
import { IssuerKeys } from './issuer-keys.ts';
import type { JwksFetches } from './jwks-fetches.ts';
import { claimsFault, headerFault } from './token-fault.ts';

export interface OidcOptions {
  readonly jwt: readonly JwtAuthenticator[];
  /** Of this server's own tokens: nobody else may issue in their name. */
  readonly ownIssuers: readonly string[];
  /** Tokens of other issuers are good for this server, whatever audience they name. */
  readonly apiAudiences: readonly string[];
  readonly clock: Clock;
  readonly log?: Log | undefined;
  readonly fetches?: JwksFetches | undefined;
  /** Networks that are reached through a proxy, by their name in `egressSelectorType`. */
  readonly egress?: { readonly cluster?: Dial; readonly controlplane?: Dial };
}

/** Throws an error that names what is wrong with the configuration. */
export function oidcAuthenticator({
  jwt,
  ownIssuers,
  apiAudiences,
  clock,
  log,
  fetches,
  egress,
}: OidcOptions): TokenAuthenticator {
  const issuers = new Map(
    compileAuthenticators(jwt, ownIssuers).map(compiled => [
      compiled.source.issuer.url,
      {
        compiled,
        keys: new IssuerKeys(compiled.source.issuer, {
          ...{ clock, log, fetches },
          dial: networkOf(compiled.source, egress),
        }),
        distributed: new DistributedClaims(compiled.source, clock),
      },
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
      return identify(issuer, token, clock.now()).then(user => ({ user, audiences: asked }));
    },
  };
}

function networkOf({ issuer }: JwtAuthenticator, egress: OidcOptions['egress']): Dial | undefined {
  const network = issuer.egressSelectorType;
  return network === 'cluster' || network === 'controlplane' ? egress?.[network] : undefined;
}

interface Issuer {
  readonly compiled: CompiledAuthenticator;
  readonly keys: Pick<IssuerKeys, 'ready' | 'verifyToken'>;
  readonly distributed: Pick<DistributedClaims, 'expand'>;
}

/** Rejects with CredentialError for a token of this issuer that is not to be believed, or makes no user. */
export async function identify(
  { compiled, keys, distributed }: Issuer,
  token: string,
  nowMs: number,
): Promise<UserInfo> {
  await keys.ready();
  const { header, claims } = decodeJws(token)!;
  const { issuer, signingAlgorithms } = compiled.source;
  const fault = headerFault(header, signingAlgorithms) ?? claimsFault(issuer.audiences, claims, nowMs);
  if (fault) throw new CredentialError(`oidc: verify token: oidc: ${fault}`);
  await keys.verifyToken(token, header);
  return userOf(compiled, await distributed.expand(claims));
}
