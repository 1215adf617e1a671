// JSON Web Signatures, as much as service account tokens need: compact form, RS256 and ES256/384/512.
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { isPlain } from '../../api/patch/plain.ts';
import { CredentialError } from './user.ts';

export interface JsonWebKeySet {
  readonly keys: readonly Readonly<Record<string, string>>[];
}

export interface Jws {
  readonly header: { readonly alg?: string; readonly kid?: string };
  readonly claims: Readonly<Record<string, unknown>>;
}

const pemBlock = /-----BEGIN ([A-Z ]+)-----[\s\S]+?-----END \1-----/g;

/** A file may hold several keys. */
function keysIn(pem: string): readonly string[] {
  const blocks = [...pem.matchAll(pemBlock)].flatMap(([block, label]) => (label === 'EC PARAMETERS' ? [] : [block]));
  return blocks.length ? blocks : [pem];
}

export interface TokenKey {
  readonly id: string;
  readonly algorithm: string;
  readonly hash: string;
  readonly key: KeyObject;
}

const curves: Record<string, [algorithm: string, hash: string]> = {
  prime256v1: ['ES256', 'sha256'],
  secp384r1: ['ES384', 'sha384'],
  secp521r1: ['ES512', 'sha512'],
};

function publicHalf(key: KeyObject): KeyObject {
  return key.type === 'private' ? createPublicKey(key) : key;
}

/** `named`: by whoever has it; default: by its hash. */
export function tokenKey(key: KeyObject, named?: string): TokenKey {
  const der = publicHalf(key).export({ type: 'spki', format: 'der' });
  const id = named ?? createHash('sha256').update(der).digest('base64url');
  if (key.asymmetricKeyType === 'rsa') return { id, algorithm: 'RS256', hash: 'sha256', key };
  const known = curves[key.asymmetricKeyDetails?.namedCurve ?? ''];
  if (!known) throw new Error('use key for tokens: neither RSA nor P-256, P-384 or P-521');
  return { id, algorithm: known[0], hash: known[1], key };
}

/** Splits a compact token without believing it; undefined when it is none. */
export function decodeJws(token: string): Jws | undefined {
  const parts = token.split('.');
  if (parts.length !== 3) return undefined;
  try {
    const [header, claims] = parts.slice(0, 2).map(p => JSON.parse(Buffer.from(p, 'base64url').toString('utf8')));
    if (!isPlain(header) || !isPlain(claims)) return undefined;
    return { header, claims };
  } catch {
    return undefined;
  }
}

/** Signs and checks tokens of service accounts. */
export interface TokenSigner {
  /** The compact token. Rejects with an Error. */
  sign(claims: object): Promise<string>;
  /** Throws (or rejects with) CredentialError unless one of our keys signed exactly this text. Waits only for keys that are not here yet. */
  verify(token: string, jws: Jws): void | Promise<void>;
  /** Of published keys. */
  readonly algorithms: readonly string[];
  /** What /openid/v1/jwks serves. */
  jsonWebKeySet(): JsonWebKeySet;
  /** How long others may keep the published keys. */
  readonly maxAgeSeconds: number;
  /** Changes with the keys: what was checked before is to be checked again. */
  readonly revision: number;
}

/** The key tokens are signed with and all whose signatures are accepted, in this process. */
export class TokenKeys implements TokenSigner {
  readonly maxAgeSeconds = 3600;
  readonly revision = 0;
  readonly #signing: TokenKey | undefined;
  readonly #accepted: readonly TokenKey[];

  /** The signing key's public half is always accepted; `publicKeyPems` may hold public or private keys, several a text. */
  constructor(options: { signingKeyPem?: string; publicKeyPems?: readonly string[] }) {
    const { signingKeyPem, publicKeyPems = [] } = options;
    this.#signing = signingKeyPem ? tokenKey(createPrivateKey(signingKeyPem)) : undefined;
    const accepted = [...(signingKeyPem ? [signingKeyPem] : []), ...publicKeyPems.flatMap(keysIn)].map(pem =>
      tokenKey(createPublicKey(pem)),
    );
    this.#accepted = accepted.filter((k, i) => accepted.findIndex(other => other.id === k.id) === i);
  }

  get algorithms(): readonly string[] {
    return [...new Set(this.#accepted.map(k => k.algorithm))];
  }

  /** RSA in a thread of the pool, for it takes the better part of a millisecond; a curve's is done sooner than handed over. */
  sign(claims: object): Promise<string> {
    const signing = this.#signing;
    if (!signing) return Promise.reject(new Error('sign token: no signing key'));
    const text = `${encode({ alg: signing.algorithm, kid: signing.id })}.${encode(claims)}`;
    const whole = (signature: Buffer) => `${text}.${signature.toString('base64url')}`;
    const key = { key: signing.key, dsaEncoding: 'ieee-p1363' } as const;
    if (signing.algorithm !== 'RS256') return Promise.resolve(whole(sign(signing.hash, Buffer.from(text), key)));
    return new Promise((resolve, reject) => {
      sign(signing.hash, Buffer.from(text), key, (error, signature) =>
        error ? reject(error) : resolve(whole(signature)),
      );
    });
  }

  verify(token: string, { header }: Jws): void {
    const named = this.#accepted.filter(k => k.id === header.kid);
    verifyWith(named.length ? named : this.#accepted, token, header.alg);
  }

  jsonWebKeySet(): JsonWebKeySet {
    return { keys: this.#accepted.map(jsonWebKey) };
  }
}

/** Throws CredentialError unless one of these keys signed exactly this text. */
export function verifyWith(keys: readonly TokenKey[], token: string, algorithm: string | undefined): void {
  const end = token.lastIndexOf('.');
  const text = Buffer.from(token.slice(0, end));
  const signature = Buffer.from(token.slice(end + 1), 'base64url');
  // A second spelling of the same signature would be a second token.
  if (signature.toString('base64url') !== token.slice(end + 1)) throw new CredentialError('malformed signature');
  for (const k of keys) {
    if (k.algorithm !== algorithm) continue;
    if (verify(k.hash, text, { key: k.key, dsaEncoding: 'ieee-p1363' }, signature)) return;
  }
  throw new CredentialError('error in cryptographic primitive');
}

export function jsonWebKey({ id, algorithm, key }: TokenKey): Readonly<Record<string, string>> {
  const { kty, ...members } = key.export({ format: 'jwk' }) as Record<string, string>;
  return { use: 'sig', kty: kty!, kid: id, alg: algorithm, ...members };
}

/** What /.well-known/openid-configuration serves. */
export function openidConfiguration(issuer: string, jwksUri: string, keys: TokenSigner) {
  return {
    issuer,
    jwks_uri: jwksUri,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: keys.algorithms,
  };
}

const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
