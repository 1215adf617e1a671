// Secrets of type service-account-token: which account they speak for and what they must hold.
import type { Secret, ServiceAccount } from '../../../api/type/core-v1.ts';

export const tokenType = 'kubernetes.io/service-account-token';
export const nameAnnotation = 'kubernetes.io/service-account.name';
export const uidAnnotation = 'kubernetes.io/service-account.uid';

export const isTokenSecret = (secret: Secret): boolean => secret.type === tokenType;

/** Name of the account the Secret names. */
export const accountNameOf = (secret: Secret): string => secret.metadata.annotations?.[nameAnnotation] ?? '';

/** The Secret is for this account, and not for an earlier one of the same name. */
export function speaksFor(secret: Secret, account: ServiceAccount | undefined): account is ServiceAccount {
  const uid = secret.metadata.annotations?.[uidAnnotation];
  return !!account && accountNameOf(secret) === account.metadata.name && (!uid || uid === account.metadata.uid);
}

/** Claims of a token that is valid as long as its Secret exists. */
export const legacyClaims = (account: ServiceAccount, secret: Secret): Readonly<Record<string, string>> => {
  const { name, namespace, uid } = account.metadata;
  return {
    iss: 'kubernetes/serviceaccount',
    'kubernetes.io/serviceaccount/namespace': namespace!,
    'kubernetes.io/serviceaccount/secret.name': secret.metadata.name,
    'kubernetes.io/serviceaccount/service-account.name': name,
    'kubernetes.io/serviceaccount/service-account.uid': uid!,
    sub: `system:serviceaccount:${namespace}:${name}`,
  };
};

/** In base64, as Secrets hold it. */
export interface TokenData {
  readonly ca: string;
  readonly namespace: string;
  /** Made only when it is needed. */
  token(): string;
}

/** The Secret with what it lacks; undefined when it lacks nothing. */
export function completed(secret: Secret, account: ServiceAccount, wanted: TokenData): Secret | undefined {
  const { data = {}, metadata } = secret;
  const lacksCa = data['ca.crt'] !== wanted.ca;
  if (!lacksCa && data.namespace && data.token) return undefined;
  return {
    ...secret,
    metadata: {
      ...metadata,
      annotations: {
        ...metadata.annotations,
        [nameAnnotation]: account.metadata.name,
        [uidAnnotation]: account.metadata.uid!,
      },
    },
    data: {
      ...data,
      'ca.crt': wanted.ca,
      namespace: data.namespace || wanted.namespace,
      token: data.token || wanted.token(),
    },
  };
}
