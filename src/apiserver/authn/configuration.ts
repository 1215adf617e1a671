// AuthenticationConfiguration (apiserver.config.k8s.io): read and checked.
import { FieldErrors, path } from '../../api/field-error.ts';
import { readDocument, throwErrors } from '../configuration/document.ts';
import { checkAuthenticators, type JwtAuthenticator } from './oidc/configuration.ts';

export interface AuthenticationPlan {
  readonly jwt: readonly JwtAuthenticator[];
  /** Where nobody needs a name, `*` for everywhere; absent when the file says nothing of it. */
  readonly anonymousPaths?: readonly string[];
}

interface AuthenticationConfiguration {
  readonly jwt?: readonly JwtAuthenticator[];
  readonly anonymous?: { readonly enabled?: boolean; readonly conditions?: readonly { readonly path?: string }[] };
}

const mapping = { claim: 'string', expression: 'string' } as const;
const prefixed = { go: 'PrefixedClaimOrExpression', fields: { ...mapping, prefix: 'string' } } as const;
const jwt = {
  go: 'JWTAuthenticator',
  fields: {
    issuer: {
      go: 'Issuer',
      fields: {
        url: 'string',
        discoveryURL: 'string',
        certificateAuthority: 'string',
        audiences: ['string'],
        audienceMatchPolicy: 'string',
        egressSelectorType: 'string',
      },
    },
    claimValidationRules: [
      {
        go: 'ClaimValidationRule',
        fields: { claim: 'string', requiredValue: 'string', expression: 'string', message: 'string' },
      },
    ],
    claimMappings: {
      go: 'ClaimMappings',
      fields: {
        username: prefixed,
        groups: prefixed,
        uid: { go: 'ClaimOrExpression', fields: mapping },
        extra: [{ go: 'ExtraMapping', fields: { key: 'string', valueExpression: 'string' } }],
      },
    },
    userValidationRules: [{ go: 'UserValidationRule', fields: { expression: 'string', message: 'string' } }],
  },
} as const;
const document = {
  kind: 'AuthenticationConfiguration',
  versions: ['v1', 'v1beta1', 'v1alpha1'],
  fields: {
    jwt: [jwt],
    anonymous: {
      go: 'AnonymousAuthConfig',
      fields: { enabled: 'bool', conditions: [{ go: 'AnonymousAuthCondition', fields: { path: 'string' } }] },
    },
  },
} as const;

/** `ownIssuers`: of this server's own tokens. Throws an error that names what is wrong. */
export function readAuthenticationConfiguration(text: string, ownIssuers: readonly string[]): AuthenticationPlan {
  const { jwt = [], anonymous } = readDocument<AuthenticationConfiguration>(text, document);
  const errors = new FieldErrors();
  checkAuthenticators(jwt, ownIssuers, errors);
  const { enabled = false, conditions = [] } = anonymous ?? {};
  if (!enabled && conditions.length)
    errors.invalid(
      path('anonymous').child('conditions'),
      conditions.map(c => ({ Path: c.path ?? '' })),
      'enabled should be set to true when conditions are defined',
    );
  throwErrors(errors);
  if (!anonymous) return { jwt };
  const paths = conditions.length ? conditions.map(c => c.path ?? '') : ['*'];
  return { jwt, anonymousPaths: enabled ? paths : [] };
}
