// The keys of a token issuer, as its discovery document leads to them.
import { constants, createPublicKey, type KeyObject, verify } from 'node:crypto';
import { jsonFault } from '../../../api/json-syntax.ts';
import { isPlain } from '../../../api/patch/plain.ts';
import { messageOf } from '../../../base/assert.ts';
import type { Clock } from '../../../base/clock.ts';
import type { Dial } from '../../../base/http/dial.ts';
import type { Log } from '../../../base/log.ts';
import { quote } from '../../../base/quote.ts';
import { CredentialError } from '../user.ts';
import type { JwtAuthenticator } from './configuration.ts';
import { get, type IssuerAnswer } from './issuer-request.ts';
import type { JwksFetches } from './jwks-fetches.ts';

// A token with an unknown key must not make us ask the issuer each time.
const retryMs = 10_000;

interface Key {
  readonly id: string | undefined;
  readonly key: KeyObject;
}

export interface IssuerKeysOptions {
  readonly clock: Clock;
  readonly log?: Log | undefined;
  readonly fetches?: JwksFetches | undefined;
  /** Who makes connections to it. */
  readonly dial?: Dial | undefined;
}

export class IssuerKeys {
  readonly #issuer: JwtAuthenticator['issuer'];
  readonly #options: IssuerKeysOptions;
  readonly #discovery: Attempts;
  readonly #fetching: Attempts;
  #jwksUri: string | undefined;
  #keys: readonly Key[] = [];

  constructor(issuer: JwtAuthenticator['issuer'], options: IssuerKeysOptions) {
    this.#issuer = issuer;
    this.#options = options;
    this.#discovery = new Attempts(options.clock, () => this.#discover());
    this.#fetching = new Attempts(options.clock, () => this.#fetch());
  }

  /** Rejects with CredentialError as long as the issuer cannot be found: none of its tokens is looked at. */
  async ready(): Promise<void> {
    if (this.#jwksUri === undefined) await this.#discovery.make();
    if (this.#jwksUri === undefined) throw new CredentialError('oidc: authenticator not initialized');
  }

  /** Rejects with CredentialError unless one of the issuer's keys signed this token. Only once it is ready. */
  verifyToken(token: string, { alg = '', kid }: { readonly alg?: string; readonly kid?: string }): Promise<void> {
    const end = token.lastIndexOf('.');
    const signature = Buffer.from(token.slice(end + 1), 'base64url');
    return this.#verify(Buffer.from(token.slice(0, end)), signature, alg, kid);
  }

  async #verify(text: Buffer, signature: Buffer, algorithm: string, keyId: string | undefined): Promise<void> {
    const signed = () =>
      this.#keys.some(k => (!keyId || !k.id || k.id === keyId) && isSigned(k.key, algorithm, text, signature));
    if (signed()) return;
    const error = await this.#fetching.make();
    if (signed()) return;
    const why = error ? `fetching keys ${error}` : 'failed to verify id token signature';
    throw new CredentialError(`oidc: verify token: failed to verify signature: ${why}`);
  }

  async #discover(): Promise<void> {
    const { url, discoveryURL } = this.#issuer;
    try {
      const at = discoveryURL ?? `${url.replace(/\/$/, '')}/.well-known/openid-configuration`;
      const answer = await this.#get(at);
      if (!isFine(answer)) throw new Error(`${answer.status}: ${answer.text}`);
      const document = readJson<{ issuer?: string; jwks_uri?: string }>(answer, 'provider discovery object');
      if (document.issuer !== url)
        throw new Error(
          `oidc: issuer did not match the issuer returned by provider, expected ${quote(url)} got ${quote(document.issuer ?? '')}`,
        );
      if (!document.jwks_uri) throw new Error('provider did not return JWKS URL');
      this.#jwksUri = document.jwks_uri;
    } catch (error) {
      this.#options.log?.warn('an issuer of tokens is not healthy', { issuer: url, error: messageOf(error) });
      throw error;
    }
  }

  async #fetch(): Promise<void> {
    const { fetches } = this.#options;
    const { url } = this.#issuer;
    try {
      const answer = await this.#get(this.#jwksUri!);
      if (!isFine(answer)) throw new Error(`oidc: get keys failed: ${answer.status} ${answer.text}`);
      const { keys = [] } = readJson<{ keys?: { kid?: string; use?: string }[] }>(answer, 'keys', ` ${answer.text}`);
      fetches?.succeeded(url, answer.text);
      this.#keys = keys.filter(k => !k.use || k.use === 'sig').flatMap(jwk => keyOf(jwk) ?? []);
    } catch (error) {
      fetches?.failed(url);
      throw error;
    }
  }

  async #get(url: string): Promise<IssuerAnswer> {
    if (!url.startsWith('https://')) throw new Error(`Get ${quote(url)}: https is needed`);
    const { clock, dial } = this.#options;
    return get({ url, ca: this.#issuer.certificateAuthority, clock, dial });
  }
}

/** Something that is attempted by all who want it at once, and not again before some time. */
class Attempts {
  readonly #clock: Clock;
  readonly #attempt: () => Promise<void>;
  #running: Promise<void> | undefined;
  #beganMs: number | undefined;
  #error = '';

  constructor(clock: Clock, attempt: () => Promise<void>) {
    this.#clock = clock;
    this.#attempt = attempt;
  }

  /** What went wrong with the last attempt; '' for nothing. */
  async make(): Promise<string> {
    const due = this.#beganMs === undefined || this.#clock.monotonic() - this.#beganMs >= retryMs;
    if (this.#running || due) {
      if (!this.#running) this.#beganMs = this.#clock.monotonic();
      this.#running ??= this.#attempt()
        .then(
          () => {
            this.#error = '';
          },
          error => {
            this.#error = messageOf(error);
          },
        )
        .finally(() => {
          this.#running = undefined;
        });
      await this.#running;
    }
    return this.#error;
  }
}

const isFine = ({ status }: IssuerAnswer) => status.startsWith('200 ');

/** Throws an error in the words of Go's library. */
function readJson<T extends object>({ contentType, text }: IssuerAnswer, what: string, shown = ''): T {
  try {
    const value: unknown = JSON.parse(text);
    return isPlain(value) ? (value as T) : ({} as T);
  } catch (error) {
    const why = jsonFault(Buffer.from(text)) ?? messageOf(error);
    const said = contentType.split(';', 1)[0] === 'application/json';
    const before = said
      ? 'got Content-Type = application/json, but could not unmarshal as JSON'
      : `expected Content-Type = application/json, got ${quote(contentType)}`;
    throw new Error(`oidc: failed to decode ${what}: ${before}: ${why}${shown}`);
  }
}

function keyOf(jwk: { readonly kid?: string }): Key | undefined {
  try {
    return { id: jwk.kid, key: createPublicKey({ key: jwk as never, format: 'jwk' }) };
  } catch {
    return undefined;
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
