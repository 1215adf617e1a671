import type { WebhookClientConfig } from '../api/type/admissionregistration-v1.ts';
import type { Policy } from '../api/type/audit-v1.ts';
import type { Clock } from '../base/clock.ts';
import type { Log } from '../base/log.ts';
import type { Metrics } from '../base/metrics.ts';
import type { Random } from '../base/random.ts';
import type { Store } from '../store/store.ts';
import type { PodSecuritySettings } from './admission/pod-security/settings.ts';
import type { AdmissionSettings } from './admission/settings.ts';
import type { AuditSink } from './audit/sink.ts';
import type { AuditWebhookOptions } from './audit/webhook-sink.ts';
import type { FrontProxyOptions } from './authn/front-proxy.ts';
import type { JwtAuthenticator } from './authn/oidc/configuration.ts';
import type { AuthorizationOptions } from './authz/authorization.ts';
import type { CertificateFiles } from './configuration/certificates.ts';
import type { EgressProxies } from './egress/proxy-settings.ts';
import type { EncryptionOptions } from './encryption/encryption.ts';
import type { ServingSettings } from './http/front.ts';
import type { TracingOptions } from './observe/tracer.ts';
import type { KubeletAccess } from './stream/kubelet-access.ts';
import type { UsageReading } from './usage/kernel/reading.ts';

export interface ApiServerOptions {
  readonly store: Store;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly log?: Log;
  readonly metrics?: Metrics;
  /** PEM: what the TLS port shows, and the CA whose client certificates are believed. */
  readonly tls: { readonly cert: string; readonly key: string; readonly clientCa: string };
  /** PEM of the key pair that signs service account tokens. */
  readonly serviceAccountKeys: { readonly privateKey: string; readonly publicKeys: readonly string[] };
  /** How kubelets are reached. */
  readonly kubelet?: KubeletAccess;
  readonly frontProxyCa?: string;
  /** Where certificates given here were read from: changes of these files take effect. */
  readonly certificateFiles?: CertificateFiles;
  /** Parts of the control plane that run in this process, as ComponentStatus names them. */
  readonly components?: readonly string[];
  /** Text of a static token file: lines `token,user,uid[,"group1,group2"]`. */
  readonly tokenFile?: string;
  /** What aggregated API servers see when this one hands them a request. */
  readonly frontProxyClient?: { readonly cert: string; readonly key: string };
  /** Where a connection to a webhook or aggregated server really goes: to reach addresses of pods from outside. */
  readonly dialExtension?: (address: { readonly host: string; readonly port: number }) => {
    readonly host: string;
    readonly port: number;
  };
  /** Networks that are reached through a proxy, as --egress-selector-config-file names them. */
  readonly egress?: EgressProxies;
  /** Reads the counters of a node that runs in this process; undefined for one that has a kubelet's port to ask. */
  readonly nodeUsage?: (nodeName: string) => (() => Promise<UsageReading>) | undefined;
  /** What the scheduler beside this server has decided about a pod; absent where there is none. */
  readonly decisions?: (uid: string) => object | undefined;
  /** What lies encrypted in the store. */
  readonly encryption?: EncryptionOptions;
  /** Who decides what users may do. Default: Node, then RBAC. */
  readonly authorization?: AuthorizationOptions;
  /** Whose tokens are believed besides this server's own. */
  readonly authentication?: {
    /** As in an AuthenticationConfiguration. */
    readonly jwt?: readonly JwtAuthenticator[];
    /** Where nobody needs a name; `*`: everywhere. Default: health and version. */
    readonly anonymousPaths?: readonly string[];
    /** The AuthenticationConfiguration `jwt` was read from; changes of its issuers take effect. */
    readonly file?: { readonly path: string; readonly text: string };
    /** A server that takes TokenReviews: by address, or by the kubeconfig file that leads there. */
    readonly webhook?: ({ readonly server: WebhookClientConfig } | { readonly kubeconfig: string }) & {
      readonly version?: 'v1' | 'v1beta1';
      readonly cacheMs?: number;
    };
    /** How a proxy in front names users. Default: common name front-proxy-client, headers X-Remote-…. */
    readonly requestHeader?: FrontProxyOptions;
  };
  /** Of the tokens this server issues. */
  readonly serviceAccountTokens?: {
    /** The first one signs, all are believed. Default: the address of the `kubernetes` service. */
    readonly issuers?: readonly string[];
    /** What tokens have to be meant for. Default: the issuers. */
    readonly apiAudiences?: readonly string[];
    /** PEM of other keys whose tokens are believed; a text may hold several. */
    readonly publicKeys?: readonly string[];
    /** Where the keys are published, as the discovery document says. */
    readonly jwksUri?: string;
    readonly maxExpirationSeconds?: number;
    readonly extendExpiration?: boolean;
    /** Socket of an external signer: it alone signs, and its keys alone are believed. */
    readonly signingEndpoint?: string;
  };
  /** As --enable-priority-and-fairness. Default: true; else the two limits below hold as they are. */
  readonly enablePriorityAndFairness?: boolean;
  /** As --max-requests-inflight; default 400. With priority and fairness the sum of both is divided. */
  readonly maxRequestsInflight?: number;
  /** As --max-mutating-requests-inflight; default 200. */
  readonly maxMutatingRequestsInflight?: number;
  /** What is recorded of requests, and where. */
  readonly audit?: {
    readonly policy: Policy;
    readonly sinks: readonly AuditSink[];
    readonly webhook?: AuditWebhookOptions | undefined;
  };
  /** As --enable-admission-plugins: those that are off by default. */
  readonly enableAdmissionPlugins?: readonly string[];
  readonly disableAdmissionPlugins?: readonly string[];
  /** As the PodSecurityConfiguration of --admission-control-config-file: standards by default, and exemptions. */
  readonly podSecurity?: PodSecuritySettings;
  /** What else that file says. */
  readonly admission?: AdmissionSettings;
  /** As --default-not-ready-toleration-seconds; default 300. */
  readonly defaultNotReadyTolerationSeconds?: number;
  /** As --default-unreachable-toleration-seconds; default 300. */
  readonly defaultUnreachableTolerationSeconds?: number;
  readonly serviceCidrs?: readonly string[];
  /** First and last node port. */
  readonly nodePortRange?: readonly [number, number];
  /** Where clients inside the cluster reach this server: the endpoints of the `kubernetes` service. */
  readonly advertise?: { readonly address: string; readonly port: number };
  /** Where other servers of the same store ask this one for what they do not serve, and whom it believes to be one. */
  readonly peer?: { readonly address: string; readonly port: number; readonly ca: string };
  /** Of this machine: the server then has a Lease of its own, by which others know that it is there. */
  readonly hostname?: string;
  /** As --runtime-config: `api/beta`, `group/version` or `group/version/resource` to whether it is served. */
  readonly runtimeConfig?: Readonly<Record<string, boolean>>;
  readonly featureGates?: Readonly<Record<string, boolean>>;
  readonly k8tsVersion?: string;
  /** Where traces of requests go; without it they go nowhere. */
  readonly tracing?: TracingOptions;
  /** As --profiling: /debug/pprof for those who may. Default true. */
  readonly profiling?: boolean;
  /** As --min-request-timeout, in seconds; default 1800: watches live so long, and up to twice as long. */
  readonly minRequestTimeout?: number;
  /** As --request-timeout; default a minute. A handler's time, whatever time the client would give it. */
  readonly requestTimeoutMs?: number;
  /** As --shutdown-delay-duration: told to stop it serves on for so long, not ready any more. Default 0. */
  readonly shutdownDelayMs?: number;
  /** As --goaway-chance: how many of HTTP/2's requests are the last of their connection. Default 0. */
  readonly goawayChance?: number;
  /** As --strict-transport-security-directives. */
  readonly strictTransportSecurityDirectives?: readonly string[];
  /** As --cors-allowed-origins: regular expressions of the origins whose pages may ask. Default: none. */
  readonly corsAllowedOrigins?: readonly string[];
  /** As --event-ttl: how long events are kept; default an hour, 0: for ever. */
  readonly eventTtlMs?: number;
  /** How the port speaks with its clients. */
  readonly serving?: ServingSettings;
  /** What /flagz shows, by names without dashes. */
  readonly flags?: Readonly<Record<string, string>>;
}
