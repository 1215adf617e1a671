// AuthenticationConfiguration (apiserver.config.k8s.io): read and checked.
import { readDocument } from '../configuration/document.ts';
import { compileAuthenticators, type JwtAuthenticator } from './oidc/configuration.ts';

export interface AuthenticationPlan {
  readonly jwt: readonly JwtAuthenticator[];
  /** Where nobody needs a name, `*` for everywhere; absent when the file says nothing of it. */
  readonly anonymousPaths?: readonly string[];
}

interface AuthenticationConfiguration {
  readonly jwt?: readonly JwtAuthenticator[];
  readonly anonymous?: { readonly enabled?: boolean; readonly conditions?: readonly { readonly path?: string }[] };
}

const mapping = { claim: true, expression: true } as const;
const document = {
  kind: 'AuthenticationConfiguration',
  versions: ['apiserver.config.k8s.io/v1', 'apiserver.config.k8s.io/v1beta1', 'apiserver.config.k8s.io/v1alpha1'],
  shape: {
    jwt: [
      {
        issuer: {
          url: true,
          discoveryURL: true,
          certificateAuthority: true,
          audiences: [true],
          audienceMatchPolicy: true,
          egressSelectorType: true,
        },
        claimValidationRules: [{ claim: true, requiredValue: true, expression: true, message: true }],
        claimMappings: {
          username: { ...mapping, prefix: true },
          groups: { ...mapping, prefix: true },
          uid: mapping,
          extra: [{ key: true, valueExpression: true }],
        },
        userValidationRules: [{ expression: true, message: true }],
      },
    ],
    anonymous: { enabled: true, conditions: [{ path: true }] },
  },
} as const;

/** `ownIssuers`: of this server's own tokens. Throws an error that names what is wrong. */
export function readAuthenticationConfiguration(text: string, ownIssuers: readonly string[]): AuthenticationPlan {
  const { jwt = [], anonymous } = readDocument<AuthenticationConfiguration>(text, document);
  compileAuthenticators(jwt, ownIssuers);
  if (!anonymous) return { jwt };
  const { enabled = false, conditions = [] } = anonymous;
  if (!enabled && conditions.length)
    throw new Error(
      `anonymous.conditions: Invalid value: ${JSON.stringify(conditions)}: enabled should be set to true when conditions are defined`,
    );
  const paths = conditions.length ? conditions.map(c => c.path ?? '') : ['*'];
  return { jwt, anonymousPaths: enabled ? paths : [] };
}
