// Issuing service account tokens: the subresource serviceaccounts/token.

import { FieldErrors, path } from '../../api/field-error.ts';
import type { Draft } from '../../api/meta.ts';
import { formatTime } from '../../api/meta.ts';
import { badRequest, conflict, type GroupResource, internalError, invalid, notFound } from '../../api/status.ts';
import type { BoundObjectReference, TokenRequest } from '../../api/type/authentication-v1.ts';
import type { ServiceAccount } from '../../api/type/core-v1.ts';
import { messageOf } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import { type Random, randomUuid } from '../../base/random.ts';
import type { TokenSigner } from './jws.ts';
import type { ServiceAccountLookup } from './service-account-token.ts';
import { serviceAccountUsername } from './user.ts';

export interface TokenIssuerOptions {
  readonly keys: TokenSigner;
  readonly issuer: string;
  /** What a request that names no audience gets. */
  readonly apiAudiences: readonly string[];
  readonly lookup: ServiceAccountLookup;
  readonly clock: Clock;
  readonly random: Random;
  /** Longer requests are cut to this; default: no limit. */
  readonly maxExpirationSeconds?: number;
  /** Gives tokens of old clients, which never reload them, a year; default true. */
  readonly extendExpiration?: boolean;
  /** The most that may be given; default: a year. */
  readonly longestSeconds?: number;
}

interface Ref {
  readonly name: string;
  readonly uid?: string;
}

interface Binding {
  readonly pod?: Ref;
  readonly secret?: Ref;
  readonly node?: Ref;
}

const tokenRequestKind: GroupResource = { group: 'authentication.k8s.io', resource: 'TokenRequest' };
const defaultSeconds = 3600;
const leastSeconds = 600;
// The lifetime the service account admission plugin asks for: old clients may hold such a token for good.
const warnOnlySeconds = 3607;
const extendedSeconds = 365 * 24 * 3600;

/** The TokenRequest as answered, its status filled in. Throws StatusError. */
export async function issueServiceAccountToken(
  options: TokenIssuerOptions,
  account: { readonly namespace: string; readonly name: string },
  request: Draft<TokenRequest>,
  warn: (message: string) => void = () => {},
): Promise<TokenRequest> {
  const { lookup, clock } = options;
  const owner = lookup.serviceAccount(account.namespace, account.name);
  if (!owner) throw notFound({ group: '', resource: 'serviceaccounts' }, account.name);
  checkMetadata(request, account, owner);
  const audiences = request.spec?.audiences?.length ? (request.spec.audiences as string[]) : [...options.apiAudiences];
  const asked = Number(request.spec?.expirationSeconds ?? defaultSeconds);
  validateExpiration(asked);
  const expirationSeconds = Math.min(asked, options.maxExpirationSeconds || asked);
  if (expirationSeconds < asked)
    warn(`requested expiration of ${asked} seconds shortened to ${expirationSeconds} seconds`);
  const boundObjectRef = request.spec?.boundObjectRef as BoundObjectReference | undefined;
  const binding = boundObjectRef ? bind(lookup, account, boundObjectRef) : {};

  const nowSeconds = Math.floor(clock.now() / 1000);
  const extended =
    (options.extendExpiration ?? true) &&
    expirationSeconds === warnOnlySeconds &&
    audiences.every(a => options.apiAudiences.includes(a));
  const token = await sign(options.keys, {
    aud: audiences,
    exp:
      nowSeconds +
      (extended ? Math.min(extendedSeconds, options.longestSeconds ?? extendedSeconds) : expirationSeconds),
    iat: nowSeconds,
    iss: options.issuer,
    jti: randomUuid(options.random),
    'kubernetes.io': {
      namespace: account.namespace,
      ...(binding.node ? { node: binding.node } : {}),
      ...(binding.pod ? { pod: binding.pod } : {}),
      ...(binding.secret ? { secret: binding.secret } : {}),
      serviceaccount: { name: account.name, uid: owner.metadata.uid },
      ...(extended ? { warnafter: nowSeconds + warnOnlySeconds } : {}),
    },
    nbf: nowSeconds,
    sub: serviceAccountUsername(account.namespace, account.name),
  });
  return {
    kind: 'TokenRequest',
    apiVersion: 'authentication.k8s.io/v1',
    metadata: {
      name: account.name,
      namespace: account.namespace,
      creationTimestamp: formatTime(nowSeconds * 1000),
    } as TokenRequest['metadata'],
    spec: { audiences, expirationSeconds, ...(boundObjectRef ? { boundObjectRef } : {}) },
    status: { token, expirationTimestamp: formatTime((nowSeconds + expirationSeconds) * 1000) },
  };
}

async function sign(keys: TokenSigner, claims: object): Promise<string> {
  try {
    return await keys.sign(claims);
  } catch (error) {
    throw internalError(`failed to generate token: ${messageOf(error)}`);
  }
}

function checkMetadata(
  request: Draft<TokenRequest>,
  account: { namespace: string; name: string },
  owner: ServiceAccount,
): void {
  const { name, namespace, uid } = request.metadata ?? {};
  const errors = new FieldErrors();
  const at = path('metadata');
  if (name && name !== account.name)
    errors.invalid(at.child('name'), name, 'must match the service account name if specified');
  if (namespace && namespace !== account.namespace)
    errors.invalid(at.child('namespace'), namespace, 'must match the service account namespace if specified');
  if (!errors.empty) throw invalid(tokenRequestKind, '', errors.list);
  if (uid && uid !== owner.metadata.uid)
    throw conflict(
      { group: 'authentication.k8s.io', resource: 'tokenrequests' },
      account.name,
      `the UID in the token request (${uid}) does not match the UID of the service account (${owner.metadata.uid})`,
    );
}

function validateExpiration(seconds: number): void {
  const errors = new FieldErrors();
  const at = path('spec').child('expirationSeconds');
  if (seconds < leastSeconds) errors.invalid(at, seconds, 'may not specify a duration less than 10 minutes');
  if (seconds > 2 ** 32) errors.invalid(at, seconds, 'may not specify a duration larger than 2^32 seconds');
  if (!errors.empty) throw invalid(tokenRequestKind, '', errors.list);
}

function bind(
  lookup: ServiceAccountLookup,
  account: { namespace: string; name: string },
  ref: BoundObjectReference,
): Binding {
  const name = ref.name ?? '';
  const apiVersion = ref.apiVersion ?? '';
  switch (apiVersion.includes('/') ? '' : ref.kind) {
    case 'Pod': {
      const pod = existing('pods', name, lookup.pod(account.namespace, name), ref);
      if ((pod.spec.serviceAccountName ?? '') !== account.name)
        throw badRequest(
          `cannot bind token for serviceaccount ${JSON.stringify(account.name)} to pod running with different serviceaccount name.`,
        );
      const nodeName = pod.spec.nodeName;
      const nodeUid = nodeName ? lookup.node(nodeName)?.metadata.uid : undefined;
      return {
        pod: { name, uid: pod.metadata.uid },
        ...(nodeName ? { node: { name: nodeName, ...(nodeUid ? { uid: nodeUid } : {}) } } : {}),
      };
    }
    case 'Secret':
      return {
        secret: { name, uid: existing('secrets', name, lookup.secret(account.namespace, name), ref).metadata.uid },
      };
    case 'Node':
      return { node: { name, uid: existing('nodes', name, lookup.node(name), ref).metadata.uid } };
    default: {
      const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['', apiVersion];
      throw badRequest(`cannot bind token to object of type ${group}/${version}, Kind=${ref.kind ?? ''}`);
    }
  }
}

function existing<T extends { readonly metadata: { readonly uid?: string } }>(
  resource: string,
  name: string,
  object: T | undefined,
  ref: BoundObjectReference,
): T {
  if (!object) throw notFound({ group: '', resource }, name);
  if (ref.uid && ref.uid !== object.metadata.uid)
    throw conflict(
      { group: '', resource: ref.kind ?? '' },
      name,
      `the UID in the bound object reference (${ref.uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  return object;
}
