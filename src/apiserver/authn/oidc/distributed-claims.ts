// Claims that a token only refers to (OpenID Connect, 5.6.2): of groups, where the configuration names their claim.
import { messageOf } from '../../../base/assert.ts';
import type { Clock } from '../../../base/clock.ts';
import { quote } from '../../../base/quote.ts';
import { decodeJws } from '../jws.ts';
import { CredentialError } from '../user.ts';
import type { Claims } from './claims.ts';
import type { JwtAuthenticator } from './configuration.ts';
import { IssuerKeys } from './issuer-keys.ts';
import { getText } from './issuer-request.ts';
import { claimsFault, headerFault } from './token-fault.ts';

/** Signs of whoever the token names as source: another issuer, which is found as issuers are. */
export class DistributedClaims {
  readonly #jwt: JwtAuthenticator;
  readonly #clock: Clock;
  readonly #issuers = new Map<string, IssuerKeys>();

  constructor(jwt: JwtAuthenticator, clock: Clock) {
    this.#jwt = jwt;
    this.#clock = clock;
  }

  /** The claims of a token that is believed, with what its source says. Rejects with CredentialError. */
  async expand(claims: Claims): Promise<Claims> {
    const claim = this.#jwt.claimMappings.groups?.claim;
    const names = (claims._claim_names ?? {}) as Readonly<Record<string, string>>;
    if (!claim || claims[claim] !== undefined || !Object.hasOwn(names, claim)) return claims;
    const source = ((claims._claim_sources ?? {}) as Readonly<Record<string, Source>>)[names[claim]!];
    if (!source?.endpoint) return claims;
    try {
      return { ...claims, [claim]: await this.#resolve(claim, source) };
    } catch (error) {
      throw new CredentialError(
        `oidc: could not expand distributed claims: while getting distributed claim ${quote(claim)}: ${messageOf(error)}`,
      );
    }
  }

  async #resolve(claim: string, { endpoint = '', access_token: token }: Source): Promise<unknown> {
    const { certificateAuthority: ca, audiences } = this.#jwt.issuer;
    const headers = { accept: 'application/jwt', ...(token ? { authorization: `Bearer ${token}` } : {}) };
    const text = (await getText({ url: endpoint, ca, headers, clock: this.#clock })).trim();
    const jws = decodeJws(text);
    if (!jws || typeof jws.claims.iss !== 'string') throw new Error('not a signed token with an issuer');
    const { header, claims } = jws;
    const fault = headerFault(header, this.#jwt.signingAlgorithms) ?? claimsFault(audiences, claims, this.#clock.now());
    if (fault) throw new Error(`verify distributed claim token: oidc: ${fault}`);
    const keys = this.#keysOf(jws.claims.iss);
    await keys.ready();
    await keys.verifyToken(text, header);
    if (claims[claim] === undefined) throw new Error(`could not find distributed claim ${quote(claim)}`);
    return claims[claim];
  }

  #keysOf(url: string): IssuerKeys {
    const { certificateAuthority: ca } = this.#jwt.issuer;
    const keys =
      this.#issuers.get(url) ??
      new IssuerKeys({ url, audiences: [], ...(ca ? { certificateAuthority: ca } : {}) }, { clock: this.#clock });
    this.#issuers.set(url, keys);
    return keys;
  }
}

interface Source {
  readonly endpoint?: string;
  readonly access_token?: string;
}
