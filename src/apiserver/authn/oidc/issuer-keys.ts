// The keys of a token issuer, as its discovery document leads to them.
import { constants, createPublicKey, type KeyObject, verify } from 'node:crypto';
import type { Clock } from '../../../base/clock.ts';
import { quote } from '../../../base/quote.ts';
import { CredentialError } from '../user.ts';
import type { JwtAuthenticator } from './configuration.ts';
import { getText } from './issuer-request.ts';
import type { JwksFetches } from './jwks-fetches.ts';

// A token with an unknown key must not make us ask the issuer each time.
const retryMs = 10_000;

interface Key {
  readonly id: string | undefined;
  readonly key: KeyObject;
}

export class IssuerKeys {
  readonly #issuer: JwtAuthenticator['issuer'];
  readonly #clock: Clock;
  readonly #fetches: JwksFetches | undefined;
  #keys: readonly Key[] = [];
  #asking: Promise<void> | undefined;
  #askedMs: number | undefined;

  constructor(issuer: JwtAuthenticator['issuer'], clock: Clock, fetches?: JwksFetches) {
    this.#issuer = issuer;
    this.#clock = clock;
    this.#fetches = fetches;
  }

  /** Rejects with CredentialError unless one of the issuer's keys signed this token. */
  verifyToken(token: string, { alg = '', kid }: { readonly alg?: string; readonly kid?: string }): Promise<void> {
    const end = token.lastIndexOf('.');
    const signature = Buffer.from(token.slice(end + 1), 'base64url');
    return this.#verify(Buffer.from(token.slice(0, end)), signature, alg, kid);
  }

  async #verify(text: Buffer, signature: Buffer, algorithm: string, keyId: string | undefined): Promise<void> {
    if (this.#signed(text, signature, algorithm, keyId)) return;
    if (this.#asking || this.#askedMs === undefined || this.#clock.monotonic() - this.#askedMs >= retryMs) {
      this.#asking ??= this.#ask().finally(() => {
        this.#asking = undefined;
      });
      await this.#asking;
      if (this.#signed(text, signature, algorithm, keyId)) return;
    }
    throw new CredentialError('oidc: verify token: failed to verify signature: failed to verify id token signature');
  }

  #signed(text: Buffer, signature: Buffer, algorithm: string, keyId: string | undefined): boolean {
    return this.#keys.some(k => (!keyId || !k.id || k.id === keyId) && isSigned(k.key, algorithm, text, signature));
  }

  async #ask(): Promise<void> {
    this.#askedMs = this.#clock.monotonic();
    const { url, discoveryURL } = this.#issuer;
    try {
      const at = discoveryURL ?? `${url.replace(/\/$/, '')}/.well-known/openid-configuration`;
      const document = JSON.parse(await this.#get(at)) as { issuer?: string; jwks_uri?: string };
      if (document.issuer !== url)
        throw new Error(
          `issuer did not match the issuer returned by provider, expected ${JSON.stringify(url)} got ${JSON.stringify(document.issuer)}`,
        );
      const keySet = await this.#getKeySet(document.jwks_uri ?? '');
      const { keys = [] } = JSON.parse(keySet) as { keys?: { kid?: string; use?: string }[] };
      this.#keys = keys
        .filter(k => !k.use || k.use === 'sig')
        .flatMap(jwk => {
          try {
            return { id: jwk.kid, key: createPublicKey({ key: jwk as never, format: 'jwk' }) };
          } catch {
            return [];
          }
        });
    } catch (error) {
      throw new CredentialError(`oidc: authenticator not initialized: ${(error as Error).message}`);
    }
  }

  async #getKeySet(url: string): Promise<string> {
    try {
      const text = await this.#get(url);
      this.#fetches?.succeeded(this.#issuer.url, text);
      return text;
    } catch (error) {
      this.#fetches?.failed(this.#issuer.url);
      throw error;
    }
  }

  #get(url: string): Promise<string> {
    if (!url.startsWith('https://')) return Promise.reject(new Error(`get ${quote(url)}: https is needed`));
    return getText({ url, ca: this.#issuer.certificateAuthority, clock: this.#clock });
  }
}

const algorithms: Readonly<Record<string, { type: string; hash: string; curve?: string; pss?: boolean }>> = {
  RS256: { type: 'rsa', hash: 'sha256' },
  RS384: { type: 'rsa', hash: 'sha384' },
  RS512: { type: 'rsa', hash: 'sha512' },
  PS256: { type: 'rsa', hash: 'sha256', pss: true },
  PS384: { type: 'rsa', hash: 'sha384', pss: true },
  PS512: { type: 'rsa', hash: 'sha512', pss: true },
  ES256: { type: 'ec', hash: 'sha256', curve: 'prime256v1' },
  ES384: { type: 'ec', hash: 'sha384', curve: 'secp384r1' },
  ES512: { type: 'ec', hash: 'sha512', curve: 'secp521r1' },
};

export const algorithmNames: readonly string[] = Object.keys(algorithms).sort();

function isSigned(key: KeyObject, algorithm: string, text: Buffer, signature: Buffer): boolean {
  const { type, hash, curve, pss } = algorithms[algorithm]!;
  if (key.asymmetricKeyType !== type || (curve && key.asymmetricKeyDetails?.namedCurve !== curve)) return false;
  const padding = pss ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST } : {};
  return verify(hash, text, { key, dsaEncoding: 'ieee-p1363', ...padding }, signature);
}
