// What `spec.apiServer` may say: the flags of kube-apiserver by name, and what kind of value each takes.

import { auditFields } from './audit-flags.ts';

/** `file`, `files`: absolute paths; `output`: one, or `-`. `number`: not below 0. `duration`: as Go writes it, 5m0s. */
export type FieldKind = 'file' | 'files' | 'output' | 'text' | 'texts' | 'integer' | 'number' | 'boolean' | 'duration';

export const apiServerFields = {
  ...auditFields,
  /** An AdmissionConfiguration. */
  admissionControlConfigFile: 'file',
  enableAdmissionPlugins: 'texts',
  disableAdmissionPlugins: 'texts',
  defaultNotReadyTolerationSeconds: 'integer',
  defaultUnreachableTolerationSeconds: 'integer',
  enablePriorityAndFairness: 'boolean',
  maxRequestsInflight: 'integer',
  maxMutatingRequestsInflight: 'integer',
  profiling: 'boolean',
  /** Seconds. */
  minRequestTimeout: 'integer',
  requestTimeout: 'duration',
  shutdownDelayDuration: 'duration',
  goawayChance: 'number',
  strictTransportSecurityDirectives: 'texts',
  /** Regular expressions. */
  corsAllowedOrigins: 'texts',
  disableHttp2Serving: 'boolean',
  http2MaxStreamsPerConnection: 'integer',
  tlsMinVersion: 'text',
  tlsCipherSuites: 'texts',
  eventTtl: 'duration',
  /** A TracingConfiguration. */
  tracingConfigFile: 'file',
  anonymousAuth: 'boolean',
  apiAudiences: 'texts',
  authenticationConfig: 'file',
  authenticationTokenWebhookConfigFile: 'file',
  authenticationTokenWebhookVersion: 'text',
  authenticationTokenWebhookCacheTtl: 'duration',
  tokenAuthFile: 'file',
  oidcIssuerUrl: 'text',
  oidcClientId: 'text',
  oidcCaFile: 'file',
  oidcUsernameClaim: 'text',
  oidcUsernamePrefix: 'text',
  oidcGroupsClaim: 'text',
  oidcGroupsPrefix: 'text',
  /** `claim=value`. */
  oidcRequiredClaim: 'texts',
  oidcSigningAlgs: 'texts',
  requestheaderAllowedNames: 'texts',
  requestheaderUsernameHeaders: 'texts',
  requestheaderUidHeaders: 'texts',
  requestheaderGroupHeaders: 'texts',
  requestheaderExtraHeadersPrefix: 'texts',
  /** Verifies every kubelet. Without it only those of nodes that `k8ts up` made are verified. */
  kubeletCertificateAuthority: 'file',
  /** What kubelets are shown; default: the cluster's own. */
  kubeletClientCertificate: 'file',
  kubeletClientKey: 'file',
  kubeletPort: 'integer',
  kubeletPreferredAddressTypes: 'texts',
  kubeletTimeout: 'duration',
  /** An EgressSelectorConfiguration. */
  egressSelectorConfigFile: 'file',
  /** Verifies other API servers of the cluster. */
  peerCaFile: 'file',
  peerAdvertiseIp: 'text',
  peerAdvertisePort: 'integer',
  authorizationConfig: 'file',
  authorizationMode: 'texts',
  authorizationPolicyFile: 'file',
  authorizationWebhookConfigFile: 'file',
  authorizationWebhookVersion: 'text',
  authorizationWebhookCacheAuthorizedTtl: 'duration',
  authorizationWebhookCacheUnauthorizedTtl: 'duration',
  serviceAccountIssuer: 'texts',
  serviceAccountJwksUri: 'text',
  serviceAccountKeyFile: 'files',
  /** A path, or `@name` in the abstract namespace. */
  serviceAccountSigningEndpoint: 'text',
  serviceAccountMaxTokenExpiration: 'duration',
  serviceAccountExtendTokenExpiration: 'boolean',
  encryptionProviderConfig: 'file',
  encryptionProviderConfigAutomaticReload: 'boolean',
} as const satisfies Readonly<Record<string, FieldKind>>;

type ValueOf<K extends FieldKind> = K extends 'files' | 'texts'
  ? readonly string[]
  : K extends 'integer' | 'number'
    ? number
    : K extends 'boolean'
      ? boolean
      : string;

/** Named as the flags of kube-apiserver. */
export type ApiServerFiles = {
  readonly [F in keyof typeof apiServerFields]?: ValueOf<(typeof apiServerFields)[F]>;
};
