// Service account tokens: bound ones (TokenRequest) and legacy ones (Secrets of type service-account-token).

import { parseTime } from '../../api/meta.ts';
import type { Node, Pod, Secret, ServiceAccount } from '../../api/type/core-v1.ts';
import type { ObjectMeta } from '../../api/type/meta-v1.ts';
import type { Clock } from '../../base/clock.ts';
import { decodeJws, type Jws, type TokenSigner } from './jws.ts';
import {
  CredentialError,
  credentialIdKey,
  serviceAccountGroups,
  serviceAccountUsername,
  type TokenAuthenticator,
  type TokenIdentity,
  type UserInfo,
} from './user.ts';

/** What tokens are bound to, read from local copies. */
export interface ServiceAccountLookup {
  serviceAccount(namespace: string, name: string): ServiceAccount | undefined;
  secret(namespace: string, name: string): Secret | undefined;
  pod(namespace: string, name: string): Pod | undefined;
  node(name: string): Node | undefined;
}

export interface ServiceAccountTokenOptions {
  readonly keys: TokenSigner;
  /** The first one signs; all are accepted. */
  readonly issuers: readonly string[];
  /** Audiences of this API server: what a legacy token, which names none, is good for. */
  readonly apiAudiences: readonly string[];
  readonly lookup: ServiceAccountLookup;
  readonly clock: Clock;
  /** A bound token past its warnafter: its client does not reload it. */
  onStaleToken?(user: UserInfo): void;
  onValidToken?(): void;
  /** For the label kubernetes.io/legacy-token-last-used. Called at every use. */
  onLegacyToken?(secret: Secret): void;
}

interface Ref {
  readonly name: string;
  readonly uid: string;
}

interface Bound {
  readonly kind: 'bound';
  readonly namespace: string;
  readonly serviceAccount: Ref;
  readonly pod?: Ref;
  readonly secret?: Ref;
  readonly node?: Ref;
  readonly warnAfter?: number;
  readonly audiences: readonly string[];
  readonly expires?: number;
  readonly notBefore?: number;
}

interface Legacy {
  readonly kind: 'legacy';
  readonly namespace: string;
  readonly serviceAccount: Ref;
  readonly secretName: string;
}

interface Verified {
  readonly claims: Bound | Legacy;
  readonly user: UserInfo;
}

export const legacyIssuer = 'kubernetes/serviceaccount';
const legacyClaim = 'kubernetes.io/serviceaccount/';
const invalidSinceLabel = 'kubernetes.io/legacy-token-invalid-since';
export const podNameKey = 'authentication.kubernetes.io/pod-name';
export const podUidKey = 'authentication.kubernetes.io/pod-uid';
export const nodeNameKey = 'authentication.kubernetes.io/node-name';
export const nodeUidKey = 'authentication.kubernetes.io/node-uid';
// How long a token outlives the deletion of what it is bound to, so that a pod can still use it to shut down.
const deletionLeewayMs = 60_000;
const generationSize = 5000;

/** What the token is of or bound to is not there, or is another one. */
export class HolderError extends CredentialError {}

export class ServiceAccountTokenAuthenticator implements TokenAuthenticator {
  readonly #options: ServiceAccountTokenOptions;
  // Signatures checked before. What a token is bound to, its times and audiences are checked at every use.
  #young = new Map<string, Verified>();
  #old = new Map<string, Verified>();
  #revision = 0;

  constructor(options: ServiceAccountTokenOptions) {
    this.#options = options;
  }

  authenticateToken(
    token: string,
    audiences: readonly string[],
  ): TokenIdentity | undefined | Promise<TokenIdentity | undefined> {
    this.#forgetWithKeys();
    const young = this.#young.get(token);
    const known = young ?? this.#old.get(token);
    const verified = known ?? this.#verify(token);
    if (verified instanceof Promise) return verified.then(v => this.#identify(token, v, audiences, false));
    return this.#identify(token, verified, audiences, verified === young);
  }

  #identify(
    token: string,
    verified: Verified | undefined,
    audiences: readonly string[],
    isYoung: boolean,
  ): TokenIdentity | undefined {
    if (!verified) return undefined;
    const { claims, user } = verified;
    const own = claims.kind === 'bound' && claims.audiences.length ? claims.audiences : this.#options.apiAudiences;
    const common = audiences.filter(a => own.includes(a));
    if (common.length === 0)
      throw new CredentialError(
        `token audiences ${quoted(own)} is invalid for the target audiences ${quoted(audiences)}`,
      );
    if (claims.kind === 'bound') this.#checkBound(claims, user);
    else this.#checkLegacy(claims, token);
    if (!isYoung) this.#remember(token, verified);
    return { user, audiences: common };
  }

  #forgetWithKeys(): void {
    const { revision } = this.#options.keys;
    if (revision === this.#revision) return;
    this.#revision = revision;
    this.#young.clear();
    this.#old.clear();
  }

  #remember(token: string, verified: Verified): void {
    if (this.#young.size >= generationSize) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(token, verified);
  }

  /** Undefined for what is none of our tokens; throws or rejects for one that somebody else signed. */
  #verify(token: string): Verified | undefined | Promise<Verified> {
    const jws = decodeJws(token);
    const issuer = jws?.claims.iss;
    if (!jws || typeof issuer !== 'string') return undefined;
    const legacy = issuer === legacyIssuer;
    if (!legacy && !this.#options.issuers.includes(issuer)) return undefined;
    const signed = this.#options.keys.verify(token, jws);
    return signed ? signed.then(() => believed(jws, legacy)) : believed(jws, legacy);
  }

  #checkBound(claims: Bound, user: UserInfo): void {
    const { clock, lookup } = this.#options;
    const nowSeconds = clock.now() / 1000;
    if (claims.expires !== undefined && nowSeconds > claims.expires)
      throw new CredentialError('service account token has expired');
    if (claims.notBefore !== undefined && nowSeconds < claims.notBefore)
      throw new CredentialError('service account token is not valid yet');
    const { namespace, pod, secret, node } = claims;
    this.#checkAccount(namespace, claims.serviceAccount);
    if (secret) this.#checkRef('secret', lookup.secret(namespace, secret.name), secret);
    if (pod) this.#checkRef('pod', lookup.pod(namespace, pod.name), pod);
    else if (node) this.#checkRef('node', lookup.node(node.name), node);
    if (claims.warnAfter !== undefined && nowSeconds > claims.warnAfter) this.#options.onStaleToken?.(user);
    else this.#options.onValidToken?.();
  }

  #checkLegacy(claims: Legacy, token: string): void {
    const { namespace, secretName, serviceAccount } = claims;
    const secret = this.#options.lookup.secret(namespace, secretName);
    if (!secret || this.#isGone(secret.metadata)) throw new HolderError('Token has been invalidated');
    if (secret.data?.token !== Buffer.from(token).toString('base64'))
      throw new HolderError("Token does not match server's copy");
    this.#checkAccount(namespace, serviceAccount);
    if (secret.metadata.labels?.[invalidSinceLabel])
      throw new CredentialError(
        `the token in secret ${namespace}/${secretName} for service account ${namespace}/${serviceAccount.name} has been marked invalid. Use tokens from the TokenRequest API or manually created secret-based tokens, or remove the '${invalidSinceLabel}' label from the secret to temporarily allow use of this token`,
      );
    this.#options.onLegacyToken?.(secret);
  }

  #checkAccount(namespace: string, ref: Ref): void {
    const account = this.#options.lookup.serviceAccount(namespace, ref.name);
    if (!account) throw new HolderError(`serviceaccounts "${ref.name}" not found`);
    if (this.#isGone(account.metadata))
      throw new HolderError(`ServiceAccount ${namespace}/${ref.name} has been deleted`);
    if (account.metadata.uid !== ref.uid)
      throw new HolderError(`ServiceAccount UID (${account.metadata.uid}) does not match claim (${ref.uid})`);
  }

  #checkRef(what: 'secret' | 'pod' | 'node', object: { readonly metadata: ObjectMeta } | undefined, ref: Ref): void {
    if (!object || this.#isGone(object.metadata)) throw new HolderError('service account token has been invalidated');
    if (object.metadata.uid !== ref.uid)
      throw new HolderError(
        `${what} UID (${object.metadata.uid}) does not match service account ${what} ref claim (${ref.uid})`,
      );
  }

  #isGone(metadata: ObjectMeta): boolean {
    const deletedMs = parseTime(metadata.deletionTimestamp);
    return deletedMs !== undefined && deletedMs < this.#options.clock.now() - deletionLeewayMs;
  }
}

function believed(jws: Jws, legacy: boolean): Verified {
  const claims = legacy ? readLegacy(jws) : readBound(jws);
  const { namespace, serviceAccount } = claims;
  if (jws.claims.sub !== serviceAccountUsername(namespace, serviceAccount.name))
    throw new CredentialError('sub claim was unexpected');
  return { claims, user: userOf(claims, jws.claims.jti) };
}

function readBound({ claims }: Jws): Bound {
  const own = recordOf(claims['kubernetes.io']);
  const ref = (key: string): Ref | undefined => {
    if (own[key] === undefined) return undefined;
    const { name, uid } = recordOf(own[key]);
    // A pod may be bound to a node that was gone when the token was issued: a name without a uid.
    if (typeof name !== 'string') throw new CredentialError(`token claim ${key} is malformed`);
    return { name, uid: typeof uid === 'string' ? uid : '' };
  };
  const serviceAccount = ref('serviceaccount');
  if (typeof own.namespace !== 'string' || !own.namespace || !serviceAccount)
    throw new CredentialError('service account token is missing its private claims');
  return {
    kind: 'bound',
    namespace: own.namespace,
    serviceAccount,
    pod: ref('pod'),
    secret: ref('secret'),
    node: ref('node'),
    warnAfter: numberOf(own.warnafter, 'warnafter'),
    audiences: audiencesOf(claims.aud),
    expires: numberOf(claims.exp, 'exp'),
    notBefore: numberOf(claims.nbf, 'nbf'),
  };
}

function readLegacy({ claims }: Jws): Legacy {
  const of = (name: string) => {
    const value = claims[legacyClaim + name];
    if (typeof value !== 'string' || !value) throw new CredentialError(`${name} claim is missing`);
    return value;
  };
  return {
    kind: 'legacy',
    namespace: of('namespace'),
    secretName: of('secret.name'),
    serviceAccount: { name: of('service-account.name'), uid: of('service-account.uid') },
  };
}

function userOf(claims: Bound | Legacy, jti: unknown): UserInfo {
  const extra: Record<string, readonly string[]> = {};
  if (claims.kind === 'bound') {
    if (typeof jti === 'string' && jti) extra[credentialIdKey] = [`JTI=${jti}`];
    if (claims.node) {
      extra[nodeNameKey] = [claims.node.name];
      if (claims.node.uid) extra[nodeUidKey] = [claims.node.uid];
    }
    if (claims.pod) {
      extra[podNameKey] = [claims.pod.name];
      extra[podUidKey] = [claims.pod.uid];
    }
  }
  return {
    name: serviceAccountUsername(claims.namespace, claims.serviceAccount.name),
    uid: claims.serviceAccount.uid,
    groups: serviceAccountGroups(claims.namespace),
    ...(Object.keys(extra).length ? { extra } : {}),
  };
}

function recordOf(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) throw new CredentialError('token claims are malformed');
  return value as Record<string, unknown>;
}

// A date that is no number must not read as "never expires".
function numberOf(value: unknown, name: string): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !Number.isFinite(value))
    throw new CredentialError(`token claim ${name} is malformed`);
  return value;
}

function audiencesOf(value: unknown): readonly string[] {
  const list = value === undefined ? [] : Array.isArray(value) ? value : [value];
  if (!list.every(a => typeof a === 'string')) throw new CredentialError('token claim aud is malformed');
  return list as string[];
}

const quoted = (list: readonly string[]) => `[${list.map(a => JSON.stringify(a)).join(' ')}]`;
